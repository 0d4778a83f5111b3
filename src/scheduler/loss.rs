//! Recovery from the loss of a rank by lineage: its tasks run again elsewhere, and results that only it held are
//! computed again if they are still needed.
//!
//! `on_lost` has four steps. It drops the futures of the dead rank, takes tasks and copies off it, walks back from each
//! needed result that is lost to inputs that still exist, and rebuilds the lists of waiting consumers. Attempt numbers
//! keep late reports of the lost attempts apart from those of the new ones. Then the death counts against the tasks that
//! the rank may have been computing (`quarantine`).

use super::Scheduler;
use super::event::SchedulerAction;
use super::ready::Next;
use super::task::{SCATTERED, TaskState};
use crate::error::{ProtocolError, TaskError, TaskErrorKind};
use crate::ids::{HEAD, Rank, TaskId};
use crate::protocol::RankOrder;
use smallvec::SmallVec;
use std::sync::Arc;

impl Scheduler {
    pub(super) fn on_lost(
        &mut self,
        lost: Rank,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        if lost == HEAD {
            return Err(ProtocolError("rank 0 is lost, and with it the run".into()));
        }
        let Some(worker) = self.workers.get(lost) else {
            return Err(ProtocolError(format!("rank {lost} is lost, but there is no such rank")));
        };
        if !worker.alive {
            return Ok(());
        }
        let pinned = self.workers.bury(lost);
        self.shrink_teams(lost);
        self.constrained.look_again();
        for (rank, worker) in self.workers.iter() {
            if worker.alive {
                out.push(SchedulerAction::Send(rank, RankOrder::Lost { rank: lost }));
            }
        }
        let told = out.len();
        self.forget_moves(lost);
        let orphans = self.orphan(lost);
        let suspects = self.take_from(lost);
        let promised: Vec<TaskId> = orphans.iter().copied().filter(|&task| self.is_promised(task)).collect();
        for task in promised {
            self.fail_unplaced(task, lost, "the rank that was to get it has died".into(), out);
        }
        for task in orphans {
            self.release_if_unneeded(task, out);
        }
        self.make_again(out);
        self.rebuild_waiting(out);
        for task in pinned {
            let Some(record) = self.tasks.get(task).filter(|record| record.state == TaskState::Ready) else {
                continue;
            };
            let def = record.def;
            match self.def(def)?.options.on {
                Some(_) => self.fail_pinned(task, lost, out),
                // only the affinity to the dead rank's host had bound the task to it, so any rank can run it now
                None => self.make_ready(task),
            }
        }
        self.suspect(&suspects, lost, out);
        let on_lost: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(_, record)| matches!(record.state, TaskState::Ready | TaskState::Blocked { .. }))
            .filter(|(_, record)| {
                self.defs.get(record.def.index()).is_some_and(|def| def.options.on == Some(lost))
            })
            .map(|(task, _)| task)
            .collect();
        for task in on_lost {
            self.fail_pinned(task, lost, out);
        }
        let all: Vec<TaskId> = self.tasks.ids().collect();
        for task in all {
            self.release_if_unneeded(task, out);
        }
        self.tell_moved(out);
        // the futures of these tasks were lost with the rank, not dropped by a mistake of the user
        let mut at = 0;
        out.retain(|action| {
            at += 1;
            at <= told || !matches!(action, SchedulerAction::Abandoned(_))
        });
        Ok(())
    }

    /// Takes all tasks and copies of results off the dead rank `lost`. A result of which no copy is left becomes
    /// `Released`. Returns the tasks that the rank may have been computing: those that had all their inputs.
    fn take_from(&mut self, lost: Rank) -> Vec<TaskId> {
        let mut suspects = Vec::new();
        let all: Vec<TaskId> = self.tasks.ids().collect();
        for task in all {
            let Some(record) = self.tasks.get_mut(task) else { continue };
            match &mut record.state {
                &mut TaskState::Assigned { rank, cost, missing } if rank == lost => {
                    record.state = TaskState::Ready;
                    if missing == 0 {
                        suspects.push(task);
                    }
                    let def = record.def;
                    self.leave(task, lost, def, (cost, missing > 0));
                }
                TaskState::Stored(copies) => {
                    copies.holders.remove(lost);
                    if copies.holders.is_empty() {
                        record.state = TaskState::Released;
                    }
                }
                _ => {}
            }
        }
        self.forget_leaving(lost);
        suspects
    }

    /// Makes every released task whose result is needed runnable again, and so also the tasks whose lost results it
    /// takes.
    fn make_again(&mut self, out: &mut Vec<SchedulerAction>) {
        let needed =
            |record: &super::ScheduledTask| record.state == TaskState::Released && !record.is_unneeded();
        let mut todo: Vec<TaskId> =
            self.tasks.iter().filter(|(_, record)| needed(record)).map(|(task, _)| task).collect();
        let (mut impossible, mut gone) = (Vec::new(), Vec::new());
        while let Some(task) = todo.pop() {
            let Some(record) = self.tasks.get_mut(task) else { continue };
            if record.state != TaskState::Released {
                continue;
            }
            record.state = TaskState::Blocked { missing: 0 };
            if record.def == SCATTERED {
                gone.push(task);
                continue;
            }
            let inputs: SmallVec<[TaskId; 2]> = self.tasks.inputs(task).collect();
            for input in inputs {
                match self.tasks.get_mut(input) {
                    Some(record) => {
                        record.pending += 1;
                        todo.push(input);
                    }
                    None => impossible.push((task, input)),
                }
            }
        }
        for task in gone {
            let rank = task.owner();
            let message = format!("it was a value of a task on rank {rank}, and is lost with that rank");
            self.fail_lost(task, rank, message, out);
        }
        for (task, input) in impossible {
            let message =
                format!("its result was lost with its rank and cannot be made again: {input:?} is gone");
            self.fail_lost(task, HEAD, message, out);
        }
    }

    /// Computes anew which tasks wait for which inputs, since inputs that existed may be lost with the dead rank.
    fn rebuild_waiting(&mut self, out: &mut Vec<SchedulerAction>) {
        let all: Vec<TaskId> = self.tasks.ids().collect();
        for &task in &all {
            self.tasks.take_waiting(task);
        }
        for task in all {
            self.rewire(task, out);
        }
    }

    /// Lists a task as waiting at each input that it misses, and updates its state and its count of missing inputs.
    pub(super) fn rewire(&mut self, task: TaskId, out: &mut Vec<SchedulerAction>) {
        let Some(record) = self.tasks.get(task) else { return };
        let state = record.state.clone();
        if !matches!(state, TaskState::Ready | TaskState::Blocked { .. } | TaskState::Assigned { .. }) {
            return;
        }
        let inputs: SmallVec<[TaskId; 2]> = self.tasks.inputs(task).collect();
        let (mut missing, mut cause) = (0, None);
        for input in inputs {
            let Some(record) = self.tasks.get(input) else { continue };
            match &record.state {
                TaskState::Inline(_) | TaskState::Stored(_) => continue,
                TaskState::Failed(error) => cause = cause.or_else(|| Some(error.clone())),
                _ => self.tasks.push_waiting(input, task),
            }
            missing += 1;
        }
        missing += u32::from(self.is_held_back(task)) + u32::from(self.is_promised(task));
        if let TaskState::Assigned { rank, cost, missing: noted } = state {
            if (noted > 0) != (missing > 0) {
                self.workers.set_ahead(rank, cost, missing > 0);
            }
            if let Some(record) = self.tasks.get_mut(task) {
                record.state = TaskState::Assigned { rank, cost, missing };
            }
            // if an input has failed, the rank that has the task returns it
            return;
        }
        if missing == 0 {
            return self.make_ready(task);
        }
        if let Some(record) = self.tasks.get_mut(task) {
            record.state = TaskState::Blocked { missing };
        }
        if let Some(cause) = cause {
            self.fail(task, cause, out);
        }
    }

    /// Fails a task that must run on `rank`, which is dead or has no slots.
    pub(super) fn fail_pinned(&mut self, task: TaskId, rank: Rank, out: &mut Vec<SchedulerAction>) {
        let may = format!("it may only run on rank {rank}");
        match self.workers.get(rank) {
            None => self.fail_unplaced(task, rank, format!("{may}, which does not exist"), out),
            Some(worker) if worker.alive => {
                self.fail_unplaced(task, rank, format!("{may}, which computes nothing"), out)
            }
            Some(_) => self.fail_lost(task, rank, format!("{may}, which has died"), out),
        }
    }

    /// Fails all tasks that are ready to start, since no rank is left that computes.
    pub(super) fn fail_ready(&mut self, out: &mut Vec<SchedulerAction>) {
        while let Some((next, urgency)) = self.ready.peek(true) {
            match next {
                Next::Task(task) => {
                    self.ready.pop(urgency);
                    self.fail_lost(task, HEAD, "no rank is left that computes".into(), out);
                }
                Next::Family(first) => {
                    self.ready.pop(urgency);
                    self.touch_all(first);
                }
            }
        }
    }

    /// Fails a task that cannot run for want of the rank `rank`, which has died, or of what was there.
    fn fail_lost(&mut self, task: TaskId, rank: Rank, message: String, out: &mut Vec<SchedulerAction>) {
        let error = TaskError { kind: TaskErrorKind::RankLost, ..self.error_of(task, rank, message) };
        self.fail(task, Arc::new(error), out);
    }

    pub(super) fn fail_unplaced(
        &mut self,
        task: TaskId,
        rank: Rank,
        message: String,
        out: &mut Vec<SchedulerAction>,
    ) {
        let error = self.error_of(task, rank, message);
        self.fail(task, Arc::new(error), out);
    }
}
