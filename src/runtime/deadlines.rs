//! Time limits of tasks: which of a rank's tasks run too long.

use crate::clock;
use crate::ids::{Attempt, IdMap, TaskId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// A task with a time limit that is with the compute threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimedTask {
    attempt: Attempt,
    limit: Duration,
    is_late: bool,
}

/// The tasks of a rank with a time limit that are with its compute threads.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queue: BinaryHeap<Reverse<(Instant, TaskId, Attempt)>>,
    running: IdMap<TaskId, TimedTask>,
}

impl Deadlines {
    /// Begins the time of a task that may take `millis` milliseconds; does nothing for 0, which is no limit.
    pub(crate) fn begin(&mut self, task: TaskId, attempt: Attempt, millis: u32) {
        let limit = Duration::from_millis(millis.into());
        if millis > 0
            && let Some(end) = clock::now().checked_add(limit)
        {
            self.queue.push(Reverse((end, task, attempt)));
            self.running.insert(task, TimedTask { attempt, limit, is_late: false });
        }
    }

    /// Ends the time of a task. If it took too long, returns the time that it had.
    pub(crate) fn end(&mut self, task: TaskId) -> Option<Duration> {
        if self.running.is_empty() {
            return None;
        }
        self.running.remove(&task).filter(|timed| timed.is_late).map(|timed| timed.limit)
    }

    /// The next task that runs and whose time is over, with its attempt and the time that it had. Each is returned
    /// once.
    pub(crate) fn expired(&mut self) -> Option<(TaskId, Attempt, Duration)> {
        while let Some(&Reverse((end, task, attempt))) = self.queue.peek()
            && end <= clock::now()
        {
            self.queue.pop();
            if let Some(timed) = self.running.get_mut(&task).filter(|timed| timed.attempt == attempt) {
                timed.is_late = true;
                return Some((task, attempt, timed.limit));
            }
        }
        None
    }
}
