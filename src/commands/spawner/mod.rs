//! The spawner (fork server), which starts commands: a process of its own, started before `MPI_Init`
//! ([`start_process`]), or, in a program that has initialised MPI by itself, a thread of the rank. Both speak the same
//! protocol ([`wire`]). The rank's side is in this file, the spawner's in [`server`].

pub(crate) mod pid_table;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod throttle;
pub(crate) mod wire;

pub(crate) use wire::{End, Usage};

use crate::commands::CommandSpec;
use crate::commands::signals;
use crate::commands::spawner::pid_table::PidTable;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitOptions, getpgid, getpgrp, kill_process, waitpid};
use server::{Server, children};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use wire::{AllEnded, Control};

/// Time within which a spawner (the process that starts a rank's commands) must end after the rank has closed the
/// connection.
const LAST: Duration = Duration::from_secs(10);

/// The rank's connection to its spawner: a small process, started before `MPI_Init`, that starts the rank's commands.
/// Forking the rank itself would be slow, and unsafe with InfiniBand.
#[derive(Debug)]
pub(crate) struct Spawner {
    control: Mutex<UnixStream>,
    free: Mutex<Vec<SpawnChannel>>,
    channels: AtomicU32,
    table: PidTable,
    /// The watchdog: the parent process of the spawner, which ends with it. `None` if the spawner is a thread of the
    /// rank.
    process: Option<Mutex<Child>>,
    lost: AtomicBool,
}

/// A connection of one thread of the rank to the spawner, on which it starts commands, one at a time.
#[derive(Debug)]
pub(crate) struct SpawnChannel {
    pub(crate) number: u32,
    socket: UnixStream,
    runs: u64,
    buffer: Vec<u8>,
}

/// The connection to the spawner of this process. A static and not state of a rank: the spawner is started before
/// `MPI_Init`, when no rank exists, and the thread that handles signals, which belongs to no rank, can end it.
static CURRENT: Mutex<Option<Arc<Spawner>>> = Mutex::new(None);

/// Runs the spawner or its watchdog until its end, if this process was started to be one, and returns its exit code.
/// Otherwise `None`. Every program that calls [`start_process`] must call this function first.
pub(crate) fn serve_if_asked() -> Option<ExitCode> {
    process::wanted().map(|main| main())
}

/// Starts the spawner, the process that will start the commands of this rank. Must be called before `MPI_Init`, since
/// forking afterwards is unsafe.
///
/// # Errors
/// When it cannot be started. Commands are then started by a thread of the rank.
pub(crate) fn start_process() -> io::Result<()> {
    let (child, control) = process::start()?;
    *CURRENT.lock() = Some(Spawner::new(control, Some(child))?);
    Ok(())
}

/// Stops the spawner process of this rank, which kills all processes that its commands have left.
pub(crate) fn stop_process() {
    let Some(spawner) = CURRENT.lock().take() else { return };
    let Some(process) = &spawner.process else { return };
    let _ = spawner.control.lock().shutdown(std::net::Shutdown::Both);
    let until = Instant::now() + LAST;
    let mut child = process.lock();
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Ends all commands of this rank: sends SIGTERM to their process groups, and SIGKILL after `grace`. No command can be
/// started afterwards.
pub(crate) fn end_all(grace: Duration) {
    if let Ok(spawner) = current() {
        let control = spawner.control.lock();
        // an error means that the spawner has died, and then its commands were killed with it
        let _ = wire::send(&control, &Control::EndAll { grace }, &[]);
        let _ = wire::receive::<AllEnded>(&control, &mut Vec::new());
    }
}

/// Tells the spawner a directory that it must remove after the rank's end, if the rank has died without doing so.
pub(crate) fn remove_at_end(path: &Path) {
    if let Ok(spawner) = current() {
        let _ = wire::send(&spawner.control.lock(), &Control::Remove(path.into()), &[]);
    }
}

/// The spawner of this rank, which starts its commands. If none was started before `MPI_Init`, the first call starts
/// one as a thread of the rank.
pub(crate) fn current() -> io::Result<Arc<Spawner>> {
    let mut current = CURRENT.lock();
    if let Some(spawner) = &*current {
        return Ok(spawner.clone());
    }
    let (ours, theirs) = UnixStream::pair()?;
    let thread = std::thread::Builder::new().name("dtask-spawner".into());
    thread.spawn(move || {
        let server = Server::new(false);
        // an error means the same as the end of the connection: the rank has dropped its side
        let _ = server.serve(&theirs);
        server.kill_all();
    })?;
    Ok(current.insert(Spawner::new(ours, None)?).clone())
}

impl Spawner {
    fn new(control: UnixStream, process: Option<Child>) -> io::Result<Arc<Spawner>> {
        let table = PidTable::new()?;
        wire::send(&control, &Control::Table, &[table.file()])?;
        Ok(Arc::new(Spawner {
            control: Mutex::new(control),
            free: Mutex::default(),
            channels: AtomicU32::new(0),
            table,
            process: process.map(Mutex::new),
            lost: AtomicBool::new(false),
        }))
    }

    /// Takes a free channel to the spawner, or opens a new one, to start a command on it.
    pub(crate) fn channel(&self) -> io::Result<SpawnChannel> {
        if let Some(channel) = self.free.lock().pop() {
            return Ok(channel);
        }
        let (ours, theirs) = UnixStream::pair()?;
        let number = self.channels.fetch_add(1, Ordering::Relaxed);
        wire::send(&self.control.lock(), &Control::Channel(number), &[OwnedFd::from(theirs).as_fd()])?;
        Ok(SpawnChannel { number, socket: ours, runs: 0, buffer: Vec::new() })
    }

    /// Gives back a channel whose command has ended, so that another command can be started on it.
    pub(crate) fn give_back(&self, channel: SpawnChannel) {
        self.free.lock().push(channel);
    }

    /// Sends a signal to the process group of the command that was started as number `run` on a channel (a connection
    /// on which commands are started one after another).
    pub(crate) fn signal(&self, channel: u32, run: u64, signal: Signal) {
        let message = Control::Signal { channel, run, signal: signal.as_raw() };
        // a spawner that has died gets no message, and its commands are killed
        let _ = wire::send(&self.control.lock(), &message, &[]);
    }

    /// The process number of the command that runs on a channel; `None` if none runs.
    pub(crate) fn pid(&self, channel: u32) -> Option<u32> {
        self.table.get(channel).and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
    }

    /// Handles the death of the spawner: kills its commands, once, and returns in words how the spawner ended.
    pub(crate) fn lost(self: &Arc<Self>) -> String {
        let Some(process) = &self.process else { return "its thread has ended".to_owned() };
        let mut child = process.lock();
        // the exit status arrives shortly after the connections have closed
        let until = Instant::now() + Duration::from_secs(1);
        // whether the watchdog has ended by itself: then it has killed all commands of the spawner
        let mut watched = false;
        let how = loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
                Ok(Some(status)) => {
                    let spawner = process::spawner_end(status);
                    watched = spawner.is_some();
                    break format!("{}", spawner.unwrap_or(status));
                }
                Ok(None) => break "it does not answer".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        if !self.lost.swap(true, Ordering::AcqRel) {
            if !watched {
                let groups =
                    (0..self.channels.load(Ordering::Acquire)).filter_map(|channel| self.table.get(channel));
                for pid in groups.collect::<Vec<_>>() {
                    let _ = signals::signal(pid, Signal::KILL);
                }
                kill_adopted();
            }
            log::error!(
                "the process that starts this rank's commands has died: {how}. The commands that were running are \
                 killed and count as failed; from now on the rank starts commands itself"
            );
            let mut current = CURRENT.lock();
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, self)) {
                *current = None;
            }
        }
        how
    }
}

/// Kills the commands of a spawner that has died, which have become children of this process, since it adopts orphans.
/// Only children in other process groups are killed: the program's own children are in its group, unless it has put
/// them elsewhere, and commands never are.
fn kill_adopted() {
    let (own, until) = (getpgrp(), Instant::now() + LAST);
    // the list may be incomplete while processes end, so it must be empty several times
    let mut empty = 0;
    while empty < 3 && Instant::now() < until {
        let adopted = |pid: &Pid| getpgid(Some(*pid)).is_ok_and(|group| group != own);
        let adopted: Vec<Pid> = children().into_iter().filter(adopted).collect();
        empty = if adopted.is_empty() { empty + 1 } else { 0 };
        for pid in adopted {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl SpawnChannel {
    /// Asks the spawner to start a command with `files` as its standard streams. Returns the command's number within
    /// the channel.
    pub(crate) fn start(&mut self, spec: &CommandSpec, files: [BorrowedFd<'_>; 3]) -> io::Result<u64> {
        self.runs += 1;
        wire::send(&self.socket, &(self.runs, spec), &files)?;
        Ok(self.runs)
    }

    /// Waits until the spawner reports the end of the command. `None` if the spawner has died.
    pub(crate) fn ended(&mut self) -> io::Result<Option<End>> {
        Ok(wire::receive(&self.socket, &mut self.buffer)?.map(|(ended, _)| ended))
    }

    /// The rank's end of the channel's socket. It becomes readable when the command or the spawner has ended.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
