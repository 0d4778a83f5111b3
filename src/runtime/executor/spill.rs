//! Spilling: when results exceed the memory limit, the executor has some written to disk, and reports that to rank 0.

use super::Executor;
use crate::console;
use crate::protocol::RankReport;
use crate::runtime::store::MovedResult;
use crate::runtime::threads::compute_event::ComputeEvent;
use crate::runtime::threads::pool::{BackgroundThread, Compute};
use crate::task::spilled::SpillDisk;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

impl<C: Compute> Executor<C> {
    /// Sets the memory limit: results beyond `limit` bytes are moved to disk, into the folder that `choose` returns.
    pub(crate) fn limit_memory(
        &mut self,
        limit: u64,
        choose: impl Fn() -> io::Result<PathBuf> + Send + Sync + 'static,
    ) {
        let disk = SpillDisk::new(choose, self.store.ledger.clone());
        self.store.limit(limit, Some(Arc::new(disk)));
    }

    /// Starts writing results to disk, on another thread, until those in memory are below the limit.
    pub(super) fn relieve(&mut self) {
        while let Some((task, value, disk)) = self.store.next_to_move() {
            // here, where nobody else has the value: it may be encoded for another rank before it is written
            let (bytes, identity) = (value.in_memory(), value.identity());
            let write = move || {
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

    /// Makes the last report of the bytes moved to disk, for the end of the run; `None` if there are none.
    pub(crate) fn spilled(&self) -> Option<RankReport> {
        let (bytes, moved) = (self.store.absent(), self.store.ledger.moved());
        (moved > 0).then_some(RankReport::OnDisk { bytes, moved })
    }

    /// Reports to rank 0 how many bytes of this rank's results are on disk, if the number has changed by much since the
    /// last report.
    pub(super) fn tell_absent(&mut self) {
        let absent = self.store.absent();
        if self.told_absent != absent && absent.abs_diff(self.told_absent) >= self.told_absent / 16 {
            self.told_absent = absent;
            self.reports.push(RankReport::OnDisk { bytes: absent, moved: self.store.ledger.moved() });
        }
    }
}
