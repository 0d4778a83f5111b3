//! Channels between two running tasks: items go straight from the sender's rank to the receiver's.

use super::held::{HeldObject, held_handle};
use crate::client::{Client, ClientShared};
use crate::codec;
use crate::error::{Error, Result};
use crate::protocol::{Blob, HandleSide, ObjectCall, ObjectId, ObjectKind, ObjectOp};
use crate::runtime::head::Request;
use crate::runtime::objects::channels::{InletCell, OutletCell};
use crate::runtime::objects::{ObjectRequest, ReplySink};
use crate::runtime::threads::task_context;
use crate::runtime::wait::Wait;
use crate::task::value::Data;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

mod receiver;

pub use receiver::ReceivedItems;

/// The number of items after which a sender runs its rank's reactor itself, so that the items are sent in one message.
const TOGETHER: u32 = 16;

/// The sending end of a channel; see [`Client::channel`].
///
/// Its copies, on any rank, send into the same channel, which is closed when the last one is dropped. A receiver that
/// goes is an error of the next [`Sender::send`].
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let (tx, rx) = client.channel::<u64>(8);
/// let sent = client.submit(|out: dtask::Sender<u64>| -> Result<(), dtask::Failure> { Ok(out.send(7)?) }, (tx,));
/// assert_eq!(rx.recv()?, 7);
/// # sent.result()?;
/// # Ok(()) }
/// ```
pub struct Sender<T> {
    held: SenderHandle,
    item: PhantomData<fn() -> T>,
}
held_handle!(Sender<T>, Channel, Front);

/// The receiving end of a channel; see [`Client::channel`].
///
/// It receives on one rank: it can be passed on until the first [`Receiver::recv`]. Copies on that rank share the
/// items.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let (tx, rx) = client.channel::<u64>(8);
/// let first = client.submit(|input: dtask::Receiver<u64>| -> Result<u64, dtask::Failure> { Ok(input.recv()?) }, (rx,));
/// tx.send(7)?;
/// assert_eq!(first.result()?, 7);
/// # Ok(()) }
/// ```
pub struct Receiver<T> {
    held: ReceiverHandle,
    item: PhantomData<fn() -> T>,
}
held_handle!(Receiver<T>, Channel, Back);

/// The ends of a channel on this rank, which further handles of the same channel share.
#[derive(Default)]
struct KnownEnds {
    outlet: Weak<OutletCell>,
    inlet: Weak<InletCell>,
}

impl KnownEnds {
    fn is_used(&self) -> bool {
        self.outlet.strong_count() > 0 || self.inlet.strong_count() > 0
    }
}

/// The ends of all channels that this rank uses.
///
/// The reactor may hold an end longer than the last handle of this rank, while items are on their way. So what is no
/// longer used is looked for when the table has doubled.
#[derive(Default)]
pub(super) struct ChannelTable {
    ends: BTreeMap<ObjectId, KnownEnds>,
    /// The number of channels at which the table is looked through.
    full: usize,
}

impl ChannelTable {
    fn of(&mut self, channel: ObjectId) -> &mut KnownEnds {
        if self.ends.len() >= self.full {
            self.ends.retain(|_, ends| ends.is_used());
            self.full = 16.max(2 * self.ends.len());
        }
        self.ends.entry(channel).or_default()
    }

    /// The number of channels with an end that is used.
    #[cfg(feature = "testing")]
    pub(super) fn used(&self) -> usize {
        self.ends.values().filter(|ends| ends.is_used()).count()
    }
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
        let ends = channels.of(channel);
        ends.outlet.upgrade().unwrap_or_else(|| {
            let cell = OutletCell::new(capacity);
            ends.outlet = Arc::downgrade(&cell);
            cell
        })
    }

    fn inlet(&self, channel: ObjectId, capacity: u32) -> Arc<InletCell> {
        let mut channels = self.objects.channels.lock();
        let ends = channels.of(channel);
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
        if channels.ends.get(&channel).is_some_and(|ends| !ends.is_used()) {
            channels.ends.remove(&channel);
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
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// tx.send(7)?;
    /// assert_eq!(rx.recv()?, 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the item cannot be encoded; [`Error::Gone`] when the receiver was dropped or its rank has died; and when
    /// the run has ended.
    pub fn send(&self, item: T) -> Result<()> {
        self.send_within(&item, None)
    }

    /// Sends an item like [`Sender::send`], but waits for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let (tx, rx) = client.channel::<u64>(8);
    /// tx.send_timeout(7, Duration::from_secs(1))?;
    /// # rx.recv()?;
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (tx, rx) = client.channel::<u64>(8);
    /// tx.close();
    /// assert!(rx.recv().is_err());
    /// # Ok(()) }
    /// ```
    pub fn close(self) {}
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
