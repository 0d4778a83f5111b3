//! The outcome of rank 0's closure, told to all ranks at the end of a run within a program that has MPI itself.
//!
//! It is one more control frame behind the last order of rank 0: frames between two ranks come in the order of sending.
//! So it needs no communicator of its own.

use super::{MpiTransport, idle};
use crate::ids::{HEAD, Rank};
use crate::protocol::FRAME_MAX;
use crate::transport::{Arrival, Transport, TransportError};

/// The first byte of the frame if the closure has succeeded.
const SUCCEEDED: u8 = 0;
/// The first byte of the frame if the closure has failed; the text of its error follows.
const FAILED: u8 = 1;

impl MpiTransport {
    /// Tells all other ranks whether rank 0's closure has failed, and why. Rank 0 calls it, after its last order.
    pub fn tell_outcome(&mut self, why: Option<&str>) {
        let mut frame = vec![if why.is_some() { FAILED } else { SUCCEEDED }];
        frame.extend(why.unwrap_or_default().bytes().take(FRAME_MAX - 1));
        for rank in 1..self.ranks() {
            // a rank that has died hears nothing
            let _ = self.send_control(Rank(rank as u32), frame.clone());
        }
    }

    /// Waits for what rank 0 tells by [`MpiTransport::tell_outcome`]: the reason if its closure has failed. Every other
    /// rank calls it, after rank 0's last order has come.
    ///
    /// # Errors
    /// When MPI reports an error.
    pub fn hear_outcome(&mut self) -> Result<Option<String>, TransportError> {
        let (mut arrived, mut looks) = (Vec::new(), 0);
        loop {
            looks = if self.poll(&mut arrived)? { 0 } else { looks + 1 };
            for arrival in arrived.drain(..) {
                if let Arrival::Lost { rank: HEAD } = arrival {
                    return Err(TransportError("rank 0 has died".into()));
                }
                if let Arrival::Control { from: HEAD, frame } = arrival
                    && let Some((&kind, text)) = frame.split_first()
                {
                    return Ok((kind == FAILED).then(|| String::from_utf8_lossy(text).into_owned()));
                }
            }
            idle(looks);
        }
    }
}
