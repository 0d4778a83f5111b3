//! The end of a run: rank 0 tells how its closure has ended, and the ranks wait for each other.
//!
//! These messages have a tag of their own, the highest: a rank that still serves the run never sees them, also when
//! rank 0 is ahead of it and they have come together with its last order.

use super::{MpiTransport, idle};
use crate::ids::{HEAD, Rank};
use crate::protocol::FRAME_MAX;
use crate::transport::{Arrival, Transport, TransportError};
use std::collections::BTreeSet;

/// The first byte of the message if the closure has succeeded.
const SUCCEEDED: u8 = 0;
/// The first byte of the message if the closure has failed; the text of its error follows.
const FAILED: u8 = 1;

impl MpiTransport {
    /// Tells all other ranks whether rank 0's closure has failed, and why. Rank 0 calls it, after its last order.
    pub fn tell_outcome(&mut self, why: Option<&str>) {
        let mut message = vec![if why.is_some() { FAILED } else { SUCCEEDED }];
        message.extend(why.unwrap_or_default().bytes().take(FRAME_MAX - 1));
        for rank in 1..self.ranks() {
            // a rank that has died hears nothing
            let _ = self.send_frame(Rank(rank as u32), self.comm.tag_max(), message.clone());
        }
    }

    /// Waits for what rank 0 tells by [`MpiTransport::tell_outcome`]: the reason if its closure has failed. Every other
    /// rank calls it, after rank 0's last order has come.
    ///
    /// # Errors
    /// When MPI reports an error.
    pub fn hear_outcome(&mut self) -> Result<Option<String>, TransportError> {
        let mut message = None;
        self.until(|from, heard| {
            message = heard.map(<[u8]>::to_vec);
            from == HEAD
        })?;
        match message.as_deref().and_then(<[u8]>::split_first) {
            Some((&kind, text)) => Ok((kind == FAILED).then(|| String::from_utf8_lossy(text).into_owned())),
            None => Err(TransportError("rank 0 has died".into())),
        }
    }

    /// Waits until every rank that is alive has called this (a barrier of messages by way of rank 0), and frees the
    /// duplicate communicator. Messages that still arrive meanwhile are dropped. A barrier of MPI itself would fail, or
    /// wait for ever, where a rank has died.
    ///
    /// # Errors
    /// When MPI reports an error.
    pub fn close(mut self) -> Result<(), TransportError> {
        let (tag, others) = (self.comm.tag_max(), (1..self.ranks() as u32).map(Rank));
        let is_head = self.rank() == HEAD;
        let mut missing: BTreeSet<Rank> = if is_head { others.clone().collect() } else { [HEAD].into() };
        missing.retain(|rank| !self.is_dead(*rank));
        if !is_head {
            self.send_frame(HEAD, tag, Vec::new())?;
        }
        if !missing.is_empty() {
            self.until(|from, _| {
                missing.remove(&from);
                missing.is_empty()
            })?;
        }
        if is_head {
            for rank in others {
                self.send_frame(rank, tag, Vec::new())?;
            }
        }
        let (mut dropped, mut looks) = (Vec::new(), 0);
        while !self.quiet() {
            looks = if self.poll(&mut dropped)? { 0 } else { looks + 1 };
            dropped.clear();
            idle(looks);
        }
        Ok(())
    }

    /// Receives messages of the end of the run, and hands each to `hear`, until that returns true; a rank that dies is
    /// handed over without a message. All else that arrives is dropped.
    ///
    /// The wait polls, and sleeps longer and longer between two polls, up to 5 ms: a rank that waits here leaves its
    /// core to others, which a blocking `MPI_Barrier` or `MPI_Finalize` would not. (Waking up costs some 40 µs on a
    /// virtual machine: with a wake-up every millisecond, that alone is 4 % of a core.)
    fn until(&mut self, mut hear: impl FnMut(Rank, Option<&[u8]>) -> bool) -> Result<(), TransportError> {
        let (mut arrived, mut looks, mut message) = (Vec::new(), 0, Vec::new());
        loop {
            // what was sent before may still be under way, and needs calls of MPI to progress
            looks = if self.poll(&mut arrived)? { 0 } else { looks + 1 };
            for arrival in arrived.drain(..) {
                if let Arrival::Lost { rank } = arrival
                    && hear(rank, None)
                {
                    return Ok(());
                }
            }
            if let Some(from) = self.receive_ending(&mut message)? {
                looks = 0;
                if hear(from, Some(&message)) {
                    return Ok(());
                }
            }
            idle(looks);
        }
    }

    /// Receives a message of the end of the run, if one has arrived, and returns its sender.
    fn receive_ending(&mut self, message: &mut Vec<u8>) -> Result<Option<Rank>, TransportError> {
        let tag = self.comm.tag_max();
        let (from, length) = match self.comm.probe(tag) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => return self.excuse(None, error).map(|()| None),
        };
        if self.is_dead(Rank(from as u32)) {
            self.comm.discard(from, tag).or_else(|error| self.excuse(Some(from), error))?;
            return Ok(None);
        }
        match self.comm.receive(from, tag, length, message) {
            Ok(()) => Ok(Some(Rank(from as u32))),
            Err(error) => self.excuse(Some(from), error).map(|()| None),
        }
    }
}
