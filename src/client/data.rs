//! Data: values of the program that become results, and where results are.

use super::Client;
use super::future::{Future, FutureHandle};
use crate::client::arguments::scattered;
use crate::error::{Error, Result};
use crate::ids::{DefId, Rank};
use crate::protocol::ReportedResult;
use crate::runtime::head::Request;
use crate::task::value::{AnyValue, Data};
use smallvec::SmallVec;
use std::sync::{Arc, mpsc};

/// A value that the client stores as a result at its own rank (scatter), prepared for the message to the reactor.
pub(crate) struct Scattered {
    pub(super) key: u128,
    pub(super) output: ReportedResult,
    pub(super) value: Option<AnyValue>,
}

/// A value that [`Client::scatter`] stores: a `T`, or an `Arc` of one, whose memory the program and the store share.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// use std::sync::Arc;
///
/// let table = Arc::new(vec![0.5; 1_000_000]);
/// let future: dtask::Future<Vec<f64>> = client.scatter(table.clone()); // not copied
/// # drop(future);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as a result",
    note = "a value, or an `Arc` of one, that is `Serialize + DeserializeOwned + Clone + Send + Sync + 'static`"
)]
pub trait ScatterValue<T> {
    /// The value behind a pointer that the store can share.
    fn into_shared(self) -> Arc<T>;
}

impl<T: Data> ScatterValue<T> for T {
    fn into_shared(self) -> Arc<T> {
        Arc::new(self)
    }
}

impl<T: Data> ScatterValue<T> for Arc<T> {
    fn into_shared(self) -> Arc<T> {
        self
    }
}

impl<T: Data> ScatterValue<T> for &Arc<T> {
    fn into_shared(self) -> Arc<T> {
        self.clone()
    }
}

impl Client {
    /// Stores a value as a result at rank 0 (in a task: at the task's rank), to be an argument of many tasks: it is
    /// moved once to each rank that needs it.
    ///
    /// An `Arc` is shared with the store, not copied: `client.scatter(&table)`. By value an `Arc` is data too, so there
    /// the type of the future has to be said: `let table: Future<Vec<f64>> = client.scatter(table)`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let table = client.scatter(vec![0.5; 1_000_000]);
    /// let means = client.starmap(|t: &[f64], k: usize| t[k], (0..8).map(|k| (&table, k)));
    /// # client.gather(means)?;
    /// # Ok(()) }
    /// ```
    pub fn scatter<T: Data>(&self, value: impl ScatterValue<T>) -> Future<T> {
        Future::new(self.scatter_value(scattered(value.into_shared())))
    }

    pub(super) fn scatter_value(&self, scattered: Scattered) -> Arc<FutureHandle> {
        let mut other = SmallVec::new();
        let mut state = self.shared.state.lock();
        if let Some(handle) = state.find(scattered.key, &mut other) {
            return handle;
        }
        let handle = state.new_handle(&self.shared, scattered.key, DefId(u32::MAX), true);
        let Scattered { key, output, value } = scattered;
        let key = (key >> 64) as u64;
        // under the lock: a thread that finds this key must not submit a task that takes the value before this request
        self.shared.mailbox.push(Request::Scatter { task: handle.number, key, output, value });
        drop(state);
        handle
    }

    /// Stores values as results that are spread over the ranks that compute, one after the other.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let parts = client.scatter_each((0..8).map(|k| vec![f64::from(k); 1_000]));
    /// let sums = client.map(|part: &[f64]| part.iter().sum::<f64>(), &parts);
    /// # assert_eq!(client.gather(sums)?[2], 2_000.0);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    #[must_use = "values whose futures are dropped are released"]
    pub fn scatter_each<T: Data>(&self, values: impl IntoIterator<Item = T>) -> Vec<Future<T>> {
        let ranks = self.computing_ranks();
        let spread = |(value, rank): (T, &Rank)| {
            let own: Future<T> = self.scatter(value);
            if *rank == self.shared.rank {
                own
            } else {
                self.options().pure(false).on(*rank).submit(same::<T>, (own,))
            }
        };
        values.into_iter().zip(ranks.iter().cycle()).map(spread).collect()
    }

    /// Stores a value as a result of which each rank gets a copy, by a binomial tree: each rank that has one hands it
    /// on. Does not wait for that.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let weights = client.broadcast(vec![0.5; 1_000_000]);
    /// let steps = client.starmap(|w: &[f64], k: usize| w[k], (0..8).map(|k| (&weights, k)));
    /// # client.gather(steps)?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn broadcast<T: Data>(&self, value: impl ScatterValue<T>) -> Future<T> {
        let future: Future<T> = self.scatter(value);
        self.replicate(&future, self.ranks);
        future
    }

    /// Has `copies` ranks fetch a result when it is there, by a binomial tree. Does not wait for that. Copies of
    /// results of at most 128 bytes are not needed: rank 0 has them and sends them with the tasks.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let table = client.submit(|n: usize| vec![0.5; n], (1_000_000,));
    /// client.replicate(&table, 3);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn replicate<T: Data>(&self, future: &Future<T>, copies: usize) {
        let ranks = self.computing_ranks();
        let (mut left, mut before): (_, Vec<Future<u8>>) = (&ranks[..copies.min(ranks.len())], Vec::new());
        let mut width = 1;
        while !left.is_empty() {
            let (level, rest) = left.split_at(width.min(left.len()));
            // not pure: the same call on another rank is another task
            let fetch =
                |rank: &Rank| self.options().pure(false).on(*rank).submit(fetched::<T>, (future, &before));
            let now: Vec<Future<u8>> = level.iter().map(fetch).collect();
            before.into_iter().for_each(|future| self.fire_and_forget(future));
            (before, left, width) = (now, rest, width * 2);
        }
        before.into_iter().for_each(|future| self.fire_and_forget(future));
    }

    /// The ranks that compute for certain: all but rank 0, which does so only alone or where the settings say so.
    fn computing_ranks(&self) -> Vec<Rank> {
        let first = u32::from(self.ranks > 1);
        (first..self.ranks as u32).map(Rank).collect()
    }

    /// The ranks that hold a copy of a result: none before it is there; rank 0 for one of at most 128 bytes. Only the
    /// client of rank 0 can ask.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let table = client.submit(|n: usize| vec![0.5; n], (1_000_000,));
    /// client.wait([&table])?;
    /// println!("{:?}", client.who_has(&table)?); // [r2], say
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended, or in a task on another rank.
    pub fn who_has<T>(&self, future: &Future<T>) -> Result<Vec<Rank>> {
        Ok(self.holders(future, "who_has")?.0)
    }

    fn holders<T>(&self, future: &Future<T>, what: &str) -> Result<(Vec<Rank>, u64)> {
        self.only_at_rank_0(what)?;
        let (reply, answer) = mpsc::channel();
        self.shared.mailbox.push(Request::Holders(future.handle.task(), reply));
        if let Some(why) = &self.shared.state.lock().closed {
            return Err(Error::Closed(why.clone()));
        }
        answer.recv().map_err(|_| Error::Closed("the reactor has ended".into()))
    }

    /// The size in bytes of a result as ranks hold it; 0 before it is there. Only the client of rank 0 can ask.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let table = client.submit(|n: usize| vec![0.5; n], (1_000_000,));
    /// client.wait([&table])?;
    /// assert_eq!(client.nbytes(&table)?, 8_000_000);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended, or in a task on another rank.
    pub fn nbytes<T>(&self, future: &Future<T>) -> Result<u64> {
        Ok(self.holders(future, "nbytes")?.1)
    }

    /// The keys of the results of which a rank holds a copy, as [`Future::key`] gives them; at rank 0 also those of at
    /// most 128 bytes. Only the client of rank 0 can ask. For looks, not for loops: it looks at every task.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let table = client.submit(|n: usize| vec![0.5; n], (1_000,));
    /// client.wait([&table])?;
    /// let rank = client.who_has(&table)?[0];
    /// assert!(client.has_what(rank)?.contains(&table.key()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When there is no such rank, when the run has ended, or in a task on another rank.
    pub fn has_what(&self, rank: Rank) -> Result<Vec<String>> {
        self.only_at_rank_0("has_what")?;
        if rank.index() >= self.ranks {
            return Err(Error::Other(format!("rank {rank} does not exist: there are {}", self.ranks)));
        }
        let (reply, answer) = mpsc::channel();
        self.shared.mailbox.push(Request::ResultsOn(rank, reply));
        if let Some(why) = &self.shared.state.lock().closed {
            return Err(Error::Closed(why.clone()));
        }
        answer.recv().map_err(|_| Error::Closed("the reactor has ended".into()))
    }
}

/// The task by which a value moves to another rank.
fn same<T: Data>(value: T) -> T {
    value
}

/// The task by which a rank gets a copy of a result, after the ranks that had it fetched before.
fn fetched<T: Data>(_: &T, _: Vec<u8>) -> u8 {
    0
}
