//! Watching tasks end without waiting for them, and without their results.

use super::Client;
use super::future::{Future, want};
use crate::error::{Result, TaskError};
use crate::runtime::head::Request;
use crate::runtime::wait::Wait;
use crate::scheduler::{SchedulerEvent, Status};
use std::borrow::Borrow;
use std::sync::Arc;

/// How a task ended, without its result.
pub(crate) type Ended = std::result::Result<(), Arc<TaskError>>;

/// A number of tasks that are being watched.
pub(crate) struct Watch {
    wait: Arc<Wait>,
}

impl Watch {
    /// Which of the tasks have ended, in the order of the futures; empty after [`Watch::take`] gave something.
    pub(crate) fn ended(&self) -> Vec<bool> {
        self.wait.ended()
    }

    /// How many have not ended.
    pub(crate) fn open(&self) -> usize {
        self.wait.open()
    }

    /// The failures so far, each with the number of its future; empty after [`Watch::take`] gave something.
    pub(crate) fn failures(&self) -> Vec<(usize, Arc<TaskError>)> {
        self.wait.failures()
    }

    /// How each task ended, in order, once all have; `None` before, and when it was taken already.
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
    /// What the tasks are doing now, in the order of the futures.
    pub fn statuses<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Vec<Status> {
        self.shared.statuses(futures.into_iter().map(|future| future.borrow().handle.task))
    }

    /// Gives tasks up: those that no rank has yet fail, and with them what depends on them. Only rank 0's client can.
    pub fn cancel<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) {
        let cancel = |future: &F| Request::Fact(SchedulerEvent::Cancel(future.borrow().handle.task));
        let futures: Vec<F> = futures.into_iter().collect();
        // none is dropped meanwhile: that goes by the mailbox too, which is locked
        self.shared.mailbox.extend(futures.iter().map(cancel));
    }

    /// Watches tasks end; nothing is moved.
    ///
    /// A future may be dropped as soon as its task has ended.
    pub(crate) fn watch<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Watch {
        Watch { wait: want(&self.shared, futures, Wait::for_ends).0 }
    }
}
