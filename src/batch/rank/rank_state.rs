//! The state of a rank: log, free cores and devices, shuffle stores, deadline, and busy time.
//!
//! There is one value for each rank, made by [`crate::client::local::local`]: in the simulated cluster several ranks
//! share a process. A part that needs a lock has its own, so that a slow log does not delay tasks that write nothing.

use super::logs::LogWriter;
use crate::batch::rank::deadline::{DeadlineNotice, JobDeadline};
use crate::batch::rank::device_allocation::FreeDevices;
use crate::batch::rank::mapreduce::shuffle_store::ShuffleStores;
use crate::batch::rank::open_datasets::OpenDatasets;
use crate::batch::rank::short_commands::CommandPaces;
use crate::batch::task_def::TaskDef;
use crate::client::local::local;
use crate::commands::output_budget::{OUTPUT_MEMORY, OutputBudget};
use crate::commands::outputs::Content;
use crate::commands::{Scratch, ScratchRoot};
use crate::error::Failure;
use crate::ids::{Attempt, Rank};
use crate::runtime::threads::job;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// All state of a rank that outlives a single task, such as its log and its scratch directory.
#[derive(Default)]
pub(crate) struct RankState {
    log: Mutex<RankLog>,
    /// Time that tasks took on this rank, in nanoseconds, summed over its slots (a slot runs one task at a time).
    busy: AtomicU64,
    /// The time limit of the job; empty unless rank 0 has sent one.
    pub deadline: JobDeadline,
    /// The cores and GPUs of the rank that no running command holds.
    pub devices: FreeDevices,
    /// Run times of recent commands, by task, from which the rank sees whether a task's commands are short.
    pub paces: CommandPaces,
    /// Sorted lines of `mapreduce` tasks that wait on this rank to be reduced.
    pub shuffles: ShuffleStores,
    /// The latest that a signal has announced: what fails because of it is left for the next run.
    announced: (parking_lot::Mutex<Announced>, parking_lot::Condvar),
    /// Whether a checkpoint could not be written, and the user was told.
    has_lost_checkpoint: AtomicBool,
    /// HDF5 files that this rank is writing and has not finished.
    pub datasets: OpenDatasets,
}

/// Announcements of the job's end by signals, each more urgent than the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Announced {
    #[default]
    Nothing,
    /// A notice: the job ends soon, and no more tasks are started.
    Notice,
    /// The end of this process.
    End,
}

/// The log file of a rank, which is opened when the first output is logged.
#[derive(Default)]
struct RankLog {
    writer: Option<LogWriter>,
    bytes: u64,
    /// The number of outputs of which the log has nothing, since it was full.
    unlogged: u64,
}

/// The statistics that a rank sends to rank 0 at the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RankSummary {
    /// Time that tasks took, summed over the slots of the rank (a slot runs one task at a time).
    pub busy: Duration,
    /// Length in bytes of the log that the rank has written in this run.
    pub logged: u64,
    /// The number of outputs of which the log has nothing, since it was full.
    pub unlogged: u64,
}

/// The state of the rank that runs the current thread's task. A thread that runs no task gets the state of the process.
pub(crate) fn current() -> Arc<RankState> {
    local(RankState::default)
}

/// The rank that runs the current thread's task, and the number of the attempt at that task, from 1. In a thread that
/// runs no task, rank 0 and attempt 1.
pub(crate) fn here() -> (Rank, Attempt) {
    job::current().unwrap_or((Rank(0), 1))
}

/// Bytes of memory that the scheduler has reserved for the current thread's task. `None` if the task asked for none.
pub(crate) fn granted() -> Option<u64> {
    job::memory().filter(|memory| *memory > 0)
}

/// The name of the host, which the system is asked for once.
pub(crate) fn host() -> String {
    // a fact of the machine, so ranks that share a process may share it
    static HOST: LazyLock<String> =
        LazyLock::new(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    HOST.clone()
}

/// Makes a private directory for a task, within the scratch directory of the rank (node-local temporary storage), which
/// is created at the first call.
///
/// # Errors
/// When no place for scratch files can be used.
pub(crate) fn scratch() -> Result<Scratch, Failure> {
    Ok(ScratchRoot::current()?.lend()?)
}

impl RankState {
    /// Announces that the job ends soon: this rank starts no more tasks.
    pub(crate) fn notice(&self) {
        self.deadline.close();
        self.announce(Announced::Notice);
    }

    /// Announces that the process is about to end: its commands will be killed and its scratch directory removed.
    pub(crate) fn end(&self) {
        self.announce(Announced::End);
    }

    fn announce(&self, what: Announced) {
        let mut announced = self.announced.0.lock();
        *announced = what.max(*announced);
        self.announced.1.notify_all();
    }

    /// Whether the end of the job was announced, by a notice or as [`RankState::is_ending`], now or within `limit`.
    pub(crate) fn is_noticed(&self, limit: Duration) -> bool {
        self.is_announced(Announced::Notice, limit)
    }

    /// Whether the process is about to end, now or within `limit`.
    pub(crate) fn is_ending(&self, limit: Duration) -> bool {
        self.is_announced(Announced::End, limit)
    }

    fn is_announced(&self, what: Announced, limit: Duration) -> bool {
        let (announced, changed) = &self.announced;
        let mut announced = announced.lock();
        if *announced < what && !limit.is_zero() {
            changed.wait_while_for(&mut announced, |announced| *announced < what, limit);
        }
        *announced >= what
    }

    /// Whether no call before this one has noted that a checkpoint could not be written.
    pub(crate) fn is_first_lost_checkpoint(&self) -> bool {
        !self.has_lost_checkpoint.swap(true, Ordering::Relaxed)
    }

    /// Adds the run time of a task to the rank's busy time, which is reported at the end.
    pub(crate) fn add_busy(&self, time: Duration) {
        self.busy.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Appends a stream (standard output or error) of an instance to the rank's log. Empty streams are not logged.
    /// `has_failed` tells whether the attempt failed. Returns whether at least a part of the stream was logged.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn log(
        &self,
        def: &TaskDef,
        index: u64,
        (attempt, has_failed): (u32, bool),
        stream: &str,
        output: Content<'_>,
    ) -> Result<bool, Failure> {
        if output.length() == 0 {
            return Ok(false);
        }
        let (rank, folder) = (here().0, Path::new(&def.folder));
        let failed = |error: std::io::Error| {
            let folder = folder.display();
            Failure::new(format!("the log of rank {rank} in `{folder}` cannot be written: {error}"))
        };
        let mut log = self.log.lock();
        let mut writer = match log.writer.take() {
            Some(writer) => writer,
            None => LogWriter::open(folder, rank.0).map_err(failed)?,
        };
        let written = writer.append(def.log, &def.label(index), (attempt, has_failed), stream, output);
        log.writer = Some(writer);
        let written = written.map_err(failed)?;
        log.bytes += written;
        log.unlogged += u64::from(written == 0);
        Ok(written > 0)
    }
}

/// The settings of a run that each rank needs to know, as rank 0 sends them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RankSettings {
    /// The directory in which the rank makes its scratch directory.
    pub scratch: Option<String>,
    /// Bytes of commands' output that the rank holds in memory.
    pub output_memory: Option<u64>,
}

/// Applies the settings of the run. A task function that runs on each rank before all others, if there are settings.
///
/// # Errors
/// When the directory for scratch cannot be used.
pub(crate) fn configure(settings: RankSettings) -> Result<(), Failure> {
    if let Some(bytes) = settings.output_memory {
        OutputBudget::current().set_limit(bytes);
    }
    if let Some(place) = settings.scratch {
        ScratchRoot::choose(place.into())?;
    }
    Ok(())
}

/// Sets the time limit of the rank, as `told` by rank 0. If the job has a time limit, this is the first task function
/// that runs on each rank in a run.
pub(crate) fn begin(told: DeadlineNotice) {
    current().deadline.begin(told);
}

/// Closes the log, removes the scratch directory and resets the state. The last task function that runs on each rank in
/// a run.
pub(crate) fn leave() -> RankSummary {
    let state = current();
    let RankLog { writer, bytes, unlogged } = std::mem::take(&mut *state.log.lock());
    state.shuffles.forget();
    state.deadline.forget();
    state.paces.forget();
    drop(writer);
    OutputBudget::current().set_limit(OUTPUT_MEMORY);
    ScratchRoot::leave();
    let busy = Duration::from_nanos(state.busy.swap(0, Ordering::Relaxed));
    RankSummary { busy, logged: bytes, unlogged }
}
