//! What a request keeps alive, and how messages speak of it.

use super::request::{ReceiveMemory, SendMemory};
use crate::transport::TransportError;
use crate::transport::mpi::control_frames::QueuePosition;
use std::rc::Rc;

/// Where a message goes to or comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    /// The other rank.
    pub(super) peer: i32,
    /// The tag, as MPI sees it.
    pub(super) tag: i32,
}

/// The memory of one bulk transfer, shared by its pieces.
#[derive(Clone)]
pub(super) enum TransferMemory {
    /// It is sent.
    Source(Rc<SendMemory>),
    /// It is received.
    Target(Rc<ReceiveMemory>),
}

impl TransferMemory {
    /// Its length in bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            TransferMemory::Source(source) => source.length(),
            TransferMemory::Target(target) => target.length(),
        }
    }
}

/// What a request keeps alive.
pub(super) enum Pinned {
    /// A control frame that is sent.
    Outgoing(Vec<u8>),
    /// A control frame of `length` bytes that is received; `frame` is empty until then.
    Incoming {
        /// The buffer.
        frame: Vec<u8>,
        /// What was probed.
        length: usize,
        /// Its place among the frames received.
        place: QueuePosition,
    },
    /// A piece of a bulk transfer.
    Piece {
        /// The memory of the whole transfer.
        memory: TransferMemory,
        /// Where the piece begins.
        offset: usize,
        /// How long it is.
        length: usize,
        /// The number of the transfer.
        transfer: u32,
    },
}

impl Pinned {
    /// Whether MPI writes to the memory.
    pub(super) fn is_received(&self) -> bool {
        match self {
            Pinned::Outgoing(_) => false,
            Pinned::Incoming { .. } => true,
            Pinned::Piece { memory, .. } => matches!(memory, TransferMemory::Target(_)),
        }
    }

    /// Bytes of the message.
    pub(super) fn length(&self) -> usize {
        match self {
            Pinned::Outgoing(frame) => frame.len(),
            Pinned::Incoming { length, .. } | Pinned::Piece { length, .. } => *length,
        }
    }

    /// What is attempted, for errors.
    pub(super) fn attempt(&self, route: Route) -> String {
        let Route { peer, tag } = route;
        let (verb, word) = if self.is_received() { ("receiving", "from") } else { ("sending", "to") };
        let length = self.length();
        match self {
            Pinned::Piece { offset, memory, .. } => format!(
                "{verb} bulk data {word} rank {peer} (MPI tag {tag}): {length} bytes from {offset} of {}",
                memory.length()
            ),
            _ => format!("{verb} a frame of {length} bytes {word} rank {peer}"),
        }
    }

    /// Whether a received message of `got` bytes is as long as agreed.
    pub(super) fn verify(&self, route: Route, got: usize) -> Result<(), TransportError> {
        if got == self.length() {
            return Ok(());
        }
        Err(TransportError(format!("{}: only {got} bytes came", self.attempt(route))))
    }
}
