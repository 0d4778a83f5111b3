//! The ends of channels on this rank.
//!
//! Threads that send and receive share the state of an end with the reactor; items and credits go by way of the
//! reactor, straight from the sender's rank to the receiver's.

use super::credits::CREDITS_LENGTH;
use super::{ObjectRequest, ReplySink, send_long};
use crate::ids::Rank;
use crate::objects::stream::{Inlet, Outlet, ReceiverPlace, Taken};
use crate::protocol::{Blob, HandleSide, ObjectCall, ObjectId, ObjectOp, Peer, ReplyKind};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::pool::Compute;
use crate::runtime::wait::{Wait, WaitAnswer};
use crate::transport::Transport;
use parking_lot::Mutex;
use std::iter::once;
use std::sync::Arc;

/// The sending end of a channel on this rank, shared by the threads that send and the reactor.
#[derive(Debug)]
pub(crate) struct OutletCell(Mutex<(Outlet, Vec<Arc<Wait>>)>);

/// The receiving end of a channel on this rank, shared by the threads that receive and the reactor.
#[derive(Debug)]
pub(crate) struct InletCell(Mutex<(Inlet, Vec<Arc<Wait>>)>);

/// The ends of a channel that this rank has.
#[derive(Debug, Default)]
pub(super) struct ChannelEnds {
    pub(super) outlet: Option<Arc<OutletCell>>,
    pub(super) inlet: Option<Arc<InletCell>>,
}

fn wake(waiting: &mut Vec<Arc<Wait>>) {
    for wait in waiting.drain(..) {
        wait.answer(once((0, WaitAnswer::Done)));
    }
}

impl OutletCell {
    /// Makes the end of a channel in which at most `capacity` items are under way.
    pub(crate) fn new(capacity: u32) -> Arc<Self> {
        Arc::new(OutletCell(Mutex::new((Outlet::new(capacity), Vec::new()))))
    }

    /// Whether the registry has to be asked for credits; see [`Outlet::wants_credits`].
    pub(crate) fn wants_credits(&self) -> bool {
        self.0.lock().0.wants_credits()
    }

    /// Takes one credit, the right to send one item. Returns false if there is none; `wait`, if given, is answered when
    /// there may be one.
    ///
    /// # Errors
    /// The reason, when nobody receives any more.
    pub(crate) fn reserve(&self, wait: Option<&Arc<Wait>>) -> Result<bool, String> {
        let (outlet, waiting) = &mut *self.0.lock();
        let reserved = outlet.reserve()?;
        if !reserved && let Some(wait) = wait {
            waiting.push(wait.clone());
        }
        Ok(reserved)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Outlet) -> T) -> T {
        let (outlet, waiting) = &mut *self.0.lock();
        let outcome = change(outlet);
        wake(waiting);
        outcome
    }
}

impl InletCell {
    /// Makes the end of a channel in which at most `capacity` items are under way.
    pub(crate) fn new(capacity: u32) -> Arc<Self> {
        Arc::new(InletCell(Mutex::new((Inlet::new(capacity), Vec::new()))))
    }

    /// Takes the next item. If there is none, `wait`, if given, is answered when there may be one.
    pub(crate) fn take(&self, wait: Option<&Arc<Wait>>) -> Taken {
        let (inlet, waiting) = &mut *self.0.lock();
        let taken = inlet.take();
        if taken == Taken::None
            && let Some(wait) = wait
        {
            waiting.push(wait.clone());
        }
        taken
    }

    /// The number of items that are there and were not taken.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().0.len()
    }

    /// Notes the number of credits of a sending rank; see [`Inlet::shared`].
    pub(super) fn shared(&self, from: Rank, share: u32) -> Option<(Rank, u32)> {
        self.0.lock().0.shared(from, share)
    }

    fn change(&self, change: impl FnOnce(&mut Inlet)) {
        let (inlet, waiting) = &mut *self.0.lock();
        change(inlet);
        if inlet.is_ready() {
            wake(waiting);
        }
    }
}

impl ChannelEnds {
    /// Ends the waits of all threads at both ends with the error that the run has ended.
    pub(super) fn close(&self, why: &str) {
        let outlet = self.outlet.iter().flat_map(|cell| std::mem::take(&mut cell.0.lock().1));
        let inlet = self.inlet.iter().flat_map(|cell| std::mem::take(&mut cell.0.lock().1));
        outlet.chain(inlet).for_each(|wait| wait.close(why));
    }

    fn gone(&self, why: &str) {
        if let Some(outlet) = &self.outlet {
            outlet.change(|outlet| outlet.gone(why.to_owned()));
        }
    }

    /// Whether no thread of this rank has an end, and no item waits to be sent or reported.
    fn is_unused(&self) -> bool {
        let outlet = self.outlet.as_ref();
        outlet.is_none_or(|cell| Arc::strong_count(cell) == 1 && !cell.0.lock().0.is_needed())
            && self.inlet.as_ref().is_none_or(|cell| Arc::strong_count(cell) == 1)
    }

    /// Notes that `rank` has died. Channels that were created there, or whose receiver was there, break.
    pub(super) fn lost(&self, channel: ObjectId, rank: Rank) {
        if channel.home == rank {
            let why = format!("it was made on rank {rank}, which has died");
            self.gone(&why);
            if let Some(inlet) = &self.inlet {
                inlet.change(|inlet| inlet.ended(u64::MAX, Some(why)));
            }
        }
        let was_there = |outlet: &Arc<OutletCell>| *outlet.0.lock().0.place() == ReceiverPlace::At(rank);
        if self.outlet.as_ref().is_some_and(was_there) {
            self.gone(&format!("its receiver was on rank {rank}, which has died"));
        }
    }
}

impl<C: Compute> Executor<C> {
    /// Sends an item for which a thread of this rank has taken a credit.
    pub(super) fn send_item<T: Transport>(
        &mut self,
        channel: ObjectId,
        cell: Arc<OutletCell>,
        item: Blob,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let (sent, asks) = {
            let outlet = &mut cell.0.lock().0;
            (outlet.send(item), outlet.asks())
        };
        self.objects.channels.entry(channel).or_default().outlet.get_or_insert(cell);
        if asks {
            self.objects.own_calls += 1;
            let call =
                ObjectCall { object: channel, call: 1 << 63 | self.objects.own_calls, op: ObjectOp::Locate };
            let (payload, sink) = (Blob::default(), ReplySink::Channel(channel));
            self.object_request(ObjectRequest::Call { call, payload, sink }, links)?;
            return self.found_receivers(links);
        }
        match sent {
            Some((rank, item)) => self.deliver(channel, rank, item, links),
            None => Ok(()),
        }
    }

    fn deliver<T: Transport>(
        &mut self,
        channel: ObjectId,
        to: Rank,
        item: Blob,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if to == self.place().rank {
            self.item_arrived(to, channel, item);
            return Ok(());
        }
        if self.objects.dead.contains(&to) {
            return Ok(());
        }
        send_long(to, item, links, |payload| Peer::Item { channel, payload })
    }

    fn item_arrived(&mut self, from: Rank, channel: ObjectId, item: Blob) {
        // the receiver may have been dropped meanwhile
        if let Some(inlet) = self.objects.channels.get(&channel).and_then(|ends| ends.inlet.as_ref()) {
            inlet.change(|inlet| inlet.arrived(from, item));
        }
    }

    /// Sends the items that have waited until the rank of their receiver was known.
    pub(super) fn found_receivers<T: Transport>(
        &mut self,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        for (channel, kind, payload) in std::mem::take(&mut self.objects.located) {
            if kind == ReplyKind::Done && payload.len() == CREDITS_LENGTH {
                let count = payload[..4].try_into().map_or(0, u32::from_le_bytes);
                if !self.change_credits(channel, |outlet| outlet.granted(count), links)? {
                    self.give_back(channel, count, links)?;
                }
                self.forget_unused(channel, links)?;
                continue;
            }
            let Some(ends) = self.objects.channels.get(&channel) else { continue };
            let rank = <[u8; 4]>::try_from(&payload[..]).ok().filter(|_| kind == ReplyKind::Done);
            let Some(rank) = rank.map(|bytes| Rank(u32::from_le_bytes(bytes))) else {
                let text = String::from_utf8_lossy(&payload);
                ends.gone(if kind == ReplyKind::Lost { &text } else { "its receiver was dropped" });
                self.forget_unused(channel, links)?;
                continue;
            };
            let Some(outlet) = &ends.outlet else { continue };
            let (backlog, share) = outlet.change(|outlet| (outlet.found(rank), outlet.share()));
            self.tell_share(channel, rank, share, links)?;
            for item in backlog {
                self.deliver(channel, rank, item, links)?;
            }
            self.forget_unused(channel, links)?;
        }
        Ok(())
    }

    /// Forgets the ends of a channel that no thread of this rank has. Credits that were not used go back to the registry.
    pub(super) fn forget_unused<T: Transport>(
        &mut self,
        channel: ObjectId,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if !self.objects.channels.get(&channel).is_some_and(ChannelEnds::is_unused) {
            return Ok(());
        }
        let outlet = self.objects.channels.remove(&channel).and_then(|ends| ends.outlet);
        let back = outlet.map_or(0, |outlet| outlet.0.lock().0.give_all_back());
        self.give_back(channel, back, links)
    }

    /// Notes that a thread of this rank is about to receive.
    pub(super) fn bind(&mut self, channel: ObjectId, cell: Arc<InletCell>) {
        self.objects.channels.entry(channel).or_default().inlet = Some(cell);
    }

    /// Reports to the registry of a channel that a handle of this rank was dropped. The report follows the items that
    /// were sent before.
    pub(super) fn drop_end<T: Transport>(
        &mut self,
        channel: ObjectId,
        side: HandleSide,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let ends = self.objects.channels.get(&channel);
        let outlet = ends.and_then(|ends| ends.outlet.as_ref()).filter(|_| side == HandleSide::Front);
        let sent = outlet.map_or(0, |outlet| outlet.0.lock().0.report());
        self.forget_unused(channel, links)?;
        let call = ObjectCall { object: channel, call: 0, op: ObjectOp::Drop { side, sent } };
        let (payload, sink) = (Blob::default(), ReplySink::None);
        self.object_request(ObjectRequest::Call { call, payload, sink }, links)
    }

    /// Reports to the receiving rank of a channel that there are no more handles of the sending end.
    pub(super) fn tell_ended<T: Transport>(
        &mut self,
        to: Rank,
        channel: ObjectId,
        (total, lost): (u64, Option<Rank>),
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if to == self.place().rank {
            self.ended(channel, total, lost);
            return Ok(());
        }
        if self.objects.dead.contains(&to) {
            return Ok(());
        }
        Ok(links.send(to, &Peer::Ended { channel, total, lost })?)
    }

    fn ended(&mut self, channel: ObjectId, total: u64, lost: Option<Rank>) {
        let why = lost.map(|rank| format!("rank {rank}, which has sent items, has died"));
        if let Some(inlet) = self.objects.channels.get(&channel).and_then(|ends| ends.inlet.as_ref()) {
            inlet.change(|inlet| inlet.ended(total, why));
        }
    }

    /// Reports to the receiving rank of a channel that there are no more handles of the sending end, and that a task
    /// which was to have one never began.
    pub(super) fn tell_unsent<T: Transport>(
        &mut self,
        to: Rank,
        channel: ObjectId,
        total: u64,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if to == self.place().rank {
            self.unsent(channel, total);
            return Ok(());
        }
        if self.objects.dead.contains(&to) {
            return Ok(());
        }
        Ok(links.send(to, &Peer::Unsent { channel, total })?)
    }

    fn unsent(&mut self, channel: ObjectId, total: u64) {
        let why = "a task that was to send has failed or was cancelled before it began".to_owned();
        if let Some(inlet) = self.objects.channels.get(&channel).and_then(|ends| ends.inlet.as_ref()) {
            inlet.change(|inlet| inlet.ended(total, Some(why)));
        }
    }

    /// Reports to a sending rank of a channel that there are no more handles of the receiving end.
    pub(super) fn tell_broken<T: Transport>(
        &mut self,
        to: Rank,
        channel: ObjectId,
        lost: Option<Rank>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if to == self.place().rank {
            return self.broken(channel, lost, links);
        }
        if self.objects.dead.contains(&to) {
            return Ok(());
        }
        Ok(links.send(to, &Peer::Broken { channel, lost })?)
    }

    fn broken<T: Transport>(
        &mut self,
        channel: ObjectId,
        lost: Option<Rank>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let Some(ends) = self.objects.channels.get(&channel) else { return Ok(()) };
        match lost {
            Some(rank) => ends.gone(&format!("its receiver was on rank {rank}, which has died")),
            None => ends.gone("its receiver was dropped"),
        }
        self.forget_unused(channel, links)
    }

    /// Handles a message of another rank about a channel.
    ///
    /// # Errors
    /// When the network fails.
    pub(super) fn channel_message<T: Transport>(
        &mut self,
        from: Rank,
        message: Peer,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        match message {
            Peer::Item { channel, payload } => {
                let item = self.whole(from, payload);
                self.item_arrived(from, channel, item);
            }
            Peer::Credit { channel, count } => self.credited(channel, count, links)?,
            Peer::Recall { channel, count } => self.recalled(channel, count, links)?,
            Peer::Share { channel, share } => self.shared(from, channel, share, links)?,
            Peer::Unsent { channel, total } => self.unsent(channel, total),
            Peer::Ended { channel, total, lost } => self.ended(channel, total, lost),
            Peer::Broken { channel, lost } => self.broken(channel, lost, links)?,
            _ => {}
        }
        Ok(())
    }
}
