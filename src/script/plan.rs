//! The plan: every task of a script in an order in which it can run.

use std::path::PathBuf;

use super::diagnostic::Diagnostics;
use super::join::Join;
use super::task::Task;

/// A script that is understood.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The script's `name`, or the file's stem.
    pub name: String,
    /// The script's folder, absolute where the script was read from a file.
    pub dir: PathBuf,
    /// The script, as it was named.
    pub path: PathBuf,
    /// The tasks: what a task needs comes before it, and apart from that they are in the order of the script.
    pub tasks: Vec<Task>,
    /// What is odd but does not keep the script from running.
    pub warnings: Diagnostics,
}

impl Plan {
    /// The index of a task.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// The references to a task: pairs of the referring task's index and the reference's number there.
    pub fn consumers(&self, task: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let references = move |(at, other): (usize, &Task)| {
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

    /// The number of instances of all tasks together.
    pub fn instances(&self) -> u64 {
        self.tasks.iter().fold(0, |sum: u64, task| sum.saturating_add(task.family.len()))
    }
}
