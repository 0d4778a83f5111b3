//! The messages for objects: queues, events, semaphores, variables, actors and channels, which live on a home rank.
//!
//! A call goes straight from the calling rank to the object's home, and the reply back. An item of a channel goes from
//! the rank of the sender to that of the receiver.

use super::Blob;
use crate::codec;
use crate::error::{CodecError, TaskError};
use crate::ids::Rank;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest payload of a call, a reply or an item in one message, in bytes. A longer one is sent in parts.
pub const PART_MAX: usize = 32 * 1024;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectKind {
    /// A flag that tasks wait for.
    Event,
    /// A number of permits, of which tasks hold some for a time.
    Semaphore,
    /// A semaphore with one permit.
    Lock,
    /// A value that tasks set and read.
    Variable,
    /// A first-in-first-out queue of values.
    Queue,
    /// A value of the user's own type, with functions that change it.
    Actor,
    /// The registry of the two ends of a channel.
    Channel,
    /// No object: a function that the home rank calls once.
    Function,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectKind::Event => "event",
            ObjectKind::Semaphore => "semaphore",
            ObjectKind::Lock => "lock",
            ObjectKind::Variable => "variable",
            ObjectKind::Queue => "queue",
            ObjectKind::Actor => "actor",
            ObjectKind::Channel => "channel",
            ObjectKind::Function => "function",
        })
    }
}

/// The name of an object on all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// The rank where the object lives.
    pub home: Rank,
    /// The kind of the object.
    pub kind: ObjectKind,
    /// A hash of the object's name; for an object without a name a number that its maker has given.
    pub number: u64,
}

/// The side of an object that a handle stands for; the two ends of a channel are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandleSide {
    /// The actor, or the sending end of a channel.
    Front,
    /// The receiving end of a channel.
    Back,
}

/// An operation on an object. The payload of the call has the value that it takes, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectOp {
    /// Withdraws an earlier call of the same rank that is still waiting. That call is answered with
    /// [`ReplyKind::Cancelled`], unless its reply is under way already.
    Cancel {
        /// The number of the earlier call.
        call: u64,
    },
    /// Waits until an event is set.
    Wait,
    /// Sets an event.
    Set,
    /// Clears an event.
    Clear,
    /// Asks whether an event is set: [`ReplyKind::Done`] if so, else [`ReplyKind::Nothing`].
    IsSet,
    /// Takes a permit, and waits for one if there is none.
    Acquire {
        /// The number of permits of the semaphore; the first call sets it.
        permits: u32,
    },
    /// Takes a permit if there is one, else is answered with [`ReplyKind::Nothing`].
    TryAcquire {
        /// The number of permits of the semaphore, as in [`ObjectOp::Acquire`].
        permits: u32,
    },
    /// Gives back a permit of the calling rank.
    Release,
    /// Sets the value of a variable.
    Store,
    /// Reads a variable, and waits until it has a value.
    Load,
    /// Reads a variable if it has a value.
    TryLoad,
    /// Puts a value into a queue, and waits while the queue is full.
    Put {
        /// The largest number of values in the queue, 0 for no limit; the first call sets it.
        limit: u64,
    },
    /// Takes the first value of a queue, and waits for one.
    Get,
    /// Takes the first value of a queue if there is one.
    TryGet,
    /// Asks for the number of values in a queue.
    Len,
    /// Closes a queue: no more values are put, and those that are there are left to be taken.
    Close,
    /// Makes an actor: calls its constructor. The caller holds a handle.
    Make,
    /// Calls a function of an actor.
    Invoke,
    /// Calls a function of no object.
    Run,
    /// Makes a channel. The caller holds a handle of each end.
    Open,
    /// Notes that the calling rank receives the channel's items. No other rank can from then on.
    Bind,
    /// Asks for the rank that receives the channel's items, and waits until there is one.
    Locate,
    /// Notes that a copy of a handle has left the calling rank inside an encoded value.
    Ticket {
        /// The side of the handle.
        side: HandleSide,
        /// The number of the copy, which no other copy has.
        ticket: u64,
    },
    /// Notes that the calling rank has read a handle out of an encoded value, and holds it.
    Redeem {
        /// The side of the handle.
        side: HandleSide,
        /// The number of the copy. The same value can be read several times.
        ticket: u64,
    },
    /// Notes that the calling rank has dropped a handle.
    Drop {
        /// The side of the handle.
        side: HandleSide,
        /// The number of items that the rank has sent since its last report, for the sending end of a channel.
        sent: u64,
    },
    /// Notes that nobody will read a copy of a handle that is not read yet: the value that contains it is gone.
    Void {
        /// The side of the handle.
        side: HandleSide,
        /// The number of the copy.
        ticket: u64,
        /// Whether a task was to read the copy, and has failed or was cancelled before.
        failed: bool,
    },
    /// Asks for credits of a channel, the right to send items, and waits until there are some. The payload of the reply
    /// is their number, as four bytes, the lowest first.
    Lease {
        /// The largest number of items under way in the channel; the first call sets it.
        capacity: u32,
    },
    /// Gives back credits of a channel that the calling rank does not use.
    Return {
        /// The number of credits.
        count: u32,
    },
}

/// A copy of a handle that has left a rank inside an encoded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandleTicket {
    /// The object.
    pub object: ObjectId,
    /// The side of the handle.
    pub side: HandleSide,
    /// The number of the copy, which no other copy has.
    pub ticket: u64,
}

/// A call of an object's operation, sent to the object's home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectCall {
    /// The object.
    pub object: ObjectId,
    /// The number of the call, which the reply repeats; 0 if no reply is wanted.
    pub call: u64,
    /// The operation.
    pub op: ObjectOp,
}

/// The outcome of an object's call. The payload of the reply has the value, or the text of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ReplyKind {
    /// The operation is done; the payload is its value, if it has any.
    Done,
    /// There was nothing to take, or the answer is no.
    Nothing,
    /// The call was withdrawn by [`ObjectOp::Cancel`] and has had no effect.
    Cancelled,
    /// The object is closed, or was released.
    Closed,
    /// The object was lost with its rank; the payload is a text.
    Lost,
    /// The function that was called has failed; the payload is the encoded error.
    Failed,
}

impl ReplyKind {
    /// The kind whose number is `byte`; `None` if there is none.
    pub fn from_byte(byte: u8) -> Option<ReplyKind> {
        use ReplyKind::{Cancelled, Closed, Done, Failed, Lost, Nothing};
        [Done, Nothing, Cancelled, Closed, Lost, Failed].get(usize::from(byte)).copied()
    }
}

/// A function with its arguments, as the payload of [`ObjectOp::Make`], [`ObjectOp::Invoke`] and [`ObjectOp::Run`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The offset of the function's record, as in [`Definition::function`](super::Definition::function).
    pub function: u64,
    /// The arguments, as [`push_argument`](super::push_argument) encodes them.
    pub args: Blob,
    /// The results of tasks among the arguments, each encoded.
    pub inputs: Vec<Blob>,
}

impl FunctionCall {
    /// Encodes the call as a payload.
    ///
    /// # Errors
    /// Never for a call that was packed by a client.
    pub fn encode(&self) -> Result<Blob, CodecError> {
        codec::encode(self).map(|bytes| Blob(bytes.into()))
    }

    /// Decodes a payload.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn decode(payload: &[u8]) -> Result<FunctionCall, CodecError> {
        codec::decode(payload)
    }
}

/// Encodes the error of a function as the payload of [`ReplyKind::Failed`].
pub fn encode_error(error: &TaskError) -> Blob {
    Blob(codec::encode(error).unwrap_or_default().into())
}

/// Decodes the payload of [`ReplyKind::Failed`].
///
/// # Errors
/// When the bytes are damaged.
pub fn decode_error(payload: &[u8]) -> Result<TaskError, CodecError> {
    codec::decode(payload)
}
