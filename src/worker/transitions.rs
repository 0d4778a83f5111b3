//! State transitions of a computing rank. Each `on_…` function handles the event or order of the same name.

use super::event::WorkerAction;
use super::{EndedTask, HeldResult, Waiting, Worker};
use crate::error::{ProtocolError, TaskError};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{
    BulkLayout, InputSource, RankReport, ReportedResult, RunTask, TaskInput, index_argument,
};
use smallvec::SmallVec;

impl Worker {
    /// The inputs of a task that have to be in this rank's store, since they do not travel inside the message.
    pub(super) fn stored_inputs(run: &RunTask) -> SmallVec<[TaskId; 4]> {
        let stored = |input: &&TaskInput| matches!(input.source, InputSource::Here | InputSource::At { .. });
        run.inputs.iter().filter(stored).map(|input| input.task).collect()
    }

    pub(super) fn on_run(&mut self, run: RunTask, out: &mut Vec<WorkerAction>) -> Result<(), ProtocolError> {
        if let Some(earlier) = &self.receiving {
            return Err(ProtocolError(format!(
                "{:?} comes before the inputs of {:?}",
                run.task, earlier.task
            )));
        }
        if run.more > 0 {
            self.receiving = Some(run);
            return Ok(());
        }
        self.admit(run, out)
    }

    pub(super) fn on_more_inputs(
        &mut self,
        task: TaskId,
        inputs: Vec<TaskInput>,
        more: u32,
        out: &mut Vec<WorkerAction>,
    ) -> Result<(), ProtocolError> {
        let Some(mut run) = self.receiving.take().filter(|run| run.task == task) else {
            return Err(ProtocolError(format!("inputs of {task:?}, which is not being received")));
        };
        run.inputs.extend(inputs);
        run.more = more;
        if more > 0 {
            self.receiving = Some(run);
            return Ok(());
        }
        self.admit(run, out)
    }

    pub(super) fn on_run_range(&mut self, def: DefId, first: TaskId, index: u64, count: u32) {
        for k in 0..u64::from(count) {
            self.queue.push_back(RunTask {
                task: TaskId(first.0.saturating_add(k)),
                attempt: 1,
                def,
                key: index.saturating_add(k),
                args: index_argument(index.saturating_add(k)),
                inputs: Vec::new(),
                more: 0,
                depth: 0,
            });
        }
    }

    fn admit(&mut self, mut run: RunTask, out: &mut Vec<WorkerAction>) -> Result<(), ProtocolError> {
        if !self.update_upcoming(&mut run) {
            self.drop_old_copy(run.task, run.attempt, out);
            self.report_given_back(&run, out);
            return Ok(());
        }
        for input in &run.inputs {
            if input.source == InputSource::Here
                && self.held.get(&input.task).is_none_or(|h| h.coming.is_some())
            {
                return Err(ProtocolError(format!(
                    "{:?} takes {:?}, which is not here",
                    run.task, input.task
                )));
            }
        }
        if run.attempt > 1
            && let Some(held) = self.held.get_mut(&run.task)
        {
            // The task runs again since rank 0 has lost its result, but this rank may still have a released copy that
            // tasks here use. Their end must not drop the entry: by then the new result may be in it.
            held.released = false;
        }
        let mut missing = 0;
        for input in &run.inputs {
            if let InputSource::At { holder, nbytes, layout } = &input.source
                && !self.held.contains_key(&input.task)
            {
                self.fetch(input.task, *holder, *nbytes, layout.clone(), out);
            }
            match input.source {
                InputSource::Inline(_) => {}
                InputSource::Upcoming => {
                    let followers = self.followers.entry(input.task).or_default();
                    if followers.last() != Some(&run.task) {
                        followers.push(run.task);
                    }
                    missing += 1;
                }
                InputSource::Here | InputSource::At { .. } => {
                    let Some(held) = self.held.get_mut(&input.task) else { continue };
                    held.users += 1;
                    if held.coming.is_some() {
                        held.waiters.push(run.task);
                        missing += 1;
                    }
                }
            }
        }
        if missing == 0 {
            self.enqueue(run);
        } else {
            self.waiting.insert(run.task, Waiting { run, missing, lost: false, error: None });
        }
        Ok(())
    }

    fn fetch(
        &mut self,
        task: TaskId,
        holder: Rank,
        nbytes: u64,
        layout: BulkLayout,
        out: &mut Vec<WorkerAction>,
    ) {
        self.held.insert(task, HeldResult { coming: Some(holder), ..HeldResult::default() });
        out.push(WorkerAction::Fetch { task, holder, nbytes, layout });
    }

    pub(super) fn on_bring(
        &mut self,
        task: TaskId,
        holder: Rank,
        nbytes: u64,
        layout: BulkLayout,
        out: &mut Vec<WorkerAction>,
    ) {
        if !self.held.contains_key(&task) {
            self.fetch(task, holder, nbytes, layout, out);
        }
        let Some(held) = self.held.get_mut(&task) else { return };
        if held.coming.is_some() {
            held.brought = true;
        } else if std::mem::take(&mut held.released) {
            out.push(WorkerAction::Report(RankReport::Fetched { task }));
        }
        // otherwise the result is here and rank 0 does not know yet: that report is under way
    }

    pub(super) fn on_arrived(
        &mut self,
        task: TaskId,
        out: &mut Vec<WorkerAction>,
    ) -> Result<(), ProtocolError> {
        let Some(held) = self.held.get_mut(&task).filter(|held| held.coming.is_some()) else {
            return Err(ProtocolError(format!("{task:?} has arrived, but was not on its way")));
        };
        held.coming = None;
        held.brought = false;
        let waiters = std::mem::take(&mut held.waiters);
        if held.released {
            self.drop_if_free(task, out);
        } else {
            out.push(WorkerAction::Report(RankReport::Fetched { task }));
        }
        // All waiters count the arrival before one of them is given back. Giving a task back counts anew what its
        // followers miss; a follower that is a waiter too would otherwise count the arrival twice.
        let mut complete: SmallVec<[Waiting; 2]> = SmallVec::new();
        for waiter in waiters {
            let Some(waiting) = self.waiting.get_mut(&waiter) else { continue };
            waiting.missing -= 1;
            if waiting.missing == 0 {
                complete.extend(self.waiting.remove(&waiter));
            }
        }
        for waiting in complete {
            match waiting.lost {
                false => self.enqueue(waiting.run),
                true => self.end_withdrawn(waiting, out),
            }
        }
        Ok(())
    }

    /// Fails the tasks that wait for a result that cannot be taken in, and tells rank 0 so if the client waits for it.
    pub(super) fn on_refused(
        &mut self,
        task: TaskId,
        error: &TaskError,
        out: &mut Vec<WorkerAction>,
    ) -> Result<(), ProtocolError> {
        let Some(held) = self.held.remove(&task).filter(|held| held.coming.is_some()) else {
            return Err(ProtocolError(format!("{task:?} is refused, but was not on its way")));
        };
        if held.brought {
            out.push(WorkerAction::Report(RankReport::Refused { task, error: Box::new(error.clone()) }));
        }
        for waiter in held.waiters {
            if let Some(waiting) = self.waiting.get_mut(&waiter) {
                waiting.error = Some(Box::new(error.clone()));
                self.give_up(waiter, out);
            }
        }
        Ok(())
    }

    /// Begins the end of the run: gives all queued tasks back to rank 0 and starts no more.
    pub(super) fn on_shutdown(&mut self, out: &mut Vec<WorkerAction>) {
        self.closing = true;
        while let Some(run) = self.last_queued() {
            self.give_back(run, out);
        }
    }

    pub(super) fn on_computed(
        &mut self,
        task: TaskId,
        attempt: Attempt,
        nanos: u32,
        output: Result<ReportedResult, TaskError>,
        out: &mut Vec<WorkerAction>,
    ) -> Result<(), ProtocolError> {
        if self.running == 0 {
            return Err(ProtocolError(format!("{task:?} is computed, but nothing was running")));
        }
        self.running -= 1;
        if !self.wide.is_empty()
            && let Some(width) = self.wide.remove(&task)
        {
            self.extra -= width - 1;
        }
        self.crowded &= self.running + self.extra + self.lent > self.slots;
        self.mean = match self.mean {
            0 => u64::from(nanos.max(1)),
            mean => (mean * 7 + u64::from(nanos)).div_ceil(8),
        };
        for input in self.in_use.remove(&task).unwrap_or_default() {
            self.unuse(input, out);
        }
        let gone = match &output {
            Ok(ReportedResult::Inline(value)) => EndedTask::Inline(value.clone()),
            Ok(ReportedResult::Stored { .. }) => EndedTask::Stored,
            Err(_) => EndedTask::Without,
        };
        if matches!(gone, EndedTask::Stored) {
            // if the task ran again since its result was lost, an entry may be here already: of a copy of the old
            // result that rank 0 has released and tasks here still read. The new result takes over the entry, and must
            // not be freed when those tasks end
            self.held.entry(task).or_default().released = false;
        } else {
            self.drop_old_copy(task, attempt, out);
        }
        out.push(WorkerAction::Report(match output {
            Ok(output) => RankReport::Finished { task, attempt, nanos, output },
            Err(error) => RankReport::Failed { task, attempt, error: Box::new(error) },
        }));
        let followers = if self.followers.is_empty() { None } else { self.followers.remove(&task) };
        match followers {
            None => self.unseen.push_back((task, gone)),
            Some(followers) => {
                self.unseen.push_back((task, gone.clone()));
                self.lead(task, &gone, &followers, out);
            }
        }
        Ok(())
    }

    pub(super) fn on_asked(
        &mut self,
        task: TaskId,
        same_files: bool,
        (by, tag): (Rank, u32),
        out: &mut Vec<WorkerAction>,
    ) -> Result<(), ProtocolError> {
        if self.dead.contains(&by) {
            // rank 0 keeps no results for a dead rank's tasks, so this one may be gone
            return Ok(());
        }
        if self.held.get(&task).is_none_or(|held| held.coming.is_some()) {
            return Err(ProtocolError(format!("rank {by} asks for {task:?}, which is not here")));
        }
        out.push(WorkerAction::Give { to: by, task, tag, same_files });
        Ok(())
    }

    pub(super) fn on_retract(&mut self, count: u32, out: &mut Vec<WorkerAction>) {
        for _ in 0..count {
            let Some(run) = self.last_queued() else { break };
            self.give_back(run, out);
        }
        out.push(WorkerAction::Report(RankReport::RetractDone));
    }

    /// Gives a task back whose result is no longer wanted, if it has not started; else has it told so.
    pub(super) fn on_cancel(&mut self, task: TaskId, out: &mut Vec<WorkerAction>) {
        if self.waiting.contains_key(&task) {
            self.give_up(task, out);
        } else if let Some(run) = self.take_queued(task) {
            self.give_back(run, out);
        } else if !self.unseen.iter().any(|(ended, _)| *ended == task) {
            out.push(WorkerAction::Cancel(task));
        }
    }

    pub(super) fn on_release(&mut self, task: TaskId, out: &mut Vec<WorkerAction>) {
        if let Some(held) = self.held.get_mut(&task) {
            held.released = true;
            self.drop_if_free(task, out);
        }
    }

    pub(super) fn on_lost(&mut self, rank: Rank, out: &mut Vec<WorkerAction>) {
        let mut lost: Vec<TaskId> =
            self.held.iter().filter(|(_, held)| held.coming == Some(rank)).map(|(&task, _)| task).collect();
        // the order of a hash map could make equal events give different actions
        lost.sort_unstable();
        self.dead.push(rank);
        for task in lost {
            let Some(held) = self.held.remove(&task) else { continue };
            if held.brought {
                out.push(WorkerAction::Report(RankReport::NotBrought { task }));
            }
            for waiter in held.waiters {
                self.give_up(waiter, out);
            }
        }
    }

    /// Drops this rank's copy of an earlier result of `task`. Rank 0 had lost that result and sent the task here to
    /// make it again (so `attempt` is above 1), but the task leaves no new result in the store. Rank 0 does not know of
    /// the copy and would never release it.
    pub(super) fn drop_old_copy(&mut self, task: TaskId, attempt: Attempt, out: &mut Vec<WorkerAction>) {
        if attempt > 1
            && let Some(held) = self.held.get_mut(&task)
        {
            held.released = true;
            self.drop_if_free(task, out);
        }
    }

    pub(super) fn unuse(&mut self, task: TaskId, out: &mut Vec<WorkerAction>) {
        if let Some(held) = self.held.get_mut(&task) {
            held.users -= 1;
            self.drop_if_free(task, out);
        }
    }

    fn drop_if_free(&mut self, task: TaskId, out: &mut Vec<WorkerAction>) {
        if self.held.get(&task).is_some_and(|held| held.released && held.users == 0 && held.coming.is_none())
        {
            self.held.remove(&task);
            out.push(WorkerAction::Drop(task));
        }
    }
}
