//! The inventory of results: which rank has what.

use super::Scheduler;
use super::task::{ScheduledTask, TaskState};
use crate::ids::{HEAD, Rank, TaskId};

impl Scheduler {
    /// The ranks that hold a copy of the result of `task`, and its size in bytes. Rank 0 has those that are kept in
    /// records.
    pub fn copies_of(&self, task: TaskId) -> (Vec<Rank>, u64) {
        match self.task(task).map(|record| &record.state) {
            Some(TaskState::Stored(copies)) => (copies.holders.iter().collect(), copies.nbytes),
            Some(TaskState::Inline(bytes)) => (vec![HEAD], bytes.len() as u64),
            _ => (Vec::new(), 0),
        }
    }

    /// The keys of the results of which `rank` has a copy.
    pub fn results_on(&self, rank: Rank) -> Vec<String> {
        let is_there = |record: &ScheduledTask| match &record.state {
            TaskState::Stored(copies) => copies.holders.contains(rank),
            TaskState::Inline(_) => rank == HEAD,
            _ => false,
        };
        let there = self.tasks.iter().filter(|(_, record)| is_there(record));
        there.map(|(task, _)| self.key_text(task)).collect()
    }
}
