//! The spawner as a process of its own, and its watchdog.
//!
//! Both are this very executable, started before `MPI_Init`: forking a process that has initialised MPI corrupts
//! InfiniBand traffic. The spawner outlives the rank just long enough to kill its commands and to remove its files,
//! however the rank ended. The watchdog is the parent of the spawner and waits for its end. If the spawner was killed,
//! the commands become the watchdog's children, and it cleans up in the spawner's place, whether or not the rank still
//! lives.
//!
//! ```text
//!   rank ──► watchdog ──► spawner ──► commands       parents and children
//!     └──── control, channels ──┘                    the watchdog reads from the spawner what is to be removed,
//!                                                    and that it has ended
//! ```

use super::server::{Server, children};
use crate::commands::pipes::null;
use crate::commands::removal;
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, getpid, getppid, kill_process, set_child_subreaper, wait};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// The name of the spawner and watchdog processes in lists of processes. It differs from `dtask`, so that `killall
/// dtask` spares the spawner, which then cleans up after the rank.
const NAME: &std::ffi::CStr = c"task-commands";
/// The command line argument with which this executable runs as spawner, the process that starts a rank's commands.
const SERVE: &str = "--serve-rank";
/// The command line argument with which this executable runs as watchdog, the process that cleans up if the spawner
/// dies.
const WATCHDOG: &str = "--watchdog-rank";
/// Number that the watchdog adds to the signal that killed the spawner, to make its own exit code of it.
const BY_SIGNAL: i32 = 0x80;

/// Time within which a rank must end after its spawner to count as killed together with it. Only then are its files
/// removed.
const MOMENT: Duration = Duration::from_millis(200);
/// Time within which processes that were killed must end.
const LAST: Duration = Duration::from_secs(5);

fn name() -> &'static str {
    NAME.to_str().unwrap_or_default()
}

/// Starts the watchdog, which starts the spawner. Returns the watchdog process and the connection to the spawner.
pub(crate) fn start() -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = own(WATCHDOG)?;
    for variable in crate::commands::environment::launcher_variables() {
        command.env_remove(variable);
    }
    let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn()?;
    // if watchdog and spawner both die, the commands become children of the rank, and their numbers stay valid until it
    // reaps them
    let _ = set_child_subreaper(Some(getpid()));
    Ok((child, ours))
}

/// The system command that starts this executable again with `argument`, to be the spawner or the watchdog.
fn own(argument: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    // a process group of its own: signals from a terminal or a launcher to the rank's group do not reach it
    command.arg0(name()).arg(argument).process_group(0);
    Ok(command)
}

/// Decodes from the watchdog's exit status how its spawner ended. `None` if the watchdog itself was killed.
pub(crate) fn spawner_end(watchdog: ExitStatus) -> Option<ExitStatus> {
    let code = watchdog.code()?;
    Some(ExitStatus::from_raw(if code > BY_SIGNAL { code - BY_SIGNAL } else { code << 8 }))
}

/// The main function of the spawner or of the watchdog, if this process was started to be one; else `None`.
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

/// Sets the process name and the signal handlers of a spawner or watchdog. Returns whether this process adopts orphans
/// (child subreaper), so that it can kill them.
fn begin() -> bool {
    let _ = rustix::thread::set_name(NAME);
    // A batch system may signal every process of a job, and these two must live on to clean up. So the signals get
    // handlers that do nothing; if they were ignored, commands would inherit that.
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, libc::SIGXCPU] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    set_child_subreaper(Some(getpid())).is_ok()
}

/// The watchdog's main function: starts the spawner (which starts a rank's commands), waits for its end, and kills the
/// commands if the spawner has not.
fn watchdog() -> ExitCode {
    let (adopts, rank) = (begin(), getppid());
    let Ok(mut spawner) = own(SERVE).and_then(|mut spawner| spawner.stdout(Stdio::piped()).spawn()) else {
        return ExitCode::FAILURE;
    };
    // The watchdog has inherited the spawner's connection as its standard input, and lets go of it: with a copy open
    // here, the rank would not notice that the spawner has died.
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
    // a spawner that ended by itself has removed the directories
    let killed = !status.as_ref().is_ok_and(ExitStatus::success);
    if killed && ends(|| getppid() != rank) {
        for path in told.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            let _ = removal::remove(Path::new(OsStr::from_bytes(path)), LAST);
        }
    }
    let code =
        status.map_or(1, |status| status.signal().map_or(status.code().unwrap_or(1), |n| BY_SIGNAL + n));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Whether the rank ends shortly after its spawner, as when both were killed together. Only then does the watchdog
/// remove the rank's files: a rank that goes on needs them.
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

/// Tells the watchdog the path of a directory of the rank, which it removes if spawner and rank die.
pub(crate) fn tell_watchdog(path: &OsStr) {
    let mut line = path.as_bytes().to_vec();
    line.push(0);
    // a watchdog that has died needs no message
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
}

/// The spawner's main function: starts commands for the rank until the rank ends, and then cleans up.
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
        // a rank that ended in order has removed it already
        let _ = removal::remove(&path, LAST);
    }
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Kills all children of this process until none is left. When a child ends, its own children become children of this
/// process.
fn kill_orphans() {
    let until = Instant::now() + LAST;
    // the list may be incomplete while processes end; only ECHILD proves that there are none
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
