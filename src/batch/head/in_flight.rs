//! Submitted instances whose results only other tasks read. Each future is dropped when its instance ends; failures are
//! noted.

use crate::batch::artifact::Artifact;
use crate::batch::failure::FailedInstance;
use crate::batch::head::outcome::{RunOutcome, note};
use crate::batch::head::stopped::{self, Running, Stopped};
use crate::client::Client;
use crate::client::future::Future;
use crate::client::watch::Watch;
use crate::compact::Runs;
use crate::error::Result;
use std::collections::HashSet;

/// Submitted instances of one task, or of the helper tasks that save their arrays. Rank 0 watches their
/// futures until all have ended.
pub(crate) struct WatchedInstances {
    pub(crate) task: usize,
    /// The indices of the instances to which the futures belong.
    pub(crate) indices: Runs,
    pub(crate) futures: Vec<Option<Future<Artifact>>>,
    pub(crate) watch: Watch,
    /// Whether the futures are those of the instances themselves; false for those of helper tasks that save their
    /// results.
    pub(crate) own: bool,
}

impl WatchedInstances {
    /// Makes the record of instances of a task with these indices, and begins to watch their futures.
    pub(crate) fn new(
        task: usize,
        indices: Runs,
        futures: Vec<Future<Artifact>>,
        client: &Client,
        own: bool,
    ) -> Self {
        let watch = client.watch(&futures);
        WatchedInstances { task, indices, futures: futures.into_iter().map(Some).collect(), watch, own }
    }

    /// The number of instances of the range that have not ended.
    pub(crate) fn open(&self) -> u64 {
        self.watch.open() as u64
    }

    /// The number of instances of the range that have ended so far, and the failures among them.
    pub(crate) fn so_far(&self) -> (u64, Vec<FailedInstance>) {
        let ended = self.watch.ended().iter().filter(|ended| **ended).count() as u64 * u64::from(self.own);
        let failed = self.watch.failures().into_iter();
        let at = |(at, cause)| FailedInstance { task: self.task, index: self.index(at), cause };
        (ended, failed.map(at).collect())
    }

    fn index(&self, at: usize) -> u64 {
        self.indices.get(at).unwrap_or(u64::MAX)
    }

    /// Hands those instances to the recorder that have ended with a result since the last call, of those that have
    /// `ended`, and drops their futures, so that the engine can free the results.
    pub(crate) fn record(&mut self, ended: &[bool], outcome: &mut RunOutcome) {
        let mut failed = None;
        if self.watch.is_closed() {
            return;
        }
        for at in (0..ended.len()).filter(|at| ended[*at]) {
            let Some(future) = self.futures.get_mut(at).filter(|future| future.is_some()) else { continue };
            *future = None;
            let failures = || self.watch.failures().into_iter().map(|(at, _)| at).collect::<HashSet<_>>();
            if !failed.get_or_insert_with(failures).contains(&at) {
                outcome.recorder.ended(self.task, self.index(at));
            }
        }
    }

    /// Gives up the range when the run is stopped: notes in `stopped` the instances that are to be cancelled, and
    /// returns those that are running.
    pub(crate) fn give_up(
        mut self,
        client: &Client,
        stopped: &mut Stopped,
        outcome: &mut RunOutcome,
    ) -> Running {
        // what ends from here on counts as running
        let ended = self.watch.ended();
        self.record(&ended, outcome);
        outcome.ended += ended.iter().filter(|ended| **ended).count() as u64 * u64::from(self.own);
        let failures = self.watch.failures().into_iter();
        let failures = failures.filter(|(at, _)| ended.get(*at).copied().unwrap_or(false));
        failures.for_each(|(at, cause)| note(&mut outcome.failed, self.task, self.index(at), Some(cause)));
        let left = self.indices.iter().zip(self.futures).zip(ended).filter(|(_, ended)| !ended);
        let left = left.filter_map(|((index, future), _)| Some((index, future?)));
        stopped::give_up(client, self.task, left, stopped)
    }

    /// Drops the futures of instances that have ended, so that the engine can free their results, and notes failures.
    /// Returns whether all instances of the range have ended.
    pub(crate) fn turn(&mut self, outcome: &mut RunOutcome) -> Result<bool> {
        if let Some(outcomes) = self.watch.take() {
            outcome.ended += self.futures.len() as u64 * u64::from(self.own);
            for ((index, future), ended) in self.indices.iter().zip(&self.futures).zip(outcomes?) {
                if future.is_some() && ended.is_ok() {
                    outcome.recorder.ended(self.task, index);
                }
                note(&mut outcome.failed, self.task, index, ended.err());
            }
            return Ok(true);
        }
        let ended = self.watch.ended();
        self.record(&ended, outcome);
        Ok(false)
    }
}

/// Polls all ranges of watched instances, and removes the ranges that have ended. Returns whether any was removed.
pub(crate) fn turn_all(all: &mut Vec<WatchedInstances>, outcome: &mut RunOutcome) -> Result<bool> {
    let before = all.len();
    let mut failure = None;
    all.retain_mut(|watched| match watched.turn(outcome) {
        Ok(ended) => !ended,
        Err(error) => {
            failure = Some(error);
            true
        }
    });
    failure.map_or(Ok(all.len() < before), Err)
}
