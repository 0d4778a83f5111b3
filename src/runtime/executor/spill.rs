//! What the executor does when memory is short: it has results written to disk, and says so.

use super::Executor;
use crate::console;
use crate::protocol::RankReport;
use crate::runtime::store::MovedResult;
use crate::runtime::threads::pool::{BackgroundThread, Compute, ComputeEvent};
use crate::task::spilled::SpillDisk;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

impl<C: Compute> Executor<C> {
    /// Moves results to disk, in a folder that `choose` gives, when they take more than `limit` bytes of memory.
    pub(crate) fn limit_memory(
        &mut self,
        limit: u64,
        choose: impl Fn() -> io::Result<PathBuf> + Send + Sync + 'static,
    ) {
        let disk = SpillDisk::new(choose, self.store.ledger.clone());
        self.store.limit(limit, Some(Arc::new(disk)));
    }

    /// Has results moved to disk while those in memory exceed the limit.
    pub(super) fn relieve(&mut self) {
        while let Some((task, value, disk)) = self.store.next_to_move() {
            let write = move || {
                let (bytes, identity) = (value.in_memory(), value.identity());
                let written = value.write_to(&disk);
                ComputeEvent::Moved(MovedResult { task, value: identity, bytes, written })
            };
            self.compute.background(BackgroundThread::Spill, Box::new(write));
        }
    }

    /// Takes the outcome of a write that [`Executor::relieve`] has begun.
    pub(super) fn moved(&mut self, moved: MovedResult) {
        if let Err(error) = self.store.moved(moved) {
            console::error(format_args!(
                "dtask: rank {} ({}): memory is short, and results cannot be moved to disk: {error}; they stay in \
                 memory (`--scratch` names another place, `--memory-limit` the memory of a rank)",
                self.place.rank, self.place.host
            ));
        }
    }

    /// The last report of what was moved to disk, for the end of the run; `None` if nothing was.
    pub(crate) fn spilled(&self) -> Option<RankReport> {
        let (bytes, moved) = (self.store.absent(), self.store.ledger.moved());
        (moved > 0).then_some(RankReport::OnDisk { bytes, moved })
    }

    /// Tells rank 0 how much of this rank's results is on disk, when that has changed by much.
    pub(super) fn tell_absent(&mut self) {
        let absent = self.store.absent();
        if self.told_absent != absent && absent.abs_diff(self.told_absent) >= self.told_absent / 16 {
            self.told_absent = absent;
            self.reports.push(RankReport::OnDisk { bytes: absent, moved: self.store.ledger.moved() });
        }
    }
}
