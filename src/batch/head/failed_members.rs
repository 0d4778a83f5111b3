//! Which instances of an optional family have no result: known when all of them have ended.

use crate::batch::failure::is_left;
use crate::client::watch::Ended;
use crate::client::watch::Watch;
use crate::error::Result;

/// What is known of a family's failures.
#[derive(Default)]
pub(crate) struct Losses {
    /// What is submitted and has not ended, with the index of the first.
    watched: Vec<(u64, Watch)>,
    /// Whether all is submitted.
    complete: bool,
    /// Instances that have failed; sorted.
    lost: Vec<u64>,
}

impl Losses {
    /// Watches some instances; `last` says that there will be no more.
    pub(crate) fn watch(&mut self, first: u64, watch: Watch, last: bool) {
        self.watched.push((first, watch));
        self.complete |= last;
    }

    /// Notes what has ended.
    ///
    /// # Errors
    /// When the run has.
    pub(crate) fn look(&mut self) -> Result<()> {
        let mut watched = Vec::new();
        for (first, watch) in self.watched.drain(..) {
            let Some(outcomes) = watch.take() else {
                watched.push((first, watch));
                continue;
            };
            // those who gather it wait for what is left, and are left themselves
            let is_lost = |outcome: &Ended| outcome.as_ref().is_err_and(|cause| !is_left(cause));
            let failed = outcomes?.into_iter().enumerate().filter(|(_, outcome)| is_lost(outcome));
            self.lost.extend(failed.map(|(at, _)| first + at as u64));
        }
        self.watched = watched;
        self.lost.sort_unstable();
        Ok(())
    }

    /// Whether all have ended.
    pub(crate) fn are_known(&self) -> bool {
        self.complete && self.watched.is_empty()
    }

    /// The instances without a result.
    pub(crate) fn lost(&self) -> &Vec<u64> {
        &self.lost
    }
}
