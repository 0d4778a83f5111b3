//! The events that the threads of a rank report to its reactor.

use super::job::Ended;
use crate::ids::{Rank, TaskId};
use crate::runtime::store::MovedResult;
use crate::runtime::threads::calls::CallEnded;
use crate::task::value::AnyValue;
use crate::transport::{BulkSource, BulkTarget};
use std::sync::Arc;

/// An event that a compute thread reports to the reactor of its rank.
#[derive(Debug)]
pub(crate) enum ComputeEvent {
    /// A task has ended, with a result or an error.
    Ended(Ended),
    /// A thread begins to wait inside a task for other tasks, and uses no slot meanwhile. The value is its task; `None`
    /// if the thread runs a parallel part of another thread's task.
    Paused(Option<TaskId>),
    /// A thread has ended its wait and uses a slot again. The value is the one of its `Paused`.
    Resumed(Option<TaskId>),
    /// A function that is no task has ended.
    Called(CallEnded),
    /// An attempt to write a result to disk, to make room in memory, has ended.
    Moved(MovedResult),
    /// A short result for another rank was read back from disk and encoded, and can be sent inside a message.
    ReadBack {
        /// The rank that has asked for the result.
        to: Rank,
        /// The task whose result it is.
        task: TaskId,
        /// The result.
        value: AnyValue,
    },
    /// A value for another rank was encoded, and is ready to be sent.
    Encoded {
        /// The rank that has asked for the value.
        to: Rank,
        /// The MPI tag of the transfer, which the asking rank has chosen.
        tag: u32,
        /// The encoded value.
        message: OutgoingValue,
        /// The checksum of the message; `None` if the run compares none.
        sum: Option<u64>,
    },
    /// The checksum of a result that has arrived was computed.
    Summed {
        /// The rank that has sent the result.
        from: Rank,
        /// The MPI tag of the transfer.
        tag: u32,
        /// The result.
        arrived: ArrivedValue,
        /// The checksum.
        sum: u64,
    },
}

/// A value in the form in which it is sent to other ranks.
pub(crate) struct OutgoingValue(pub Arc<dyn BulkSource>);

impl std::fmt::Debug for OutgoingValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({} bytes)", self.0.bytes().len())
    }
}

/// A result that has arrived from another rank, in the memory that was posted for it.
pub(crate) struct ArrivedValue(pub Box<dyn BulkTarget>);

impl std::fmt::Debug for ArrivedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ArrivedValue")
    }
}
