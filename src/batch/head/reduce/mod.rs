//! Reductions (`reduce` tasks) at rank 0: a tree of merge steps, each of which is a task of the engine.
//!
//! * [`step`]: a merge step, and the trait that submits steps. [`arrays`]: steps that merge arrays. [`files`]: steps
//!   that merge files by a command, which [`merge_step`](crate::batch::rank::merge_step) runs at a rank.
//! * [`fixed`]: a tree whose shape is known in advance. [`any_order`]: a tree that grows in the order in which inputs
//!   arrive.

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
use crate::script::plan::task::TaskAction;
use std::ops::Range;

/// Prepares the reduction of a range of instances of a `reduce` task: collects the futures to be reduced. The merge
/// steps will be submitted with `options`.
///
/// # Errors
/// When the task is no reduction, or rank 0 does not hold the future of a result that it reduces.
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
