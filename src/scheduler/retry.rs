//! Retries: a failed task starts again after a pause (exponential back-off), possibly with a larger memory
//! reservation, on another rank if possible.
//!
//! A task that pauses is `Blocked`, and the pause counts as one more missing input; [`SchedulerEvent::Due`] ends it.
//! During the pause all resources of the task are free for others.
//!
//! [`SchedulerEvent::Due`]: super::SchedulerEvent::Due

use super::event::SchedulerAction;
use super::task::TaskState;
use super::{DefinitionRecord, Scheduler};
use crate::error::{ProtocolError, Retry};
use crate::ids::{self, Attempt, DefId, Rank, TaskId};
use std::collections::BTreeMap;

/// The failed tasks that are to start again, with their pauses and the ranks that they should avoid.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// The tasks in the pause before their next start, each with the number of the attempt that failed.
    paused: BTreeMap<TaskId, Attempt>,
    /// The rank where each task failed last, which its next attempt avoids if possible.
    failed_on: BTreeMap<TaskId, Rank>,
    /// The definitions made for tasks that failed for lack of memory, by the original definition and the larger memory
    /// in bytes.
    grown: BTreeMap<(DefId, u64), DefId>,
}

impl Retries {
    /// Whether the task pauses before its next start, after the attempt with this number has failed.
    pub(super) fn is_paused(&self, task: TaskId, attempt: Attempt) -> bool {
        self.paused.get(&task) == Some(&attempt)
    }

    /// Forgets the rank where the task failed last, since another attempt was sent to a rank.
    pub(super) fn started(&mut self, task: TaskId) {
        if !self.failed_on.is_empty() {
            self.failed_on.remove(&task);
        }
    }
}

impl Scheduler {
    /// Whether the task has failed and pauses now before it starts again.
    pub(super) fn is_paused(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|record| {
            matches!(record.state, TaskState::Blocked { .. }) && self.retries.is_paused(task, record.attempt)
        })
    }

    /// Whether a failed task is to be started again: it is still needed, retries are left, and `retry`, the policy that
    /// its error asks for, allows it.
    pub(super) fn may_start_again(
        &mut self,
        task: TaskId,
        def: DefId,
        retry: Retry,
    ) -> Result<bool, ProtocolError> {
        let retries = self.def(def)?.options.retries;
        let Some(record) = self.tasks.get(task) else { return Ok(false) };
        if record.failures >= retries || record.is_unneeded() {
            return Ok(false);
        }
        Ok(match retry {
            Retry::Allowed => true,
            Retry::Never => false,
            Retry::WithMemory(bytes) => self.grow(def, bytes).is_some(),
        })
    }

    /// Starts a task again that failed on `rank`, after its pause and when its `missing` inputs are done.
    pub(super) fn start_again(
        &mut self,
        task: TaskId,
        rank: Rank,
        missing: u32,
        retry: Retry,
        out: &mut Vec<SchedulerAction>,
    ) {
        let Some(def) = self.tasks.get(task).map(|record| record.def) else { return };
        let grown = match retry {
            Retry::WithMemory(bytes) => self.grow(def, bytes),
            _ => None,
        };
        let Some(record) = self.tasks.get_mut(task) else { return };
        record.failures += 1;
        record.def = grown.unwrap_or(def);
        let (failures, attempt) = (record.failures, record.attempt);
        self.retries.failed_on.insert(task, rank);
        let delay = self.defs.get(def.index()).map_or(0, |def| def.options.retry_delay);
        if delay == 0 {
            return self.requeue(task, missing, out);
        }
        let millis = ids::pause(delay.into(), failures.into());
        self.retries.paused.insert(task, attempt);
        out.push(SchedulerAction::Delay { task, attempt, millis });
        self.requeue(task, missing + 1, out);
    }

    /// Ends the pause of a failed task. Does nothing if another attempt has begun since.
    pub(super) fn on_due(&mut self, task: TaskId, attempt: Attempt) {
        if !self.retries.is_paused(task, attempt) {
            return; // the pause was that of an earlier attempt
        }
        let paused = self.is_paused(task);
        self.retries.paused.remove(&task);
        if paused {
            self.input_arrived(task);
        } else {
            // the task was cancelled during the pause, or is no longer needed: forget the rank that it was to avoid
            self.retries.started(task);
        }
    }

    /// The variant of definition `def` that reserves this many bytes of memory, made if needed. `None` if no host has
    /// as much.
    fn grow(&mut self, def: DefId, bytes: u64) -> Option<DefId> {
        if let Some(&grown) = self.retries.grown.get(&(def, bytes)) {
            return Some(grown);
        }
        let known = self.defs.get(def.index())?;
        let (mut options, mut definition) = (known.options, known.definition.clone());
        let (mean, layout, nests) = (known.mean, known.layout.clone(), known.nests);
        options.needs.memory = bytes;
        let class = self.class_of(&options);
        if class.is_some_and(|class| !self.is_able(class as usize)) {
            return None;
        }
        let grown = DefId(self.defs.len() as u32);
        (definition.def, definition.memory) = (grown, bytes);
        self.defs.push(DefinitionRecord { definition, options, class, mean, layout, nests });
        self.retries.grown.insert((def, bytes), grown);
        Some(grown)
    }

    /// The rank that gets a task for which placement has chosen `rank`: if the task failed on `rank` last, another rank
    /// with room; `rank` itself if it did not, or if no other rank has room.
    pub(super) fn another(&self, task: TaskId, rank: Rank) -> Rank {
        if self.retries.failed_on.get(&task) != Some(&rank) {
            return rank;
        }
        let others = self.workers.iter().filter(|(other, worker)| *other != rank && worker.room(1) > 0);
        let first = others.map(|(other, worker)| (worker.expected_start(), other)).min();
        first.map_or(rank, |(_, other)| other)
    }

    /// The rank that gets a task of the class number `at` for which placement has chosen `rank`: if the task failed
    /// there last, another rank that can start it now; else `rank` itself.
    pub(super) fn another_of(&self, at: usize, task: TaskId, rank: Rank) -> Rank {
        if self.retries.failed_on.get(&task) != Some(&rank) {
            return rank;
        }
        let mut others = self.workers.iter().map(|(other, _)| other);
        others.find(|other| *other != rank && self.workers.fits(at, *other)).unwrap_or(rank)
    }
}
