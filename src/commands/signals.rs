//! Signals to process groups, and the names of signals.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;

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
