//! What transitions leave to be done: who can go on, who fails, and what nobody needs any more.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::{Copies, Holders, TaskState};
use crate::compact::Bytes;
use crate::error::TaskError;
use crate::ids::{Rank, TaskId};
use crate::protocol::{RankOrder, ReportedResult};
use smallvec::SmallVec;
use std::sync::Arc;

impl Scheduler {
    /// Notes the result of `task`, made at `rank`.
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

    /// Tells a blocked task that one of its inputs is there.
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

    /// Queues a task that misses no input.
    pub(super) fn make_ready(&mut self, task: TaskId) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        record.state = TaskState::Ready;
        let (def, depth) = (record.def, record.depth);
        self.enqueue(def, depth, task);
    }

    /// A use of `input` is over; with `forever` its consumer will not ask for it again even after a loss.
    pub(super) fn used(&mut self, input: TaskId, forever: bool, out: &mut Vec<SchedulerAction>) {
        let Some(record) = self.tasks.get_mut(input) else { return };
        record.pending -= 1;
        record.lineage -= u32::from(forever);
        self.release_if_unneeded(input, out);
    }

    /// Puts a task that was on a rank, and missed so many inputs, back where it belongs: blocked, ready or failed.
    ///
    /// The inputs that it misses tell it when they are there: they know of it since it was submitted.
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

    /// Fails a task that is on no rank, and all that wait for it, with the same cause.
    pub(super) fn fail(&mut self, task: TaskId, cause: Arc<TaskError>, out: &mut Vec<SchedulerAction>) {
        let mut todo = vec![task];
        while let Some(task) = todo.pop() {
            let Some(record) = self.tasks.get_mut(task) else { continue };
            if !matches!(record.state, TaskState::Blocked { .. } | TaskState::Ready) {
                continue;
            }
            record.state = TaskState::Failed(cause.clone());
            record.args = Bytes::default();
            todo.extend(self.tasks.take_waiting(task));
            for input in self.tasks.take_inputs(task) {
                self.used(input, true, out);
            }
            self.resolve(task, out);
            self.release_if_unneeded(task, out);
        }
    }

    /// Frees what nobody needs: cancels a task that has not been sent, releases a result, forgets the record.
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
                TaskState::Assigned { .. } => continue, // it ends, then its result is dropped
                TaskState::Blocked { .. } | TaskState::Ready => {
                    record.state = TaskState::Released;
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
                self.places.forget(task);
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
