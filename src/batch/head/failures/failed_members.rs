//! Failed instances of an optional family (a family whose failures a gather may leave out). They are known when all of
//! its instances have ended.

use crate::batch::artifact::Absence;
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
    /// Indices of the family's instances that were skipped, in ascending order.
    absent: Vec<u64>,
}

/// The tasks of a watch whose instances did not run although nothing has failed, by their places, with the reason.
pub(crate) fn absent(watch: &Watch) -> Vec<(usize, Absence)> {
    let all = watch.tiny().into_iter();
    all.filter_map(|(at, bytes)| Some((at, Absence::of_encoded(&bytes)?))).collect()
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
            // when all have ended, how they have ended does not change any more
            let all_ended = watch.open() == 0;
            let absent = absent(&watch);
            let Some(outcomes) = all_ended.then(|| watch.take()).flatten() else {
                watched.push((indices, watch));
                continue;
            };
            // an instance that is left for the next run is not lost: a task that gathers it is left for that run too
            let is_lost = |outcome: &Ended| outcome.as_ref().is_err_and(|cause| !is_left(cause));
            let failed = outcomes?.into_iter().enumerate().filter(|(_, outcome)| is_lost(outcome));
            self.lost.extend(failed.filter_map(|(at, _)| indices.get(at)));
            self.absent.extend(absent.into_iter().filter_map(|(at, _)| indices.get(at)));
        }
        self.watched = watched;
        self.lost.sort_unstable();
        self.absent.sort_unstable();
        Ok(())
    }

    /// Whether all instances of the family have ended, so that the list of failures is final.
    pub(crate) fn are_known(&self) -> bool {
        self.complete && self.watched.is_empty()
    }

    /// Whether all instances of the family that are submitted have ended.
    pub(crate) fn have_ended(&self) -> bool {
        self.watched.is_empty()
    }

    /// Indices of the family's instances that have ended without a result, in ascending order: those that were skipped,
    /// and those that have failed, if the family is `optional`.
    pub(crate) fn without(&self, optional: bool) -> Vec<u64> {
        let failed = if optional { &self.lost[..] } else { &[] };
        let mut all = [failed, &self.absent].concat();
        all.sort_unstable();
        all
    }
}
