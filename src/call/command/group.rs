//! The command's process group: waiting for its leader, and killing all of it.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A process group led by a child of ours.
///
/// The number of a process that was reaped may belong to another one the next moment. Therefore the leader is
/// first waited for without being reaped, and is reaped under the lock under which signals are sent.
#[derive(Debug)]
pub(super) struct Group {
    pid: u32,
    reaped: Mutex<bool>,
    cancelled: AtomicBool,
}

impl Group {
    pub(super) fn new(pid: u32) -> Self {
        Group { pid, reaped: Mutex::new(false), cancelled: AtomicBool::new(false) }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) fn is_reaped(&self) -> bool {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // A flag cannot be left half changed.
        self.reaped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        let reaped = self.lock();
        if !*reaped {
            // A group whose members have all gone is as good as killed.
            let _ = send(self.pid, signal);
        }
    }

    /// Waits for the leader's end, without reaping it. With a time limit and a grace: ends the group when the
    /// time is up. Says whether it was.
    pub(super) fn wait(self: &Arc<Self>, limit: Option<(Duration, Duration)>) -> io::Result<bool> {
        let Some((timeout, grace)) = limit else {
            return self.ended().map(|()| false);
        };
        let (sender, receiver) = mpsc::channel();
        let group = Arc::clone(self);
        std::thread::Builder::new().name("dtask-wait".to_owned()).stack_size(1 << 16).spawn(move || {
            // The receiver waits for this as long as the thread lives.
            let _ = sender.send(group.ended());
        })?;
        let gone = |_| io::Error::other("the waiting thread has gone");
        match receiver.recv_timeout(timeout) {
            Err(RecvTimeoutError::Timeout) => {}
            ended => return ended.map_err(gone)?.map(|()| false),
        }
        self.signal(Signal::TERM);
        match receiver.recv_timeout(grace) {
            Err(RecvTimeoutError::Timeout) => {}
            ended => return ended.map_err(gone)?.map(|()| true),
        }
        self.signal(Signal::KILL);
        receiver.recv().map_err(io::Error::other)?.map(|()| true)
    }

    fn ended(&self) -> io::Result<()> {
        loop {
            match waitid(WaitId::Pid(pid(self.pid)?), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Kills what is left of the group, and reaps its leader, which has ended.
    pub(super) fn reap(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let mut reaped = self.lock();
        let _ = send(self.pid, Signal::KILL);
        let status = child.wait()?;
        *reaped = true;
        Ok(status)
    }

    /// Reaps the leader if it ends within the time.
    pub(super) fn reap_soon(&self, child: &mut Child, limit: Duration) {
        let until = Instant::now() + limit;
        let mut pause = Duration::from_micros(100);
        loop {
            {
                let mut reaped = self.lock();
                match child.try_wait() {
                    Ok(None) => {}
                    Ok(Some(_)) | Err(_) => {
                        *reaped = true;
                        return;
                    }
                }
            }
            if Instant::now() > until {
                return;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

/// Ends a command from another thread. Does nothing once the command has ended.
#[derive(Debug, Clone)]
pub struct Killer(Arc<Group>);

impl Killer {
    pub(super) fn new(group: &Arc<Group>) -> Self {
        Killer(Arc::clone(group))
    }

    /// The command's process, which is also its group.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// Asks the whole group to end, by SIGTERM; its result is [`Cancelled`](super::CommandError::Cancelled).
    pub fn terminate(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.signal(Signal::TERM);
    }

    /// Kills the whole group; its result is [`Cancelled`](super::CommandError::Cancelled).
    pub fn kill(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.signal(Signal::KILL);
    }
}

/// Kills every process of the group `pid`. That there is none any more is no error.
///
/// Only for the number of a child that was not yet waited for: see [`Killer`], which makes sure of that.
pub fn kill_group(pid: u32) -> io::Result<()> {
    send(pid, Signal::KILL)
}

fn send(group: u32, signal: Signal) -> io::Result<()> {
    match kill_process_group(pid(group)?, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The group's number, if it can be one: 0 would be our own group, and 1 every process that we may kill.
fn pid(group: u32) -> io::Result<Pid> {
    i32::try_from(group).ok().filter(|group| *group > 1).and_then(Pid::from_raw).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{group} is no process group of a command"))
    })
}

/// The name of a signal: `SIGKILL`.
pub fn signal_name(signal: i32) -> String {
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
