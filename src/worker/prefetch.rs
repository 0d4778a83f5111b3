//! Prefetched tasks: followers are sent here ahead of an input that another task on this rank, the leader, makes.
//! They start when the leader is done, without a round trip to rank 0, and are given back with it.

use super::event::WorkerAction;
use super::{EndedTask, Waiting, Worker};
use crate::ids::TaskId;
use crate::protocol::{InputSource, RankReport, RunTask, TaskInput};
use smallvec::{SmallVec, smallvec};

impl Worker {
    /// Updates the source of each input that did not exist when rank 0 sent the task ([`InputSource::Upcoming`]) and
    /// exists by now. Returns false if the task that was to make an input failed or was given back.
    pub(super) fn update_upcoming(&self, run: &mut RunTask) -> bool {
        let upcoming = run.inputs.iter_mut().filter(|input| input.source == InputSource::Upcoming);
        for input in upcoming {
            // most of these tasks have ended just before or not yet, so the search begins with the last ones
            match self.unseen.iter().rev().find(|(task, _)| *task == input.task) {
                None => {}
                Some((_, EndedTask::Inline(value))) => input.source = InputSource::Inline(value.clone()),
                Some((_, EndedTask::Stored)) => input.source = InputSource::Here,
                Some((_, EndedTask::Without)) => return false,
            }
        }
        true
    }

    /// Continues with the followers of `task`, which has ended: they were sent to this rank before its result existed.
    /// Starts those that miss no other input; gives them back to rank 0 if `task` has no result.
    pub(super) fn lead(
        &mut self,
        task: TaskId,
        gone: &EndedTask,
        followers: &[TaskId],
        out: &mut Vec<WorkerAction>,
    ) {
        let source = match gone {
            EndedTask::Inline(value) => InputSource::Inline(value.clone()),
            EndedTask::Stored => InputSource::Here,
            EndedTask::Without => {
                followers.iter().for_each(|&follower| self.give_up(follower, out));
                return;
            }
        };
        // the followers go to the front of the queue, the first one first: their input is still in the cache
        for &follower in followers.iter().rev() {
            let Some(waiting) = self.waiting.get_mut(&follower) else { continue };
            let soon = |input: &&mut TaskInput| input.task == task && input.source == InputSource::Upcoming;
            for input in waiting.run.inputs.iter_mut().filter(soon) {
                input.source = source.clone();
                waiting.missing -= 1;
                if source == InputSource::Here
                    && let Some(held) = self.held.get_mut(&task)
                {
                    held.users += 1;
                }
            }
            if waiting.missing == 0
                && let Some(waiting) = self.waiting.remove(&follower)
            {
                self.enqueue_first(waiting.run);
            }
        }
    }

    /// Gives a waiting task back to rank 0 since an input will not come: at once, or after its fetches of other inputs.
    pub(super) fn give_up(&mut self, task: TaskId, out: &mut Vec<WorkerAction>) {
        if let Some(waiting) = self.withdraw(task, out) {
            self.end_withdrawn(waiting, out);
        }
    }

    /// Detaches a waiting task from its inputs and from the tasks that it follows. Returns the task if it can be given
    /// back to rank 0 now; otherwise keeps it until its fetches have ended and returns `None`.
    fn withdraw(&mut self, task: TaskId, out: &mut Vec<WorkerAction>) -> Option<Waiting> {
        let mut waiting = self.waiting.remove(&task)?;
        waiting.lost = true;
        let inputs = std::mem::take(&mut waiting.run.inputs);
        for input in inputs {
            match input.source {
                InputSource::Inline(_) => {}
                InputSource::Upcoming => self.unfollow(task, input.task),
                InputSource::Here | InputSource::At { .. } => match self.held.get(&input.task) {
                    Some(held) if held.coming.is_some() => waiting.run.inputs.push(input),
                    Some(_) => self.unuse(input.task, out),
                    // the input that will not come: its entry was removed when its holder died
                    None => {}
                },
            }
        }
        waiting.missing = waiting.run.inputs.len() as u32;
        if waiting.missing == 0 {
            return Some(waiting);
        }
        self.waiting.insert(task, waiting);
        None
    }

    fn unfollow(&mut self, task: TaskId, leader: TaskId) {
        if let Some(followers) = self.followers.get_mut(&leader) {
            followers.retain(|follower| *follower != task);
            if followers.is_empty() {
                self.followers.remove(&leader);
            }
        }
    }

    /// Gives a task that has not started and waits for nothing back to rank 0, and with it all tasks that wait for its
    /// result on this rank.
    pub(super) fn give_back(&mut self, run: RunTask, out: &mut Vec<WorkerAction>) {
        self.end_withdrawn(Waiting { run, missing: 0, lost: true, error: None }, out);
    }

    /// Ends a task that will not start and waits for nothing any more: it fails with its error, or goes back to rank 0.
    pub(super) fn end_withdrawn(&mut self, waiting: Waiting, out: &mut Vec<WorkerAction>) {
        let mut todo: SmallVec<[Waiting; 1]> = smallvec![waiting];
        while let Some(Waiting { run, error, .. }) = todo.pop() {
            for input in Self::stored_inputs(&run) {
                self.unuse(input, out);
            }
            self.drop_old_copy(run.task, run.attempt, out);
            match error {
                Some(error) => {
                    self.unseen.push_back((run.task, EndedTask::Without));
                    let (task, attempt) = (run.task, run.attempt);
                    out.push(WorkerAction::Report(RankReport::Failed { task, attempt, error }));
                }
                None => self.report_given_back(&run, out),
            }
            let followers = self.followers.remove(&run.task).unwrap_or_default();
            todo.extend(followers.into_iter().rev().filter_map(|follower| self.withdraw(follower, out)));
        }
    }

    pub(super) fn report_given_back(&mut self, run: &RunTask, out: &mut Vec<WorkerAction>) {
        self.unseen.push_back((run.task, EndedTask::Without));
        out.push(WorkerAction::Report(RankReport::Retracted { task: run.task, attempt: run.attempt }));
    }
}
