//! The messages between any two ranks.

use super::{Blob, ObjectCall, ObjectId, ReplyKind};
use crate::ids::{Rank, TaskId};
use serde::{Deserialize, Serialize};

/// A message from any rank to any other, about the transfer of a result or an object that lives there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// Asks the receiver of this message for a result in its store. The sender has posted an MPI receive for it with
    /// `tag`.
    Fetch {
        /// The task whose result is wanted.
        task: TaskId,
        /// The message tag for the transfer, unique among the transfers that the sender has in flight; or
        /// [`TAG_INLINE`](super::TAG_INLINE), for which no receive is posted and [`Peer::Value`] answers.
        tag: u32,
        /// Whether both ranks see the same files: then paths are sent in place of files, in
        /// [`BulkLayout::Pack::same_files`](super::BulkLayout::Pack::same_files) bytes.
        same_files: bool,
    },
    /// Answers [`Peer::Fetch`] with [`TAG_INLINE`](super::TAG_INLINE): brings a result of at most
    /// [`FETCH_INLINE_MAX`](super::FETCH_INLINE_MAX) bytes.
    Value {
        /// The task whose result it is.
        task: TaskId,
        /// The bytes of the result, as a transfer of its own would bring them.
        bytes: Blob,
    },
    /// Brings the beginning of the payload of the next [`Peer::Call`], [`Peer::Reply`] or [`Peer::Item`] from the same
    /// rank, which is longer than [`PART_MAX`](super::PART_MAX).
    Part {
        /// The next bytes of the payload.
        bytes: Blob,
    },
    /// Calls an operation of an object that lives at the receiver.
    Call {
        /// The call.
        call: ObjectCall,
        /// The value that the operation takes, encoded, or the end of it.
        payload: Blob,
    },
    /// Answers [`Peer::Call`].
    Reply {
        /// The number of the call.
        call: u64,
        /// The outcome.
        kind: ReplyKind,
        /// The value or the error, or the end of it.
        payload: Blob,
    },
    /// Brings an item of a channel to the rank that receives them.
    Item {
        /// The channel.
        channel: ObjectId,
        /// The encoded item, or the end of it.
        payload: Blob,
    },
    /// Reports to a rank that sends items that `count` of them were taken, so that it can send as many more.
    Credit {
        /// The channel.
        channel: ObjectId,
        /// The number of items taken since the last such message.
        count: u32,
    },
    /// Reports to the rank that receives a channel's items that there are no more handles of the sending end.
    Ended {
        /// The channel.
        channel: ObjectId,
        /// The number of items that were sent.
        total: u64,
        /// A rank that has sent items and has died, so that some of them may be missing.
        lost: Option<Rank>,
    },
    /// Reports to a rank that sends items that there are no more handles of the receiving end.
    Broken {
        /// The channel.
        channel: ObjectId,
        /// The rank that has received the items, if it has died.
        lost: Option<Rank>,
    },
    /// Reports the checksum of the data that the sender of this message sends on a tag, in answer to [`Peer::Fetch`].
    /// Sent before or after them, if the run compares checksums.
    Checksum {
        /// The message tag of the transfer.
        tag: u32,
        /// The XXH3 hash of the data.
        sum: u64,
    },
    /// Asks the receiver to answer with [`Peer::FenceBack`]. What it has sent before has then arrived.
    Fence {
        /// The number of the fence.
        number: u64,
    },
    /// Answers [`Peer::Fence`].
    FenceBack {
        /// The number of the fence.
        number: u64,
    },
    /// Asks a rank that sends items to give back some of its credits, by
    /// [`ObjectOp::Return`](super::ObjectOp::Return): another rank has none.
    Recall {
        /// The channel.
        channel: ObjectId,
        /// The number of credits.
        count: u32,
    },
    /// Tells the rank that receives a channel's items how many credits the sender of this message has now.
    Share {
        /// The channel.
        channel: ObjectId,
        /// The number of credits.
        share: u32,
    },
    /// Reports like [`Peer::Ended`] that there are no more handles of the sending end; a task that was to have one has
    /// failed or was cancelled before it began.
    Unsent {
        /// The channel.
        channel: ObjectId,
        /// The number of items that were sent.
        total: u64,
    },
}
