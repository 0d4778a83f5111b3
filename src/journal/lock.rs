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

/// The time settings of a lock.
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
    /// The identifier that the kernel has given to the present boot of the host.
    pub boot: String,
    /// The number of the process.
    pub pid: u32,
    /// The start time of the process in clock ticks since the host booted. It tells the process from a later one of the
    /// same number.
    pub start: u64,
    /// The batch system and the number of the batch job, such as `slurm 4711`; `None` outside of batch jobs.
    pub job: Option<String>,
    /// The number of times that the batch system has restarted (requeued) the job.
    pub restarts: u64,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)?;
        self.job.iter().try_for_each(|job| write!(f, ", job {job}"))
    }
}

impl LockHolder {
    /// Describes this process as a holder.
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

    /// Parses the text of a lock file. `None` for a text that names no process, as it remains on a full disk.
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

    /// Whether the holder is certainly gone (or, false, certainly alive), as far as this host can tell. `None` if only
    /// the age of the lock file can tell.
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

/// The start time of a process in clock ticks since the host booted. `None` if there is no such process, or if it is a
/// zombie: in a container nobody may ever reap it.
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

/// The batch job of this process (see [`LockHolder::job`]), and the number of times that it was restarted.
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
    /// Another run that is alive holds the lock; the text describes it.
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
    /// Takes the lock of the run folder `folder`. If the holder is on another host and may be dead, waits to see
    /// whether it touches the lock file; `told` then gets a text for the user.
    ///
    /// # Errors
    /// When another run holds the lock, or the file cannot be written.
    pub(crate) fn take(
        folder: &Path,
        times: LockTimes,
        told: impl FnMut(String),
    ) -> Result<RunLock, LockError> {
        RunLock::take_as(&LockHolder::here(), folder, times, told)
    }

    /// Does the same as [`RunLock::take`], with `here` as the new holder.
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

    /// Whether another run has taken the lock over, because this process was suspended for so long that it counted as
    /// dead.
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

/// Starts a thread that touches the lock file `every` so often, and sets `lost` if another run has taken the lock over.
/// `None` if no thread can be started.
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

/// Sets the modification time of a file to the present time of its file server.
fn touch(file: &File) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now });
}

/// Whether `path` still names the open file, and not another one.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(own), Ok(found)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (own.dev(), own.ino()) == (found.dev(), found.ino())
}

/// Tries to lock an open file with `flock`. True if it is locked now, or if the file system has no such locks.
fn flock(file: &File) -> bool {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return false,
            _ => return true,
        }
    }
}

/// Writes the text of the future lock file to the path `own`, which no other process uses.
fn prepare(here: &LockHolder, own: &Path) -> io::Result<File> {
    // opened for writing, since NFS turns the `flock` into a byte-range lock
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(own)?;
    file.write_all(here.text().as_bytes())?;
    flock(&file);
    Ok(file)
}

/// Links the prepared file to `path`, its name as the lock; `None` if a lock is there already. On a file system without
/// hard links, a new file at `path` gets the text.
fn place(here: &LockHolder, file: File, own: &Path, path: &Path) -> io::Result<Option<File>> {
    match fs::hard_link(own, path) {
        // a network file system may lose the answer to a link: only whether the file is at `path` counts
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
    // gives up after many attempts, if other runs take and release the lock all the time
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

/// Opens the lock file and reads its text; `None` if the file is gone.
fn read(path: &Path) -> io::Result<Option<(File, String)>> {
    // opened for writing too, which `flock` needs on NFS
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    Ok(Some((file, text)))
}

/// Whether the holder of the lock file touches it. Watches the file until a touch, or until the time without one
/// exceeds [`LockTimes::dead`].
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
    // compared with the time of a file just written to the same file system, since clocks of hosts differ
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

/// Removes the lock file of a dead run, whose text is `stale`. A lock that another run has just taken has another text
/// and stays.
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
