//! Watches: the ends of tasks without their results and without blocking; also statuses, cancelling, and tasks that
//! nobody watches.

use super::Client;
use super::future::{Future, want};
use crate::clock;
use crate::compact::{Bytes, Runs};
use crate::error::{Error, Result, TaskError};
use crate::ids::TaskId;
use crate::runtime::head::Request;
use crate::runtime::wait::Wait;
use crate::scheduler::{SchedulerEvent, Status};
use std::borrow::Borrow;
use std::sync::{Arc, mpsc};

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

    /// The encoded results of tasks that have ended with one of at most eight bytes, each with the index of its future;
    /// empty once [`Watch::take`] has returned the ends.
    pub(crate) fn tiny(&self) -> Vec<(usize, Bytes)> {
        self.wait.tiny()
    }

    /// The failures after the first `seen` ones, in the order in which they came, each with the index of its future;
    /// empty once [`Watch::take`] has returned the ends.
    pub(crate) fn failures_after(&self, seen: usize) -> Vec<(usize, Arc<TaskError>)> {
        self.wait.failures_after(seen)
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
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.map(|n: u64| n * n, 0..4);
    /// println!("{:?}", client.statuses(&squares));
    /// # Ok(()) }
    /// ```
    pub fn statuses<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Vec<Status> {
        self.shared.statuses(futures.into_iter().map(|future| future.borrow().handle.task()))
    }

    /// The sizes in bytes of the results that ranks hold, in the order of the futures; 0 for one that has no result
    /// yet, or whose result is so small that rank 0 has it. Only the client of rank 0 can ask.
    ///
    /// # Errors
    /// When the run has ended.
    pub(crate) fn lengths<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
    ) -> Result<Vec<u64>> {
        self.only_at_rank_0("lengths")?;
        let (reply, answer) = mpsc::channel();
        let mut tasks = Runs::default();
        futures.into_iter().for_each(|future| tasks.push(future.borrow().handle.task().0));
        self.shared.mailbox.push(Request::Lengths(tasks, reply));
        if let Some(why) = &self.shared.state.lock().closed {
            return Err(Error::Closed(why.clone()));
        }
        clock::receive(&answer).map_err(|_| Error::Closed("the reactor has ended".into()))
    }

    /// Cancels tasks. Each that has not ended fails, and with it all tasks that take its result: at once, with an error
    /// of the kind [`TaskErrorKind::Cancelled`](crate::TaskErrorKind::Cancelled) that names the cancelled task. Tasks
    /// that have not started never run. One that runs goes on, since a function cannot be stopped: it sees
    /// [`cancelled`](crate::cancelled), keeps its slot until it returns, and its result is dropped.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// fn endless() -> u64 {
    ///     (0..).find(|_| dtask::cancelled()).unwrap_or(0)
    /// }
    /// let search = client.submit(endless, ());
    /// search.cancel(); // or client.cancel(&searches)
    /// assert!(search.result().is_err());
    /// # Ok(()) }
    /// ```
    pub fn cancel<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) {
        self.cancel_by(SchedulerEvent::Cancel, futures);
    }

    /// Cancels those of the tasks that were not sent to a rank yet.
    pub(crate) fn cancel_unsent<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) {
        self.cancel_by(SchedulerEvent::CancelUnsent, futures);
    }

    fn cancel_by<T, F: Borrow<Future<T>>>(
        &self,
        event: fn(TaskId) -> SchedulerEvent,
        futures: impl IntoIterator<Item = F>,
    ) {
        let cancel = |future: &F| Request::Fact(event(future.borrow().handle.task()));
        let futures: Vec<F> = futures.into_iter().collect();
        // no future is dropped meanwhile: its drop uses the mailbox too, which is locked
        self.shared.mailbox.extend(futures.iter().map(cancel));
    }

    /// Lets a task run to its end although nobody keeps its future: for a task that is run for its effects. If it
    /// fails, rank 0 prints its error. The run does not end before it has.
    ///
    /// ```
    /// # fn write(_: String) -> Result<(), dtask::Failure> { Ok(()) }
    /// # fn f(client: &dtask::Client) {
    /// client.fire_and_forget(client.submit(write, ("results.txt".to_owned(),)));
    /// # }
    /// ```
    pub fn fire_and_forget<T>(&self, future: Future<T>) {
        let detach = SchedulerEvent::Detach(future.handle.task());
        self.shared.mailbox.push(Request::Fact(detach));
        drop(future); // its release comes behind
    }

    /// Begins a watch over the ends of tasks. No results are moved.
    ///
    /// Each future may be dropped as soon as its task has ended: the watch does not need the result.
    pub(crate) fn watch<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Watch {
        Watch { wait: want(&self.shared, futures, Wait::for_ends).0 }
    }
}
