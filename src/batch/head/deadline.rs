//! The time limit of the job (walltime) at rank 0: when tasks must end, and when the job does.

use crate::batch::head::settings;
use crate::batch::rank::deadline::DeadlineNotice;
use crate::batch::rank::rank_state;
use crate::client::Client;
use crate::clock;
use crate::error::Result;
use crate::ids::Rank;
use crate::script::lint::walltime;
use crate::script::plan::Plan;
use std::time::{Duration, Instant};

/// The time limit of the batch job, counted from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walltime {
    start: Instant,
    limit: Duration,
}

impl Walltime {
    /// Makes the limit of a job that started at `start` and is allowed to run for `limit`.
    pub(crate) fn new(start: Instant, limit: Duration) -> Walltime {
        Walltime { start, limit }
    }

    /// The instant from which no more tasks are started, and at which running commands are ended. It lies some time
    /// before the end of the job.
    pub(crate) fn stop(&self) -> Instant {
        self.start + walltime::usable(self.limit)
    }

    /// The instant until which rank 0 waits for Rust functions and expressions that are still computing, since these
    /// cannot be killed. The files of the run are finished between it and the end of the job.
    pub(crate) fn last(&self) -> Instant {
        self.stop() + walltime::margin(self.limit) / 2
    }

    /// Sends the remaining time, and the expected run time (`time`) of each task that states one, to every rank that
    /// runs tasks.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn tell(&self, plan: &Plan, client: &Client, slots: &[u32]) -> Result<()> {
        let times = (0u32..).zip(&plan.tasks).filter_map(|(number, task)| Some((number, task.time?)));
        let told = DeadlineNotice {
            left: self.stop().saturating_duration_since(clock::now()),
            grace: walltime::margin(self.limit) / 4,
            times: times.collect(),
        };
        let computing = (0u32..).zip(slots).filter(|(_, slots)| **slots > 0);
        let options = client.options().pure(false);
        let heard: Vec<_> = computing
            .map(|(rank, _)| options.clone().on(Rank(rank)).submit(rank_state::begin, (told.clone(),)))
            .collect();
        settings::hear(&heard)
    }
}
