//! The instance that has run for the longest time, for the progress line.

use crate::batch::artifact::Artifact;
use crate::client::Client;
use crate::client::future::Future;
use crate::clock;
use crate::scheduler::Status;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The time between two looks at which instances run, and so the precision of the times shown.
const LOOKS: Duration = Duration::from_secs(2);

/// The times at which the running instances were first seen to run. The scheduler has no clock, so rank 0 does not know
/// when they started.
pub(crate) struct LongestRunning {
    since: HashMap<(usize, u64), Instant>,
    last: Instant,
}

impl LongestRunning {
    /// Makes the times of a run that begins now.
    pub(crate) fn new() -> LongestRunning {
        LongestRunning { since: HashMap::new(), last: clock::now() }
    }

    /// Whether it is time for the next look.
    pub(crate) fn is_due(&self) -> bool {
        clock::since(self.last) >= LOOKS
    }

    /// Looks which of some instances, given by task number and index, have been sent to a rank.
    pub(crate) fn look<'f>(
        &mut self,
        client: &Client,
        open: impl Iterator<Item = ((usize, u64), &'f Future<Artifact>)>,
    ) {
        let now = clock::now();
        let (names, futures): (Vec<_>, Vec<_>) = open.unzip();
        let statuses = client.statuses(futures.iter().copied());
        let running = names.into_iter().zip(statuses).filter(|(_, status)| *status == Status::Assigned);
        let before = std::mem::take(&mut self.since);
        self.since = running.map(|(name, _)| (name, before.get(&name).copied().unwrap_or(now))).collect();
        self.last = now;
    }

    /// The instance that has run for the longest time, with the time.
    pub(crate) fn longest(&self) -> Option<((usize, u64), Duration)> {
        let (name, since) = self.since.iter().min_by_key(|(name, since)| (**since, **name))?;
        Some((*name, clock::since(*since)))
    }
}
