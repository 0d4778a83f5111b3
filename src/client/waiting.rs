//! Waits for some of many tasks: in the order of their ends, for the first, for the first failure.

use super::future::{Future, want};
use super::{Client, ClientShared};
use crate::compact::Runs;
use crate::error::{Error, Result};
use crate::runtime::head::Request;
use crate::runtime::wait::{NextEnd, Wait, WaitUntil};
use crate::task::value::Data;
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Futures in the order in which their tasks end, made by [`Client::as_completed`].
///
/// More futures may be added at any time, also while the iterator is used. A future of a task that has failed comes
/// like any other: its `result()` is the error. If the run ends before, the rest comes in the order in which it was
/// added.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let mut done = client.as_completed(client.map(|n: u64| n / 2, 0..100));
/// for half in done {
///     println!("{}", half.result()?);
/// }
/// # Ok(()) }
/// ```
pub struct AsCompleted<T> {
    shared: Arc<ClientShared>,
    wait: Arc<Wait>,
    /// The futures whose ends were not taken, by their index in the wait.
    futures: Vec<Option<Future<T>>>,
    /// The indexes that are free, to be used again.
    free: Vec<u32>,
}

impl<T> AsCompleted<T> {
    /// Adds a future. It comes out when its task has ended; at once if it has already.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mut done = client.as_completed(client.map(|n: u64| n / 2, 0..100));
    /// done.add(client.submit(|n: u64| n, (7,)));
    /// assert_eq!(done.count(), 101);
    /// # Ok(()) }
    /// ```
    pub fn add(&mut self, future: Future<T>) {
        let mut task = Runs::default();
        task.push(future.handle.task().0);
        let first = self.enter(future);
        self.ask(task, first);
    }

    fn enter(&mut self, future: Future<T>) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.futures.push(None);
            self.futures.len() as u32 - 1
        });
        self.wait.add(place);
        self.futures[place as usize] = Some(future);
        place
    }

    fn ask(&self, tasks: Runs, first: u32) {
        self.shared.mailbox.push(Request::Want { tasks, first, wait: self.wait.clone() });
        self.shared.answer_if_closed(&self.wait);
    }

    /// Number of futures that have not come out.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mut done = client.as_completed(client.map(|n: u64| n / 2, 0..100));
    /// done.next();
    /// assert_eq!(done.len(), 99);
    /// # Ok(()) }
    /// ```
    pub fn len(&self) -> usize {
        self.futures.len() - self.free.len()
    }

    /// Whether all futures have come out.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mut done = client.as_completed(client.map(|n: u64| n / 2, 0..100));
    /// while !done.is_empty() {
    ///     println!("{:?}", done.next());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next future whose task has ended, for which it waits at most `limit`; `None` if all have come out.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mut done = client.as_completed(client.map(|n: u64| n * n, 0..8));
    /// while let Some(future) = done.next_timeout(Duration::from_secs(60))? {
    ///     println!("{}", future.result()?);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Timeout`] when no task has ended within `limit`.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Future<T>>> {
        match self.next_limit(Some(limit)) {
            Some(Some(future)) => Ok(Some(future)),
            Some(None) => Ok(None),
            None => Err(Error::Timeout(limit)),
        }
    }

    /// The next future, `Some(None)` after the last one, `None` if the limit has passed.
    fn next_limit(&mut self, limit: Option<Duration>) -> Option<Option<Future<T>>> {
        if self.is_empty() {
            return Some(None);
        }
        let place = match self.wait.next(limit, self.shared.driver.get().as_deref()) {
            NextEnd::Ended(place) => place as usize,
            NextEnd::Closed => self.futures.iter().position(Option::is_some).unwrap_or(0),
            NextEnd::TimedOut => return None,
        };
        self.free.push(place as u32);
        Some(self.futures.get_mut(place).and_then(Option::take))
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = Future<T>;

    /// Waits for the next end of a task.
    fn next(&mut self) -> Option<Future<T>> {
        self.next_limit(None).flatten()
    }
}

impl<T> Extend<Future<T>> for AsCompleted<T> {
    fn extend<I: IntoIterator<Item = Future<T>>>(&mut self, futures: I) {
        futures.into_iter().for_each(|future| self.add(future));
    }
}

/// Futures whose tasks have ended, and those whose tasks have not.
type Split<T> = (Vec<Future<T>>, Vec<Future<T>>);

impl Client {
    /// An iterator of futures in the order in which their tasks end. It waits for each; see [`AsCompleted`].
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mut done = client.as_completed(client.map(|n: u64| n / 2, 0..100));
    /// while let Some(half) = done.next() {
    ///     let n = half.result()?;
    ///     if n > 1 {
    ///         done.add(client.submit(|n: u64| n / 2, (n,)));
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn as_completed<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
    ) -> AsCompleted<T> {
        let wait = Wait::for_ends_until(WaitUntil::Next, 0);
        let mut all =
            AsCompleted { shared: self.shared.clone(), wait, futures: Vec::new(), free: Vec::new() };
        let mut tasks = Runs::default();
        for future in futures {
            let future = future.borrow().clone();
            tasks.push(future.handle.task().0);
            all.enter(future);
        }
        if !all.futures.is_empty() {
            all.ask(tasks, 0);
        }
        all
    }

    /// Waits until any of the tasks has ended, with a result or an error. Returns the futures of those that have, and
    /// the others. For a loop over many futures, [`Client::as_completed`] looks at each once.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let searches = client.map(|start: u64| (start..).find(|n| n % 97 == 0), [1, 1_000, 100_000]);
    /// let (ended, open) = client.wait_any(&searches)?;
    /// client.cancel(&open);
    /// println!("{:?}", ended[0].result()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended before.
    pub fn wait_any<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
    ) -> Result<Split<T>> {
        self.wait_until(WaitUntil::Any, futures, None)
    }

    /// Waits like [`Client::wait_any`], but for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let searches = client.map(|start: u64| (start..).find(|n| n % 97 == 0), [1, 1_000, 100_000]);
    /// let (ended, open) = client.wait_any_timeout(&searches, Duration::from_secs(60))?;
    /// println!("{} of {}", ended.len(), ended.len() + open.len());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::wait_any`]; and [`Error::Timeout`], after which the tasks go on.
    pub fn wait_any_timeout<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
        limit: Duration,
    ) -> Result<Split<T>> {
        self.wait_until(WaitUntil::Any, futures, Some(limit))
    }

    /// Waits until one of the tasks has failed, or all have ended. Returns the futures of those that have ended, and
    /// the others.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let searches = client.map(|start: u64| (start..).find(|n| n % 97 == 0), [1, 1_000, 100_000]);
    /// let (ended, open) = client.wait_first_error(&searches)?;
    /// if !open.is_empty() {
    ///     client.cancel(&open); // one has failed
    /// }
    /// # drop(ended);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended before.
    pub fn wait_first_error<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
    ) -> Result<Split<T>> {
        self.wait_until(WaitUntil::FirstError, futures, None)
    }

    /// Waits like [`Client::wait_first_error`], but for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let searches = client.map(|start: u64| (start..).find(|n| n % 97 == 0), [1, 1_000, 100_000]);
    /// let (_, open) = client.wait_first_error_timeout(&searches, Duration::from_secs(60))?;
    /// client.cancel(&open);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::wait_first_error`]; and [`Error::Timeout`], after which the tasks go on.
    pub fn wait_first_error_timeout<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
        limit: Duration,
    ) -> Result<Split<T>> {
        self.wait_until(WaitUntil::FirstError, futures, Some(limit))
    }

    fn wait_until<T, F: Borrow<Future<T>>>(
        &self,
        until: WaitUntil,
        futures: impl IntoIterator<Item = F>,
        limit: Option<Duration>,
    ) -> Result<Split<T>> {
        let futures: VecDeque<Future<T>> =
            futures.into_iter().map(|future| future.borrow().clone()).collect();
        let (wait, _) = want(&self.shared, futures.iter(), |count| Wait::for_ends_until(until, count));
        if !wait.block(limit, self.shared.driver.get().as_deref()) {
            return Err(Error::Timeout(limit.unwrap_or_default()));
        }
        if let Some(why) = wait.closed() {
            return Err(Error::Closed(why.to_string()));
        }
        let (mut ended, mut open) = (Vec::new(), Vec::new());
        for (future, has_ended) in futures.into_iter().zip(wait.ended()) {
            if has_ended { ended.push(future) } else { open.push(future) }
        }
        Ok((ended, open))
    }

    /// Waits for all results, in the order of the futures, each with its own error. [`Client::gather`] stops at the
    /// first error.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let parsed = client.map(|text: String| -> Result<u64, dtask::Failure> { Ok(text.parse()?) }, ["1", "x"]);
    /// let got = client.gather_each(&parsed)?;
    /// assert!(got[0].is_ok() && got[1].is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended before.
    pub fn gather_each<T: Data, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
    ) -> Result<Vec<Result<T>>> {
        let (wait, _held) = want(&self.shared, futures, Wait::for_values);
        let answers = wait.all(None, self.shared.driver.get().as_deref()).unwrap_or_default();
        match &answers.closed {
            Some(why) if answers.values.iter().any(Option::is_none) => Err(Error::Closed(why.to_string())),
            _ => Ok(super::future::values(answers).collect()),
        }
    }
}
