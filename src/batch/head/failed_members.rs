//! Failed instances of an optional family (a family whose failures a gather may leave out). They are known when all of
//! its instances have ended.

use crate::batch::failure::is_left;
use crate::client::watch::Ended;
use crate::client::watch::Watch;
use crate::error::Result;

/// The failures in an optional family: a task with parameters some of whose instances are allowed to fail, since the
/// tasks that gather its results go on without them.
#[derive(Default)]
pub(crate) struct Losses {
    /// Watches on submitted instances that have not all ended, each with the index of its first instance.
    watched: Vec<(u64, Watch)>,
    /// Whether all instances of the family are submitted.
    complete: bool,
    /// Indices of the family's instances that have failed, in ascending order.
    lost: Vec<u64>,
}

impl Losses {
    /// Watches submitted instances of the family, the first of which has the index `first`. `last` means that the
    /// family has no more instances.
    pub(crate) fn watch(&mut self, first: u64, watch: Watch, last: bool) {
        self.watched.push((first, watch));
        self.complete |= last;
    }

    /// Polls the watches, and notes the indices of instances that have failed.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn look(&mut self) -> Result<()> {
        let mut watched = Vec::new();
        for (first, watch) in self.watched.drain(..) {
            let Some(outcomes) = watch.take() else {
                watched.push((first, watch));
                continue;
            };
            // an instance that is left for the next run is not lost: a task that gathers it is left for that run too
            let is_lost = |outcome: &Ended| outcome.as_ref().is_err_and(|cause| !is_left(cause));
            let failed = outcomes?.into_iter().enumerate().filter(|(_, outcome)| is_lost(outcome));
            self.lost.extend(failed.map(|(at, _)| first + at as u64));
        }
        self.watched = watched;
        self.lost.sort_unstable();
        Ok(())
    }

    /// Whether all instances of the family have ended, so that the list of failures is final.
    pub(crate) fn are_known(&self) -> bool {
        self.complete && self.watched.is_empty()
    }

    /// Indices of the family's instances that have ended without a result, in ascending order.
    pub(crate) fn lost(&self) -> &Vec<u64> {
        &self.lost
    }
}
