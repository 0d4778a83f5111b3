//! Merge steps of a reduction of arrays.

use crate::arrays::reduce::operator::Reduce;
use crate::batch::artifact::Artifact;
use crate::batch::head::reduce::step::{Merge, MergeNode, Reduction};
use crate::batch::head::retained::RetainedResults;
use crate::batch::rank::array::{self, ArrayReduceStep};
use crate::batch::task_def::TaskDef;
use crate::client::future::Future;
use crate::client::options::Options;
use crate::error::{Error, Result};
use crate::script::plan::task::TaskAction;
use std::ops::Range;
use std::slice;

/// The task definition, the merge operation and the options that all merge steps of an array reduction share.
struct ArraySteps<'a> {
    task: u32,
    with: Reduce,
    options: Options<'a>,
}

impl Merge for ArraySteps<'_> {
    fn step(&self, step: MergeNode, inputs: Vec<Future<Artifact>>) -> Future<Artifact> {
        let MergeNode { index, is_leaf, leaves, .. } = step;
        let step = ArrayReduceStep { task: self.task, index, with: self.with, is_leaf, leaves };
        self.options.submit(array::reduce_step, (step, inputs))
    }

    fn keeps_single(&self) -> bool {
        self.with.keeps_single()
    }
}

/// Prepares the merge steps for a range of instances of a task that reduces arrays, by collecting their inputs.
///
/// # Errors
/// When the task does not reduce arrays, or rank 0 does not hold the future of an array.
pub(crate) fn prepare<'a>(
    def: &TaskDef,
    range: Range<u64>,
    retained: &mut RetainedResults<'a>,
    options: Options<'a>,
) -> Result<Reduction<'a>> {
    let TaskAction::Reduce { of, with, arity, .. } = def.task.action else {
        return Err(Error::internal("a reduction that is none"));
    };
    let group = def.sources.get(of).copied().flatten().and_then(|at| def.groups.get(at));
    let group = group.ok_or_else(|| Error::internal("a reduction of nothing"))?;
    let leaves = range.map(|index| retained.inputs(slice::from_ref(group), index));
    let leaves = leaves.collect::<Result<_>>()?;
    Ok(Reduction { merge: Box::new(ArraySteps { task: def.number, with, options }), leaves, arity })
}
