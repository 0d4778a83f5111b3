//! The transport: moves control frames and bulk data between ranks.
//!
//! Control frames are small and arrive in order; bulk data go into memory whose receive was posted before they were
//! asked for (a rendezvous protocol), so that nothing is copied. No call blocks. [`Transport`] has two implementations:
//! `sim`, N ranks in one process on one thread, seeded; and [`mpi`], the only place that names MPI.

#[cfg(feature = "mpi")]
pub mod mpi;
#[cfg(any(test, feature = "testing"))]
pub mod sim;
pub mod stream;

use crate::ids::Rank;
use std::any::Any;
use std::sync::Arc;
use stream::{StreamSink, StreamSource};

/// A source of bytes to be sent to another rank, kept alive until the send is complete.
pub trait BulkSource: Send + Sync {
    /// The bytes to send; the same slice must be returned at every call.
    fn bytes(&self) -> &[u8];

    /// The source as a stream, if the bytes are made piece by piece; then `bytes` is empty. The receiver has to know that
    /// from what is sent, and posts a target that is a stream too.
    fn stream(&self) -> Option<Arc<dyn StreamSource>> {
        None
    }
}

impl BulkSource for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// The memory that a bulk message (a large value) is received into: the final allocation of the value, so that nothing
/// is copied.
pub trait BulkTarget: Send {
    /// The bytes to fill; the same memory must be returned at every call.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// The target as a stream, if the bytes are taken in piece by piece; then `bytes_mut` is empty.
    fn stream(&self) -> Option<Arc<dyn StreamSink>> {
        None
    }
    /// Returns what was received, once all bytes have arrived: a value of a type that the implementation chooses, to
    /// which the caller downcasts it.
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

/// The state of the transfers of large values (bulk data) to and from a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// No bulk data are under way.
    None,
    /// Bulk data were asked for, and no byte of them has arrived yet: the sender may have to prepare them first.
    Expected,
    /// Bulk data are being sent or received, which needs constant calls of [`Transport::poll`].
    Moving,
}

/// An event of the network that a poll returns to a rank.
pub enum Arrival {
    /// A control frame (a short message of the protocol) has arrived.
    Control {
        /// The rank that has sent the frame.
        from: Rank,
        /// The bytes of the frame.
        frame: Vec<u8>,
    },
    /// A bulk message (a large value) has arrived completely.
    Bulk {
        /// The rank that has sent the data.
        from: Rank,
        /// The tag on which the receive was posted.
        tag: u32,
        /// The memory that was given to [`Transport::receive_bulk`], now filled.
        target: Box<dyn BulkTarget>,
    },
    /// A rank has died; nothing will come from it any more.
    Lost {
        /// The rank that has died.
        rank: Rank,
    },
}

/// The network as one rank sees it: short control frames, and bulk data (large values). Frames from one rank to another
/// stay in order; no call blocks.
pub trait Transport {
    /// The number of this rank.
    fn rank(&self) -> Rank;

    /// Number of ranks in the job.
    fn ranks(&self) -> usize;

    /// Sends a control frame (a short message) of at most `protocol::FRAME_MAX` bytes. `to` is never this rank.
    ///
    /// # Errors
    /// When the network reports an error.
    fn send_control(&mut self, to: Rank, frame: Vec<u8>) -> Result<(), TransportError>;

    /// Sends bulk data to a rank on `tag`, for which the receiver has posted a receive.
    ///
    /// # Errors
    /// When the network reports an error.
    fn send_bulk(&mut self, to: Rank, tag: u32, source: Arc<dyn BulkSource>) -> Result<(), TransportError>;

    /// Posts the receive of exactly as many bytes as `target` has, from a rank on `tag`.
    ///
    /// # Errors
    /// When the network reports an error.
    fn receive_bulk(
        &mut self,
        from: Rank,
        tag: u32,
        target: Box<dyn BulkTarget>,
    ) -> Result<(), TransportError>;

    /// Gives up all receives that were posted for bulk data from the rank `from`, which has died.
    ///
    /// # Errors
    /// When the network reports an error.
    fn forget(&mut self, from: Rank) -> Result<(), TransportError>;

    /// Looks for messages that have arrived, appends them to `arrived`, and lets sends progress. True if anything
    /// arrived or was sent.
    ///
    /// # Errors
    /// When the network reports an error.
    fn poll(&mut self, arrived: &mut Vec<Arrival>) -> Result<bool, TransportError>;

    /// An empty buffer for a control frame; a recycled one if possible, so that none has to be allocated.
    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes the buffer of a frame that has been read, to be used again.
    fn recycle(&mut self, _buffer: Vec<u8>) {}

    /// The state of the bulk transfers of this rank. While it is [`Flight::Moving`], the caller must keep polling,
    /// since MPI moves data only while it is called.
    fn flight(&self) -> Flight;

    /// Whether any thread may call the transport, one at a time; if not, only the thread that made the transport is
    /// allowed to.
    fn any_thread(&self) -> bool {
        true
    }

    /// Whether everything that this rank has sent is complete, so that no memory of it is needed any more.
    fn quiet(&self) -> bool;
}

/// An error of the network, with its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);
