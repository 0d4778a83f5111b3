//! Messages in flight: the memory that a request of MPI keeps alive, and the texts of its errors.

use super::request::{ReceiveMemory, SendMemory};
use crate::transport::TransportError;
use crate::transport::mpi::control_frames::QueuePosition;
use std::rc::Rc;

/// The route of a message: the other rank and the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    /// The other rank, which sends or receives the message.
    pub(super) peer: i32,
    /// The tag that is passed to MPI.
    pub(super) tag: i32,
}

/// The memory of one bulk transfer (a large value), shared by its pieces.
#[derive(Clone)]
pub(super) enum TransferMemory {
    /// Memory that is sent to another rank.
    Source(Rc<SendMemory>),
    /// Memory that a value is received into.
    Target(Rc<ReceiveMemory>),
}

impl TransferMemory {
    /// The length of the memory in bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            TransferMemory::Source(source) => source.length(),
            TransferMemory::Target(target) => target.length(),
        }
    }
}

/// The memory of an MPI request, kept alive and in place until MPI is done with it.
pub(super) enum Pinned {
    /// A control frame that is sent.
    Outgoing(Vec<u8>),
    /// A control frame of `length` bytes that is received; `frame` is empty until it is complete.
    Incoming {
        /// The buffer that the frame is received into.
        frame: Vec<u8>,
        /// The length in bytes that MPI has announced (probe).
        length: usize,
        /// The position of the frame in the queue of its sender.
        place: QueuePosition,
    },
    /// A piece of a bulk transfer.
    Piece {
        /// The memory of the whole transfer.
        memory: TransferMemory,
        /// The offset of the piece in the transfer, in bytes.
        offset: usize,
        /// The length of the piece, in bytes.
        length: usize,
        /// The number of the transfer in [`super::bulk::Transfers`].
        transfer: u32,
    },
    /// A message of a stream that is sent.
    Sent {
        /// The bytes of the message.
        buffer: Vec<u8>,
        /// Their number.
        length: usize,
        /// The number of the stream in [`super::streams::Streams`].
        stream: u32,
    },
    /// A message of a stream that is received.
    Received {
        /// The buffer that the message is received into.
        buffer: Vec<u8>,
        /// The length in bytes that the message has at most; once it has come, the one that it has.
        length: usize,
        /// The number of the stream in [`super::streams::Streams`].
        stream: u32,
        /// The number of the message in the stream.
        number: u64,
    },
}

impl Pinned {
    /// Whether MPI writes to the memory, as a receive does.
    pub(super) fn is_received(&self) -> bool {
        match self {
            Pinned::Outgoing(_) | Pinned::Sent { .. } => false,
            Pinned::Incoming { .. } | Pinned::Received { .. } => true,
            Pinned::Piece { memory, .. } => matches!(memory, TransferMemory::Target(_)),
        }
    }

    /// The length of the message in bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            Pinned::Outgoing(frame) => frame.len(),
            Pinned::Incoming { length, .. }
            | Pinned::Piece { length, .. }
            | Pinned::Sent { length, .. }
            | Pinned::Received { length, .. } => *length,
        }
    }

    /// The description of the operation, for error messages: send or receive, of what, to or from whom.
    pub(super) fn attempt(&self, route: Route) -> String {
        let Route { peer, tag } = route;
        let (verb, word) = if self.is_received() { ("receiving", "from") } else { ("sending", "to") };
        let length = self.length();
        match self {
            Pinned::Piece { offset, memory, .. } => format!(
                "{verb} bulk data {word} rank {peer} (MPI tag {tag}): {length} bytes from {offset} of {}",
                memory.length()
            ),
            Pinned::Sent { .. } | Pinned::Received { .. } => {
                format!("{verb} a piece of {length} bytes {word} rank {peer} (MPI tag {tag})")
            }
            _ => format!("{verb} a frame of {length} bytes {word} rank {peer}"),
        }
    }

    /// Checks that a received message of `got` bytes is as long as sender and receiver agreed. One of a stream may be
    /// shorter, and tells itself whether it is whole.
    pub(super) fn verify(&mut self, route: Route, got: usize) -> Result<(), TransportError> {
        if let Pinned::Received { length, .. } = self
            && (1..=*length).contains(&got)
        {
            *length = got;
        }
        if got == self.length() {
            return Ok(());
        }
        Err(TransportError(format!("{}: only {got} bytes came", self.attempt(route))))
    }
}
