//! Promised results: results that a rank will have from elsewhere, not by a task, such as those of actors' calls.
//!
//! ```text
//!   Promise ──► Blocked{missing: 1}, without inputs ── Keep ──► Inline | Stored | Failed, as any other result
//! ```
//!
//! The owner keeps its promise whoever holds the future, so what comes late is dropped.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::{SCATTERED, ScheduledTask, TaskState};
use crate::error::{ProtocolError, TaskError};
use crate::ids::{Rank, TaskId};
use crate::protocol::{RankOrder, ReportedResult};
use smallvec::SmallVec;
use std::sync::Arc;

impl Scheduler {
    /// Notes that `owner` will have a result under this number.
    pub(super) fn on_promise(&mut self, owner: Rank, task: TaskId, key: u64) -> Result<(), ProtocolError> {
        if self.is_known(task) || task.owner() != owner {
            return Err(ProtocolError(format!("{task:?} is promised, but known already")));
        }
        let record = ScheduledTask::new(TaskState::Blocked { missing: 1 }, SCATTERED, key, &[]);
        // its attempt is under way elsewhere: a future of it that is dropped has not prevented anything
        self.tasks.insert(task, ScheduledTask { attempt: 1, ..record }, SmallVec::new());
        Ok(())
    }

    /// Whether the result of `task` was promised and has not come.
    pub(super) fn is_promised(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|record| {
            record.def == SCATTERED && matches!(record.state, TaskState::Blocked { .. })
        })
    }

    /// Takes the promised result of `task`, or the error in its place. A result that nobody wants any more is released.
    pub(super) fn on_keep(
        &mut self,
        owner: Rank,
        task: TaskId,
        output: Result<ReportedResult, TaskError>,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        if task.owner() != owner {
            return Err(ProtocolError(format!("rank {owner} keeps the promise {task:?} of another rank")));
        }
        if !self.is_promised(task) {
            if let Ok(ReportedResult::Stored { .. }) = output {
                out.push(SchedulerAction::Send(owner, RankOrder::Release { task }));
            }
            return Ok(());
        }
        match output {
            Ok(output) => {
                self.store(task, owner, output);
                for consumer in self.tasks.take_waiting(task) {
                    self.input_arrived(consumer);
                }
                self.resolve(task, out);
                self.attach(task);
                self.release_if_unneeded(task, out);
            }
            Err(error) => self.fail(task, Arc::new(error), out),
        }
        Ok(())
    }
}
