//! The starter as a process of its own.
//!
//! It is this very executable, started before `MPI_Init`: forking a process that has initialised MPI corrupts InfiniBand
//! traffic. It outlives the rank just long enough to kill its commands and to remove its files, however the rank ended.

use super::server::{Server, children};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// The process's name, in lists of processes too: who kills all that are called `dtask` does not kill it, so that it can
/// clean up after them.
const NAME: &std::ffi::CStr = c"task-commands";
/// Its only argument.
const ARGUMENT: &str = "--serve-rank";

/// How long what is killed may take to end.
const LAST: Duration = Duration::from_secs(5);

fn name() -> &'static str {
    NAME.to_str().unwrap_or_default()
}

/// Starts the process; what is said to it goes over the socket.
pub(super) fn start() -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(name()).arg(ARGUMENT);
    for variable in crate::call::command::environment::launcher_variables() {
        command.env_remove(variable);
    }
    // a group of its own: what a terminal or a launcher sends to the rank's group is the rank's to handle
    let child = command.process_group(0).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn()?;
    // should the starter die, its commands become our children, whose numbers then stay theirs until we reap them
    let _ = set_child_subreaper(Some(getpid()));
    Ok((child, ours))
}

/// Whether this process was started to be a starter.
pub(super) fn is_wanted() -> bool {
    let mut arguments = std::env::args_os();
    arguments.next().is_some_and(|first| first == name())
        && arguments.next().is_some_and(|second| second == ARGUMENT)
        && arguments.next().is_none()
}

/// Serves the rank to its end, and cleans up.
pub(super) fn main() -> ExitCode {
    let _ = rustix::thread::set_name(NAME);
    let adopts = set_child_subreaper(Some(getpid())).is_ok();
    // A batch system may signal every process of a job. Handlers, not `ignore`, which commands would inherit.
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
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
