//! The teams of a rank's tasks: on which ranks' slots the processes of their programs may run.

use crate::ids::{Rank, TaskId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The ranks of a team, each with the number of its slots, the rank of the task first.
type Members = Arc<[(Rank, u32)]>;

/// The teams of tasks that are on this rank. To look costs one load while there is none, as mostly.
#[derive(Debug, Default)]
pub(crate) struct TaskTeams {
    count: AtomicUsize,
    teams: Mutex<BTreeMap<TaskId, Members>>,
}

impl TaskTeams {
    /// Notes the team of a task that is about to come, in place of the one that an earlier attempt had.
    pub(crate) fn insert(&self, task: TaskId, members: Vec<(Rank, u32)>) {
        let mut teams = self.teams.lock();
        teams.insert(task, members.into());
        self.count.store(teams.len(), Ordering::Release);
    }

    /// Forgets the team of a task, which has ended or was given back.
    pub(crate) fn remove(&self, task: TaskId) {
        if self.count.load(Ordering::Acquire) > 0 {
            let mut teams = self.teams.lock();
            teams.remove(&task);
            self.count.store(teams.len(), Ordering::Release);
        }
    }

    /// The team of a task; `None` for a task that takes slots of its own rank only.
    pub(crate) fn get(&self, task: TaskId) -> Option<Members> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.teams.lock().get(&task).cloned()
    }
}
