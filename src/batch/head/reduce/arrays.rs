//! Steps that merge arrays.

use super::{Merge, MergeNode};
use crate::arrays::reduce::operator::Reduce;
use crate::batch::head::submitter::{Submitter, internal};
use crate::batch::rank::array::{self, ArrayReduceStep as ArrayStep};
use crate::batch::rank::inputs::Array;
use crate::batch::task_def::TaskDef;
use crate::client::future::Future;
use crate::client::options::Options;
use crate::error::Result;
use crate::script::plan::task::TaskAction;
use std::ops::Range;

/// What the steps of a reduction of arrays have in common.
pub(crate) struct ArraySteps<'a> {
    task: u32,
    with: Reduce,
    options: Options<'a>,
}

impl Merge for ArraySteps<'_> {
    type Item = Array;

    fn step(&self, step: MergeNode, inputs: Vec<Future<Array>>) -> Future<Array> {
        let MergeNode { index, is_leaf, leaves, .. } = step;
        let step = ArrayStep { task: self.task, index, with: self.with, is_leaf, leaves };
        self.options.submit(array::reduce_step, (step, inputs))
    }

    fn keeps_single(&self) -> bool {
        self.with.keeps_single()
    }
}

impl<'a> Submitter<'a> {
    /// How arrays are merged, and for each of some instances those that are.
    pub(crate) fn array_steps(
        &mut self,
        def: &TaskDef,
        range: Range<u64>,
    ) -> Result<(ArraySteps<'a>, Vec<Vec<Future<Array>>>)> {
        let TaskAction::Reduce { of, with, .. } = def.task.action else {
            return Err(internal("a reduction that is none"));
        };
        let group = def.sources.get(of).copied().flatten().and_then(|at| def.groups.get(at));
        let group = group.ok_or_else(|| internal("a reduction of nothing"))?;
        let leaves = range.map(|index| self.arrays_of(group, index));
        let leaves = leaves.collect::<Result<_>>()?;
        Ok((ArraySteps { task: def.number, with, options: self.options(&def.task).pure(false) }, leaves))
    }
}
