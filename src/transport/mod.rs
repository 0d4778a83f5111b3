//! Moving frames and bulk data between ranks.
//!
//! Two ways: [`sim`], N ranks in one process on one thread, seeded; and `mpi`, the only place that names MPI.

pub mod mpi;
#[cfg(any(test, feature = "testing"))]
pub mod sim;

use crate::ids::Rank;
use std::any::Any;
use std::sync::Arc;

/// Bytes to be sent, kept alive until the send is complete.
pub trait BulkSource: Send + Sync {
    /// The bytes; the same slice at every call.
    fn bytes(&self) -> &[u8];
}

impl BulkSource for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// The memory that a bulk message is received into: the final allocation of the value.
pub trait BulkTarget: Send {
    /// The bytes to fill; the same memory at every call.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// To get the concrete target back when it is full.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl BulkTarget for Vec<u8> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// Bulk data under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// None.
    None,
    /// It was asked for, and nothing of it has come yet: its sender may have to prepare it first.
    Expected,
    /// It moves, which needs our calls.
    Moving,
}

/// What has come.
pub enum Arrival {
    /// A control frame.
    Control {
        /// Its sender.
        from: Rank,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A bulk message, complete.
    Bulk {
        /// Its sender.
        from: Rank,
        /// The tag it was expected on.
        tag: u32,
        /// The memory that was given to [`Transport::receive_bulk`], now filled.
        target: Box<dyn BulkTarget>,
    },
    /// A rank has died; nothing will come from it any more.
    Lost {
        /// Which.
        rank: Rank,
    },
}

/// The network as one rank sees it. Frames of one pair of ranks stay in order; nothing blocks.
pub trait Transport {
    /// This rank.
    fn rank(&self) -> Rank;

    /// How many ranks there are.
    fn ranks(&self) -> usize;

    /// Sends a control frame of at most `protocol::FRAME_MAX` bytes. `to` is never this rank.
    ///
    /// # Errors
    /// When the network refuses.
    fn send_control(&mut self, to: Rank, frame: Vec<u8>) -> Result<(), TransportError>;

    /// Sends bulk data on `tag`, which the receiver has posted.
    ///
    /// # Errors
    /// When the network refuses.
    fn send_bulk(&mut self, to: Rank, tag: u32, source: Arc<dyn BulkSource>) -> Result<(), TransportError>;

    /// Posts the receive of exactly as many bytes as `target` has, on `tag`.
    ///
    /// # Errors
    /// When the network refuses.
    fn receive_bulk(
        &mut self,
        from: Rank,
        tag: u32,
        target: Box<dyn BulkTarget>,
    ) -> Result<(), TransportError>;

    /// Gives up all receives posted for `from`, which has died.
    ///
    /// # Errors
    /// When the network refuses.
    fn forget(&mut self, from: Rank) -> Result<(), TransportError>;

    /// Looks what has come and what has been sent; true if anything moved.
    ///
    /// # Errors
    /// When the network reports an error.
    fn poll(&mut self, arrived: &mut Vec<Arrival>) -> Result<bool, TransportError>;

    /// An empty buffer for a frame.
    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes the buffer of a frame that has been read, for the next ones.
    fn recycle(&mut self, _buffer: Vec<u8>) {}

    /// Whether bulk data is under way, in which case the caller must keep polling.
    fn flight(&self) -> Flight;

    /// Whether any thread may call it, one at a time; else only the one that made it.
    fn any_thread(&self) -> bool {
        true
    }

    /// Whether all that was sent has left.
    fn quiet(&self) -> bool;
}

/// The network failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);
