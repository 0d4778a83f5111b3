//! Tasks that have failed for everybody (cancelled, or slower than they may be) while a rank has them.
//!
//! Such a task *leaves*: its record has failed at once, with all tasks that take its result. But its rank may still
//! compute it, fetch its inputs or have it queued. So it keeps its slot, its other resources and its inputs until the
//! rank has reported its end, whatever that is, or has died. Its result is dropped then. The rank is told by
//! [`RankOrder::Cancel`].

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::TaskState;
use crate::error::{ProtocolError, Retry, TaskError, TaskErrorKind};
use crate::ids::{Attempt, DefId, HEAD, Rank, TaskId};
use crate::protocol::RankOrder;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A task that leaves its rank, with all that it keeps until it is gone.
#[derive(Debug)]
pub(super) struct LeavingTask {
    /// The rank that has the task.
    pub rank: Rank,
    /// The number of the start of the task that the rank has.
    pub attempt: Attempt,
    /// The definition, whose needs are counted as taken.
    pub def: DefId,
    /// The expected cost for the rank, as it was counted when the task was sent.
    pub cost: u32,
    /// The inputs, each of which counts as used.
    pub inputs: SmallVec<[TaskId; 2]>,
}

/// The tasks that leave their ranks.
#[derive(Debug, Default)]
pub(super) struct LeavingTasks(BTreeMap<TaskId, LeavingTask>);

impl LeavingTasks {
    /// The tasks that leave, with what they keep. Read by the checks of tests.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&TaskId, &LeavingTask)> {
        self.0.iter()
    }
}

impl Scheduler {
    /// Cancels a task of `owner`; with `assigned` also if a rank has it.
    pub(super) fn on_cancel(
        &mut self,
        owner: Rank,
        task: TaskId,
        assigned: bool,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.touch(task);
        // a task that has ended may have been released
        let Some(record) = self.tasks.get(task).filter(|_| task.owner() == owner) else { return Ok(()) };
        let message = match record.state {
            TaskState::Assigned { .. } if assigned => "it was cancelled",
            TaskState::Blocked { .. } | TaskState::Ready => "it was cancelled before it started",
            _ => return Ok(()),
        };
        let error = TaskError::not_started(message.into(), self.key_text(task), HEAD);
        let cause = TaskError { kind: TaskErrorKind::Cancelled, ..error };
        self.fail_and_leave(task, Arc::new(cause), assigned, out);
        Ok(())
    }

    /// Fails a task that takes longer than it may, if no attempt is left. If one is, the task is told, and is started
    /// again when it has ended.
    pub(super) fn on_timed_out(
        &mut self,
        rank: Rank,
        task: TaskId,
        attempt: Attempt,
        mut error: TaskError,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        let Some(record) = self.tasks.get(task) else { return Ok(()) };
        let is_here = matches!(record.state, TaskState::Assigned { rank: at, .. } if at == rank);
        if !is_here || record.attempt != attempt {
            return Ok(());
        }
        if self.may_start_again(task, record.def, Retry::Allowed)? {
            out.push(SchedulerAction::Send(rank, RankOrder::Cancel { task }));
            return Ok(());
        }
        error.task = self.key_text(task);
        self.fail_and_leave(task, Arc::new(error), true, out);
        Ok(())
    }

    /// Lets an assigned task leave its rank: its record is free for another state, and what it takes stays taken.
    pub(super) fn leave_behind(&mut self, task: TaskId, out: &mut Vec<SchedulerAction>) {
        let inputs: SmallVec<[TaskId; 2]> = self.tasks.inputs(task).collect();
        let Some(record) = self.tasks.get(task) else { return };
        let TaskState::Assigned { rank, cost, missing } = record.state else { return };
        let (attempt, def) = (record.attempt, record.def);
        if missing > 0 {
            self.workers.set_ahead(rank, cost, false); // nobody will count its inputs any more
        }
        self.leaving.0.insert(task, LeavingTask { rank, attempt, def, cost, inputs });
        out.push(SchedulerAction::Send(rank, RankOrder::Cancel { task }));
    }

    /// Notes that `rank` has reported the end of a task. If it is one that leaves, all that the task kept is given
    /// back.
    pub(super) fn has_left(
        &mut self,
        rank: Rank,
        task: TaskId,
        attempt: Attempt,
        out: &mut Vec<SchedulerAction>,
    ) {
        let here = |leaving: &&LeavingTask| leaving.rank == rank && leaving.attempt == attempt;
        if self.leaving.0.is_empty() || self.leaving.0.get(&task).filter(here).is_none() {
            return;
        }
        let Some(LeavingTask { def, cost, inputs, .. }) = self.leaving.0.remove(&task) else { return };
        self.leave(task, rank, def, (cost, false));
        for input in inputs {
            self.used(input, false, out);
        }
        if self.tasks.get(task).is_some_and(|record| matches!(record.state, TaskState::Blocked { .. })) {
            self.input_arrived(task); // it was to start again, and has waited for this
        }
    }

    /// Forgets the tasks that were leaving the dead rank `lost`. The caller releases inputs that nobody needs any more.
    pub(super) fn forget_leaving(&mut self, lost: Rank) {
        let there = self.leaving.0.iter().filter(|(_, leaving)| leaving.rank == lost);
        let gone: Vec<TaskId> = there.map(|(&task, _)| task).collect();
        for task in gone {
            let Some(LeavingTask { def, cost, inputs, .. }) = self.leaving.0.remove(&task) else { continue };
            self.leave(task, lost, def, (cost, false));
            for input in inputs {
                if let Some(record) = self.tasks.get_mut(input) {
                    record.pending -= 1;
                }
            }
        }
    }

    /// Whether a task that is to start again waits for something else than its inputs: the end of a pause, or the end
    /// of its earlier attempt. That counts as one more missing input.
    pub(super) fn is_held_back(&self, task: TaskId) -> bool {
        self.is_paused(task) || (self.is_blocked(task) && self.leaving.0.contains_key(&task))
    }

    fn is_blocked(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|record| matches!(record.state, TaskState::Blocked { .. }))
    }
}
