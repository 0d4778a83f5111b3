//! The plan: every task of a script in an order in which it can run.

pub(crate) mod execution;
pub(crate) mod fingerprint;
pub(crate) mod runtime_vars;
pub(crate) mod shell_places;
pub(crate) mod shell_quote;
pub(crate) mod stats;
pub(crate) mod task;
pub(crate) mod template;
use crate::script::values::policy::Policy;
use std::path::PathBuf;

use crate::script::diagnostics::diagnostic::Diagnostics;
use crate::script::plan::task::PlanTask;
use crate::script::sweep::join::Join;
use crate::script::values::resources::JobCounter;

/// A script that is understood.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The script's `name`, or the file's stem.
    pub name: String,
    /// The script's folder, absolute where the script was read from a file.
    pub dir: PathBuf,
    /// The script, as it was named.
    pub path: PathBuf,
    /// The meaning of failures for the rest.
    pub policy: Policy,
    /// The counters of the whole job.
    pub counters: Vec<JobCounter>,
    /// The tasks: what a task needs comes before it, and apart from that they are in the order of the script.
    pub tasks: Vec<PlanTask>,
    /// Oddities that do not keep the script from running.
    pub warnings: Diagnostics,
}

impl Plan {
    /// The index of a task.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// The references to a task: pairs of the referring task's index and the reference's number there.
    pub fn consumers(&self, task: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let references = move |(at, other): (usize, &PlanTask)| {
            let numbers = other
                .references
                .iter()
                .enumerate()
                .filter(|(_, r)| r.task == task)
                .map(move |(n, _)| (at, n));
            numbers.collect::<Vec<_>>()
        };
        self.tasks.iter().enumerate().flat_map(references)
    }

    /// The join read backwards: which instances of `consumer` refer to an instance of `producer`.
    pub fn reverse(&self, producer: usize, consumer: usize) -> Option<Join> {
        Some(Join::between(&self.tasks.get(producer)?.family, &self.tasks.get(consumer)?.family))
    }

    /// The plan of some tasks, and of all that they need.
    pub fn only(mut self, names: &[usize]) -> Plan {
        let mut wanted = vec![false; self.tasks.len()];
        names.iter().for_each(|at| wanted[*at] = true);
        // What a task needs comes before it.
        for at in (0..self.tasks.len()).rev() {
            if wanted[at] {
                self.tasks[at].references.iter().for_each(|reference| wanted[reference.task] = true);
            }
        }
        let mut places = Vec::with_capacity(wanted.len());
        let mut next = 0;
        for wanted in &wanted {
            places.push(next);
            next += usize::from(*wanted);
        }
        let mut at = 0;
        self.tasks.retain(|_| {
            at += 1;
            wanted[at - 1]
        });
        for reference in self.tasks.iter_mut().flat_map(|task| &mut task.references) {
            reference.task = places[reference.task];
        }
        self
    }

    /// The number of instances of all tasks together.
    pub fn instances(&self) -> u64 {
        self.tasks.iter().fold(0, |sum: u64, task| sum.saturating_add(task.family.len()))
    }
}
