//! Quarantine: a task that ranks have died with again and again is taken to be the reason (a poison pill), and fails.
//!
//! Rank 0 cannot see why a rank has died. So each death counts against all tasks that the rank had and whose inputs
//! existed: it may have been computing any of them. What the rank was not yet able to start is not suspected, nor are
//! tasks that have ended since. A task that ends with a result has proved its innocence.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::TaskState;
use crate::error::{self, DEATHS_MAX, TaskError, TaskErrorKind};
use crate::ids::{Rank, TaskId};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tasks that ranks have died with.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// The ranks that have died with each task, in the order of their deaths. A task without any has no entry.
    of_tasks: BTreeMap<TaskId, SmallVec<[Rank; DEATHS_MAX]>>,
    /// The names of the ranks' hosts, for messages; empty where nobody has told them.
    hosts: Vec<String>,
}

impl Deaths {
    /// Forgets the deaths that are counted against a task: it has ended with a result, or is gone, or the user wants it
    /// to start again.
    pub(super) fn forget(&mut self, task: TaskId) {
        if !self.of_tasks.is_empty() {
            self.of_tasks.remove(&task);
        }
    }

    /// The tasks against which deaths are counted. Read by the checks of tests.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.of_tasks.keys().copied()
    }

    fn host(&self, rank: Rank) -> &str {
        self.hosts.get(rank.index()).map_or("", String::as_str)
    }

    /// The name of a rank for messages, with its host if that is known.
    fn name(&self, rank: Rank) -> String {
        match self.host(rank) {
            "" => format!("rank {rank}"),
            host => format!("rank {rank} ({host})"),
        }
    }
}

impl Scheduler {
    /// Sets the names of the ranks' hosts, by rank, which stand in the errors of tasks that ranks have died with.
    pub fn name_hosts(&mut self, hosts: Vec<String>) {
        self.deaths.hosts = hosts;
    }

    /// Counts the death of the rank `lost` against the tasks that it may have been computing. Those that too many ranks
    /// have died with fail, and are not started again. Called when the tasks are taken off the rank.
    pub(super) fn suspect(&mut self, tasks: &[TaskId], lost: Rank, out: &mut Vec<SchedulerAction>) {
        for &task in tasks {
            let Some(record) = self.tasks.get(task) else { continue };
            if record.is_unneeded() || !matches!(record.state, TaskState::Ready | TaskState::Blocked { .. }) {
                continue;
            }
            let attempt = record.attempt;
            let ranks = self.deaths.of_tasks.entry(task).or_default();
            ranks.push(lost);
            let ranks = ranks.clone();
            let names: Vec<String> = ranks.iter().map(|rank| self.deaths.name(*rank)).collect();
            let Some(message) = error::quarantine(&names) else { continue };
            let host = self.deaths.host(lost).to_owned();
            let error = TaskError::of_attempt(message, self.key_text(task), lost, host, attempt);
            self.fail(task, Arc::new(TaskError { kind: TaskErrorKind::Quarantined, ..error }), out);
        }
    }
}
