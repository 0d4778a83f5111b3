//! Actors: the queue of calls, which run one after the other in the order of arrival. The runtime has the value itself.

use super::references::References;
use super::{ObjectAction, ObjectActions, ObjectCaller, maker, reply};
use crate::ids::Rank;
use crate::protocol::{Blob, ObjectId, ObjectOp, ReplyKind};
use std::collections::VecDeque;

/// The state of an actor: its handles and its calls.
#[derive(Debug, Default)]
pub(crate) struct ActorState {
    handles: References,
    /// The calls that have not begun.
    calls: VecDeque<(ObjectCaller, Blob)>,
    /// Whether the message that creates the actor has arrived. Calls of other ranks may arrive before it.
    is_made: bool,
    is_running: bool,
    /// The encoded error of the constructor, if it has failed. All calls fail with it.
    broken: Option<Blob>,
    is_discarded: bool,
}

impl ActorState {
    pub(super) fn handle(
        &mut self,
        object: ObjectId,
        from: ObjectCaller,
        op: ObjectOp,
        payload: Blob,
        out: &mut ObjectActions,
    ) -> bool {
        match op {
            ObjectOp::Make => {
                self.handles.hold(from.rank);
                (self.is_made, self.is_running) = (true, true);
                out.push(ObjectAction::Compute { object, to: from, makes: true, payload });
            }
            ObjectOp::Invoke => {
                self.calls.push_back((from, payload));
                self.start(object, out);
            }
            ObjectOp::Ticket { ticket, .. } => self.handles.leave(ticket),
            ObjectOp::Redeem { ticket, .. } => self.handles.redeem(from.rank, ticket),
            ObjectOp::Drop { .. } => {
                self.handles.drop_one(from.rank);
                self.discard_if_unheld(object, out);
            }
            ObjectOp::Cancel { call } => {
                let own = ObjectCaller { rank: from.rank, call };
                let before = self.calls.len();
                self.calls.retain(|(waits, _)| *waits != own);
                if self.calls.len() < before {
                    reply(own, ReplyKind::Cancelled, Blob::default(), out);
                }
            }
            _ => return false,
        }
        true
    }

    /// Notes that nobody will read a copy of a handle.
    pub(super) fn void(&mut self, object: ObjectId, ticket: u64, out: &mut ObjectActions) {
        if !self.handles.is_spent(ticket) && self.handles.void(ticket) {
            self.discard_if_unheld(object, out);
        }
    }

    fn start(&mut self, object: ObjectId, out: &mut ObjectActions) {
        if self.is_running || !self.is_made {
            return;
        }
        if let Some(error) = &self.broken {
            for (to, _) in self.calls.drain(..) {
                reply(to, ReplyKind::Failed, error.clone(), out);
            }
        }
        if let Some((to, payload)) = self.calls.pop_front() {
            self.is_running = true;
            out.push(ObjectAction::Compute { object, to, makes: false, payload });
        }
    }

    pub(super) fn computed(&mut self, object: ObjectId, failure: Option<Blob>, out: &mut ObjectActions) {
        self.is_running = false;
        if failure.is_some() {
            self.broken = failure;
        }
        self.start(object, out);
        self.discard_if_unheld(object, out);
    }

    /// Has the value dropped once there are no more handles and all calls have ended.
    fn discard_if_unheld(&mut self, object: ObjectId, out: &mut ObjectActions) {
        if self.is_made && self.handles.is_empty() && !self.is_busy() && !self.is_discarded {
            self.is_discarded = true;
            out.push(ObjectAction::Discard(object));
        }
    }

    pub(super) fn lost(&mut self, object: ObjectId, rank: Rank, out: &mut ObjectActions) {
        self.handles.lost(rank);
        self.calls.retain(|(to, _)| to.rank != rank);
        if !self.is_made && maker(object) == rank {
            let text = format!("rank {rank}, which was to make it, has died");
            for (to, _) in self.calls.drain(..) {
                reply(to, ReplyKind::Lost, Blob::new(text.as_bytes()), out);
            }
            self.is_discarded = true;
        }
        self.discard_if_unheld(object, out);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_running || !self.calls.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_discarded
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self) -> Result<(), String> {
        if self.is_made && !self.is_running && !self.calls.is_empty() {
            return Err(format!("{} calls wait, and none runs", self.calls.len()));
        }
        Ok(())
    }
}
