//! The spawner's server: one thread for each channel starts a command, waits for its end, and reports it.

use super::wire::{self, AllEnded, Control, End, StartMessage, Usage};
use crate::commands::environment;
use crate::commands::memory;
use crate::commands::signals;
use crate::commands::spawner::pid_table::PidTable;
use crate::commands::spawner::throttle::Throttle;
use crate::commands::{CommandSpec, Launcher};
use parking_lot::{Mutex, RwLock};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wait4::Wait4;

/// Stack size in bytes of the thread that serves a channel in the spawner. The default of 2 MiB would be a waste.
const STACK: usize = 1 << 17;

/// Time between two searches for orphans: processes that commands have left, which have ended and must be reaped.
const ORPHANS: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// The state of a channel, on which the rank has commands started one after another: the last command and whether it
/// runs.
#[derive(Debug, Default)]
struct Current {
    /// The number of the last command that was started on the channel.
    run: u64,
    /// The process number of the command, until it is reaped. Afterwards the operating system can give the number to
    /// another process at any time. Therefore reaping and signalling happen under the lock of this record.
    pid: Option<Pid>,
    /// A signal that came for a command before its start, with the number of that command. It is sent at the start, and
    /// then `None` again.
    early: Option<(u64, Signal)>,
    /// Whether the command is a launcher of MPI programs, whose processes are in groups of their own.
    launches: bool,
}

struct ServerChannel {
    number: u32,
    current: Mutex<Current>,
}

/// The state of the spawner (the process that starts a rank's commands), which the threads of all its channels share.
pub(crate) struct Server {
    channels: Mutex<BTreeMap<u32, Arc<ServerChannel>>>,
    table: Mutex<Option<Arc<PidTable>>>,
    ending: AtomicBool,
    /// A lock that is held for reading from the start of a process until its number is noted, so that nobody takes it
    /// for an orphan.
    starting: RwLock<()>,
    /// The names of the MPI launcher's variables in the spawner's environment, which commands do not get.
    launcher: Vec<OsString>,
    /// Whether this process adopts the orphans that commands leave (child subreaper), and so has to reap them.
    adopts: bool,
    remove: Mutex<Vec<PathBuf>>,
    gate: Throttle,
}

impl Server {
    /// Makes the state of a spawner that has no channels yet. `adopts` tells whether this process adopts the orphans
    /// that commands leave (child subreaper).
    pub(crate) fn new(adopts: bool) -> Arc<Server> {
        Arc::new(Server {
            channels: Mutex::default(),
            table: Mutex::default(),
            ending: AtomicBool::new(false),
            starting: RwLock::default(),
            launcher: environment::launcher_variables(),
            adopts,
            remove: Mutex::default(),
            gate: Throttle::default(),
        })
    }

    /// Handles the messages of the rank on `control` until the rank closes the connection or dies.
    pub(crate) fn serve(self: &Arc<Self>, control: &UnixStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            if self.adopts && !readable(control, ORPHANS)? {
                self.reap_orphans();
                continue;
            }
            let Some((message, files)) = wire::receive::<Control>(control, &mut buffer)? else {
                return Ok(());
            };
            match message {
                Control::Table => {
                    *self.table.lock() =
                        files.into_iter().next().map(|file| Arc::new(PidTable::from_file(file)));
                }
                Control::Channel(number) => {
                    if let Some(socket) = files.into_iter().next() {
                        self.open_channel(number, socket)?;
                    }
                }
                Control::Signal { channel, run, signal } => {
                    let channel = self.channels.lock().get(&channel).cloned();
                    if let (Some(channel), Some(signal)) = (channel, Signal::from_named_raw(signal)) {
                        channel.signal(run, signal);
                    }
                }
                Control::Remove(path) => {
                    if self.adopts {
                        super::process::tell_watchdog(&path);
                    }
                    self.remove.lock().push(path.into());
                }
                Control::EndAll { grace } => {
                    self.end_all(grace);
                    wire::send(control, &AllEnded, &[])?;
                }
            }
        }
    }

    fn open_channel(self: &Arc<Self>, number: u32, socket: OwnedFd) -> io::Result<()> {
        let channel = Arc::new(ServerChannel { number, current: Mutex::default() });
        self.channels.lock().insert(number, channel.clone());
        let (server, socket) = (self.clone(), UnixStream::from(socket));
        let thread = std::thread::Builder::new().name("dtask-start".into()).stack_size(STACK);
        thread.spawn(move || {
            // an error means that the rank has ended, which the control connection shows too
            let _ = server.serve_channel(&channel, &socket);
            server.channels.lock().remove(&number);
        })?;
        Ok(())
    }

    fn serve_channel(&self, channel: &ServerChannel, socket: &UnixStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        let table = self.table.lock().clone();
        while let Some((start, files)) = wire::receive::<StartMessage>(socket, &mut buffer)? {
            let ended = self.run(channel, table.as_deref(), start, files);
            wire::send(socket, &ended, &[])?;
        }
        Ok(())
    }

    fn run(
        &self,
        channel: &ServerChannel,
        table: Option<&PidTable>,
        (run, spec): StartMessage,
        files: Vec<OwnedFd>,
    ) -> End {
        let (room, cores, launches) = (spec.room, spec.cores.clone(), spec.launcher == Launcher::Again);
        let refused = |error: io::Error| End::NotStarted(error.raw_os_error().unwrap_or(libc::EIO));
        let mut command = match self.command(spec, files) {
            Ok(command) => command,
            Err(error) => return refused(error),
        };
        let _within = self.gate.enter(room);
        let started = {
            let _starting = self.starting.read();
            let mut current = channel.current.lock();
            if self.ending.load(Ordering::Acquire) {
                return End::Refused;
            }
            current.run = run;
            current.launches = launches;
            let started = on_cores(&cores, || spawn(&mut command));
            if let Ok(child) = &started {
                current.pid = Pid::from_raw(child.id() as i32);
                if let Some((_, signal)) = current.early.take_if(|early| early.0 == run)
                    && let Some(pid) = current.pid
                {
                    let _ = signals::signal(pid, signal);
                }
            }
            started
        };
        // closes the write ends of the pipes, without which the rank would never see the end of the outputs
        drop(command);
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return refused(error),
        };
        let pid = Pid::from_child(&child);
        if let Some(table) = table {
            table.set(channel.number, Some(pid));
        }
        let waited = ended(pid);
        if let Some(table) = table {
            table.set(channel.number, None);
        }
        let mut current = channel.current.lock();
        // processes that the command leaves behind must not go on using the task's cores
        let _ = signals::signal(pid, Signal::KILL);
        let outcome = waited.and_then(|()| child.wait4());
        current.pid = None;
        drop(current);
        match outcome {
            Ok(end) => {
                let cpu = end.rusage.utime + end.rusage.stime;
                let usage = Usage { peak_memory: end.rusage.maxrss, cpu };
                End::Exited { status: end.status.into_raw(), usage }
            }
            Err(error) => End::Unknown(error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }

    fn command(&self, spec: CommandSpec, files: Vec<OwnedFd>) -> io::Result<Command> {
        let [stdin, stdout, stderr] =
            <[OwnedFd; 3]>::try_from(files).map_err(|_| io::Error::from_raw_os_error(libc::EMFILE))?;
        let mut command = Command::new(spec.program);
        if let Some((name, arguments)) = spec.argv.split_first() {
            command.arg0(name).args(arguments);
        }
        // No code of ours runs between fork and exec, so that std uses `posix_spawn`: copying the page tables of a
        // large process would take longer than everything else.
        command
            .current_dir(spec.dir)
            .process_group(0)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr));
        if spec.clean_env {
            command.env_clear();
        } else if spec.launcher != Launcher::Inherit {
            self.launcher.iter().for_each(|name| {
                command.env_remove(name);
            });
        }
        command.envs(spec.env);
        Ok(command)
    }

    fn groups(&self) -> Vec<Arc<ServerChannel>> {
        self.channels.lock().values().cloned().collect()
    }

    fn end_all(&self, grace: Duration) {
        self.ending.store(true, Ordering::Release);
        let channels = self.groups();
        channels.iter().for_each(|channel| channel.signal_any(Signal::TERM));
        // a grace that exceeds the range of the clock means no limit
        let until = Instant::now().checked_add(grace);
        let in_time = || until.is_none_or(|until| Instant::now() < until);
        while in_time() && channels.iter().any(|channel| channel.current.lock().pid.is_some()) {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill_all();
    }

    /// Sends SIGKILL to all running commands, and refuses to start any more.
    pub(crate) fn kill_all(&self) {
        self.ending.store(true, Ordering::Release);
        self.groups().iter().for_each(|channel| channel.signal_any(Signal::KILL));
    }

    /// Takes the list of directories that the rank has registered for removal, and leaves it empty.
    pub(crate) fn to_remove(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.remove.lock())
    }

    /// Reaps orphans that have ended: processes that had left the group of their command and were adopted by the
    /// spawner.
    fn reap_orphans(&self) {
        // skipped while a command has started whose number is not noted yet, since it would be taken for an orphan
        let Some(_nobody_starts) = self.starting.try_write() else { return };
        let commands: Vec<Pid> =
            self.groups().iter().filter_map(|channel| channel.current.lock().pid).collect();
        for pid in children().into_iter().filter(|pid| !commands.contains(pid)) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// The process numbers of this process's children, as listed in `/proc`. May be incomplete while processes end.
pub(crate) fn children() -> Vec<Pid> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let numbers = lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    numbers.filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
}

impl ServerChannel {
    fn signal(&self, run: u64, signal: Signal) {
        let mut current = self.current.lock();
        match current.pid {
            // An error is ignored: it means that the group has no members any more.
            Some(pid) if current.run == run => current.signal(pid, signal),
            None if current.run < run => current.early = Some((run, signal)),
            _ => {}
        }
    }

    fn signal_any(&self, signal: Signal) {
        let current = self.current.lock();
        if let Some(pid) = current.pid {
            current.signal(pid, signal);
        }
    }
}

impl Current {
    /// Sends a signal to the command's process group; SIGKILL to the processes of a launcher too, which it can no longer
    /// end itself. An error means that there are none any more.
    fn signal(&self, pid: Pid, signal: Signal) {
        let processes = match self.launches && signal == Signal::KILL {
            true => memory::tree(pid.as_raw_nonzero().get().unsigned_abs()),
            false => BTreeSet::new(),
        };
        let _ = signals::signal(pid, signal);
        for process in processes.into_iter().filter_map(|process| Pid::from_raw(process.cast_signed())) {
            let _ = kill_process(process, signal);
        }
    }
}

/// Waits until a socket is readable, for `limit` at most. Returns false if it is not readable by then.
fn readable(socket: &UnixStream, limit: Timespec) -> io::Result<bool> {
    match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Waits for a child's end, without reaping it, so that its process number stays its own.
fn ended(pid: Pid) -> io::Result<()> {
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) => {}
            other => return other.map(drop).map_err(io::Error::from),
        }
    }
}

/// Runs `work` with the thread bound to `cores`; a process that it starts inherits the binding. Unbound if `cores` is
/// empty or the system refuses.
fn on_cores<T>(cores: &[u32], work: impl FnOnce() -> T) -> T {
    let before = if cores.is_empty() { None } else { sched_getaffinity(None).ok() };
    let Some(before) = before else { return work() };
    let mut set = CpuSet::new();
    for core in cores.iter().map(|core| *core as usize).filter(|core| *core < CpuSet::MAX_CPU) {
        set.set(core);
    }
    if let Err(error) = sched_setaffinity(None, &set) {
        log::warn!("a command cannot be bound to the cores {cores:?}: {error}");
    }
    let outcome = work();
    let _ = sched_setaffinity(None, &before); // allowed, since it is the previous setting
    outcome
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    // A program that was written a moment ago is "busy" (ETXTBSY) while any process has it open for writing: the child
    // of another thread does between its fork and its exec. Retrying helps.
    const BUSY_TRIES: u32 = 6;
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && tries < BUSY_TRIES => {}
            other => return other,
        }
        std::thread::sleep(Duration::from_millis(1 << tries));
        tries += 1;
    }
}
