//! Consequences of a transition: consumers that become ready, failures that cascade, and results that become garbage
//! (reference counting).

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::{Copies, Holders, TaskState};
use crate::compact::Bytes;
use crate::error::{TaskError, TaskErrorKind};
use crate::ids::{Rank, TaskId};
use crate::protocol::{ARGUMENT_TICKETS, RankOrder, ReportedResult, tickets_in};
use smallvec::SmallVec;
use std::sync::Arc;

/// Has the homes of objects told that nobody will read the copies of handles in a task's arguments, if there are any.
fn void_tickets(args: &[u8], out: &mut Vec<SchedulerAction>) {
    if args.first() == Some(&ARGUMENT_TICKETS) {
        out.push(SchedulerAction::Void(tickets_in(args)));
    }
}

impl Scheduler {
    /// Records the result of `task`, which `rank` made, in the task's record.
    pub(super) fn store(&mut self, task: TaskId, rank: Rank, output: ReportedResult) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        record.state = match output {
            ReportedResult::Inline(value) => TaskState::Inline(Bytes::new(&value)),
            ReportedResult::Stored { nbytes, layout } => {
                if let Some(worker) = self.workers.get_mut(rank) {
                    worker.stored += nbytes;
                }
                let shared = self.defs.get_mut(record.def.index()).map(|def| &mut def.layout);
                let layout = match shared {
                    Some(shared) if **shared == layout => shared.clone(),
                    Some(shared) => {
                        *shared = Arc::new(layout);
                        shared.clone()
                    }
                    None => Arc::new(layout),
                };
                TaskState::Stored(Box::new(Copies { holders: Holders::one(rank), nbytes, layout }))
            }
        };
    }

    /// Counts one input of the task `consumer` as present, since it has a result now, or the end of its pause. A
    /// blocked task that misses nothing more becomes ready.
    pub(super) fn input_arrived(&mut self, consumer: TaskId) {
        let Some(record) = self.tasks.get_mut(consumer) else { return };
        match &mut record.state {
            TaskState::Blocked { missing } => {
                *missing -= 1;
                if *missing == 0 {
                    self.make_ready(consumer);
                }
            }
            TaskState::Assigned { rank, cost, missing } if *missing > 0 => {
                *missing -= 1;
                if *missing == 0 {
                    let (rank, cost) = (*rank, *cost);
                    self.workers.set_ahead(rank, cost, false);
                }
            }
            _ => {}
        }
    }

    /// Makes a task ready and queues it. All of its inputs have results.
    pub(super) fn make_ready(&mut self, task: TaskId) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        record.state = TaskState::Ready;
        let (def, depth) = (record.def, record.depth);
        self.enqueue(def, depth, task);
    }

    /// Ends one consumer's use of the result of `input`. With `forever`, the consumer will never be computed again, not
    /// even after the loss of a rank, and so needs the result no more.
    pub(super) fn used(&mut self, input: TaskId, forever: bool, out: &mut Vec<SchedulerAction>) {
        let Some(record) = self.tasks.get_mut(input) else { return };
        record.pending -= 1;
        record.lineage -= u32::from(forever);
        self.release_if_unneeded(input, out);
    }

    /// Takes back a task that has left a rank, where it missed `missing` inputs. The task becomes blocked, ready or
    /// failed.
    ///
    /// The missing inputs have listed the task as a consumer since its submission, so they will notify it.
    pub(super) fn requeue(&mut self, task: TaskId, missing: u32, out: &mut Vec<SchedulerAction>) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        if missing == 0 {
            return self.make_ready(task);
        }
        record.state = TaskState::Blocked { missing };
        let failed = |input| match self.tasks.get(input).map(|input| &input.state) {
            Some(TaskState::Failed(cause)) => Some(cause.clone()),
            _ => None,
        };
        match self.tasks.inputs(task).find_map(failed) {
            Some(cause) => self.fail(task, cause, out),
            None => self.note_follower(task),
        }
    }

    /// Fails a task that no rank has, and with the same cause all tasks that take its result. Those that were sent
    /// ahead of it come back from their ranks and fail then.
    pub(super) fn fail(&mut self, task: TaskId, cause: Arc<TaskError>, out: &mut Vec<SchedulerAction>) {
        self.fail_and_leave(task, cause, false, out);
    }

    /// Fails a task, and with the same cause all tasks that take its result. With `assigned`, tasks that a rank has
    /// fail at once too, and the rank is told; see `leaving`.
    ///
    /// The recipe of a failed task (arguments and inputs) is kept while somebody could ask for another attempt, but not
    /// that of a cancelled one.
    pub(super) fn fail_and_leave(
        &mut self,
        task: TaskId,
        cause: Arc<TaskError>,
        assigned: bool,
        out: &mut Vec<SchedulerAction>,
    ) {
        let mut todo = vec![task];
        while let Some(task) = todo.pop() {
            let Some(record) = self.tasks.get_mut(task) else { continue };
            let is_assigned = match record.state {
                TaskState::Blocked { .. } | TaskState::Ready => false,
                TaskState::Assigned { .. } if assigned => true,
                _ => continue,
            };
            if is_assigned {
                self.leave_behind(task, out);
            }
            let Some(record) = self.tasks.get_mut(task) else { continue };
            record.state = TaskState::Failed(cause.clone());
            void_tickets(&record.args, out);
            todo.extend(self.tasks.take_waiting(task));
            self.forget_inputs(task, cause.kind != TaskErrorKind::Cancelled, !is_assigned, out);
            self.resolve(task, out);
            if self.attach(task) {
                self.tell_unheard(task, &cause, out);
            }
            self.release_if_unneeded(task, out);
        }
    }

    /// Ends the uses of its inputs by a task that has failed, if its rank does not use them any more (`ends_uses`).
    /// Forgets its recipe, unless the task `may_retry` and somebody could ask for that.
    fn forget_inputs(
        &mut self,
        task: TaskId,
        may_retry: bool,
        ends_uses: bool,
        out: &mut Vec<SchedulerAction>,
    ) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        let keeps = may_retry && (record.held || record.lineage > 0);
        let inputs: SmallVec<[TaskId; 2]> = match keeps {
            true => self.tasks.inputs(task).collect(),
            false => {
                record.args = Bytes::default();
                self.tasks.take_inputs(task)
            }
        };
        for input in inputs {
            if ends_uses {
                self.used(input, !keeps, out);
            } else if !keeps && let Some(record) = self.tasks.get_mut(input) {
                record.lineage -= 1;
            }
        }
    }

    /// Frees a task if it is no longer needed, and then its inputs if they are not either. Cancels a task that was not
    /// sent, releases a result on all ranks, and removes a record unless a consumer's result might have to be computed
    /// again from it.
    pub(super) fn release_if_unneeded(&mut self, task: TaskId, out: &mut Vec<SchedulerAction>) {
        if !self.tasks.get(task).is_some_and(|record| record.is_unneeded()) {
            return;
        }
        let mut todo: SmallVec<[TaskId; 8]> = SmallVec::from_slice(&[task]);
        while let Some(task) = todo.pop() {
            let Some(record) = self.tasks.get_mut(task) else { continue };
            if !record.is_unneeded() {
                continue;
            }
            match &record.state {
                // the rank goes on computing the task, and the result is dropped when the task ends
                TaskState::Assigned { .. } => continue,
                TaskState::Blocked { .. } | TaskState::Ready => {
                    record.state = TaskState::Released;
                    void_tickets(&record.args, out);
                    if record.attempt == 0 {
                        out.push(SchedulerAction::Abandoned(record.def));
                    }
                    let inputs: SmallVec<[TaskId; 2]> = self.tasks.inputs(task).collect();
                    for input in inputs {
                        if let Some(record) = self.tasks.get_mut(input) {
                            record.pending -= 1;
                            todo.push(input);
                        }
                    }
                }
                TaskState::Inline(_) => record.state = TaskState::Released,
                TaskState::Stored(copies) => {
                    for rank in copies.holders.iter() {
                        out.push(SchedulerAction::Send(rank, RankOrder::Release { task }));
                        if let Some(worker) = self.workers.get_mut(rank) {
                            worker.stored -= copies.nbytes;
                        }
                    }
                    record.state = TaskState::Released;
                }
                TaskState::Failed(_) | TaskState::Released => {}
            }
            let Some(record) = self.tasks.get(task) else { continue };
            if record.lineage == 0
                && let Some(inputs) = self.tasks.remove(task)
            {
                self.host_groups.forget(task);
                self.deaths.forget(task);
                if !self.names.is_empty() {
                    self.names.remove(&task);
                }
                for input in inputs {
                    if let Some(record) = self.tasks.get_mut(input) {
                        record.lineage -= 1;
                        todo.push(input);
                    }
                }
            }
        }
    }
}
