//! The part of rank 0 in a `reduce`: its steps as tasks. Their functions are in `batch::rank`.
//!
//! * [`step`]: a step of a reduction. [`arrays`]: steps that merge arrays. [`files`]: steps that merge files by a
//!   command, which [`merge_step`](crate::batch::rank::merge_step) runs.
//! * [`fixed`]: the steps of a tree that the indices alone decide. [`any_order`]: steps for what is ready first.

pub(crate) mod any_order;
pub(crate) mod arrays;
pub(crate) mod files;
pub(crate) mod fixed;
pub(crate) mod step;

use crate::batch::head::reduce::step::Reduction;
use crate::batch::head::retained::RetainedResults;
use crate::batch::task_def::TaskDef;
use crate::client::options::Options;
use crate::error::Result;
use crate::script::plan::task::{PlanTask, ReduceOrder, TaskAction};
use std::ops::Range;

/// Whether a task merges what is ready first.
pub(crate) fn is_unordered(task: &PlanTask) -> bool {
    matches!(
        task.action,
        TaskAction::Reduce { order: ReduceOrder::Any, .. }
            | TaskAction::Merge { order: ReduceOrder::Any, .. }
    )
}

/// The reduction of some instances of a task, whose steps are submitted with those options.
///
/// # Errors
/// When the task is no reduction, or something that it reduces is not retained.
pub(crate) fn prepare<'a>(
    def: &TaskDef,
    range: Range<u64>,
    retained: &mut RetainedResults<'a>,
    options: Options<'a>,
) -> Result<Reduction<'a>> {
    match &def.task.action {
        TaskAction::Reduce { .. } => arrays::prepare(def, range, retained, options),
        _ => files::prepare(def, range, retained, options),
    }
}
