//! Tasks that run to their end whoever holds their futures, and tasks that never run since nobody does.
//!
//! A *detached* task (fire and forget) counts as one use of itself until it has ended, so that it is not released
//! before. At the end of the run, the tasks whose futures are still held somewhere become detached: the run ends when
//! all detached tasks have. The caller is told of a task that is released before it was sent to a rank
//! ([`SchedulerAction::Abandoned`]): a future that is dropped too early is a common mistake.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::{OwnerWants, TaskState};
use crate::error::{ProtocolError, TaskError};
use crate::ids::{Rank, TaskId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The detached tasks that have not ended.
#[derive(Debug, Default)]
pub(super) struct DetachedTasks {
    tasks: BTreeSet<TaskId>,
    /// Whether the run is ending: instances of families that are placed from now on become detached.
    closing: bool,
}

impl DetachedTasks {
    /// Whether `task` is detached and has not ended. Read by the checks of tests.
    pub(super) fn contains(&self, task: TaskId) -> bool {
        self.tasks.contains(&task)
    }
}

impl Scheduler {
    /// Lets a task run to its end even if its owner drops its future.
    pub(super) fn on_detach(&mut self, owner: Rank, task: TaskId) -> Result<(), ProtocolError> {
        self.touch(task);
        if task.owner() != owner || self.tasks.get(task).is_none() {
            return Err(ProtocolError(format!("{task:?} is to be detached, but not known")));
        }
        self.detach(task);
        Ok(())
    }

    fn detach(&mut self, task: TaskId) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        let is_open =
            matches!(record.state, TaskState::Blocked { .. } | TaskState::Ready | TaskState::Assigned { .. });
        if is_open && self.detached.tasks.insert(task) {
            record.pending += 1;
        }
    }

    /// Begins the end of the run: tasks that have not ended and whose futures are still held become detached.
    pub(super) fn on_closing(&mut self) {
        self.detached.closing = true;
        let held: Vec<TaskId> =
            self.tasks.iter().filter(|(_, record)| record.held).map(|(task, _)| task).collect();
        held.into_iter().for_each(|task| self.detach(task));
    }

    /// Detaches an instance of a family that was just placed, if the run is ending: a future of the family is held.
    pub(super) fn placed_at_the_end(&mut self, task: TaskId) {
        if self.detached.closing {
            self.detach(task);
        }
    }

    /// Ends the detachment of a task that has ended. The caller releases the task afterwards if nothing needs it.
    pub(super) fn attach(&mut self, task: TaskId) -> bool {
        let was_detached = !self.detached.tasks.is_empty() && self.detached.tasks.remove(&task);
        if was_detached && let Some(record) = self.tasks.get_mut(task) {
            record.pending -= 1;
        }
        was_detached
    }

    /// Adds the action that tells the user the failure of a detached task, unless somebody holds its future and may
    /// still ask for its result.
    pub(super) fn tell_unheard(&self, task: TaskId, cause: &Arc<TaskError>, out: &mut Vec<SchedulerAction>) {
        let unheard = |record: &super::ScheduledTask| !record.held && record.want == OwnerWants::Nothing;
        if self.tasks.get(task).is_some_and(unheard) {
            out.push(SchedulerAction::Unheard(cause.clone()));
        }
    }

    /// The number of tasks that the end of the run waits for: detached ones, and families that somebody holds.
    pub fn awaited(&self) -> usize {
        self.detached.tasks.len() + self.families.len()
    }

    /// The keys and ranks of some tasks that were sent to ranks and have not ended, at most `most`.
    pub fn unended(&self, most: usize) -> Vec<(String, Rank)> {
        let assigned = self.tasks.iter().filter_map(|(task, record)| match record.state {
            TaskState::Assigned { rank, .. } => Some((self.key_text(task), rank)),
            _ => None,
        });
        assigned.take(most).collect()
    }

    /// The name of a definition's function.
    pub fn name_of(&self, def: crate::ids::DefId) -> &str {
        self.defs.get(def.index()).map_or("value", |def| def.definition.name.as_str())
    }

    /// Rank 0's number of the definition that the client numbers `own`.
    pub fn number_of(&self, own: crate::ids::DefId) -> Option<crate::ids::DefId> {
        self.submitters.def(crate::ids::HEAD, own).ok()
    }
}
