//! A `reduce`: what rank 0 submits and what the ranks do.
//!
//! * [`arrays`]: steps that merge arrays. [`files`]: steps that merge files by a command, which
//!   [`merge_step`](crate::batch::rank::merge_step) runs.
//! * [`fixed`]: the steps of a tree that the indices alone decide. [`any_order`]: steps for what is ready first.

pub(crate) mod any_order;
pub(crate) mod arrays;
pub(crate) mod files;
pub(crate) mod fixed;

pub(crate) use crate::batch::head::reduce::any_order::Unordered;

use crate::batch::head::reduce::any_order::Merging;
use crate::batch::head::submitter::{SubmittedFutures, Submitter, internal};
use crate::batch::task_def::TaskDef;
use crate::client::future::Future;
use crate::error::Result;
use crate::script::plan::task::{PlanTask, ReduceOrder, TaskAction};
use std::ops::Range;

/// A step of a reduction.
pub(crate) struct MergeNode {
    /// The instance of the `reduce` task.
    index: u64,
    /// Which of its steps, counted from 1.
    number: u64,
    /// Which of the inputs are what is reduced, not what other steps have made.
    is_leaf: Vec<bool>,
    /// At the last step, the number of all that is reduced.
    leaves: Option<u64>,
}

/// How the steps of a reduction are handed over.
pub(crate) trait Merge {
    /// What is merged.
    type Item;

    /// Hands over a step.
    fn step(&self, step: MergeNode, inputs: Vec<Future<Self::Item>>) -> Future<Self::Item>;

    /// Whether the only one of an instance is its result as it is.
    fn keeps_single(&self) -> bool;
}

/// Whether a task merges what is ready first.
pub(crate) fn is_unordered(task: &PlanTask) -> bool {
    matches!(
        task.action,
        TaskAction::Reduce { order: ReduceOrder::Any, .. }
            | TaskAction::Merge { order: ReduceOrder::Any, .. }
    )
}

impl Submitter<'_> {
    /// The steps of some instances of a reduction; gives what the last of each tree makes.
    pub(crate) fn reduce(&mut self, def: &TaskDef, range: Range<u64>) -> Result<SubmittedFutures> {
        let number = def.number as usize;
        if let Some(merged) = self.unordered.remove(&number) {
            return merged.last_steps().ok_or_else(|| internal("a reduction that is not at its end"));
        }
        let first = range.start;
        Ok(match &def.task.action {
            TaskAction::Reduce { arity, .. } => {
                let (merge, leaves) = self.array_steps(def, range)?;
                SubmittedFutures::Arrays(fixed::all(&merge, first, leaves, *arity)?)
            }
            _ => {
                let (merge, leaves) = self.command_steps(def, range)?;
                SubmittedFutures::Packs(fixed::all(&merge, first, leaves, 2)?)
            }
        })
    }

    /// Begins to merge what is ready first, where the task says so; whether it does.
    pub(crate) fn begin_unordered(&mut self, number: usize) -> Result<bool> {
        if !is_unordered(&self.plan.tasks[number]) || self.unordered.contains_key(&number) {
            return Ok(false);
        }
        let (client, begun) = (self.client, self.begin(number)?);
        let (def, all) = (&begun.def, 0..begun.def.task.family.len());
        let merging = match &def.task.action {
            TaskAction::Reduce { arity, .. } => {
                let (merge, leaves) = self.array_steps(def, all)?;
                Unordered::Arrays(Merging::new(merge, client, leaves, *arity))
            }
            _ => {
                let (merge, leaves) = self.command_steps(def, all)?;
                Unordered::Commands(Merging::new(merge, client, leaves, 2))
            }
        };
        self.unordered.insert(number, merging);
        Ok(true)
    }

    /// Merges what has come since; whether the task has steps left that cannot be submitted yet.
    pub(crate) fn is_merging(&mut self, number: usize) -> Result<bool> {
        let Some(merging) = self.unordered.get_mut(&number) else { return Ok(false) };
        self.merged += merging.turn(self.client)?;
        Ok(!merging.is_done())
    }
}
