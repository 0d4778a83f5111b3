//! State transitions of tasks at rank 0. Each `on_…` function handles the event of the same name.

use super::Scheduler;
use super::event::{NewTask, SchedulerAction, TaskOutcome};
use super::published::TAKES_PUBLISHED;
use super::task::{OwnerWants, SCATTERED, ScheduledTask, TaskState};
use crate::compact::Bytes;
use crate::error::{ProtocolError, TaskError};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{Blob, RankOrder, ReportedResult};
use smallvec::SmallVec;
use std::sync::Arc;

impl Scheduler {
    /// Submits a task of `owner` (the client, or the rank whose task submits it). Its definition has rank 0's number
    /// already.
    pub(super) fn on_submit(
        &mut self,
        owner: Rank,
        new: NewTask,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        let takes_published = self.def(new.def)?.definition.name == TAKES_PUBLISHED;
        if self.is_known(new.task) || new.task.owner() != owner {
            return Err(ProtocolError(format!("{:?} is submitted, but known already", new.task)));
        }
        if let Some(input) = new.inputs.iter().find(|&&input| !self.can_be_named(owner, input)) {
            if takes_published && input.owner() != owner {
                self.fail_unpublished(new, out);
                return Ok(());
            }
            return Err(ProtocolError(format!("{:?} takes {input:?}, which is not known", new.task)));
        }
        for &input in &new.inputs {
            self.touch(input);
        }
        let (mut missing, mut cause) = (0, None);
        let mut depth = new.parent.map_or(0, |parent| self.depth_below(parent, out));
        for &input in &new.inputs {
            let Some(record) = self.tasks.get_mut(input) else { continue };
            record.pending += 1;
            record.lineage += 1;
            depth = depth.max(record.depth + 1);
            match &record.state {
                TaskState::Inline(_) | TaskState::Stored(_) => {}
                TaskState::Failed(error) => cause = cause.or_else(|| Some(error.clone())),
                _ => {
                    self.tasks.push_waiting(input, new.task);
                    missing += 1;
                }
            }
        }
        let state = if missing == 0 { TaskState::Ready } else { TaskState::Blocked { missing } };
        let nested = new.parent.is_some();
        let record =
            ScheduledTask { depth, nested, ..ScheduledTask::new(state, new.def, new.key, &new.args) };
        self.tasks.insert(new.task, record, new.inputs);
        if let Some(cause) = cause {
            self.fail(new.task, cause, out);
        } else if missing == 0 {
            self.enqueue(new.def, depth, new.task);
        } else {
            self.note_follower(new.task);
        }
        Ok(())
    }

    pub(super) fn on_scatter(
        &mut self,
        owner: Rank,
        task: TaskId,
        key: u64,
        output: ReportedResult,
    ) -> Result<(), ProtocolError> {
        if self.is_known(task) || task.owner() != owner {
            return Err(ProtocolError(format!("{task:?} is scattered, but known already")));
        }
        self.tasks.insert(task, ScheduledTask::new(TaskState::Ready, SCATTERED, key, &[]), SmallVec::new());
        self.store(task, owner, output);
        Ok(())
    }

    pub(super) fn on_finished(
        &mut self,
        rank: Rank,
        task: TaskId,
        attempt: Attempt,
        nanos: u32,
        output: ReportedResult,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.has_left(rank, task, attempt, out);
        let Some((def, _)) = self.unassign(rank, task, attempt) else {
            // the report is of an attempt that no longer counts, and rank 0 does not know the result that its rank has
            // stored
            if matches!(output, ReportedResult::Stored { .. }) && !self.holds(rank, task) {
                out.push(SchedulerAction::Send(rank, RankOrder::Release { task }));
            }
            return Ok(());
        };
        if let Some(def) = self.defs.get_mut(def.index()) {
            let nanos = nanos.max(1);
            def.mean = match def.mean {
                0 => nanos,
                mean => ((u64::from(mean) * 7 + u64::from(nanos)) / 8).max(1) as u32,
            };
        }
        let inline = matches!(output, ReportedResult::Inline(_));
        self.deaths.forget(task);
        self.note_host_group(task, def, rank);
        self.store(task, rank, output);
        if inline && let Some(record) = self.tasks.get_mut(task) {
            record.args = Bytes::default();
        }
        let inputs = self.tasks.take_inputs(task);
        for consumer in self.tasks.take_waiting(task) {
            self.input_arrived(consumer);
        }
        for &input in &inputs {
            self.used(input, inline, out);
        }
        // a short result is kept at rank 0 and cannot be lost; any other one may have to be computed again from its
        // inputs
        if !inline {
            self.tasks.put_inputs(task, inputs);
        }
        self.resolve(task, out);
        self.attach(task);
        self.release_if_unneeded(task, out);
        Ok(())
    }

    pub(super) fn on_failed(
        &mut self,
        rank: Rank,
        task: TaskId,
        attempt: Attempt,
        mut error: TaskError,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.has_left(rank, task, attempt, out);
        let Some((def, missing)) = self.unassign(rank, task, attempt) else { return Ok(()) };
        if self.may_start_again(task, def, error.retry)? {
            self.start_again(task, rank, missing, error.retry, out);
        } else {
            // a failure passed on from another task names that task already
            if error.task.is_empty() {
                error.task = self.key_text(task);
            }
            self.fail(task, Arc::new(error), out);
        }
        Ok(())
    }

    pub(super) fn on_fetched(
        &mut self,
        rank: Rank,
        task: TaskId,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        match self.tasks.get_mut(task).map(|record| &mut record.state) {
            Some(TaskState::Stored(copies)) => {
                if !copies.holders.contains(rank) {
                    copies.holders.push(rank);
                    let nbytes = copies.nbytes;
                    if let Some(worker) = self.workers.get_mut(rank) {
                        worker.stored += nbytes;
                    }
                }
            }
            // The result was lost after `rank` had asked for its copy, and `rank` now computes it again. It drops the
            // old copy by itself. A `Release` could arrive when the new result is in its store, and would remove that
            // one.
            Some(TaskState::Assigned { rank: at, .. }) if *at == rank => {}
            _ => out.push(SchedulerAction::Send(rank, RankOrder::Release { task })),
        }
        if rank == task.owner() {
            self.transfer_ended(task, out);
        }
        self.move_ended(rank, task, out);
        Ok(())
    }

    /// Ends the transfer of a result to its owner, whether the result has arrived or cannot come (its holder died).
    /// Tells the owner that it is there, or starts another transfer.
    fn transfer_ended(&mut self, task: TaskId, out: &mut Vec<SchedulerAction>) {
        if let Some(record) = self.tasks.get_mut(task)
            && record.want == OwnerWants::Bringing
        {
            record.want = OwnerWants::Value;
            record.pending -= 1;
            self.resolve(task, out);
            self.release_if_unneeded(task, out);
        }
    }

    pub(super) fn on_not_brought(
        &mut self,
        rank: Rank,
        task: TaskId,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        if rank == task.owner() {
            self.transfer_ended(task, out);
        }
        self.move_ended(rank, task, out);
        Ok(())
    }

    /// Tells the owner of `task` that its result cannot be brought to it, since it has no memory for it.
    pub(super) fn on_refused(
        &mut self,
        rank: Rank,
        task: TaskId,
        mut error: TaskError,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.move_ended(rank, task, out);
        let Some(record) = self.tasks.get_mut(task).filter(|_| rank == task.owner()) else { return Ok(()) };
        if record.want == OwnerWants::Bringing {
            record.want = OwnerWants::Nothing;
            record.pending -= 1;
            error.task = self.key_text(task);
            out.push(Self::answer(task, TaskOutcome::Failed(Arc::new(error))));
            self.release_if_unneeded(task, out);
        }
        Ok(())
    }

    pub(super) fn on_release(
        &mut self,
        owner: Rank,
        task: TaskId,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.touch(task);
        let Some(record) = self.tasks.get_mut(task).filter(|_| task.owner() == owner) else {
            return Err(ProtocolError(format!("{task:?} is released, but not known")));
        };
        record.held = false;
        self.release_if_unneeded(task, out);
        Ok(())
    }

    pub(super) fn on_want(
        &mut self,
        owner: Rank,
        task: TaskId,
        value: bool,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.touch(task);
        let known =
            |record: &&mut ScheduledTask| record.state != TaskState::Released && task.owner() == owner;
        let Some(record) = self.tasks.get_mut(task).filter(known) else {
            return Err(ProtocolError(format!("{task:?} is waited for, but not known")));
        };
        match record.want {
            OwnerWants::Bringing if !value => out.push(Self::answer(task, TaskOutcome::Done)),
            OwnerWants::Nothing | OwnerWants::Done => {
                record.want = if value { OwnerWants::Value } else { OwnerWants::Done };
                self.resolve(task, out);
            }
            OwnerWants::Value | OwnerWants::Bringing => {}
        }
        Ok(())
    }

    /// Tells the owner of `task` the outcome, if the owner waits for it and the outcome is known. Starts a transfer
    /// if the owner needs the value and does not have it.
    pub(super) fn resolve(&mut self, task: TaskId, out: &mut Vec<SchedulerAction>) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        if matches!(record.want, OwnerWants::Nothing | OwnerWants::Bringing) {
            return;
        }
        let outcome = match &record.state {
            TaskState::Failed(cause) => TaskOutcome::Failed(cause.clone()),
            TaskState::Inline(_) | TaskState::Stored(_) if record.want == OwnerWants::Done => {
                TaskOutcome::Done
            }
            TaskState::Inline(value) => TaskOutcome::Inline(Blob::new(value)),
            TaskState::Stored(copies) if copies.holders.contains(task.owner()) => {
                TaskOutcome::Here((*copies.layout).clone())
            }
            TaskState::Stored(copies) => {
                let order = RankOrder::Bring {
                    task,
                    holder: copies.holders.pick(task.owner().index()),
                    nbytes: copies.nbytes,
                    layout: (*copies.layout).clone(),
                };
                record.want = OwnerWants::Bringing;
                record.pending += 1;
                out.push(Self::answer(task, TaskOutcome::Done));
                out.push(SchedulerAction::Send(task.owner(), order));
                return;
            }
            _ => return,
        };
        record.want = OwnerWants::Nothing;
        out.push(Self::answer(task, outcome));
    }

    /// Takes `task` off `rank` and makes it `Ready`. Returns its definition and the number of inputs that it still
    /// misses; `None` if the attempt with this number was not sent to `rank` or has ended.
    pub(super) fn unassign(&mut self, rank: Rank, task: TaskId, attempt: Attempt) -> Option<(DefId, u32)> {
        let record = self.tasks.get_mut(task)?;
        let TaskState::Assigned { rank: at, cost, missing } = record.state else { return None };
        if at != rank || record.attempt != attempt {
            return None;
        }
        let def = record.def;
        record.state = TaskState::Ready;
        self.leave(task, rank, def, (cost, missing > 0));
        Some((def, missing))
    }

    /// Whether a new task of `owner` can take the result of `task` as an input: `owner` has submitted `task`, or it is
    /// published, and its result was not released. A released result is not made again for a new consumer.
    fn can_be_named(&self, owner: Rank, task: TaskId) -> bool {
        match self.tasks.get(task) {
            // only the owner has a future of it
            _ if task.owner() != owner && !self.published.contains(task) => false,
            Some(record) => record.state != TaskState::Released,
            None => self.families.is_waiting(task),
        }
    }

    fn holds(&self, rank: Rank, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(
            |record| matches!(&record.state, TaskState::Stored(copies) if copies.holders.contains(rank)),
        )
    }
}
