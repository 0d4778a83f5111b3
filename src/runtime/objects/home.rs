//! The objects that live on this rank: their calls and replies, and the functions of actors.

use super::send_long;
use crate::ids::Rank;
use crate::objects::{ObjectAction, ObjectCaller};
use crate::protocol::{Blob, ObjectCall, ObjectKind, ObjectOp, Peer, ReplyKind, encode_error};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::calls::{CallEnded, CallJob, CallRole};
use crate::runtime::threads::pool::Compute;
use crate::transport::Transport;

impl<C: Compute> Executor<C> {
    /// Handles a call of an object that lives here.
    pub(super) fn object_called<T: Transport>(
        &mut self,
        from: Rank,
        call: ObjectCall,
        payload: Blob,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if call.object.kind == ObjectKind::Function && call.op == ObjectOp::Run {
            let to = ObjectCaller { rank: from, call: call.call };
            self.objects.running += 1;
            self.compute.call(CallJob { object: call.object, to, role: CallRole::Plain, payload });
            return Ok(());
        }
        self.objects.machine.handle(from, call, payload, &mut self.objects.actions)?;
        self.act_on_objects(links)
    }

    /// Carries out the actions that the objects of this rank have asked for.
    pub(super) fn act_on_objects<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        let mut actions = std::mem::take(&mut self.objects.actions);
        for action in actions.drain(..) {
            match action {
                ObjectAction::Reply(to, kind, payload) => self.reply(to, kind, payload, links)?,
                ObjectAction::Compute { object, to, makes, payload } => {
                    let cell = self.objects.actors.entry(object).or_default().clone();
                    let role = if makes { CallRole::Make(cell) } else { CallRole::Method(cell) };
                    self.objects.running += 1;
                    self.compute.call(CallJob { object, to, role, payload });
                }
                ObjectAction::Discard(object) => {
                    if let Some(cell) = self.objects.actors.remove(&object) {
                        let to = ObjectCaller { rank: self.place().rank, call: 0 };
                        let (role, payload) = (CallRole::Discard(cell), Blob::default());
                        self.objects.running += 1;
                        self.compute.call(CallJob { object, to, role, payload });
                    }
                }
                ObjectAction::Ended(to, channel, total, lost) => {
                    self.tell_ended(to, channel, (total, lost), links)?
                }
                ObjectAction::Broken(to, channel, lost) => self.tell_broken(to, channel, lost, links)?,
                ObjectAction::Unsent(to, channel, total) => self.tell_unsent(to, channel, total, links)?,
                ObjectAction::Recall(to, channel, count) if to == self.place().rank => {
                    self.recalled(channel, count, links)?
                }
                ObjectAction::Recall(to, ..) if self.objects.dead.contains(&to) => {}
                ObjectAction::Recall(to, channel, count) => {
                    links.send(to, &Peer::Recall { channel, count })?
                }
                ObjectAction::Fence(number) => self.begin_fence(number, links)?,
            }
        }
        if self.objects.actions.is_empty() {
            self.objects.actions = actions; // to use its memory again
        }
        self.found_receivers(links)
    }

    fn reply<T: Transport>(
        &mut self,
        to: ObjectCaller,
        kind: ReplyKind,
        payload: Blob,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if to.call == 0 || self.objects.dead.contains(&to.rank) {
            return Ok(());
        }
        if to.rank == self.place().rank {
            self.objects.answered(to.call, kind, &payload);
            return Ok(());
        }
        send_long(to.rank, payload, links, |payload| Peer::Reply { call: to.call, kind, payload })
    }

    /// Handles the end of a function on a thread of this rank: sends its result, and lets the actor's next call begin.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn call_ended<T: Transport>(
        &mut self,
        ended: CallEnded,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let CallEnded { object, to, made, result } = ended;
        self.objects.running -= 1;
        let failure = result.as_ref().err().filter(|_| made).map(|error| encode_error(error));
        let (kind, payload) = match result {
            Ok(bytes) => (ReplyKind::Done, Blob(bytes.into())),
            Err(error) => (ReplyKind::Failed, encode_error(&error)),
        };
        self.reply(to, kind, payload, links)?;
        if object.kind == ObjectKind::Actor {
            self.objects.machine.computed(object, failure, &mut self.objects.actions);
            self.act_on_objects(links)?;
        }
        Ok(())
    }
}
