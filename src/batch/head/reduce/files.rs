//! Steps that merge files by a command.

use super::{Merge, MergeNode};
use crate::batch::head::submitter::{Submitter, internal};
use crate::batch::outputs::CommandOutputs;
use crate::batch::rank::array;
use crate::batch::rank::inputs::Array;
use crate::batch::rank::mapreduce;
use crate::batch::rank::merge_step::{self, MergeStep};
use crate::batch::task_def::{Group, ResultKind, TaskDef};
use crate::client::future::Future;
use crate::client::options::Options;
use crate::error::Result;
use crate::script::plan::task::TaskAction;
use std::ops::Range;

/// What the steps of a reduction by a command have in common.
pub(crate) struct Commands<'a> {
    sent: Future<TaskDef>,
    options: Options<'a>,
    /// The first of the instances.
    first: u64,
    /// What each of them reads of other tasks, in each of its steps.
    others: Vec<Others>,
}

#[derive(Default)]
struct Others {
    packs: Vec<Future<CommandOutputs>>,
    arrays: Vec<Future<Array>>,
    /// What only has to be done.
    after: Vec<Future<CommandOutputs>>,
}

impl Merge for Commands<'_> {
    type Item = CommandOutputs;

    fn step(&self, step: MergeNode, inputs: Vec<Future<CommandOutputs>>) -> Future<CommandOutputs> {
        let MergeNode { index, number, is_leaf, leaves } = step;
        let nothing = Others::default();
        let others = self.others.get((index - self.first) as usize).unwrap_or(&nothing);
        let step = MergeStep { index, number, is_leaf, is_last: leaves.is_some() };
        let arguments =
            (&self.sent, step, inputs, others.packs.clone(), others.arrays.clone(), others.after.clone());
        self.options.submit(merge_step::merge, arguments)
    }

    fn keeps_single(&self) -> bool {
        false // it gets the name of the task's own file, and is saved
    }
}

impl<'a> Submitter<'a> {
    /// How files are merged, and for each instance those that are.
    pub(crate) fn command_steps(
        &mut self,
        def: &TaskDef,
        range: Range<u64>,
    ) -> Result<(Commands<'a>, Vec<Vec<Future<CommandOutputs>>>)> {
        let TaskAction::Merge { of, .. } = def.task.action else {
            return Err(internal("a reduction that is none"));
        };
        let at = def.sources.get(of).copied().flatten().ok_or_else(|| internal("a reduction of nothing"))?;
        let Some(reduced) = def.groups.get(at) else { return Err(internal("a reduction of nothing")) };
        let mut sent = def.clone();
        // what a step reads of other tasks, and what it only waits for
        let is_read = |group: usize| group != at && def.sources.contains(&Some(group));
        let others: Vec<usize> = (0..def.groups.len()).filter(|group| is_read(*group)).collect();
        let waited: Vec<Group> = (0..def.groups.len())
            .filter(|group| *group != at && !is_read(*group))
            .map(|group| def.groups[group].clone())
            .collect();
        sent.groups = others.iter().map(|group| def.groups[*group].clone()).collect();
        for source in &mut sent.sources {
            *source = source.and_then(|group| others.iter().position(|other| *other == group));
        }
        let (mut all, mut leaves) = (Vec::new(), Vec::new());
        for index in range.clone() {
            leaves.push(match reduced.kind {
                ResultKind::Packs(_) => self.inputs(std::slice::from_ref(reduced), index)?.0,
                ResultKind::Arrays => {
                    let arrays = self.arrays_of(reduced, index)?;
                    arrays.iter().map(|array| self.client.submit(array::text_of, (array,))).collect()
                }
            });
            let (packs, arrays) = self.inputs(&sent.groups, index)?;
            let (mut after, _) = self.inputs(&waited, index)?;
            if after.len() > 1 {
                after = vec![self.client.options().pure(false).submit(mapreduce::gate, (after,))];
            }
            all.push(Others { packs, arrays, after });
        }
        let options = self.options(&def.task).pure(false);
        Ok((Commands { sent: self.client.scatter(sent), options, first: range.start, others: all }, leaves))
    }
}
