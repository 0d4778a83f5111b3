//! Nested tasks: tasks here submit tasks and wait for them. A waiting task gives its slots back, and the tasks that
//! it waits for come first.
//!
//! Deeper tasks start before others, and while there are any, no task is handed over in advance. So the number of
//! waiting tasks, each of which keeps a thread, grows with the depth of the nesting and not with its breadth.

use super::Worker;
use super::event::WorkerAction;
use crate::error::ProtocolError;
use crate::ids::TaskId;
use crate::protocol::{RankReport, RunTask};
use std::collections::VecDeque;

impl Worker {
    /// Whether tasks of this rank wait for other tasks, or tasks that were submitted by tasks are queued on it.
    pub(super) fn nests(&self) -> bool {
        self.paused > 0 || !self.nested.is_empty()
    }

    /// Queues a task that can start, behind the queued tasks of its nesting depth.
    pub(super) fn enqueue(&mut self, run: RunTask) {
        match run.depth {
            0 => self.queue.push_back(run),
            depth => self.nested.entry(depth).or_default().push_back(run),
        }
    }

    /// Queues a task that can start, before the queued tasks of its nesting depth.
    pub(super) fn enqueue_first(&mut self, run: RunTask) {
        match run.depth {
            0 => self.queue.push_front(run),
            depth => self.nested.entry(depth).or_default().push_front(run),
        }
    }

    /// The queued task that starts next: the deepest nested one, else the first of the client's tasks; `None` if none
    /// is queued.
    pub(super) fn first_queued(&self) -> Option<&RunTask> {
        match self.nested.last_key_value() {
            Some((_, deepest)) => deepest.front(),
            None => self.queue.front(),
        }
    }

    /// Removes the task that starts next from the queue and returns it.
    pub(super) fn next_queued(&mut self) -> Option<RunTask> {
        let Some(mut deepest) = self.nested.last_entry() else { return self.queue.pop_front() };
        let run = deepest.get_mut().pop_front();
        if deepest.get().is_empty() {
            deepest.remove();
        }
        run
    }

    /// Removes the task that would start last from the queue and returns it, to be given back to rank 0.
    pub(super) fn last_queued(&mut self) -> Option<RunTask> {
        if let Some(run) = self.queue.pop_back() {
            return Some(run);
        }
        let mut first = self.nested.first_entry()?;
        let run = first.get_mut().pop_back();
        if first.get().is_empty() {
            first.remove();
        }
        run
    }

    /// Removes this task from the queue and returns it; `None` if it is not queued.
    pub(super) fn take_queued(&mut self, task: TaskId) -> Option<RunTask> {
        if let Some(at) = self.queue.iter().position(|run| run.task == task) {
            return self.queue.remove(at);
        }
        let find = |(&depth, runs): (&u32, &VecDeque<RunTask>)| {
            Some((depth, runs.iter().position(|run| run.task == task)?))
        };
        let (depth, at) = self.nested.iter().find_map(find)?;
        let runs = self.nested.get_mut(&depth)?;
        let run = runs.remove(at);
        if runs.is_empty() {
            self.nested.remove(&depth);
        }
        run
    }

    /// All queued tasks, which can start, in no particular order.
    pub(super) fn queued(&self) -> impl Iterator<Item = &RunTask> {
        self.queue.iter().chain(self.nested.values().flatten())
    }

    /// Slots that become free when a thread waits for other tasks: all slots of its task, or one for a parallel part of
    /// another thread's task (`None`).
    pub(super) fn slots_of(&self, task: Option<TaskId>) -> u32 {
        task.and_then(|task| self.wide.get(&task)).copied().unwrap_or(1)
    }

    pub(super) fn on_resumed(&mut self, task: Option<TaskId>) -> Result<(), ProtocolError> {
        let paused = self.paused.checked_sub(self.slots_of(task));
        self.paused = paused.ok_or_else(|| ProtocolError("a thread goes on that has not waited".into()))?;
        self.crowded = true;
        Ok(())
    }

    /// Reports to rank 0 the number of slots that waiting tasks leave free, if it has changed since the last report.
    pub(super) fn tell_waits(&mut self, out: &mut Vec<WorkerAction>) {
        if self.told != self.paused {
            self.told = self.paused;
            out.push(WorkerAction::Report(RankReport::Waits { slots: self.paused }));
        }
    }

    /// Verifies the invariants of the queues of tasks; the error names the violated one.
    pub(super) fn check_nested(&self) -> Result<(), String> {
        if let Some(run) = self.queue.iter().find(|run| run.depth > 0) {
            return Err(format!("{:?} is nested, but queued as if it were not", run.task));
        }
        for (depth, runs) in &self.nested {
            if runs.is_empty() {
                return Err(format!("an empty queue of depth {depth} is kept"));
            }
            if let Some(run) = runs.iter().find(|run| run.depth != *depth) {
                return Err(format!("{:?} of depth {} is queued at depth {depth}", run.task, run.depth));
            }
        }
        Ok(())
    }
}
