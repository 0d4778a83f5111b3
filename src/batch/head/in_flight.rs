//! Instances whose results only other tasks want: dropped as they end, and told of if they failed.

use crate::batch::artifact::Artifact;
use crate::batch::failure::FailedInstance;
use crate::batch::head::outcome::{RunOutcome, note};
use crate::batch::head::stopped::{self, Running, Stopped};
use crate::client::Client;
use crate::client::future::Future;
use crate::client::watch::Watch;
use crate::error::Result;

/// Instances of a task.
pub(crate) struct WatchedInstances {
    pub(crate) task: usize,
    /// The index of the first.
    pub(crate) first: u64,
    pub(crate) futures: Vec<Option<Future<Artifact>>>,
    pub(crate) watch: Watch,
    /// Whether these are the instances, not what saves them.
    pub(crate) own: bool,
}

impl WatchedInstances {
    /// Watches futures of a task's instances from index `first` on.
    pub(crate) fn new(
        task: usize,
        first: u64,
        futures: Vec<Future<Artifact>>,
        client: &Client,
        own: bool,
    ) -> Self {
        let watch = client.watch(&futures);
        WatchedInstances { task, first, futures: futures.into_iter().map(Some).collect(), watch, own }
    }

    /// How many have not ended.
    pub(crate) fn open(&self) -> u64 {
        self.watch.open() as u64
    }

    /// The number of those that have ended until now, and the failures among them.
    pub(crate) fn so_far(&self) -> (u64, Vec<FailedInstance>) {
        let ended = self.watch.ended().iter().filter(|ended| **ended).count() as u64 * u64::from(self.own);
        let failed = self.watch.failures().into_iter();
        let at = |(at, cause)| FailedInstance { task: self.task, index: self.first + at as u64, cause };
        (ended, failed.map(at).collect())
    }

    /// Gives up those that are not running; the others are returned.
    pub(crate) fn give_up(self, client: &Client, stopped: &mut Stopped, outcome: &mut RunOutcome) -> Running {
        let (ended, failed) = self.so_far();
        outcome.ended += ended;
        outcome.failed.extend(failed);
        let ended = self.watch.ended();
        let left = (self.first..).zip(self.futures).zip(ended).filter(|(_, ended)| !ended);
        let left = left.filter_map(|((index, future), _)| Some((index, future?)));
        stopped::give_up(client, self.task, left, stopped)
    }

    /// Drops results that have come; says whether all have, and notes what failed.
    pub(crate) fn turn(&mut self, outcome: &mut RunOutcome) -> Result<bool> {
        if let Some(outcomes) = self.watch.take() {
            outcome.ended += self.futures.len() as u64 * u64::from(self.own);
            for (index, ended) in (self.first..).zip(outcomes?) {
                note(&mut outcome.failed, self.task, index, ended.err());
            }
            return Ok(true);
        }
        for (future, ended) in self.futures.iter_mut().zip(self.watch.ended()) {
            if ended {
                *future = None;
            }
        }
        Ok(false)
    }
}

/// Takes what has come of all; says whether some have ended altogether.
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
