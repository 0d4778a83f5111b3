//! Work stealing by way of rank 0: while a rank is idle, tasks that wait in the queue of the busiest one are taken back
//! and placed anew.
//!
//! A rank gives back what has not started, the last tasks first ([`RankOrder::Retract`], answered by one
//! `RankReport::Retracted` a task and `RetractDone`). Only one such order is under way to a rank.

use super::Scheduler;
use super::event::SchedulerAction;
use crate::error::ProtocolError;
use crate::ids::{Attempt, Rank, TaskId};
use crate::protocol::RankOrder;

/// Shortest queue of a rank from which tasks are taken back for idle ranks, in nanoseconds of expected work per slot. A
/// shorter queue would be empty before the answer arrives.
const RETRACT_MIN: u64 = 200_000;

impl Scheduler {
    /// Asks the busiest rank to return queued tasks to rank 0, if another rank is idle and no other task is ready.
    pub(super) fn rebalance(&mut self, out: &mut Vec<SchedulerAction>) {
        if self.ready.peek(true).is_some() || self.workers.idle().is_none() {
            return;
        }
        let Some(busiest) = self.workers.busiest() else { return };
        let Some(worker) = self.workers.get(busiest) else { return };
        if worker.load / u64::from(worker.slots.max(1)) >= RETRACT_MIN {
            let count = worker.active().saturating_sub(worker.slots).div_ceil(2);
            self.workers.retract(busiest);
            out.push(SchedulerAction::Send(busiest, RankOrder::Retract { count }));
        }
        self.workers.refresh(|_| ());
    }

    pub(super) fn on_retracted(
        &mut self,
        rank: Rank,
        task: TaskId,
        attempt: Attempt,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.has_left(rank, task, attempt, out);
        let Some((def, missing)) = self.unassign(rank, task, attempt) else { return Ok(()) };
        if !self.def(def)?.is_bound() {
            self.workers.given_back(rank);
        }
        if let Some(record) = self.tasks.get_mut(task) {
            // the attempt has not started, so the next one gets its number
            record.attempt = record.attempt.wrapping_sub(1);
            record.given_back = true;
            self.requeue(task, missing, out);
            self.release_if_unneeded(task, out);
        }
        Ok(())
    }

    pub(super) fn on_retract_done(&mut self, rank: Rank) -> Result<(), ProtocolError> {
        self.workers.retract_done(rank);
        Ok(())
    }
}
