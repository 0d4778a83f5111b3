//! The receiving end of a channel.

use super::Receiver;
use crate::client::ClientShared;
use crate::error::{Error, Result};
use crate::objects::stream::Taken;
use crate::protocol::{Blob, ObjectOp, ReplyKind};
use crate::runtime::objects::ObjectRequest;
use crate::runtime::objects::channels::InletCell;
use crate::runtime::threads::task_context;
use crate::task::value::{Data, decode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl<T: Data> Receiver<T> {
    /// Receives the next item, and waits until there is one. A task gives its slot back meanwhile.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// tx.send(7)?;
    /// assert_eq!(rx.recv()?, 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Gone`] when the channel is closed and empty, when a rank that has sent items has died, or when a task that
    /// was to send has failed or was cancelled before it began; when the item is of another type; and when the run has
    /// ended.
    pub fn recv(&self) -> Result<T> {
        self.receive(None)?.ok_or_else(Self::end)
    }

    /// Receives the next item like [`Receiver::recv`], but waits for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let (tx, rx) = client.channel::<u64>(8);
    /// assert!(rx.recv_timeout(Duration::from_millis(5)).is_err()); // nobody has sent
    /// # drop(tx);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`]; and [`Error::Timeout`].
    pub fn recv_timeout(&self, limit: Duration) -> Result<T> {
        self.receive(Some(limit))?.ok_or_else(Self::end)
    }

    /// Receives the next item if it has arrived.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// assert_eq!(rx.try_recv()?, None);
    /// # drop(tx);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn try_recv(&self) -> Result<Option<T>> {
        let (client, cell) = self.bound()?;
        match cell.take(None) {
            Taken::Item(item, credit) => self.taken(client, &item, credit).map(Some),
            Taken::None => {
                if let Some(driver) = client.driver.get() {
                    let _ = driver.turn();
                }
                Ok(None)
            }
            Taken::End => Err(Self::end()),
            Taken::Lost(why) => Err(Self::lost(&why)),
        }
    }

    /// The number of items that have arrived and were not received.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// println!("{} items have come", rx.len()?);
    /// # drop(tx);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn len(&self) -> Result<usize> {
        Ok(self.bound()?.1.len())
    }

    /// Whether no item has arrived that was not received.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// assert!(rx.is_empty()?);
    /// # drop(tx);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Closes the channel: who sends gets an error from now on. The same as a drop.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// rx.close();
    /// while tx.send(1).is_ok() {}
    /// # Ok(()) }
    /// ```
    pub fn close(self) {}

    /// Receives items until the channel is closed and empty.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// tx.send(7)?;
    /// tx.close();
    /// for item in rx.iter() {
    ///     println!("{}", item?);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> ReceivedItems<'_, T> {
        ReceivedItems { receiver: self, is_over: false }
    }

    fn end() -> Error {
        Error::Gone("the channel is closed: nobody sends any more".into())
    }

    fn lost(why: &str) -> Error {
        Error::Gone(format!("items of the channel may be lost: {why}"))
    }

    /// The client and this rank's receiving end. The first call tells the channel's registry that this rank receives.
    fn bound(&self) -> Result<(&Arc<ClientShared>, &Arc<InletCell>)> {
        let guard = &self.held.0;
        let client = guard.held.client()?;
        let (channel, capacity) = (guard.held.object, guard.held.size);
        let cell = guard.cell.get_or_init(|| client.inlet(channel, capacity));
        if !guard.is_bound.load(Ordering::Acquire) {
            task_context::settle();
            client.push_object(ObjectRequest::Bind { channel, cell: cell.clone() });
            let reply = client.call_object(channel, ObjectOp::Bind, Blob::default(), None)?;
            match reply.kind {
                ReplyKind::Done => guard.is_bound.store(true, Ordering::Release),
                ReplyKind::Lost => return Err(Error::Gone(format!("the channel: {}", reply.text()))),
                _ => return Err(Self::end()),
            }
        }
        Ok((client, cell))
    }

    fn receive(&self, limit: Option<Duration>) -> Result<Option<T>> {
        let (client, cell) = self.bound()?;
        let taken = client.wait_at_end(limit, |wait| match cell.take(wait) {
            Taken::None => Ok(None),
            Taken::Lost(why) => Err(Self::lost(&why)),
            found => Ok(Some(found)),
        })?;
        match taken {
            Taken::Item(item, credit) => self.taken(client, &item, credit).map(Some),
            _ => Ok(None),
        }
    }

    fn taken(
        &self,
        client: &ClientShared,
        item: &[u8],
        credit: Option<(crate::ids::Rank, u32)>,
    ) -> Result<T> {
        if let Some((to, count)) = credit {
            let channel = self.held.object();
            client.push_object(ObjectRequest::Credit { channel, to, count });
        }
        Ok(decode(item)?)
    }
}

impl<'r, T: Data> IntoIterator for &'r Receiver<T> {
    type Item = Result<T>;
    type IntoIter = ReceivedItems<'r, T>;
    fn into_iter(self) -> ReceivedItems<'r, T> {
        self.iter()
    }
}

/// The items of a channel, received one by one until it is closed and empty; see [`Receiver::iter`]. An error other
/// than that is the last item.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let (tx, rx) = client.channel::<u64>(8);
/// tx.close();
/// assert_eq!((&rx).into_iter().count(), 0);
/// # Ok(()) }
/// ```
pub struct ReceivedItems<'r, T> {
    receiver: &'r Receiver<T>,
    is_over: bool,
}

impl<T: Data> Iterator for ReceivedItems<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.is_over {
            return None;
        }
        let item = self.receiver.receive(None).transpose();
        self.is_over = !matches!(item, Some(Ok(_)));
        item
    }
}
