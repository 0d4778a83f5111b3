//! Credits of channels on their way: between the registry of a channel, the ranks that send, and the one that receives.

use super::channels::OutletCell;
use super::{ObjectRequest, ReplySink};
use crate::ids::Rank;
use crate::objects::stream::{Outlet, ReceiverPlace};
use crate::protocol::{Blob, ObjectCall, ObjectId, ObjectOp, Peer};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::pool::Compute;
use crate::transport::Transport;
use std::sync::Arc;

/// The length in bytes of a reply with credits, as it waits to be handled: the number, and a byte that tells it from the
/// rank of a receiver.
pub(super) const CREDITS_LENGTH: usize = 5;

impl<C: Compute> Executor<C> {
    /// Asks the registry of a channel for credits.
    pub(super) fn ask_credits<T: Transport>(
        &mut self,
        channel: ObjectId,
        cell: Arc<OutletCell>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let capacity = cell.change(|outlet| outlet.capacity());
        self.objects.channels.entry(channel).or_default().outlet.get_or_insert(cell);
        self.objects.own_calls += 1;
        let call = 1 << 63 | self.objects.own_calls;
        let call = ObjectCall { object: channel, call, op: ObjectOp::Lease { capacity } };
        let (payload, sink) = (Blob::default(), ReplySink::Credits(channel));
        self.object_request(ObjectRequest::Call { call, payload, sink }, links)?;
        self.found_receivers(links)
    }

    /// Gives credits back to the registry of a channel.
    pub(super) fn give_back<T: Transport>(
        &mut self,
        channel: ObjectId,
        count: u32,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if count == 0 {
            return Ok(());
        }
        let call = ObjectCall { object: channel, call: 0, op: ObjectOp::Return { count } };
        let (payload, sink) = (Blob::default(), ReplySink::None);
        self.object_request(ObjectRequest::Call { call, payload, sink }, links)
    }

    /// Changes the credits of this rank's sending end. What the change gives back goes to the registry, and the receiver
    /// learns the new share.
    pub(super) fn change_credits<T: Transport>(
        &mut self,
        channel: ObjectId,
        change: impl FnOnce(&mut Outlet) -> u32,
        links: &mut Links<T>,
    ) -> Result<bool, ExecutorError> {
        let Some(outlet) = self.objects.channels.get(&channel).and_then(|ends| ends.outlet.as_ref()) else {
            return Ok(false);
        };
        let (back, share, place) = outlet.change(|outlet| {
            let before = outlet.share();
            let back = change(outlet);
            let share = (outlet.share() != before).then(|| outlet.share());
            (back, share, outlet.place().clone())
        });
        if let (Some(share), ReceiverPlace::At(rank)) = (share, place) {
            self.tell_share(channel, rank, share, links)?;
        }
        self.give_back(channel, back, links)?;
        Ok(true)
    }

    pub(super) fn tell_share<T: Transport>(
        &mut self,
        channel: ObjectId,
        to: Rank,
        share: u32,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if to == self.place().rank {
            return self.shared(to, channel, share, links);
        }
        if self.objects.dead.contains(&to) {
            return Ok(());
        }
        Ok(links.send(to, &Peer::Share { channel, share })?)
    }

    pub(super) fn shared<T: Transport>(
        &mut self,
        from: Rank,
        channel: ObjectId,
        share: u32,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let Some(inlet) = self.objects.channels.get(&channel).and_then(|ends| ends.inlet.as_ref()) else {
            return Ok(());
        };
        let due = inlet.shared(from, share);
        match due {
            Some((to, count)) => self.give_credit(channel, to, count, links),
            None => Ok(()),
        }
    }

    /// Asks this rank's sending end for credits, on behalf of the channel's registry.
    pub(super) fn recalled<T: Transport>(
        &mut self,
        channel: ObjectId,
        count: u32,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        self.change_credits(channel, |outlet| outlet.recall(count), links).map(drop)
    }

    /// Reports to a sending rank that items of it were taken.
    pub(super) fn give_credit<T: Transport>(
        &mut self,
        channel: ObjectId,
        to: Rank,
        count: u32,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if to == self.place().rank {
            return self.credited(channel, count, links);
        }
        if self.objects.dead.contains(&to) {
            return Ok(());
        }
        Ok(links.send(to, &Peer::Credit { channel, count })?)
    }

    pub(super) fn credited<T: Transport>(
        &mut self,
        channel: ObjectId,
        count: u32,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if !self.change_credits(channel, |outlet| outlet.taken(count), links)? {
            // nobody sends here any more
            self.give_back(channel, count, links)?;
        }
        Ok(())
    }
}
