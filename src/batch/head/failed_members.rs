//! Failed instances of an optional family (a family whose failures a gather may leave out). They are known when all of
//! its instances have ended.

use crate::batch::failure::is_left;
use crate::client::watch::Ended;
use crate::client::watch::Watch;
use crate::compact::Runs;
use crate::error::Result;

/// The failures in an optional family: a task with parameters some of whose instances are allowed to fail, since the
/// tasks that gather its results go on without them.
#[derive(Default)]
pub(crate) struct Losses {
    /// Watches on submitted instances that have not all ended, each with the indices of these.
    watched: Vec<(Runs, Watch)>,
    /// Whether all instances of the family are submitted.
    complete: bool,
    /// Indices of the family's instances that have failed, in ascending order.
    lost: Vec<u64>,
}

impl Losses {
    /// The failures of a family whose instances are all done.
    pub(crate) fn none() -> Losses {
        Losses { complete: true, ..Losses::default() }
    }

    /// Watches submitted instances of the family, with these indices. `last` means that no more of them will run.
    pub(crate) fn watch(&mut self, indices: Runs, watch: Watch, last: bool) {
        self.watched.push((indices, watch));
        self.complete |= last;
    }

    /// Polls the watches, and notes the indices of instances that have failed.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn look(&mut self) -> Result<()> {
        let mut watched = Vec::new();
        for (indices, watch) in self.watched.drain(..) {
            let Some(outcomes) = watch.take() else {
                watched.push((indices, watch));
                continue;
            };
            // an instance that is left for the next run is not lost: a task that gathers it is left for that run too
            let is_lost = |outcome: &Ended| outcome.as_ref().is_err_and(|cause| !is_left(cause));
            let failed = outcomes?.into_iter().enumerate().filter(|(_, outcome)| is_lost(outcome));
            self.lost.extend(failed.filter_map(|(at, _)| indices.get(at)));
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
