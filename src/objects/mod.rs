//! Objects: the pure state machines of queues, events, semaphores, variables, actors and channels.
//!
//! An object lives on one rank, its *home*. Calls and changes of references come in, replies and other actions go out:
//!
//! ```text
//!   calling rank ── Call{object, op, payload} ──► home: Objects::handle ── Reply{call, kind, payload} ──► calling rank
//! ```
//!
//! A call that has to wait (for an item, a permit, an event) waits in the object, in the order of arrival, until
//! another call lets it go on: nobody polls. [`Objects::lost`] takes back what a dead rank holds or waits for.
//! `voids` has the copies of handles that nobody will read, `credits` the shares of a channel's senders in its capacity.
//! [`stream`] has the machines of a channel's two ends, on the ranks of the sender and the receiver.
//!
//! Invariants: no clock, thread, network or chance; equal events give equal actions; a call is answered once. Start
//! with [`Objects::handle`].

pub(crate) mod actor;
pub(crate) mod channel;
pub(crate) mod coordination;
mod credits;
pub(crate) mod queue;
pub(crate) mod references;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod voids;

use crate::compact::Ranges;
use crate::error::ProtocolError;
use crate::ids::{Rank, TaskId};
use crate::protocol::{Blob, HandleTicket, ObjectCall, ObjectId, ObjectKind, ObjectOp, ReplyKind};
use actor::ActorState;
use channel::ChannelState;
use coordination::{EventState, PermitState, VariableState};
use queue::QueueState;
use std::collections::{BTreeMap, BTreeSet};
use voids::{VoidedCopies, VoidedCopy};

/// The rank that has made a call, with its number of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ObjectCaller {
    /// The calling rank.
    pub rank: Rank,
    /// The number of the call; 0 if no reply is wanted.
    pub call: u64,
}

/// An action that the objects of a rank ask for and the runtime carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ObjectAction {
    /// Answer a call.
    Reply(ObjectCaller, ReplyKind, Blob),
    /// Call the constructor ([`ObjectOp::Make`]) or another function of an actor. [`Objects::computed`] tells the end.
    Compute {
        /// The actor.
        object: ObjectId,
        /// The caller, to whom the runtime itself sends the result.
        to: ObjectCaller,
        /// Whether the function is the constructor.
        makes: bool,
        /// The encoded function with its arguments.
        payload: Blob,
    },
    /// Drop the value of an actor, which nobody holds any more.
    Discard(ObjectId),
    /// Tell the receiving rank of a channel that nobody sends any more: the number of items sent, and a sending rank
    /// that has died.
    Ended(Rank, ObjectId, u64, Option<Rank>),
    /// Tell a sending rank of a channel that nobody receives any more; with the receiving rank if that has died.
    Broken(Rank, ObjectId, Option<Rank>),
    /// Tell the receiving rank of a channel that nobody sends any more, and that a task which was to send never began: the
    /// number of items sent.
    Unsent(Rank, ObjectId, u64),
    /// Ask a sending rank of a channel for so many of its credits.
    Recall(Rank, ObjectId, u32),
    /// Ask all ranks for a sign under this number. [`Objects::fence_asked`] tells which were asked.
    Fence(u64),
}

pub(crate) type ObjectActions = Vec<ObjectAction>;

#[derive(Debug)]
enum ObjectState {
    Event(EventState),
    Permits(PermitState),
    Variable(VariableState),
    Queue(QueueState),
    Actor(Box<ActorState>),
    Channel(Box<ChannelState>),
}

/// The objects that live on a rank.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    table: BTreeMap<ObjectId, ObjectState>,
    /// The numbers of the released actors and channels that were created here. Late messages may still name them.
    released: Ranges,
    /// Copies of handles that nobody will read.
    voided: VoidedCopies,
}

/// Answers a call, unless the caller wants no reply.
fn reply(to: ObjectCaller, kind: ReplyKind, payload: Blob, out: &mut ObjectActions) {
    if to.call > 0 {
        out.push(ObjectAction::Reply(to, kind, payload));
    }
}

/// The rank that has created an object without a name, found from the object's number.
fn maker(object: ObjectId) -> Rank {
    TaskId(object.number).owner()
}

impl Objects {
    /// Handles a call of a rank, and appends the resulting actions to `out`.
    ///
    /// # Errors
    /// When an object of that kind has no such operation, because of a bug or a damaged message.
    pub(crate) fn handle(
        &mut self,
        rank: Rank,
        ObjectCall { object, call, op }: ObjectCall,
        payload: Blob,
        out: &mut ObjectActions,
    ) -> Result<(), ProtocolError> {
        let from = ObjectCaller { rank, call };
        // an object with a name is created by its first call; for other objects, calls may arrive before the message
        // that creates them
        match object.kind {
            ObjectKind::Function => return Err(wrong(object, op)),
            ObjectKind::Actor | ObjectKind::Channel if self.released.contains(object.number) => {
                reply(from, ReplyKind::Closed, Blob::default(), out);
                return Ok(());
            }
            _ => {}
        }
        if let ObjectOp::Void { side, ticket, failed } = op {
            self.voided.add((HandleTicket { object, side, ticket }, failed));
            self.begin_fence(out);
            return Ok(());
        }
        let state = self.table.entry(object).or_insert_with(|| ObjectState::new(object.kind));
        let fits = match state {
            ObjectState::Event(event) => event.handle(from, op, out),
            ObjectState::Permits(permits) => permits.handle(from, op, out),
            ObjectState::Variable(variable) => variable.handle(from, op, payload, out),
            ObjectState::Queue(queue) => queue.handle(from, op, payload, out),
            ObjectState::Actor(actor) => actor.handle(object, from, op, payload, out),
            ObjectState::Channel(channel) => channel.handle(object, from, op, out),
        };
        if !fits {
            return Err(wrong(object, op));
        }
        self.remove_if_unheld(object);
        Ok(())
    }

    fn remove_if_unheld(&mut self, object: ObjectId) {
        let is_over = match self.table.get(&object) {
            Some(ObjectState::Actor(actor)) => actor.is_over(),
            Some(ObjectState::Channel(channel)) => channel.is_over(),
            _ => false,
        };
        if is_over {
            self.table.remove(&object);
            self.released.insert(object.number);
        }
    }

    /// Notes that the running call of an actor has ended, and starts the next one. `failure` is the encoded error of
    /// the constructor, if that was the call and has failed.
    pub(crate) fn computed(&mut self, object: ObjectId, failure: Option<Blob>, out: &mut ObjectActions) {
        if let Some(ObjectState::Actor(actor)) = self.table.get_mut(&object) {
            actor.computed(object, failure, out);
        }
        self.remove_if_unheld(object);
    }

    fn begin_fence(&mut self, out: &mut ObjectActions) {
        out.extend(self.voided.begin().map(ObjectAction::Fence));
    }

    /// Notes the ranks that were asked for a sign, this one among them.
    pub(crate) fn fence_asked(&mut self, ranks: BTreeSet<Rank>) {
        self.voided.asked(ranks);
    }

    /// Notes the sign of a rank. With the last one, the copies of handles count no more that nobody will read.
    pub(crate) fn fence_back(&mut self, rank: Rank, number: u64, out: &mut ObjectActions) {
        let copies = self.voided.back(rank, number);
        self.void_all(copies, out);
    }

    fn void_all(&mut self, copies: Vec<VoidedCopy>, out: &mut ObjectActions) {
        for (HandleTicket { object, side, ticket }, failed) in copies {
            match self.table.get_mut(&object) {
                Some(ObjectState::Actor(actor)) => actor.void(object, ticket, out),
                Some(ObjectState::Channel(channel)) => channel.void(object, side, ticket, failed, out),
                _ => {}
            }
            self.remove_if_unheld(object);
        }
        self.begin_fence(out);
    }

    /// Notes that a rank has died: takes back its permits and references, and forgets its waiting calls.
    pub(crate) fn lost(&mut self, rank: Rank, out: &mut ObjectActions) {
        for (object, state) in &mut self.table {
            match state {
                ObjectState::Event(event) => event.lost(rank),
                ObjectState::Permits(permits) => permits.lost(rank, out),
                ObjectState::Variable(variable) => variable.lost(rank),
                ObjectState::Queue(queue) => queue.lost(rank, out),
                ObjectState::Actor(actor) => actor.lost(*object, rank, out),
                ObjectState::Channel(channel) => channel.lost(*object, rank, out),
            }
        }
        let copies = self.voided.lost(rank);
        self.void_all(copies, out);
        let objects: Vec<ObjectId> = self.table.keys().copied().collect();
        objects.into_iter().for_each(|object| self.remove_if_unheld(object));
    }

    /// Whether a call of an actor runs or is still to run.
    pub(crate) fn is_busy(&self) -> bool {
        self.table.values().any(|state| matches!(state, ObjectState::Actor(actor) if actor.is_busy()))
    }

    /// The number of objects that handles keep alive: actors and channels.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        if !self.voided.is_empty() {
            return usize::MAX / 2; // what is still to be told may free some
        }
        let is_held = |state: &&ObjectState| matches!(state, ObjectState::Actor(_) | ObjectState::Channel(_));
        self.table.values().filter(is_held).count()
    }

    /// Verifies the invariants of all objects; the error names the violated one.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn check(&self) -> Result<(), String> {
        for (object, state) in &self.table {
            let outcome = match state {
                ObjectState::Event(event) => event.check(),
                ObjectState::Permits(permits) => permits.check(),
                ObjectState::Variable(variable) => variable.check(),
                ObjectState::Queue(queue) => queue.check(),
                ObjectState::Actor(actor) => actor.check(),
                ObjectState::Channel(channel) => channel.check(),
            };
            outcome.map_err(|what| format!("{object:?}: {what}"))?;
        }
        Ok(())
    }
}

impl ObjectState {
    fn new(kind: ObjectKind) -> ObjectState {
        match kind {
            ObjectKind::Event => ObjectState::Event(EventState::default()),
            ObjectKind::Semaphore | ObjectKind::Lock => ObjectState::Permits(PermitState::default()),
            ObjectKind::Variable => ObjectState::Variable(VariableState::default()),
            ObjectKind::Queue => ObjectState::Queue(QueueState::default()),
            ObjectKind::Actor | ObjectKind::Function => ObjectState::Actor(Box::default()),
            ObjectKind::Channel => ObjectState::Channel(Box::default()),
        }
    }
}

fn wrong(object: ObjectId, op: ObjectOp) -> ProtocolError {
    ProtocolError(format!("{op:?} of a {}, which has no such operation", object.kind))
}
