//! The tasks of a rank that run although nobody wants their results any more: they were cancelled or take too long. A
//! task sees that by `dtask::cancelled`.

use crate::ids::TaskId;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A list of running tasks whose results nobody wants. To look costs one load while it is empty, as it is mostly.
#[derive(Debug, Default)]
pub(crate) struct CancelledTasks {
    count: AtomicUsize,
    tasks: Mutex<SmallVec<[TaskId; 4]>>,
}

impl CancelledTasks {
    /// Notes that nobody wants the result of a task that is with the compute threads.
    pub(crate) fn insert(&self, task: TaskId) {
        let mut tasks = self.tasks.lock();
        if !tasks.contains(&task) {
            tasks.push(task);
            self.count.store(tasks.len(), Ordering::Release);
        }
    }

    /// Forgets a task, which has ended.
    pub(crate) fn remove(&self, task: TaskId) {
        if self.count.load(Ordering::Acquire) > 0 {
            let mut tasks = self.tasks.lock();
            tasks.retain(|other| *other != task);
            self.count.store(tasks.len(), Ordering::Release);
        }
    }

    /// Whether nobody wants the result of the task.
    pub(crate) fn contains(&self, task: TaskId) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.tasks.lock().contains(&task)
    }
}
