//! Watches: the ends of tasks without their results and without blocking; also statuses and cancelling.

use super::Client;
use super::future::{Future, want};
use crate::error::{Result, TaskError};
use crate::runtime::head::Request;
use crate::runtime::wait::Wait;
use crate::scheduler::{SchedulerEvent, Status};
use std::borrow::Borrow;
use std::sync::Arc;

/// The end of a task, without its result: `Ok` if the task has a result, or the task's error.
pub(crate) type Ended = std::result::Result<(), Arc<TaskError>>;

/// A watch over several tasks: tells which of them have ended, without their results and without blocking.
pub(crate) struct Watch {
    wait: Arc<Wait>,
}

impl Watch {
    /// Whether each task has ended, in the order of the futures; empty once [`Watch::take`] has returned the ends.
    pub(crate) fn ended(&self) -> Vec<bool> {
        self.wait.ended()
    }

    /// Number of watched tasks that have not ended.
    pub(crate) fn open(&self) -> usize {
        self.wait.open()
    }

    /// Whether the run has ended: then tasks count as ended that have no result.
    pub(crate) fn is_closed(&self) -> bool {
        self.wait.is_closed()
    }

    /// The failures so far, each with the index of its future; empty once [`Watch::take`] has returned the ends.
    pub(crate) fn failures(&self) -> Vec<(usize, Arc<TaskError>)> {
        self.wait.failures()
    }

    /// Takes the end of each task, in order, once all have ended; `None` before that, and when they were taken already.
    ///
    /// # Errors
    /// When the run has ended before the tasks.
    pub(crate) fn take(&self) -> Option<Result<Vec<Ended>>> {
        let answers = self.wait.take()?;
        if let Err(error) = answers.all_ended() {
            return Some(Err(error));
        }
        let mut ended: Vec<Ended> = vec![Ok(()); answers.ended.len()];
        for (place, cause) in answers.failed {
            ended[place] = Err(cause);
        }
        Some(Ok(ended))
    }
}

impl Client {
    /// The statuses of the tasks at this moment, in the order of the futures.
    pub fn statuses<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Vec<Status> {
        self.shared.statuses(futures.into_iter().map(|future| future.borrow().handle.task))
    }

    /// Cancels tasks. A task that was not sent to a rank yet fails, and with it each task that takes its result. Only
    /// the client of rank 0 can cancel.
    pub fn cancel<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) {
        let cancel = |future: &F| Request::Fact(SchedulerEvent::Cancel(future.borrow().handle.task));
        let futures: Vec<F> = futures.into_iter().collect();
        // no future is dropped meanwhile: its drop uses the mailbox too, which is locked
        self.shared.mailbox.extend(futures.iter().map(cancel));
    }

    /// Begins a watch over the ends of tasks. No results are moved.
    ///
    /// Each future may be dropped as soon as its task has ended: the watch does not need the result.
    pub(crate) fn watch<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Watch {
        Watch { wait: want(&self.shared, futures, Wait::for_ends).0 }
    }
}
