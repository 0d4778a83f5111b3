//! The state of a rank: its log, its free devices, its shuffle stores, its deadline, and how long it was busy.
//!
//! Made once a rank ([`crate::client::local::local`]), so that in the simulated cluster, where ranks share a process,
//! each has its own. A part that needs a lock has one of its own: a slow log must not hold up tasks that write nothing.

use super::logs::LogWriter;
use crate::batch::rank::deadline::{DeadlineNotice, JobDeadline};
use crate::batch::rank::device_allocation::FreeDevices;
use crate::batch::rank::mapreduce::shuffle_store::ShuffleStores;
use crate::batch::rank::open_datasets::OpenDatasets;
use crate::batch::rank::short_commands::CommandPaces;
use crate::client::local::local;
use crate::commands::{Scratch, ScratchRoot};
use crate::error::Failure;
use crate::ids::{Attempt, Rank};
use crate::runtime::threads::job;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The state of a rank.
#[derive(Default)]
pub(crate) struct RankState {
    log: Mutex<RankLog>,
    /// Time in tasks, in nanoseconds.
    busy: AtomicU64,
    /// How long tasks may run.
    pub deadline: JobDeadline,
    /// Cores and devices for commands.
    pub devices: FreeDevices,
    /// How long commands take.
    pub paces: CommandPaces,
    /// Sorted lines that wait for their reducers.
    pub shuffles: ShuffleStores,
    /// Files of datasets that this rank writes.
    pub datasets: OpenDatasets,
}

/// The log of a rank, opened with the first line.
#[derive(Default)]
struct RankLog {
    writer: Option<LogWriter>,
    bytes: u64,
}

/// The account of a rank when the run is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RankSummary {
    /// Time in tasks, of all its slots together.
    pub busy: Duration,
    /// Bytes in its log.
    pub logged: u64,
}

/// The state of the rank that computes the task of this thread; outside of tasks that of the process.
pub(crate) fn current() -> Arc<RankState> {
    local(RankState::default)
}

/// The rank that computes the task of this thread, and which start of the task this is.
pub(crate) fn here() -> (Rank, Attempt) {
    job::current().unwrap_or((Rank(0), 1))
}

/// The bytes of memory that rank 0 has set aside for the task of this thread, if it needs a known amount.
pub(crate) fn granted() -> Option<u64> {
    job::memory().filter(|memory| *memory > 0)
}

/// The host's name.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A private directory in the rank's scratch directory, which is made at the first call.
///
/// # Errors
/// When there is no place for it.
pub(crate) fn scratch() -> Result<Scratch, Failure> {
    Ok(ScratchRoot::current()?.lend()?)
}

impl RankState {
    /// Counts time in tasks.
    pub(crate) fn add_busy(&self, time: Duration) {
        self.busy.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Appends one stream of one instance to the rank's log; nothing if it is empty.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn log(
        &self,
        folder: &Path,
        label: &str,
        attempt: u32,
        stream: &str,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let rank = here().0;
        let failed = |error: std::io::Error| {
            let folder = folder.display();
            Failure::new(format!("the log of rank {rank} in `{folder}` cannot be written: {error}"))
        };
        let mut log = self.lock_log();
        let mut writer = match log.writer.take() {
            Some(writer) => writer,
            None => LogWriter::open(folder, rank.0).map_err(failed)?,
        };
        let written = writer.append(label, attempt, stream, bytes);
        log.writer = Some(writer);
        log.bytes += written.map_err(failed)?;
        Ok(())
    }

    fn lock_log(&self) -> MutexGuard<'_, RankLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task function, the first on each rank: the rank hears how long the job has.
pub(crate) fn begin(told: DeadlineNotice) {
    current().deadline.begin(told);
}

/// A task function, the last on each rank: closes the log and removes the scratch directory.
pub(crate) fn leave() -> RankSummary {
    let state = current();
    let RankLog { writer, bytes } = std::mem::take(&mut *state.lock_log());
    state.shuffles.forget();
    state.deadline.forget();
    state.paces.forget();
    drop(writer);
    ScratchRoot::leave();
    RankSummary { busy: Duration::from_nanos(state.busy.swap(0, Ordering::Relaxed)), logged: bytes }
}
