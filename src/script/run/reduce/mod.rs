//! A `reduce`: what rank 0 submits and what the ranks do.
//!
//! * [`arrays`]: steps that merge arrays. [`commands`]: steps that merge files by a command, which [`step`] runs.
//! * [`fixed`]: the steps of a tree that the indices alone decide. [`unordered`]: steps for what is ready first.

mod arrays;
mod commands;
mod fixed;
mod step;
mod unordered;

pub use unordered::Unordered;

use super::def::Def;
use super::submit::{Collected, Submitter, internal};
use crate::client::Future;
use crate::error::Result;
use crate::script::{Action, Order, Task};
use unordered::Merging;

/// A step of a reduction.
pub struct Step {
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
pub trait Merge {
    /// What is merged.
    type Item;

    /// Hands over a step.
    fn step(&self, step: Step, inputs: Vec<Future<Self::Item>>) -> Future<Self::Item>;

    /// Whether the only one of an instance is its result as it is.
    fn keeps_single(&self) -> bool;
}

/// In which order a task merges, if it does at all.
fn order(task: &Task) -> Option<Order> {
    match task.action {
        Action::Reduce { order, .. } | Action::Merge { order, .. } => Some(order),
        _ => None,
    }
}

impl Submitter<'_> {
    /// The steps of a reduction; gives what the last of each tree makes.
    pub(super) fn reduce(&mut self, def: &Def) -> Result<Collected> {
        let number = def.number as usize;
        if let Some(merged) = self.unordered.remove(&number) {
            return merged.last_steps().ok_or_else(|| internal("a reduction that is not at its end"));
        }
        Ok(match &def.task.action {
            Action::Reduce { arity, .. } => {
                let (merge, leaves) = self.array_steps(def)?;
                Collected::Arrays(fixed::all(&merge, leaves, *arity, &mut self.steps)?)
            }
            _ => {
                let (merge, leaves) = self.command_steps(def)?;
                Collected::Packs(fixed::all(&merge, leaves, 2, &mut self.steps)?)
            }
        })
    }

    /// Begins to merge what is ready first, where the task says so; whether it does.
    pub(super) fn begin_unordered(&mut self, def: &Def) -> Result<bool> {
        let number = def.number as usize;
        if order(&def.task) != Some(Order::Any) || self.unordered.contains_key(&number) {
            return Ok(false);
        }
        let client = self.client;
        let begun = match &def.task.action {
            Action::Reduce { arity, .. } => {
                let (merge, leaves) = self.array_steps(def)?;
                Unordered::Arrays(Merging::new(merge, client, leaves, *arity))
            }
            _ => {
                let (merge, leaves) = self.command_steps(def)?;
                Unordered::Commands(Merging::new(merge, client, leaves, 2))
            }
        };
        self.unordered.insert(number, begun);
        Ok(true)
    }

    /// Merges what has come since; whether the task has steps left that cannot be submitted yet.
    pub(super) fn is_merging(&mut self, number: usize) -> Result<bool> {
        let Some(merging) = self.unordered.get_mut(&number) else { return Ok(false) };
        self.steps += merging.turn(self.client)?;
        Ok(!merging.is_done())
    }
}
