//! The settings of a run.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The highest number of slots of a rank (tasks that it computes at a time). Each slot is a thread, and no host has
/// more cores than this.
pub(crate) const SLOTS_MAX: u32 = 4096;

/// Settings of a run; every field has a default that fits most jobs.
///
/// ```
/// let config = dtask::Config { slots: Some(4), memory_limit: Some(8 << 30), ..dtask::Config::default() };
/// # drop(config);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Number of tasks that rank 0 computes at a time beside scheduling, at most [`SLOTS_MAX`]. `None` means no
    /// tasks; or, if rank 0 is alone, as many as it has cores.
    pub head_slots: Option<u32>,
    /// Number of tasks that each other rank computes at a time, at most [`SLOTS_MAX`]; 0 counts as 1. `None` means as
    /// many as its share of the cores of its host.
    pub slots: Option<u32>,
    /// Time that rank 0 waits at start-up until all other ranks have reported. Then the run fails.
    pub patience: Duration,
    /// Time without a sign of life from a rank after which one line on standard error names the rank and its host;
    /// another line says when it is back. Nothing else happens. 0 for never. Only the value at rank 0 counts.
    pub silence: Duration,
    /// Size of the stack of each compute thread, in bytes. `None` means that of the main thread (`ulimit -s`), at least
    /// 8 and at most 64 MiB.
    pub stack: Option<usize>,
    /// A function that every rank calls before it computes anything; see [`Config::on_start`].
    pub initialiser: Option<StartHook>,
    /// The largest amount of memory, in bytes, for results on each rank. Beyond it, the results used least recently are
    /// moved to a disk of the host, and tasks that read no results wait. `None` means 60 % of the rank's share of the
    /// memory of its host, or of the part of it that the batch system or the control group grants. Only the value at
    /// rank 0 counts.
    pub memory_limit: Option<u64>,
    /// The folder for results that exceed the memory limit, on a disk of the host. `None` means the first of
    /// `SLURM_TMPDIR`, `TMPDIR`, `/tmp` and `/var/tmp` that is on a disk and has free space; if none is, results stay
    /// in memory. Each rank has its own value.
    pub scratch: Option<PathBuf>,
    /// Whether to measure the time that each rank spends in each activity, and to print it to standard error at the
    /// end of the run. Only the value at rank 0 counts.
    pub profile: bool,
    /// Whether ranks compare checksums of the large results that they send each other. One that has arrived damaged is
    /// asked for once more; then the tasks that take it fail. The default is `true` in debug builds and `false` in
    /// others. Only the value at rank 0 counts.
    pub checksums: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            head_slots: None,
            slots: None,
            patience: Duration::from_secs(120),
            silence: Duration::from_secs(60),
            stack: None,
            initialiser: None,
            memory_limit: None,
            scratch: None,
            profile: false,
            checksums: cfg!(debug_assertions),
        }
    }
}

/// A function that every rank calls at the start of a run.
///
/// ```
/// let config = dtask::Config::default().on_start(|| println!("this rank is ready"));
/// assert!(config.initialiser.is_some()); // a `StartHook`
/// ```
#[derive(Clone)]
pub struct StartHook(Arc<dyn Fn() + Send + Sync>);

impl StartHook {
    pub(crate) fn run(&self) {
        (self.0)();
    }
}

impl fmt::Debug for StartHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StartHook")
    }
}

impl PartialEq for StartHook {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for StartHook {}

impl Config {
    /// Sets a function that every rank, rank 0 too, calls once before it computes anything: to load a model, to warm a
    /// cache, to set up a library. It runs on the thread that has called `run`. A panic in it ends the job.
    ///
    /// ```no_run
    /// fn warm_up() {
    ///     println!("this rank is ready");
    /// }
    ///
    /// fn main() -> dtask::Result<()> {
    ///     dtask::run_with(&dtask::Config::default().on_start(warm_up), |client| {
    ///         println!("{} ranks are", client.ranks());
    ///         Ok(())
    ///     })
    /// }
    /// ```
    pub fn on_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.initialiser = Some(StartHook(Arc::new(hook)));
        self
    }
}
