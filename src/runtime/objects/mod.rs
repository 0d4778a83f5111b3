//! The objects of a rank at run time: calls to objects of other ranks, the objects that live here, and the functions of
//! actors.
//!
//! [`Objects`] decides. This module sends its replies, calls functions on the threads of
//! [`calls`](super::threads::calls), and knows which calls of this rank are open, so that whoever waits for one is told
//! when the home of the object dies or the run ends. Start with [`RankObjects`] and `Executor::object_request`.

pub(crate) mod channels;
mod credits;
mod fences;
mod home;

use super::promise::Promise;
use super::wait::{Wait, WaitAnswer};
use crate::compact::Bytes;
use crate::error::{ProtocolError, TaskError};
use crate::ids::{IdMap, Rank, TaskId};
use crate::objects::{ObjectActions, Objects};
use crate::protocol::{
    Blob, BulkLayout, HandleSide, INLINE_MAX, ObjectCall, ObjectId, PART_MAX, Peer, ReplyKind,
    ReportedResult, decode_error,
};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::objects::channels::{ChannelEnds, InletCell, OutletCell};
use crate::runtime::outbox::Links;
use crate::runtime::threads::calls::ActorCell;
use crate::runtime::threads::pool::Compute;
use crate::task::value::AnyValue;
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::sync::Arc;

/// A request of a thread of this rank about an object.
#[derive(Debug)]
pub(crate) enum ObjectRequest {
    /// Calls an operation of an object.
    Call {
        /// The call.
        call: ObjectCall,
        /// The value that the operation takes, encoded.
        payload: Blob,
        /// The place where the reply goes.
        sink: ReplySink,
    },
    /// Asks for credits of a channel, of which the thread needs one.
    Credits {
        /// The channel.
        channel: ObjectId,
        /// This rank's sending end.
        cell: Arc<OutletCell>,
    },
    /// Sends an item of a channel, for which the thread has taken a credit.
    Item {
        /// The channel.
        channel: ObjectId,
        /// This rank's sending end.
        cell: Arc<OutletCell>,
        /// The encoded item.
        item: Blob,
    },
    /// Notes that a thread of this rank is about to receive a channel's items.
    Bind {
        /// The channel.
        channel: ObjectId,
        /// This rank's receiving end.
        cell: Arc<InletCell>,
    },
    /// Reports to a rank that items that it has sent were taken.
    Credit {
        /// The channel.
        channel: ObjectId,
        /// The sending rank.
        to: Rank,
        /// The number of items.
        count: u32,
    },
    /// Notes that a handle of an end of a channel was dropped.
    DropEnd {
        /// The channel.
        channel: ObjectId,
        /// The end.
        side: HandleSide,
    },
}

impl ObjectRequest {
    /// Ends the wait for the reply, if any, with the error that the run has ended.
    pub(crate) fn close(&self, why: &str) {
        if let ObjectRequest::Call { sink, .. } = self {
            sink.close(why);
        }
    }
}

/// The destination of the reply to a call.
#[derive(Debug)]
pub(crate) enum ReplySink {
    /// No reply is wanted.
    None,
    /// The answer of this index of a wait. It is an encoded value whose first byte is the [`ReplyKind`].
    Wait(Arc<Wait>, u32),
    /// A promise: the reply is its result.
    Promise(Arc<Promise>),
    /// The sending end of a channel, which has asked for the rank of the receiver.
    Channel(ObjectId),
    /// The sending end of a channel, which has asked for credits.
    Credits(ObjectId),
}

/// The result of a promise, or its error, with the number under which rank 0 knows it.
pub(crate) type KeptPromise = (TaskId, Result<ReportedResult, Box<TaskError>>);

/// A call of this rank that is not answered yet.
#[derive(Debug)]
struct OpenCall {
    object: ObjectId,
    sink: ReplySink,
}

/// The objects that live on this rank, and this rank's calls of objects elsewhere.
#[derive(Default)]
pub(crate) struct RankObjects {
    machine: Objects,
    actions: ObjectActions,
    open: BTreeMap<u64, OpenCall>,
    /// The beginnings of long payloads, by the rank that sends them.
    parts: IdMap<Rank, Vec<u8>>,
    actors: BTreeMap<ObjectId, Arc<ActorCell>>,
    /// The ends of channels that threads of this rank use.
    channels: BTreeMap<ObjectId, ChannelEnds>,
    /// Replies of channels' registries with the rank of the receiver.
    located: Vec<(ObjectId, ReplyKind, Blob)>,
    /// The number of a fence for which this rank's own sign is due, once the requests of its threads are handled.
    own_fence: Option<u64>,
    /// Number of calls that the reactor itself has made.
    own_calls: u64,
    /// Number of functions that were handed to the threads and have not ended.
    running: usize,
    dead: BTreeSet<Rank>,
    closed: Option<String>,
    /// Results of promises to hand to rank 0's scheduler.
    pub kept: Vec<(TaskId, WaitAnswer)>,
}

impl RankObjects {
    /// Whether functions run or are to run, so that the rank must not leave the run yet.
    pub(crate) fn is_busy(&self) -> bool {
        self.running > 0 || self.machine.is_busy()
    }

    /// Whether the next turn has something to do for objects, though no message comes.
    pub(crate) fn is_due(&self) -> bool {
        !self.kept.is_empty() || self.own_fence.is_some()
    }

    /// The number of objects on this rank that handles keep alive.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        self.machine.held() + self.actors.len()
    }

    /// Names what this rank has of objects elsewhere, which has to be gone when no handle is left; `None` if nothing is.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn left(&self) -> Option<String> {
        let (calls, parts, ends) = (self.open.len(), self.parts.len(), self.channels.len());
        let promises = self.kept.len() + self.located.len();
        (calls + parts + ends + promises > 0).then(|| {
            format!(
                "{calls} open calls, {parts} parts of payloads, {ends} ends of channels, {promises} replies"
            )
        })
    }

    /// Verifies the invariants of the objects that live here.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn check(&self) -> Result<(), String> {
        self.machine.check()
    }

    /// Ends all waits for objects, now and later, with the error that the run has ended.
    pub(crate) fn close(&mut self, why: &str) {
        self.closed = Some(why.to_owned());
        for (_, open) in std::mem::take(&mut self.open) {
            open.sink.close(why);
        }
        self.channels.values().for_each(|ends| ends.close(why));
    }

    /// Ends the open call number `call` with a reply.
    fn answered(&mut self, call: u64, kind: ReplyKind, payload: &[u8]) {
        let Some(OpenCall { object, sink }) = self.open.remove(&call) else { return };
        match sink {
            ReplySink::None => {}
            ReplySink::Channel(channel) => self.located.push((channel, kind, Blob::new(payload))),
            ReplySink::Credits(channel) => {
                let mut payload = payload.to_vec();
                if kind == ReplyKind::Done {
                    payload.resize(credits::CREDITS_LENGTH, 0);
                }
                self.located.push((channel, kind, Blob(payload.into())));
            }
            ReplySink::Wait(wait, place) => {
                let mut bytes = Vec::with_capacity(payload.len() + 1);
                bytes.push(kind as u8);
                bytes.extend_from_slice(payload);
                wait.answer(once((place, WaitAnswer::Inline(Bytes::new(&bytes)))));
            }
            ReplySink::Promise(promise) => {
                let answer = promised(object, kind, payload);
                if let Some(task) = promise.answer(answer.clone()) {
                    self.kept.push((task, answer));
                }
            }
        }
    }
}

impl ReplySink {
    /// Ends the wait for the reply, if any, with the error that the run has ended.
    pub(crate) fn close(&self, why: &str) {
        match self {
            ReplySink::None | ReplySink::Channel(_) | ReplySink::Credits(_) => {}
            ReplySink::Wait(wait, _) => wait.close(why),
            ReplySink::Promise(promise) => promise.close(why),
        }
    }
}

/// Makes the result of a future from the reply to an actor's call.
fn promised(object: ObjectId, kind: ReplyKind, payload: &[u8]) -> WaitAnswer {
    let failed = |message: String| {
        let error = TaskError::not_started(message, format!("call of an {}", object.kind), object.home);
        WaitAnswer::Failed(Arc::new(error))
    };
    match kind {
        ReplyKind::Done => WaitAnswer::Inline(Bytes::new(payload)),
        ReplyKind::Failed => match decode_error(payload) {
            Ok(error) => WaitAnswer::Failed(Arc::new(error)),
            Err(error) => failed(error.to_string()),
        },
        ReplyKind::Lost => failed(String::from_utf8_lossy(payload).into_owned()),
        ReplyKind::Closed => failed(format!("the {} was released", object.kind)),
        ReplyKind::Nothing | ReplyKind::Cancelled => failed("the call was withdrawn".into()),
    }
}

/// Sends a message with a payload. A long payload is split: all parts but the last are sent ahead of the message.
fn send_long<T: Transport>(
    to: Rank,
    mut payload: Blob,
    links: &mut Links<T>,
    message: impl FnOnce(Blob) -> Peer,
) -> Result<(), ExecutorError> {
    if payload.len() > PART_MAX {
        let end = payload.len() - (payload.len() % PART_MAX);
        for part in payload[..end].chunks(PART_MAX) {
            links.send(to, &Peer::Part { bytes: Blob::new(part) })?;
        }
        payload = Blob::new(&payload[end..]);
    }
    Ok(links.send(to, &message(payload))?)
}

impl<C: Compute> Executor<C> {
    /// Carries out a request of a thread of this rank.
    ///
    /// # Errors
    /// When the network fails, or the object has no such operation.
    pub(crate) fn object_request<T: Transport>(
        &mut self,
        request: ObjectRequest,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let (call, payload, sink) = match request {
            ObjectRequest::Call { call, payload, sink } => (call, payload, sink),
            ObjectRequest::Credits { channel, cell } => return self.ask_credits(channel, cell, links),
            ObjectRequest::Item { channel, cell, item } => return self.send_item(channel, cell, item, links),
            ObjectRequest::Bind { channel, cell } => {
                self.bind(channel, cell);
                return Ok(());
            }
            ObjectRequest::Credit { channel, to, count } => {
                return self.give_credit(channel, to, count, links);
            }
            ObjectRequest::DropEnd { channel, side } => return self.drop_end(channel, side, links),
        };
        if let Some(why) = &self.objects.closed {
            sink.close(why);
            return Ok(());
        }
        let home = call.object.home;
        if !matches!(sink, ReplySink::None) {
            self.objects.open.insert(call.call, OpenCall { object: call.object, sink });
            if home.index() >= links.transport.ranks() || self.objects.dead.contains(&home) {
                self.objects.answered(
                    call.call,
                    ReplyKind::Lost,
                    gone(call.object, links.transport.ranks()).as_bytes(),
                );
            }
        }
        if home == self.place().rank {
            return self.object_called(home, call, payload, links);
        }
        if home.index() >= links.transport.ranks() || self.objects.dead.contains(&home) {
            return self.found_receivers(links);
        }
        send_long(home, payload, links, |payload| Peer::Call { call, payload })
    }

    /// Handles a message of another rank about an object.
    ///
    /// # Errors
    /// When the network fails, or the message breaks the protocol.
    pub(crate) fn object_message<T: Transport>(
        &mut self,
        from: Rank,
        message: Peer,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        match message {
            Peer::Part { bytes } => {
                self.objects.parts.entry(from).or_default().extend_from_slice(&bytes);
                Ok(())
            }
            Peer::Call { call, payload } => {
                let payload = self.whole(from, payload);
                self.object_called(from, call, payload, links)
            }
            Peer::Reply { call, kind, payload } => {
                let payload = self.whole(from, payload);
                self.objects.answered(call, kind, &payload);
                self.found_receivers(links)
            }
            Peer::Item { .. }
            | Peer::Credit { .. }
            | Peer::Recall { .. }
            | Peer::Share { .. }
            | Peer::Ended { .. }
            | Peer::Unsent { .. }
            | Peer::Broken { .. } => self.channel_message(from, message, links),
            Peer::Fence { number } => Ok(links.send(from, &Peer::FenceBack { number })?),
            Peer::FenceBack { number } => self.fence_back(from, number, links),
            other => Err(ProtocolError(format!("rank {from} sends {other:?} about an object")).into()),
        }
    }

    /// Puts the payload of a message together: the parts that `from` has sent ahead, and `end`.
    fn whole(&mut self, from: Rank, end: Blob) -> Blob {
        match self.objects.parts.remove(&from) {
            None => end,
            Some(mut begin) => {
                begin.extend_from_slice(&end);
                Blob(begin.into())
            }
        }
    }

    /// The results of promises that rank 0's scheduler knows and is to be told of now. Long values are put into the
    /// store.
    ///
    /// # Errors
    /// When the state machine refuses the value.
    pub(crate) fn kept_promises<T: Transport>(
        &mut self,
        kept: Vec<(TaskId, WaitAnswer)>,
        links: &mut Links<T>,
    ) -> Result<Vec<KeptPromise>, ExecutorError> {
        let mut all = Vec::new();
        for (task, answer) in kept {
            let output = match answer {
                WaitAnswer::Inline(bytes) if bytes.len() > INLINE_MAX => {
                    self.put(task, AnyValue::from_encoded(&bytes), links)?;
                    Ok(ReportedResult::Stored { nbytes: bytes.len() as u64, layout: BulkLayout::Encoded })
                }
                WaitAnswer::Inline(bytes) => Ok(ReportedResult::Inline(Blob::new(&bytes))),
                WaitAnswer::Failed(cause) => Err(Box::new((*cause).clone())),
                WaitAnswer::Done | WaitAnswer::Value(_) => continue,
            };
            all.push((task, output));
        }
        Ok(all)
    }

    /// Notes that another rank has died: calls of its objects fail, and what it has held here is given back.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn objects_lost<T: Transport>(
        &mut self,
        rank: Rank,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let objects = &mut self.objects;
        objects.dead.insert(rank);
        objects.parts.remove(&rank);
        let lost: Vec<(u64, ObjectId)> = objects
            .open
            .iter()
            .filter(|(_, open)| open.object.home == rank)
            .map(|(call, open)| (*call, open.object))
            .collect();
        for (call, object) in lost {
            objects.answered(call, ReplyKind::Lost, gone(object, links.transport.ranks()).as_bytes());
        }
        objects.channels.iter().for_each(|(channel, ends)| ends.lost(*channel, rank));
        let channels: Vec<ObjectId> = objects.channels.keys().copied().collect();
        let mut actions = std::mem::take(&mut objects.actions);
        objects.machine.lost(rank, &mut actions);
        objects.actions = actions;
        self.act_on_objects(links)?;
        channels.into_iter().try_for_each(|channel| self.forget_unused(channel, links))?;
        self.found_receivers(links)
    }
}

fn gone(object: ObjectId, ranks: usize) -> String {
    if object.home.index() >= ranks {
        return format!("rank {}, where it was to live, does not exist: there are {ranks}", object.home);
    }
    format!("it lived on rank {}, which has died", object.home)
}
