//! Waits for many results at once, with and without blocking.

use super::Client;
use super::future::{Future, values, want};
use crate::error::{Error, Result, TaskError};
use crate::runtime::wait::Wait;
use crate::task::value::Data;
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Results that the client has asked for without blocking, and takes later by [`Pending::take`].
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let squares = client.map(|n: u64| n * n, 0..8);
/// let pending = client.pending(&squares);
/// while !pending.is_ready() {
///     println!("something else");
/// }
/// for square in pending.take().unwrap_or_default() {
///     println!("{}", square?);
/// }
/// # Ok(()) }
/// ```
pub struct Pending<T> {
    wait: Arc<Wait>,
    kind: PhantomData<fn() -> T>,
}

const _: () = {
    const fn is_unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    is_unwind_safe::<Pending<u8>>() // a program may keep it across `catch_unwind`
};

impl<T: Data> Pending<T> {
    /// Takes the result or error of each task, in order, once all are there; `None` before that, and when they were
    /// taken already.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.map(|n: u64| n * n, 0..8);
    /// let pending = client.pending(&squares);
    /// if let Some(squares) = pending.take() {
    ///     println!("{} are there", squares.len());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn take(&self) -> Option<Vec<Result<T>>> {
        self.wait.rest(None);
        Some(values(self.wait.take()?).collect())
    }

    /// The failures so far, each with the index of its future; empty once [`Pending::take`] has returned the results.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.map(|n: u64| n * n, 0..8);
    /// let pending = client.pending(&squares);
    /// for (index, error) in pending.failures() {
    ///     println!("{index}: {error}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn failures(&self) -> Vec<(usize, Arc<TaskError>)> {
        self.wait.failures()
    }

    /// Whether each task has its result or error, so that [`Pending::take`] succeeds.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.map(|n: u64| n * n, 0..8);
    /// let pending = client.pending(&squares);
    /// println!("{}", pending.is_ready());
    /// # Ok(()) }
    /// ```
    pub fn is_ready(&self) -> bool {
        self.wait.rest(None);
        self.wait.is_complete()
    }
}

impl Client {
    /// Waits for all results, in the order of the futures.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.map(|n: u64| n * n, 0..4);
    /// assert_eq!(client.gather(&squares)?, [0, 1, 4, 9]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The first error in that order; the results of other tasks are not affected.
    pub fn gather<T: Data, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
    ) -> Result<Vec<T>> {
        let (wait, _held) = want(&self.shared, futures, Wait::for_values);
        values(wait.all(None, self.shared.driver.get().as_deref()).unwrap_or_default()).collect()
    }

    /// Asks for all results and returns at once; they are taken from the [`Pending`] later.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.map(|n: u64| n * n, 0..8);
    /// let pending = client.pending(&squares);
    /// println!("{}", pending.is_ready());
    /// # Ok(()) }
    /// ```
    pub fn pending<T: Data, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Pending<T> {
        Pending { wait: want(&self.shared, futures, Wait::for_values).0, kind: PhantomData }
    }

    /// Waits until all tasks have ended, with a result or an error. No results are moved.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let parts = client.map(|n: u64| vec![n; 1_000_000], 0..4);
    /// client.wait(&parts)?; // they stay where they are
    /// let first = client.submit(|part: &Vec<u64>| part[0], (&parts[0],));
    /// # first.result()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended before.
    pub fn wait<T, F: Borrow<Future<T>>>(&self, futures: impl IntoIterator<Item = F>) -> Result<()> {
        self.wait_limit(futures, None)
    }

    /// Waits like [`Client::wait`], but for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let parts = client.map(|n: u64| vec![n; 1_000], 0..4);
    /// if client.wait_timeout(&parts, Duration::from_secs(60)).is_err() {
    ///     println!("still not done");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::wait`]; and [`Error::Timeout`], after which the tasks go on.
    pub fn wait_timeout<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
        limit: Duration,
    ) -> Result<()> {
        self.wait_limit(futures, Some(limit))
    }

    fn wait_limit<T, F: Borrow<Future<T>>>(
        &self,
        futures: impl IntoIterator<Item = F>,
        limit: Option<Duration>,
    ) -> Result<()> {
        let (wait, _held) = want(&self.shared, futures, Wait::for_ends);
        let answers = wait
            .all(limit, self.shared.driver.get().as_deref())
            .ok_or_else(|| Error::Timeout(limit.unwrap_or_default()))?;
        answers.all_ended()
    }
}
