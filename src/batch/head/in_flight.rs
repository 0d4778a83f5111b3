//! Submitted instances whose results only other tasks read. Each future is dropped when its instance ends; failures are
//! noted.

use crate::batch::artifact::{Absence, Artifact};
use crate::batch::failure::FailedInstance;
use crate::batch::head::failures::failed_members::absent;
use crate::batch::head::outcome::{RunOutcome, note};
use crate::batch::head::stopped::{self, Running, Stopped};
use crate::client::Client;
use crate::client::future::Future;
use crate::client::watch::Watch;
use crate::compact::Runs;
use crate::error::Result;
use std::collections::{HashMap, HashSet};

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
    /// Whether the futures are those of the helper tasks that judge instances by `until`.
    judges: bool,
    /// The number of failures that were reported by [`WatchedInstances::fresh`].
    reported: usize,
}

impl WatchedInstances {
    /// Makes the record of instances of a task with these indices, and begins to watch their futures. `own` is false if
    /// the futures are those of helper tasks that save the instances' results.
    pub(crate) fn new(
        task: usize,
        indices: Runs,
        futures: Vec<Future<Artifact>>,
        client: &Client,
        own: bool,
    ) -> Self {
        let watch = client.watch(&futures);
        let futures = futures.into_iter().map(Some).collect();
        WatchedInstances { task, indices, futures, watch, own, judges: false, reported: 0 }
    }

    /// Makes the record of the helper tasks that judge instances of a task by its `until`.
    pub(crate) fn of_verdicts(
        task: usize,
        indices: Runs,
        futures: Vec<Future<Artifact>>,
        client: &Client,
    ) -> Self {
        WatchedInstances { judges: true, ..WatchedInstances::new(task, indices, futures, client, false) }
    }

    /// The number of watched instances that have not ended.
    pub(crate) fn open(&self) -> u64 {
        self.watch.open() as u64
    }

    /// The number of watched instances that have ended so far, and the failures among them. The number is 0 for helper
    /// tasks, whose instances count by themselves.
    pub(crate) fn so_far(&self) -> (u64, Vec<FailedInstance>) {
        let ended = self.watch.ended().iter().filter(|ended| **ended).count() as u64 * u64::from(self.own);
        let failed = self.watch.failures().into_iter();
        let at = |(at, cause)| FailedInstance { task: self.task, index: self.index(at), cause };
        (ended, failed.map(at).collect())
    }

    /// The failures that have come since the last call.
    pub(crate) fn fresh(&mut self) -> Vec<FailedInstance> {
        let new = self.watch.failures_after(self.reported);
        self.reported += new.len();
        let at = |(at, cause)| FailedInstance { task: self.task, index: self.index(at), cause };
        new.into_iter().map(at).collect()
    }

    /// The first of the instances that have not ended, at most `most`, with their indices.
    pub(crate) fn unended(&self, most: usize) -> impl Iterator<Item = (u64, &Future<Artifact>)> {
        let ended = self.watch.ended().into_iter().chain(std::iter::repeat(true));
        let open = self.indices.iter().zip(&self.futures).zip(ended).filter(|(_, ended)| !ended);
        open.filter_map(|((index, future), _)| Some((index, future.as_ref()?))).take(most)
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
        let absences: HashMap<usize, Absence> = absent(&self.watch).into_iter().collect();
        for at in (0..ended.len()).filter(|at| ended[*at]) {
            let Some(future) = self.futures.get_mut(at).filter(|future| future.is_some()) else { continue };
            *future = None;
            match absences.get(&at).copied() {
                Some(why) if self.own => outcome.recorder.absent(self.task, self.index(at), why),
                Some(Absence::NotNeeded) if self.judges => outcome.recorder.met(self.task, self.index(at)),
                _ => {}
            }
            if self.own && absences.contains_key(&at) {
                continue; // its end is noted when all have ended
            }
            let failures = || self.watch.failures().into_iter().map(|(at, _)| at).collect::<HashSet<_>>();
            if !failed.get_or_insert_with(failures).contains(&at) {
                outcome.recorder.ended(self.task, self.index(at));
            }
        }
    }

    /// Gives up the watched instances when the run is stopped: counts in `outcome` the instances that have ended, notes
    /// in `stopped` those that are to be cancelled, and returns those that are running.
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
    /// Returns whether all of them have ended.
    pub(crate) fn turn(&mut self, outcome: &mut RunOutcome) -> Result<bool> {
        // when all have ended, how they have ended does not change any more
        let all_ended = self.watch.open() == 0;
        let absent: HashMap<usize, Absence> = absent(&self.watch).into_iter().collect();
        if all_ended && let Some(outcomes) = self.watch.take() {
            outcome.ended += self.futures.len() as u64 * u64::from(self.own);
            absent.values().filter(|_| self.own).for_each(|why| outcome.note_absent(self.task, *why));
            let all = self.indices.iter().zip(&self.futures).zip(outcomes?).enumerate();
            for (at, ((index, future), ended)) in all {
                let ran = !self.own || !absent.contains_key(&at);
                match absent.get(&at) {
                    Some(why) if self.own && future.is_some() => {
                        outcome.recorder.absent(self.task, index, *why);
                    }
                    Some(Absence::NotNeeded) if self.judges && future.is_some() => {
                        outcome.recorder.met(self.task, index);
                    }
                    _ => {}
                }
                if future.is_some() && ended.is_ok() && ran {
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
