//! Signals to process groups, the names of signals, and the one way to compare ends of programs: an exit code, or 128
//! and the number of the signal that killed it, as shells report it.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Sends a signal to the process group whose leader is a child of this process. An empty group is no error.
///
/// Only for a child that was not reaped yet: afterwards its number may belong to another process at any time.
pub(crate) fn signal(leader: Pid, signal: Signal) -> io::Result<()> {
    // group 1 would mean every process that we may kill
    if leader.is_init() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no process group of a command"));
    }
    match kill_process_group(leader, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The number that is added to a signal's number to give the code of a program that the signal has killed.
const SIGNALLED: i32 = 128;
/// The highest number of a signal.
const LAST: i32 = 64;

/// The code that a shell would report for a program's end: its exit code, or 128 + N if signal N has killed it.
pub(crate) fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| code_of_signal(status.signal().unwrap_or(0)))
}

/// The code of a program that signal number `signal` has killed.
pub(crate) fn code_of_signal(signal: i32) -> i32 {
    SIGNALLED + signal
}

/// The signal for which a code stands, whether it killed the program or, in a shell, one that the shell ran; `None` if
/// the code is an ordinary exit code.
pub(crate) fn signal_of(code: i32) -> Option<i32> {
    (SIGNALLED + 1..=SIGNALLED + LAST).contains(&code).then(|| code - SIGNALLED)
}

/// The name of a signal by its number: `SIGKILL` for 9.
pub(crate) fn signal_name(signal: i32) -> String {
    const NAMES: &[(i32, &str)] = &[
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL (illegal instruction)"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT (it aborted)"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE (arithmetic error)"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGSEGV, "SIGSEGV (invalid memory access)"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGALRM, "SIGALRM"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGXCPU, "SIGXCPU"),
        (libc::SIGXFSZ, "SIGXFSZ"),
        (libc::SIGSYS, "SIGSYS (system call not allowed)"),
    ];
    match NAMES.iter().find(|(number, _)| *number == signal) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("signal {signal}"),
    }
}
