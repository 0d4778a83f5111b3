//! The spawner as a process of its own, and its watchdog.
//!
//! Both are this very executable, started before `MPI_Init`: forking a process that has initialised MPI corrupts
//! InfiniBand traffic. The spawner outlives the rank just long enough to kill its commands and to remove its files,
//! however the rank ended. The watchdog is the parent of the spawner and does nothing until that has ended: should it
//! have been killed, the commands become the watchdog's children, and it does what the spawner would have done, whether
//! the rank still lives or not.
//!
//! ```text
//!   rank ──► watchdog ──► spawner ──► commands       parents and children
//!     └──── control, channels ──┘                    the watchdog reads from the spawner what is to be removed,
//!                                                    and that it has ended
//! ```

use super::server::{Server, children};
use crate::commands::pipes::null;
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, getpid, getppid, kill_process, set_child_subreaper, wait};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// The process's name, in lists of processes too: who kills all that are called `dtask` does not kill it, so that it
/// can clean up after them.
const NAME: &std::ffi::CStr = c"task-commands";
/// The only argument of the spawner.
const SERVE: &str = "--serve-rank";
/// The only argument of the watchdog.
const WATCHDOG: &str = "--watchdog-rank";
/// Added to the signal that has ended the spawner, in the exit code of the watchdog.
const BY_SIGNAL: i32 = 0x80;

/// How long a rank may take to end after its spawner.
const MOMENT: Duration = Duration::from_millis(200);
/// How long what is killed may take to end.
const LAST: Duration = Duration::from_secs(5);

fn name() -> &'static str {
    NAME.to_str().unwrap_or_default()
}

/// Starts the process; what is said to it goes over the socket.
pub(crate) fn start() -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = own(WATCHDOG)?;
    for variable in crate::commands::environment::launcher_variables() {
        command.env_remove(variable);
    }
    let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn()?;
    // should both die, the commands become our children, whose numbers then stay theirs until we reap them
    let _ = set_child_subreaper(Some(getpid()));
    Ok((child, ours))
}

/// This executable, as what `argument` says.
fn own(argument: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    // a group of its own: what a terminal or a launcher sends to the rank's group is the rank's to handle
    command.arg0(name()).arg(argument).process_group(0);
    Ok(command)
}

/// How the spawner has ended, of which its watchdog has taken care; nothing where the watchdog itself was killed.
pub(crate) fn spawner_end(watchdog: ExitStatus) -> Option<ExitStatus> {
    let code = watchdog.code()?;
    Some(ExitStatus::from_raw(if code > BY_SIGNAL { code - BY_SIGNAL } else { code << 8 }))
}

/// The main function of a spawner or a watchdog, if this process was started as one.
pub(crate) fn wanted() -> Option<fn() -> ExitCode> {
    let mut arguments = std::env::args_os();
    let (first, second, third) = (arguments.next()?, arguments.next()?, arguments.next());
    match second.to_str()? {
        _ if first != name() || third.is_some() => None,
        SERVE => Some(serve),
        WATCHDOG => Some(watchdog),
        _ => None,
    }
}

/// Takes the name; gives whether orphans become its children.
fn begin() -> bool {
    let _ = rustix::thread::set_name(NAME);
    // A batch system may signal every process of a job. Handlers, not `ignore`, which commands would inherit.
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    set_child_subreaper(Some(getpid())).is_ok()
}

/// Starts the spawner, waits for its end, and cleans up should it not have done that.
fn watchdog() -> ExitCode {
    let (adopts, rank) = (begin(), getppid());
    let Ok(mut spawner) = own(SERVE).and_then(|mut spawner| spawner.stdout(Stdio::piped()).spawn()) else {
        return ExitCode::FAILURE;
    };
    // the spawner's own: the rank is to see when that has gone
    if let Ok(null) = null() {
        let _ = rustix::stdio::dup2_stdin(null);
    }
    let mut told = Vec::new();
    if let Some(mut pipe) = spawner.stdout.take() {
        let _ = pipe.read_to_end(&mut told);
    }
    let status = spawner.wait();
    if adopts {
        kill_orphans();
    }
    // one that has come to its end has removed them itself
    let killed = !status.as_ref().is_ok_and(ExitStatus::success);
    if killed && ends(|| getppid() != rank) {
        for path in told.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            let _ = std::fs::remove_dir_all(OsStr::from_bytes(path));
        }
    }
    let code =
        status.map_or(1, |status| status.signal().map_or(status.code().unwrap_or(1), |n| BY_SIGNAL + n));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Whether a rank whose spawner has ended does so too: what was killed at the same time takes a moment. One that goes
/// on without its spawner needs its files.
fn ends(has_ended: impl Fn() -> bool) -> bool {
    let until = Instant::now() + MOMENT;
    while !has_ended() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Tells the watchdog what is to be removed.
pub(crate) fn tell_guard(path: &OsStr) {
    let mut line = path.as_bytes().to_vec();
    line.push(0);
    // a watchdog that has died has nothing to do
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
}

/// Serves the rank to its end, and cleans up.
fn serve() -> ExitCode {
    let adopts = begin();
    let control = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(control) => UnixStream::from(control),
        Err(_) => return ExitCode::FAILURE,
    };
    let server = Server::new(adopts);
    let served = server.serve(&control);
    server.kill_all();
    if adopts {
        kill_orphans();
    }
    for path in server.to_remove() {
        // the rank itself removes it at an orderly end
        let _ = std::fs::remove_dir_all(path);
    }
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Kills all children until there are none: with each that ends, its own become ours.
fn kill_orphans() {
    let until = Instant::now() + LAST;
    // the list may lack some while others end; only the system's word that there are no more counts
    while Instant::now() < until {
        for pid in children() {
            let _ = kill_process(pid, Signal::KILL);
        }
        match wait(WaitOptions::NOHANG) {
            Err(Errno::CHILD) => return,
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
