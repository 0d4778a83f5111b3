//! Rank 0's view of the time that the job has.

use crate::batch::rank::deadline::DeadlineNotice;
use crate::batch::rank::rank_state;
use crate::client::Client;
use crate::error::Result;
use crate::ids::Rank;
use crate::script::lint::walltime;
use crate::script::plan::Plan;
use std::time::{Duration, Instant};

/// When the job's tasks are to end, and the job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walltime {
    start: Instant,
    limit: Duration,
}

impl Walltime {
    /// For a job that has so long from its start.
    pub(crate) fn new(start: Instant, limit: Duration) -> Walltime {
        Walltime { start, limit }
    }

    /// When nothing is started any more, and commands are ended.
    pub(crate) fn stop(&self) -> Instant {
        self.start + walltime::usable(self.limit)
    }

    /// When what still computes is not waited for any longer: the files are to be written before the end.
    pub(crate) fn last(&self) -> Instant {
        self.stop() + walltime::margin(self.limit) / 2
    }

    /// Tells every rank that computes.
    ///
    /// # Errors
    /// When a rank cannot be told.
    pub(crate) fn tell(&self, plan: &Plan, client: &Client, slots: &[u32]) -> Result<()> {
        let times = (0u32..).zip(&plan.tasks).filter_map(|(number, task)| Some((number, task.time?)));
        let told = DeadlineNotice {
            left: self.stop().saturating_duration_since(Instant::now()),
            grace: walltime::margin(self.limit) / 4,
            times: times.collect(),
        };
        let computing = (0u32..).zip(slots).filter(|(_, slots)| **slots > 0);
        let options = client.options().pure(false);
        let heard: Vec<_> = computing
            .map(|(rank, _)| options.clone().on(Rank(rank)).submit(rank_state::begin, (told.clone(),)))
            .collect();
        heard.iter().try_for_each(|heard| heard.result())
    }
}
