//! The error after which a rank's reactor cannot go on.

use crate::error::{CodecError, ProtocolError};
use crate::runtime::outbox::LinkError;
use crate::transport::TransportError;

/// An error after which a rank's reactor cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecutorError {
    /// The network failed, or a message could not be encoded for sending.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A message breaks the protocol: a bug of dtask, or a damaged message.
    #[error("internal error: {0} (please report this)")]
    Protocol(#[from] ProtocolError),
    /// Rank 0, which schedules, has died.
    #[error("rank 0 has died, and with it the run; what it has recorded as done is done")]
    HeadDied,
    /// The bytes of a message could not be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl From<TransportError> for ExecutorError {
    fn from(error: TransportError) -> Self {
        ExecutorError::Link(error.into())
    }
}
