//! Frames: batches of messages of one kind, behind a byte for the kind.

use super::{FRAME_MAX, Hello, Peer, RankOrder, RankReport, Welcome};
use crate::codec;
use crate::error::CodecError;
use serde::{Serialize, de};

/// A decoded frame: a batch of messages of one kind from another rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The introduction of a rank to rank 0 at start-up.
    Hello(Hello),
    /// The answer of rank 0 to a rank's [`Hello`] at start-up.
    Welcome(Welcome),
    /// Orders from rank 0 to the rank that receives the frame.
    Orders(Vec<RankOrder>),
    /// Reports from a rank to rank 0, such as of ended tasks.
    Reports(Vec<RankReport>),
    /// Messages between any two ranks, by which one fetches a result from the other.
    Peers(Vec<Peer>),
}

/// The kind of the messages in a frame: its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// The frame holds one [`Hello`], by which a rank introduces itself.
    Hello = 1,
    /// The frame holds one [`Welcome`], rank 0's answer at start-up.
    Welcome = 2,
    /// The frame holds any number of [`RankOrder`]s from rank 0.
    Orders = 3,
    /// The frame holds any number of [`RankReport`]s to rank 0.
    Reports = 4,
    /// The frame holds any number of [`Peer`] messages, between any two ranks.
    Peers = 5,
}

/// A message that can be put into a frame, the batch in which messages travel between ranks.
pub trait Message: Serialize {
    /// The kind of frame that such messages travel in; a frame holds messages of one kind.
    const KIND: FrameKind;
}

impl Message for Hello {
    const KIND: FrameKind = FrameKind::Hello;
}
impl Message for Welcome {
    const KIND: FrameKind = FrameKind::Welcome;
}
impl Message for RankOrder {
    const KIND: FrameKind = FrameKind::Orders;
}
impl Message for RankReport {
    const KIND: FrameKind = FrameKind::Reports;
}
impl Message for Peer {
    const KIND: FrameKind = FrameKind::Peers;
}

/// Appends `message` to `frame`, which collects messages for one rank. An empty `frame` begins a new one.
///
/// Returns the earlier content of `frame`, to be sent first, if `message` did not fit behind it or is of another kind.
///
/// # Errors
/// When the message alone is longer than [`FRAME_MAX`]. Senders split long messages, so that is a bug. The open frame
/// is unchanged.
pub fn append<M: Message>(frame: &mut Vec<u8>, message: &M) -> Result<Option<Vec<u8>>, CodecError> {
    let start = frame.len();
    if start == 0 {
        frame.push(M::KIND as u8);
    }
    let body = frame.len();
    if let Err(error) = codec::encode_into(message, frame) {
        frame.truncate(start);
        return Err(error);
    }
    let length = frame.len() - body;
    if length + 1 > FRAME_MAX {
        frame.truncate(start);
        return Err(CodecError::encode(format!("a message of {length} bytes in a frame of {FRAME_MAX}")));
    }
    if frame.len() <= FRAME_MAX && frame.first() == Some(&(M::KIND as u8)) {
        return Ok(None);
    }
    let mut next = Vec::with_capacity(FRAME_MAX.min(4 * (length + 1)));
    next.push(M::KIND as u8);
    next.extend_from_slice(&frame[body..]);
    frame.truncate(start);
    Ok(Some(std::mem::replace(frame, next)))
}

/// Decodes a frame. Damaged bytes are an error, never a panic.
///
/// # Errors
/// When the kind is unknown, or a message is damaged.
pub fn decode(frame: &[u8]) -> Result<Frame, CodecError> {
    let (&kind, mut rest) = frame.split_first().ok_or_else(|| CodecError::decode("an empty frame"))?;
    match kind {
        k if k == FrameKind::Hello as u8 => Ok(Frame::Hello(codec::decode(rest)?)),
        k if k == FrameKind::Welcome as u8 => Ok(Frame::Welcome(codec::decode(rest)?)),
        k if k == FrameKind::Orders as u8 => Ok(Frame::Orders(all(&mut rest)?)),
        k if k == FrameKind::Reports as u8 => Ok(Frame::Reports(all(&mut rest)?)),
        k if k == FrameKind::Peers as u8 => Ok(Frame::Peers(all(&mut rest)?)),
        k => Err(CodecError::decode(format!("a frame of unknown kind {k}"))),
    }
}

fn all<M: de::DeserializeOwned>(bytes: &mut &[u8]) -> Result<Vec<M>, CodecError> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        messages.push(codec::decode_next(bytes)?);
    }
    Ok(messages)
}
