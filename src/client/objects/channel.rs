//! Channels between two running tasks: items go straight from the sender's rank to the receiver's.

use super::held::{HeldObject, held_handle};
use crate::client::{Client, ClientShared};
use crate::codec;
use crate::error::{Error, Result};
use crate::objects::stream::Taken;
use crate::protocol::{Blob, HandleSide, ObjectCall, ObjectId, ObjectKind, ObjectOp, ReplyKind};
use crate::runtime::head::Request;
use crate::runtime::objects::channels::{InletCell, OutletCell};
use crate::runtime::objects::{ObjectRequest, ReplySink};
use crate::runtime::threads::task_context;
use crate::runtime::wait::Wait;
use crate::task::value::{Data, decode};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// The number of items after which a sender runs its rank's reactor itself, so that the items are sent in one message.
const TOGETHER: u32 = 16;

/// The sending end of a channel; see [`Client::channel`].
///
/// Its copies, on any rank, send into the same channel, which is closed when the last one is dropped. A receiver that
/// goes is an error of the next [`Sender::send`].
pub struct Sender<T> {
    held: SenderHandle,
    item: PhantomData<fn() -> T>,
}
held_handle!(Sender<T>, Channel, Front);

/// The receiving end of a channel; see [`Client::channel`].
///
/// It receives on one rank: it can be passed on until the first [`Receiver::recv`]. Copies on that rank share the
/// items.
pub struct Receiver<T> {
    held: ReceiverHandle,
    item: PhantomData<fn() -> T>,
}
held_handle!(Receiver<T>, Channel, Back);

/// The ends of a channel on this rank, which further handles of the same channel share.
#[derive(Default)]
pub(in crate::client) struct KnownEnds {
    outlet: Weak<OutletCell>,
    inlet: Weak<InletCell>,
}

#[derive(Clone)]
struct SenderHandle(Arc<SenderGuard>);

struct SenderGuard {
    held: Arc<HeldObject>,
    cell: OnceLock<Arc<OutletCell>>,
    sent: AtomicU32,
}

#[derive(Clone)]
struct ReceiverHandle(Arc<ReceiverGuard>);

struct ReceiverGuard {
    held: Arc<HeldObject>,
    cell: OnceLock<Arc<InletCell>>,
    /// Whether the channel's registry knows this rank as the one that receives.
    is_bound: AtomicBool,
}

impl From<Arc<HeldObject>> for SenderHandle {
    fn from(held: Arc<HeldObject>) -> Self {
        SenderHandle(Arc::new(SenderGuard { held, cell: OnceLock::new(), sent: AtomicU32::new(0) }))
    }
}

impl From<Arc<HeldObject>> for ReceiverHandle {
    fn from(held: Arc<HeldObject>) -> Self {
        let is_bound = AtomicBool::new(false);
        ReceiverHandle(Arc::new(ReceiverGuard { held, cell: OnceLock::new(), is_bound }))
    }
}

impl Drop for SenderGuard {
    fn drop(&mut self) {
        drop(self.cell.take()); // before the message below: the reactor checks whether the end is still used
        self.held.let_end_go();
    }
}

impl Drop for ReceiverGuard {
    fn drop(&mut self) {
        drop(self.cell.take());
        self.held.let_end_go();
    }
}

impl SenderHandle {
    fn object(&self) -> ObjectId {
        self.0.held.object
    }

    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.held.serialize(serializer)
    }
}

impl ReceiverHandle {
    fn object(&self) -> ObjectId {
        self.0.held.object
    }

    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if self.0.is_bound.load(Ordering::Relaxed) {
            let text = "a receiver that has begun to receive stays on its rank";
            return Err(serde::ser::Error::custom(text));
        }
        self.0.held.serialize(serializer)
    }
}

impl ClientShared {
    fn push_object(&self, request: ObjectRequest) {
        self.mailbox.push(Request::Object(Box::new(request)));
    }

    fn outlet(&self, channel: ObjectId, capacity: u32) -> Arc<OutletCell> {
        let mut channels = self.objects.channels.lock();
        let ends = channels.entry(channel).or_default();
        ends.outlet.upgrade().unwrap_or_else(|| {
            let cell = OutletCell::new(capacity);
            ends.outlet = Arc::downgrade(&cell);
            cell
        })
    }

    fn inlet(&self, channel: ObjectId, capacity: u32) -> Arc<InletCell> {
        let mut channels = self.objects.channels.lock();
        let ends = channels.entry(channel).or_default();
        ends.inlet.upgrade().unwrap_or_else(|| {
            let cell = InletCell::new(capacity);
            ends.inlet = Arc::downgrade(&cell);
            cell
        })
    }

    /// Reports to the reactor that a handle of an end was dropped. Removes the end from the table if that was its last
    /// handle on this rank.
    pub(super) fn drop_end(&self, channel: ObjectId, side: HandleSide) {
        self.push_object(ObjectRequest::DropEnd { channel, side });
        let mut channels = self.objects.channels.lock();
        if channels
            .get(&channel)
            .is_some_and(|ends| ends.outlet.strong_count() == 0 && ends.inlet.strong_count() == 0)
        {
            channels.remove(&channel);
        }
    }

    /// Calls `look` until it returns a value, within the time limit. `look` gets a wait, which is answered when another
    /// call may succeed.
    fn wait_at_end<T>(
        &self,
        limit: Option<Duration>,
        mut look: impl FnMut(Option<&Arc<Wait>>) -> Result<Option<T>>,
    ) -> Result<T> {
        task_context::settle();
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            if let Some(found) = look(None)? {
                return Ok(found);
            }
            let wait = Wait::for_ends(1);
            if let Some(found) = look(Some(&wait))? {
                return Ok(found);
            }
            self.answer_if_closed(&wait);
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let Some(answers) = wait.all(left, self.driver.get().as_deref()) else {
                return Err(Error::Timeout(limit.unwrap_or_default()));
            };
            if let Some(why) = answers.closed {
                return Err(Error::Closed(why.to_string()));
            }
        }
    }
}

impl<T: Data> Sender<T> {
    /// Sends an item. Waits while as many items as the channel's capacity are under way, from all ranks together; a task
    /// gives its slot back meanwhile.
    ///
    /// # Errors
    /// When the item cannot be encoded; [`Error::Gone`] when the receiver was dropped or its rank has died; and when
    /// the run has ended.
    pub fn send(&self, item: T) -> Result<()> {
        self.send_within(&item, None)
    }

    /// Sends an item like [`Sender::send`], but waits for at most `limit`.
    ///
    /// # Errors
    /// As [`Sender::send`]; and [`Error::Timeout`], after which the item was not sent.
    pub fn send_timeout(&self, item: T, limit: Duration) -> Result<()> {
        self.send_within(&item, Some(limit))
    }

    fn send_within(&self, item: &T, limit: Option<Duration>) -> Result<()> {
        let guard = &self.held.0;
        let client = guard.held.client()?;
        let (channel, capacity) = (guard.held.object, guard.held.size);
        let cell = guard.cell.get_or_init(|| client.outlet(channel, capacity));
        let item = Blob(codec::encode_value(item)?.into());
        client.wait_at_end(limit, |wait| match cell.reserve(wait) {
            Ok(reserved) => {
                if !reserved && cell.wants_credits() {
                    client.push_object(ObjectRequest::Credits { channel, cell: cell.clone() });
                }
                Ok(reserved.then_some(()))
            }
            Err(why) => Err(Error::Gone(format!("nobody receives from the channel any more: {why}"))),
        })?;
        client.push_object(ObjectRequest::Item { channel, cell: cell.clone(), item });
        if guard.sent.fetch_add(1, Ordering::Relaxed) % TOGETHER == TOGETHER - 1
            && let Some(driver) = client.driver.get()
        {
            let _ = driver.turn();
        }
        Ok(())
    }

    /// Closes the channel, as far as this handle goes: the receiver gets what was sent, and then the end, once all
    /// handles of the sending end are closed or dropped.
    pub fn close(self) {}
}

impl<T: Data> Receiver<T> {
    /// Receives the next item, and waits until there is one. A task gives its slot back meanwhile.
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
    /// # Errors
    /// As [`Receiver::recv`]; and [`Error::Timeout`].
    pub fn recv_timeout(&self, limit: Duration) -> Result<T> {
        self.receive(Some(limit))?.ok_or_else(Self::end)
    }

    /// Receives the next item if it has arrived.
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
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn len(&self) -> Result<usize> {
        Ok(self.bound()?.1.len())
    }

    /// Whether no item has arrived that was not received.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Closes the channel: who sends gets an error from now on. The same as a drop.
    pub fn close(self) {}

    /// Receives items until the channel is closed and empty.
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

impl Client {
    /// Makes a channel between two running tasks, in which at most `capacity` items are under way, from all ranks
    /// together (back-pressure).
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use dtask::{Failure, Receiver, Sender};
    ///
    /// fn source(out: Sender<u64>, n: u64) -> Result<(), Failure> {
    ///     for i in 0..n {
    ///         out.send(i)?; // waits while 8 are under way
    ///     }
    ///     Ok(()) // the sender is dropped here, which closes the channel
    /// }
    /// fn sink(input: Receiver<u64>) -> Result<u64, Failure> {
    ///     let mut sum = 0;
    ///     for item in &input {
    ///         sum += item?;
    ///     }
    ///     Ok(sum)
    /// }
    /// let (tx, rx) = client.channel(8);
    /// let sum = client.submit(sink, (rx,));
    /// let sent = client.submit(source, (tx, 1000));
    /// assert_eq!(sum.result()?, 499_500);
    /// # sent.result()?;
    /// # Ok(()) }
    /// ```
    ///
    /// Both ends are arguments of tasks. Items go straight from the sender's rank to the receiver's, many in one
    /// message where they are short. Drop the handles that you do not use: the channel is closed when no sender is
    /// left.
    pub fn channel<T: Data>(&self, capacity: u32) -> (Sender<T>, Receiver<T>) {
        let shared = self.shared();
        let object = ObjectId { home: shared.rank, kind: ObjectKind::Channel, number: shared.new_number() };
        let call = ObjectCall { object, call: 0, op: ObjectOp::Open };
        shared.push_object(ObjectRequest::Call { call, payload: Blob::default(), sink: ReplySink::None });
        let held = |side| HeldObject::first(shared, object, side, capacity);
        (
            Sender { held: held(HandleSide::Front).into(), item: PhantomData },
            Receiver { held: held(HandleSide::Back).into(), item: PhantomData },
        )
    }
}
