//! Queues: values go in on any rank and come out on any rank, first in, first out.

use super::ObjectReply;
use super::named::{NamedObject, named_handle};
use crate::client::Client;
use crate::codec;
use crate::error::{Error, Result};
use crate::protocol::{Blob, ObjectKind, ObjectOp, ReplyKind};
use crate::task::value::{Data, decode};
use std::marker::PhantomData;
use std::time::Duration;

/// A queue of values, the same for all who name it (`client.queue("jobs")`), on any rank.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// fn work(jobs: dtask::Queue<u64>) -> Result<u64, dtask::Failure> {
///     let mut sum = 0;
///     for job in &jobs {
///         sum += job?; // until the queue is closed and empty
///     }
///     Ok(sum)
/// }
/// let jobs = client.queue("jobs");
/// let workers: Vec<_> = (0..2).map(|_| client.submit(work, (&jobs,))).collect();
/// for job in 1..=100 {
///     jobs.put(job)?;
/// }
/// jobs.close()?;
/// assert_eq!(client.gather(workers)?.iter().sum::<u64>(), 5050);
/// # Ok(()) }
/// ```
///
/// The queue lives on one rank until the run ends; values go there and from there. For many small values between two
/// tasks a [`channel`](Client::channel) is faster.
pub struct Queue<T> {
    object: NamedObject,
    item: PhantomData<fn() -> T>,
}
named_handle!(Queue<T>, Queue);

impl<T: Data> Queue<T> {
    /// Puts a value at the end. Waits while the queue is full, if it has a limit ([`Client::bounded_queue`]); a task
    /// gives its slot back meanwhile.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// jobs.put(7)?;
    /// assert_eq!(jobs.get()?, 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the value cannot be encoded; [`Error::Gone`] when the queue is closed or was lost with its rank; and when
    /// the run has ended.
    pub fn put(&self, value: T) -> Result<()> {
        self.put_within(&value, None)
    }

    /// Puts a value like [`Queue::put`], but waits for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let jobs = client.bounded_queue("jobs", 100);
    /// jobs.put_timeout(7, Duration::from_secs(1))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::put`]; and [`Error::Timeout`], after which the value is not in the queue.
    pub fn put_timeout(&self, value: T, limit: Duration) -> Result<()> {
        self.put_within(&value, Some(limit))
    }

    fn put_within(&self, value: &T, limit: Option<Duration>) -> Result<()> {
        let payload = Blob(codec::encode_value(value)?.into());
        self.object.call(ObjectOp::Put { limit: self.object.size }, payload, limit).map(drop)
    }

    /// Takes the first value. Waits until there is one; a task gives its slot back meanwhile.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// jobs.put(7)?;
    /// assert_eq!(jobs.get()?, 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Gone`] when the queue is closed and empty, or was lost with its rank; when the value is of another
    /// type; and when the run has ended.
    pub fn get(&self) -> Result<T> {
        Ok(decode(self.object.call(ObjectOp::Get, Blob::default(), None)?.payload())?)
    }

    /// Takes the first value like [`Queue::get`], but waits for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// assert!(jobs.get_timeout(Duration::from_millis(5)).is_err()); // it is empty
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::get`]; and [`Error::Timeout`].
    pub fn get_timeout(&self, limit: Duration) -> Result<T> {
        Ok(decode(self.object.call(ObjectOp::Get, Blob::default(), Some(limit))?.payload())?)
    }

    /// Takes the first value if there is one.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// assert_eq!(jobs.try_get()?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::get`].
    pub fn try_get(&self) -> Result<Option<T>> {
        let reply = self.object.call(ObjectOp::TryGet, Blob::default(), None)?;
        if reply.kind == ReplyKind::Nothing {
            return Ok(None);
        }
        Ok(Some(decode(reply.payload())?))
    }

    /// The number of values in the queue at this moment.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// jobs.put(7)?;
    /// assert_eq!(jobs.len()?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Gone`] when the queue was lost with its rank; and when the run has ended.
    pub fn len(&self) -> Result<usize> {
        let reply: ObjectReply = self.object.call(ObjectOp::Len, Blob::default(), None)?;
        let bytes = reply.payload().try_into().map_err(|_| Error::internal("a length of another size"))?;
        Ok(usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX))
    }

    /// Whether the queue has no values at this moment.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// assert!(jobs.is_empty()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Closes the queue for all: nobody can put values any more. Those that are there can be taken; then `get` is an
    /// error, also for those who wait now.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// jobs.put(7)?;
    /// jobs.close()?;
    /// assert_eq!(jobs.get()?, 7); // what is in it comes out
    /// assert!(jobs.get().is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::len`].
    pub fn close(&self) -> Result<()> {
        self.object.ask(ObjectOp::Close, None).map(drop)
    }

    /// Takes values until the queue is closed and empty.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// jobs.put(7)?;
    /// jobs.close()?;
    /// for job in jobs.iter() {
    ///     println!("{}", job?);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> QueueValues<'_, T> {
        QueueValues { queue: self, is_over: false }
    }
}

impl<'q, T: Data> IntoIterator for &'q Queue<T> {
    type Item = Result<T>;
    type IntoIter = QueueValues<'q, T>;
    fn into_iter(self) -> QueueValues<'q, T> {
        self.iter()
    }
}

/// The values of a queue, taken one by one until the queue is closed and empty; see [`Queue::iter`]. An error other
/// than that is the last item.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let jobs: dtask::Queue<u64> = client.queue("jobs");
/// jobs.close()?;
/// assert_eq!((&jobs).into_iter().count(), 0);
/// # Ok(()) }
/// ```
pub struct QueueValues<'q, T> {
    queue: &'q Queue<T>,
    is_over: bool,
}

impl<T: Data> Iterator for QueueValues<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.is_over {
            return None;
        }
        let client = match self.queue.object.client() {
            Ok(client) => client.clone(),
            Err(error) => {
                self.is_over = true;
                return Some(Err(error));
            }
        };
        let object = self.queue.object.id(client.ranks);
        let reply = client.call_object(object, ObjectOp::Get, Blob::default(), None);
        let item = match reply {
            Ok(reply) if reply.kind == ReplyKind::Closed => {
                self.is_over = true;
                return None;
            }
            Ok(reply) if reply.kind == ReplyKind::Done => decode(reply.payload()).map_err(Error::from),
            Ok(reply) => Err(Error::Gone(format!("the {} is lost: {}", self.queue.object, reply.text()))),
            Err(error) => Err(error),
        };
        self.is_over = item.is_err();
        Some(item)
    }
}

impl Client {
    /// The queue of this name, without a limit to its length.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs: dtask::Queue<u64> = client.queue("jobs");
    /// jobs.put(7)?;
    /// # Ok(()) }
    /// ```
    pub fn queue<T: Data>(&self, name: &str) -> Queue<T> {
        self.bounded_queue(name, 0)
    }

    /// The queue of this name, in which `put` waits while it has `limit` values (back-pressure); 0 for no limit. The
    /// first `put` sets the limit; later ones do not change it.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let jobs = client.bounded_queue("jobs", 100); // `put` waits while it has 100 values
    /// jobs.put("a".to_owned())?;
    /// # Ok(()) }
    /// ```
    pub fn bounded_queue<T: Data>(&self, name: &str, limit: u64) -> Queue<T> {
        Queue { object: NamedObject::new(self, ObjectKind::Queue, name, limit), item: PhantomData }
    }
}
