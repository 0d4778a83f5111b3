//! What a rank has once: its scratch directory, its log, and how long it was busy.

use super::logs::LogWriter;
use crate::commands::{Scratch, ScratchRoot};
use crate::error::Failure;
use crate::ids::{Attempt, Rank};
use crate::runtime::threads::job;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct RankState {
    log: Option<LogWriter>,
    logged: u64,
}

/// What a rank says when the run is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RankSummary {
    /// Time in tasks, of all its slots together.
    pub busy: Duration,
    /// What it has written to its log.
    pub logged: u64,
}

static STATE: Mutex<RankState> = Mutex::new(RankState { log: None, logged: 0 });
/// Nanoseconds. Beside the lock: a slow log must not hold up tasks that write nothing.
static BUSY: AtomicU64 = AtomicU64::new(0);

fn state() -> MutexGuard<'static, RankState> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Counts time in tasks.
pub(crate) fn busy(time: Duration) {
    BUSY.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Appends one stream of one instance to the rank's log; nothing if it is empty.
///
/// # Errors
/// When the log cannot be written.
pub(crate) fn log(
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
    let mut state = state();
    let mut log = match state.log.take() {
        Some(log) => log,
        None => LogWriter::open(folder, rank.0).map_err(failed)?,
    };
    let written = log.append(label, attempt, stream, bytes);
    state.log = Some(log);
    state.logged += written.map_err(failed)?;
    Ok(())
}

/// A task function, the last on each rank: closes the log and removes the scratch directory.
pub(crate) fn leave() -> RankSummary {
    let RankState { log, logged } = std::mem::take(&mut *state());
    super::mapreduce::forget(here().0.0);
    crate::batch::rank::deadline::forget();
    crate::batch::rank::slot_lending::forget();
    drop(log);
    ScratchRoot::leave();
    RankSummary { busy: Duration::from_nanos(BUSY.swap(0, Ordering::Relaxed)), logged }
}
