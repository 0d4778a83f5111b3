//! The registry of a channel's ends. Items go past it, from the sender's rank to the receiver's ([`super::stream`]).
//!
//! It lives where the channel was made, knows who holds an end, and tells the sending ranks where the receiver is.
//! When nobody holds the sending end any more, the receiver is told how many items were sent, since that note may
//! arrive before the last of them.

use super::credits::Credits;
use super::references::References;
use super::{ObjectAction, ObjectActions, ObjectCaller, maker, reply};
use crate::ids::Rank;
use crate::protocol::{Blob, HandleSide, ObjectId, ObjectOp, ReplyKind};
use std::collections::BTreeSet;

/// The two ends of a channel.
#[derive(Debug, Default)]
pub(crate) struct ChannelState {
    senders: References,
    receivers: References,
    /// The rank that receives; `None` until one does.
    bound: Option<Rank>,
    /// The calls of senders that ask for the receiving rank, while there is none.
    locating: Vec<ObjectCaller>,
    /// The ranks that know the receiving rank, and may have sent items.
    connected: BTreeSet<Rank>,
    /// The number of items sent, as far as the sending ranks have reported it.
    sent: u64,
    /// A sending rank that has died, if any.
    lost_sender: Option<Rank>,
    lost_receiver: Option<Rank>,
    /// Whether the message that creates the channel has arrived. Messages of other ranks may arrive before it.
    is_made: bool,
    /// Whether the receiver was told that nobody sends any more.
    told_end: bool,
    /// Whether the senders were told that nobody receives any more.
    told_broken: bool,
    /// Whether a task that was to have the sending end has failed or was cancelled before it began.
    unsent: bool,
    /// The shares of the sending ranks in the capacity.
    credits: Credits,
}

impl ChannelState {
    pub(super) fn handle(
        &mut self,
        object: ObjectId,
        from: ObjectCaller,
        op: ObjectOp,
        out: &mut ObjectActions,
    ) -> bool {
        match op {
            ObjectOp::Open => {
                self.senders.hold(from.rank);
                self.receivers.hold(from.rank);
                self.is_made = true;
            }
            ObjectOp::Bind => match self.bound {
                Some(rank) if rank != from.rank => {
                    let text = format!("rank {rank} receives its items already, and one rank alone can");
                    reply(from, ReplyKind::Lost, Blob::new(text.as_bytes()), out);
                }
                _ => {
                    self.bound = Some(from.rank);
                    reply(from, ReplyKind::Done, Blob::default(), out);
                    for waits in std::mem::take(&mut self.locating) {
                        self.connect(waits, from.rank, out);
                    }
                }
            },
            ObjectOp::Locate => match self.bound {
                _ if self.told_broken => self.refuse(from, out),
                Some(rank) => self.connect(from, rank, out),
                None => self.locating.push(from),
            },
            ObjectOp::Lease { .. } if self.told_broken => self.refuse(from, out),
            ObjectOp::Lease { capacity } => self.credits.ask(object, from, capacity, out),
            ObjectOp::Return { count } => self.credits.returned(object, from.rank, count, out),
            ObjectOp::Ticket { side, ticket } => self.side(side).leave(ticket),
            ObjectOp::Redeem { side, ticket } => self.side(side).redeem(from.rank, ticket),
            ObjectOp::Drop { side, sent } => {
                self.sent += sent;
                self.side(side).drop_one(from.rank);
            }
            ObjectOp::Cancel { call } => {
                let own = ObjectCaller { rank: from.rank, call };
                let before = self.locating.len();
                self.locating.retain(|waits| *waits != own);
                if self.locating.len() < before || self.credits.withdraw(own) {
                    reply(own, ReplyKind::Cancelled, Blob::default(), out);
                }
            }
            _ => return false,
        }
        self.settle(object, out);
        true
    }

    /// Notes that nobody will read a copy of a handle; `failed` says that a task was to, which never began.
    pub(super) fn void(
        &mut self,
        object: ObjectId,
        side: HandleSide,
        ticket: u64,
        failed: bool,
        out: &mut ObjectActions,
    ) {
        if !self.side(side).is_spent(ticket) && self.side(side).void(ticket) {
            self.unsent |= failed && side == HandleSide::Front;
            self.settle(object, out);
        }
    }

    fn side(&mut self, side: HandleSide) -> &mut References {
        match side {
            HandleSide::Front => &mut self.senders,
            HandleSide::Back => &mut self.receivers,
        }
    }

    fn connect(&mut self, to: ObjectCaller, receiver: Rank, out: &mut ObjectActions) {
        self.connected.insert(to.rank);
        reply(to, ReplyKind::Done, Blob::new(&receiver.0.to_le_bytes()), out);
    }

    fn refuse(&self, to: ObjectCaller, out: &mut ObjectActions) {
        match self.lost_receiver {
            Some(rank) => {
                let text = format!("its receiver was on rank {rank}, which has died");
                reply(to, ReplyKind::Lost, Blob::new(text.as_bytes()), out);
            }
            None => reply(to, ReplyKind::Closed, Blob::default(), out),
        }
    }

    /// Tells each end that the other one is gone, once.
    fn settle(&mut self, object: ObjectId, out: &mut ObjectActions) {
        if !self.is_made {
            return;
        }
        if self.receivers.is_empty() && !self.told_broken {
            self.told_broken = true;
            for waits in std::mem::take(&mut self.locating).into_iter().chain(self.credits.take_asking()) {
                self.refuse(waits, out);
            }
            let broken = |rank: &Rank| ObjectAction::Broken(*rank, object, self.lost_receiver);
            out.extend(self.connected.iter().map(broken));
        }
        if self.senders.is_empty()
            && !self.told_end
            && let Some(bound) = self.bound.filter(|_| !self.receivers.is_empty())
        {
            self.told_end = true;
            out.push(match self.lost_sender {
                None if self.unsent => ObjectAction::Unsent(bound, object, self.sent),
                lost => ObjectAction::Ended(bound, object, self.sent, lost),
            });
        }
    }

    pub(super) fn lost(&mut self, object: ObjectId, rank: Rank, out: &mut ObjectActions) {
        self.locating.retain(|waits| waits.rank != rank);
        if self.senders.lost(rank) {
            self.lost_sender = Some(rank);
        }
        self.connected.remove(&rank);
        self.credits.lost(object, rank, out);
        // a copy of the receiving end on another rank cannot go on with what has arrived at this one
        if self.receivers.lost(rank) && self.bound == Some(rank) {
            self.receivers = References::default();
            self.lost_receiver = Some(rank);
        }
        // the rank that has made the channel is dead: only handles that were read already remain, and must not wait
        self.is_made |= maker(object) == rank;
        self.settle(object, out);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_made && self.senders.is_empty() && self.receivers.is_empty()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self) -> Result<(), String> {
        self.credits.check()?;
        if self.bound.is_some() && !self.locating.is_empty() {
            return Err(format!("{} calls look for the receiver, which is known", self.locating.len()));
        }
        if let Some(bound) = self.bound.filter(|rank| !self.told_broken && !self.receivers.has(*rank)) {
            // the dead rank may have passed its handle on, in a value that nobody has read yet
            if self.receivers.is_empty() {
                return Err(format!("rank {bound} receives, and holds no end"));
            }
        }
        Ok(())
    }
}
