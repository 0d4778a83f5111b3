//! The lock of a run folder: one run at a time, also where the file system has no locks.
//!
//! The file `lock` is linked into place with its text complete, so that it is there whole or not at all. While its run
//! lives it is locked by `flock`, where that exists, and touched every few seconds. Start at [`RunLock::take`].

use rustix::fs::{FlockOperation, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// The name of the lock file in the run folder.
const NAME: &str = "lock";

/// The times of a lock's life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockTimes {
    /// The time between two touches of the file.
    pub beat: Duration,
    /// The time without a touch after which a run on another host counts as dead.
    pub dead: Duration,
}

impl Default for LockTimes {
    fn default() -> Self {
        LockTimes { beat: Duration::from_secs(10), dead: Duration::from_secs(60) }
    }
}

/// The holder of a lock: the process of rank 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LockHolder {
    /// The name of the host.
    pub host: String,
    /// The number that the host's kernel has given to this start of the host.
    pub boot: String,
    /// The number of the process.
    pub pid: u32,
    /// The start of the process, in ticks after that of the host: another process of the same number has another one.
    pub start: u64,
    /// The batch job, where there is one: the system and the number, `slurm 4711`.
    pub job: Option<String>,
    /// The number of times that the batch system has started this job again.
    pub restarts: u64,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)?;
        self.job.iter().try_for_each(|job| write!(f, ", job {job}"))
    }
}

impl LockHolder {
    /// This process.
    pub(crate) fn here() -> LockHolder {
        let pid = std::process::id();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let (job, restarts) = batch_job();
        LockHolder {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: boot.trim().to_owned(),
            pid,
            start: start_of(pid).unwrap_or_default(),
            job,
            restarts,
        }
    }

    fn text(&self) -> String {
        let LockHolder { host, boot, pid, start, job, restarts } = self;
        let job = job.as_deref().unwrap_or_default();
        format!("host {host}\nboot {boot}\npid {pid}\nstart {start}\njob {job}\nrestarts {restarts}\n")
    }

    /// `None` for a text without a process, as a full disk leaves it.
    fn parse(text: &str) -> Option<LockHolder> {
        let value = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
        };
        Some(LockHolder {
            host: value("host")?,
            boot: value("boot").unwrap_or_default(),
            pid: value("pid")?.parse().ok()?,
            start: value("start").and_then(|text| text.parse().ok()).unwrap_or_default(),
            job: value("job").filter(|job| !job.is_empty()),
            restarts: value("restarts").and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }

    /// Whether the holder is certainly gone, by what can be known on this host; `None` if only time can tell.
    fn is_gone(&self, here: &LockHolder) -> Option<bool> {
        if self.job.is_some() && self.job == here.job && self.restarts != here.restarts {
            return Some(true); // a batch system starts a job again when its processes are gone
        }
        if self.host != here.host {
            return None;
        }
        Some(self.boot != here.boot || start_of(self.pid) != Some(self.start))
    }
}

/// The start of a process, in ticks after that of the host; `None` if there is no such process, or if it has ended and
/// only its parent has not heard of that: in a container nobody may ever.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name of the program, in brackets, can have any characters
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if ["Z", "X"].contains(&state) {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The batch job of this process, and how often it was started again.
fn batch_job() -> (Option<String>, u64) {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let number = |name: &str| value(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    if let Some(id) = value("SLURM_JOB_ID") {
        return (Some(format!("slurm {id}")), number("SLURM_RESTART_COUNT"));
    }
    if let Some(id) = value("PBS_JOBID") {
        return (Some(format!("pbs {id}")), 0);
    }
    match (value("JOB_ID"), value("SGE_ROOT")) {
        (Some(id), Some(_)) => (Some(format!("sge {id}")), number("RESTARTED")),
        _ => (None, 0),
    }
}

/// The reason why a lock cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another run has it, and lives.
    #[error("it is in use by another run ({0})")]
    Held(String),
    /// The lock file cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The lock of a run folder, held by this process until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct RunLock {
    path: PathBuf,
    /// The open lock file, which carries the `flock`.
    file: Arc<File>,
    lost: Arc<AtomicBool>,
    beats: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl RunLock {
    /// Takes the lock of the run folder `folder`. A run on another host that does not show that it lives is waited for;
    /// `told` then gets a text for the user.
    ///
    /// # Errors
    /// When another run has it, or the file cannot be written.
    pub(crate) fn take(
        folder: &Path,
        times: LockTimes,
        told: impl FnMut(String),
    ) -> Result<RunLock, LockError> {
        RunLock::take_as(&LockHolder::here(), folder, times, told)
    }

    /// Does what [`RunLock::take`] does, as the process `here`.
    pub(super) fn take_as(
        here: &LockHolder,
        folder: &Path,
        times: LockTimes,
        mut told: impl FnMut(String),
    ) -> Result<RunLock, LockError> {
        let path = folder.join(NAME);
        let own = folder.join(format!("{NAME}.{}.{}", here.host, here.pid));
        let result = take(here, &path, &own, times, &mut told);
        let _ = fs::remove_file(&own);
        let file = Arc::new(result?);
        let lost = Arc::new(AtomicBool::new(false));
        let beats = beat(path.clone(), file.clone(), lost.clone(), times.beat);
        Ok(RunLock { path, file, lost, beats })
    }

    /// Whether another run has taken the lock meanwhile, since this process did not run for long.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Removes the lock file, after which another run can begin.
    pub(crate) fn release(&self) {
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.beats.take() {
            drop(stop);
            let _ = thread.join();
        }
        self.release();
    }
}

/// Starts the thread that touches the lock file. `None` if no thread can be started.
fn beat(
    path: PathBuf,
    file: Arc<File>,
    lost: Arc<AtomicBool>,
    every: Duration,
) -> Option<(mpsc::Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = mpsc::channel::<()>();
    let run = move || {
        while stopped.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
            if !is_at(&file, &path) && fs::symlink_metadata(&path).is_ok() {
                lost.store(true, Ordering::Release);
            }
            touch(&file);
        }
    };
    let thread = std::thread::Builder::new().name("dtask-lock".into()).spawn(run).ok()?;
    Some((stop, thread))
}

/// Gives a file the present time of its file server.
fn touch(file: &File) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now });
}

/// Whether the open file is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(own), Ok(found)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (own.dev(), own.ino()) == (found.dev(), found.ino())
}

/// Whether the `flock` of an open file is to be had; true where there is none.
fn flock(file: &File) -> bool {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return false,
            _ => return true,
        }
    }
}

/// Writes the file that is to become the lock, under its own name `own`.
fn prepare(here: &LockHolder, own: &Path) -> io::Result<File> {
    // opened for writing, since NFS turns the `flock` into a byte-range lock
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(own)?;
    file.write_all(here.text().as_bytes())?;
    flock(&file);
    Ok(file)
}

/// Gives the prepared file `file` the name `path`, unless that is there. Without hard links the text is written into a
/// new file.
fn place(here: &LockHolder, file: File, own: &Path, path: &Path) -> io::Result<Option<File>> {
    match fs::hard_link(own, path) {
        // the answer of a network file system may be lost: what counts is whether the file is there
        _ if is_at(&file, path) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Ok(()) => Ok(None),
        Err(_) => {
            let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut file = match new {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
                new => new?,
            };
            flock(&file);
            file.write_all(here.text().as_bytes())?;
            Ok(Some(file))
        }
    }
}

fn take(
    here: &LockHolder,
    path: &Path,
    own: &Path,
    times: LockTimes,
    told: &mut impl FnMut(String),
) -> Result<File, LockError> {
    // a lock that others take and leave all the time is no reason to go on for ever
    for _ in 0..100 {
        if let Some(file) = place(here, prepare(here, own)?, own, path)? {
            return Ok(file);
        }
        let Some((mut file, text)) = read(path)? else { continue };
        let holder = LockHolder::parse(&text);
        let name = holder.as_ref().map_or("its file has no holder".to_owned(), LockHolder::to_string);
        if !flock(&file) {
            return Err(LockError::Held(name));
        }
        let gone = holder.as_ref().and_then(|holder| holder.is_gone(here));
        let gone = match gone {
            Some(gone) => gone,
            None => !shows_life(&mut file, path, own, times, &name, told)?,
        };
        if !gone {
            return Err(LockError::Held(name));
        }
        remove_stale(path, own, &text)?;
    }
    Err(LockError::Held("others take it in turns".to_owned()))
}

/// The lock file and its text; `None` if it is not there any more.
fn read(path: &Path) -> io::Result<Option<(File, String)>> {
    // opened for writing for the `flock`
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    Ok(Some((file, text)))
}

/// Whether the run that holds the lock file touches it, within the time after which it counts as dead.
fn shows_life(
    file: &mut File,
    path: &Path,
    own: &Path,
    times: LockTimes,
    name: &str,
    told: &mut impl FnMut(String),
) -> io::Result<bool> {
    let modified = |path: &Path| fs::metadata(path)?.modified();
    let first = file.metadata()?.modified()?;
    // compared with a file that was just written: clocks of hosts differ
    let fresh = modified(own).unwrap_or_else(|_| SystemTime::now());
    let age = fresh.duration_since(first).unwrap_or_default();
    if age >= times.dead {
        return Ok(false);
    }
    let left = times.dead - age;
    told(format!(
        "the run folder was last used by {name}, {} s ago; waiting up to {} s for a sign that this run lives",
        age.as_secs(),
        left.as_secs().max(1)
    ));
    let until = Instant::now() + left;
    while Instant::now() < until {
        std::thread::sleep((times.beat / 20).min(until.saturating_duration_since(Instant::now())));
        match modified(path) {
            Ok(last) if last == first => {}
            Ok(_) => return Ok(true),
            Err(_) => return Ok(false), // released
        }
    }
    Ok(false)
}

/// Removes a lock file with the text `stale`, and no other: one that another run has just made stays.
fn remove_stale(path: &Path, own: &Path, stale: &str) -> io::Result<()> {
    let aside = own.with_extension("stale");
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        renamed => renamed?,
    }
    if fs::read_to_string(&aside)? != stale {
        let _ = fs::hard_link(&aside, path);
    }
    fs::remove_file(&aside)
}
