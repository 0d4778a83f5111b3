//! Results that arrive from other ranks by transfers of their own, and their checksums: damage becomes an error of the
//! tasks that take the result.
//!
//! The sender reports the checksum of what it sends ([`Peer::Checksum`](crate::protocol::Peer::Checksum)). The receiver
//! computes that of what has arrived, and waits until it has both. A result that is damaged is asked for once more; if
//! it is damaged again, it is refused. Both ranks compute on a background thread.

use super::Executor;
use crate::console;
use crate::error::{ProtocolError, TaskError};
use crate::ids::Rank;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::compute_event::{ArrivedValue, ComputeEvent};
use crate::runtime::threads::pool::{BackgroundThread, Compute};
use crate::task::value::AnyValue;
use crate::transport::{BulkTarget, Transport};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// A result that has arrived, with its checksum.
type Summed = (Box<dyn BulkTarget>, u64);

/// The results of which either the data or the checksum has arrived, by the sending rank and the tag of the transfer.
#[derive(Default)]
pub(super) struct UnverifiedResults {
    /// The checksums that senders have reported.
    told: BTreeMap<(Rank, u32), u64>,
    arrived: BTreeMap<(Rank, u32), Summed>,
}

impl UnverifiedResults {
    /// Gives up the results of a rank, which has died.
    pub(super) fn forget(&mut self, rank: Rank) {
        self.told.retain(|(from, _), _| *from != rank);
        self.arrived.retain(|(from, _), _| *from != rank);
    }

    /// The result with its checksum, and the one that its sender has reported, once both are there.
    fn complete(&mut self, from: Rank, tag: u32) -> Option<(Summed, u64)> {
        let key = (from, tag);
        if !self.told.contains_key(&key) || !self.arrived.contains_key(&key) {
            return None;
        }
        Some((self.arrived.remove(&key)?, self.told.remove(&key)?))
    }
}

impl<C: Compute> Executor<C> {
    /// Puts a result that this rank has fetched from another one into the store; where the run compares checksums, when
    /// its checksum is right.
    ///
    /// # Errors
    /// When the network fails, or the result has arrived in a target that this executor did not make.
    pub(crate) fn arrived<T: Transport>(
        &mut self,
        from: Rank,
        tag: u32,
        mut target: Box<dyn BulkTarget>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        // the pieces of a stream have gone to their files already
        if !self.checksums || target.stream().is_some() {
            return self.take_in(from, tag, target, links);
        }
        let work = move || {
            let sum = xxh3_64(target.bytes_mut());
            ComputeEvent::Summed { from, tag, arrived: ArrivedValue(target), sum }
        };
        self.compute.background(BackgroundThread::Encode, Box::new(work));
        Ok(())
    }

    fn take_in<T: Transport>(
        &mut self,
        from: Rank,
        tag: u32,
        target: Box<dyn BulkTarget>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let Some(task) = self.fetches.arrived(from, tag) else {
            return Ok(()); // was given up when its sender died
        };
        let value = target.into_any().downcast::<AnyValue>();
        let value = value.map_err(|_| ProtocolError(format!("{task:?} has arrived in foreign memory")))?;
        self.has_come(task, *value, links)
    }

    /// Handles a result that has arrived, with its checksum.
    ///
    /// # Errors
    /// When the network fails.
    pub(super) fn summed<T: Transport>(
        &mut self,
        from: Rank,
        tag: u32,
        summed: Summed,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        // the sender may have died, and the transfer been given up, while the checksum was computed
        if self.fetches.is_open(from, tag) {
            self.unverified.arrived.insert((from, tag), summed);
        }
        self.verify(from, tag, links)
    }

    /// Handles the checksum that `from` has reported of a result.
    ///
    /// # Errors
    /// When the network fails.
    pub(super) fn checksum<T: Transport>(
        &mut self,
        from: Rank,
        tag: u32,
        sum: u64,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if self.fetches.is_open(from, tag) {
            self.unverified.told.insert((from, tag), sum);
        }
        self.verify(from, tag, links)
    }

    /// Takes a result in whose checksum is the one that its sender has reported. Any other one is asked for once more,
    /// then refused.
    fn verify<T: Transport>(
        &mut self,
        from: Rank,
        tag: u32,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let Some(((target, is), should)) = self.unverified.complete(from, tag) else { return Ok(()) };
        if is == should {
            return self.take_in(from, tag, target, links);
        }
        drop(target); // before its memory is asked for again
        let (rank, host) = (self.place.rank, self.place.host.to_string());
        let damage = format!(
            "a result that rank {from} has sent to rank {rank} ({host}) has arrived damaged: its checksum is {is:016x} \
             instead of {should:016x}"
        );
        match self.fetches.damaged(from, tag) {
            None => console::error(format_args!("dtask: {damage}; it is asked for once more")),
            Some(task) => {
                let message = format!("an input cannot be taken in: {damage}, a second time");
                let error = TaskError::of_attempt(message, String::new(), rank, host, 1);
                self.refused.push((task, Box::new(error)));
            }
        }
        self.start_fetches(links)?;
        self.tell_refused(links)
    }
}
