//! What a rank has once: its scratch directory, its log, and how long it was busy.

use crate::call::command::scratch_root;
use crate::error::Failure;
use crate::ids::{Attempt, Rank};
use crate::runtime::job;
use crate::script::run::folder::make;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

#[derive(Default)]
struct State {
    scratch: Option<TempDir>,
    log: Option<File>,
    logged: u64,
}

/// What a rank says when the run is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Time in tasks, of all its slots together.
    pub busy: Duration,
    /// What it has written to its log.
    pub logged: u64,
}

static STATE: Mutex<State> = Mutex::new(State { scratch: None, log: None, logged: 0 });
/// Nanoseconds. Beside the lock: a slow log must not hold up tasks that write nothing.
static BUSY: AtomicU64 = AtomicU64::new(0);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rank that computes the task of this thread, and which start of the task this is.
pub fn here() -> (Rank, Attempt) {
    job::current().unwrap_or((Rank(0), 1))
}

/// The host's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The rank's scratch directory, made at the first call.
///
/// # Errors
/// When there is no place for it.
pub fn scratch() -> Result<PathBuf, Failure> {
    let mut state = state();
    if state.scratch.is_none() {
        state.scratch = Some(scratch_root()?);
    }
    state
        .scratch
        .as_ref()
        .map(|dir| dir.path().to_owned())
        .ok_or_else(|| Failure::new("no scratch directory"))
}

/// Counts time in tasks.
pub fn busy(time: Duration) {
    BUSY.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Appends one stream of one instance to the rank's log, as a block with a line before it; nothing if it is empty.
///
/// # Errors
/// When the log cannot be written.
pub fn log(folder: &Path, label: &str, stream: &str, bytes: &[u8]) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Ok(());
    }
    let (rank, attempt) = here();
    let path = folder.join(format!("rank-{:04}.log", rank.0));
    let label: String = label.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    let mut block = format!("=== {label} attempt {attempt} {stream} {} bytes\n", bytes.len()).into_bytes();
    block.extend_from_slice(bytes);
    if !block.ends_with(b"\n") {
        block.push(b'\n');
    }
    let failed = |error: std::io::Error| {
        Failure::new(format!("the log `{}` cannot be written: {error}", path.display()))
    };
    let mut state = state();
    if state.log.is_none() {
        let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let log = open().or_else(|error| match error.kind() {
            // somebody has removed the run folder meanwhile
            ErrorKind::NotFound => make(folder).and_then(|()| open()),
            _ => Err(error),
        });
        let log = log.map_err(failed)?;
        state.log = Some(log);
    }
    if let Some(log) = &mut state.log {
        log.write_all(&block).map_err(failed)?;
    }
    state.logged += block.len() as u64;
    Ok(())
}

/// A task function, the last on each rank: closes the log and removes the scratch directory.
pub fn leave() -> Report {
    let State { scratch, log, logged } = std::mem::take(&mut *state());
    drop((scratch, log));
    Report { busy: Duration::from_nanos(BUSY.swap(0, Ordering::Relaxed)), logged }
}
