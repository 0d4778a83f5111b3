//! The outbox: messages of one turn to the same rank travel together in one frame (message coalescing).

use super::liveness::Liveness;
use super::profile::{Profile, ProfilePhase};
use crate::error::CodecError;
use crate::ids::Rank;
use crate::protocol::{self, Message};
use crate::transport::{Transport, TransportError};

/// The transport, with an open frame (batch of messages) for each rank, to which messages are appended until it is
/// sent.
pub(crate) struct Links<T> {
    /// The transport that sends the frames.
    pub transport: T,
    open: Vec<Vec<u8>>,
    /// Ranks whose frame has messages that are not sent yet.
    waiting: Vec<Rank>,
    /// The measurement of how the rank's time is spent. It is stored here because every function whose time is measured
    /// is given the links.
    pub profile: Profile,
    /// The tracker of ranks that have been silent for too long.
    pub liveness: Liveness,
}

/// The error of a message that could not be sent to another rank.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The network refused the frame.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The message could not be encoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl<T: Transport> Links<T> {
    /// Makes links to the other ranks that send over `transport`, without open frames.
    pub(crate) fn new(transport: T) -> Self {
        let open = (0..transport.ranks()).map(|_| Vec::new()).collect();
        Links {
            transport,
            open,
            waiting: Vec::new(),
            profile: Profile::default(),
            liveness: Liveness::default(),
        }
    }

    /// Adds `message` to the frame for the rank `to`. A full frame is sent at once, the last one by [`Links::flush`].
    ///
    /// # Errors
    /// When the message is longer than a frame, or the network refuses.
    pub(crate) fn send<M: Message>(&mut self, to: Rank, message: &M) -> Result<(), LinkError> {
        let before = self.profile.enter(ProfilePhase::Sending);
        self.append(to, message)?;
        self.profile.enter(before);
        Ok(())
    }

    fn append<M: Message>(&mut self, to: Rank, message: &M) -> Result<(), LinkError> {
        let Some(frame) = self.open.get_mut(to.index()) else {
            return Err(TransportError(format!("a message to rank {to}, which does not exist")).into());
        };
        if frame.is_empty() {
            if frame.capacity() == 0 {
                *frame = self.transport.buffer();
            }
            self.waiting.push(to);
            self.liveness.spoken(to);
        }
        if let Some(full) = protocol::append(frame, message)? {
            self.transport.send_control(to, full)?;
        }
        Ok(())
    }

    /// Sends the open frames of all ranks. True if there were any.
    ///
    /// # Errors
    /// When the network refuses.
    pub(crate) fn flush(&mut self) -> Result<bool, TransportError> {
        if self.waiting.is_empty() {
            return Ok(false);
        }
        self.profile.enter(ProfilePhase::Sending);
        while let Some(rank) = self.waiting.pop() {
            let frame = std::mem::take(&mut self.open[rank.index()]);
            if !frame.is_empty() {
                self.transport.send_control(rank, frame)?;
            }
        }
        Ok(true)
    }
}
