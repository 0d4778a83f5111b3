//! Running commands, as the rank sees them: waiting, time and memory limits, and collecting outputs.

use super::pipes::Writer;
use super::stream_output::{SpillError, StreamReader};
use super::{
    Captured, CommandError, CommandOutput, CommandSpec, OutFile, environment, memory, scratch, signals,
};
use crate::commands::find_program;
use crate::commands::spawner::{self, End, SpawnChannel, Spawner, Usage};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time from a command's start for which the rank polls only for its end, not for its pipes. So a command that ends
/// within this time wakes the thread only once.
const SHORT: Duration = Duration::from_millis(2);

/// Time for which the rank still reads a command's output after the command has ended and its process group was killed.
/// Only a process that has left the group (a daemon) can still hold the pipe open.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// Time from a command's start to the first sample of the memory it uses. The interval doubles up to [`LOOKS`].
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// The longest time between two samples of the memory that a command uses.
const LOOKS: Duration = Duration::from_millis(200);

/// A handle to a running command, by which other threads send it signals and cancel it.
#[derive(Debug)]
struct ProcessHandle {
    spawner: Arc<Spawner>,
    channel: u32,
    run: u64,
    ended: Mutex<bool>,
    cancelled: AtomicBool,
}

impl ProcessHandle {
    fn signal(&self, signal: Signal) {
        let ended = self.ended.lock();
        if !*ended {
            self.spawner.signal(self.channel, self.run, signal);
        }
    }
}

/// A handle by which another thread ends a running command. Has no effect once the command has ended.
#[derive(Debug, Clone)]
pub(crate) struct Killer(Arc<ProcessHandle>);

impl Killer {
    /// Sends SIGTERM to the command's whole process group. The command's result will be [`CommandError::Cancelled`].
    #[cfg(test)]
    pub(crate) fn terminate(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.signal(Signal::TERM);
    }

    /// Sends SIGKILL to the command's whole process group. The command's result will be [`CommandError::Cancelled`].
    pub(crate) fn kill(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.signal(Signal::KILL);
    }
}

/// A limit of a command that ends it in two steps when it is exceeded: SIGTERM, then SIGKILL after the grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExceededLimit {
    Time,
    Output,
}

/// The state of ending a command that has exceeded a limit.
#[derive(Debug, Clone, Copy)]
struct LimitEnding {
    limit: ExceededLimit,
    /// The time, counted from the command's start, at which the command gets SIGKILL. `None` after that.
    kill: Option<Duration>,
}

/// A command that the rank has started and whose end it awaits. Dropping the value kills the command.
#[derive(Debug)]
pub(crate) struct RunningCommand {
    spec: CommandSpec,
    /// The time, counted from the command's start, at which the command's memory is sampled next.
    look: Duration,
    /// The memory that the command had in use when it exceeded its limit, in bytes; `None` if it has not.
    exceeded: Option<u64>,
    /// The value of [`memory::kills`] soon after the command started. If it has grown at the end, the out-of-memory
    /// killer acted. `None` for a command that ends within [`SHORT`], for which reading it would take too long.
    kills: Option<u64>,
    found: find_program::FoundProgram,
    handle: Arc<ProcessHandle>,
    begin: Instant,
    /// The limit that the command has exceeded, and for which it got SIGTERM; `None` before.
    ending: Option<LimitEnding>,
    /// Whether the command got SIGKILL for a limit, or since scratch is full.
    is_killed: bool,
    stdin: Writer,
    stdout: StreamReader,
    stderr: StreamReader,
    /// The channel (a socket) to the spawner, the process that has started the command; `None` after the command has
    /// ended.
    channel: Option<SpawnChannel>,
    /// The command's end, if [`RunningCommand::wait_at_most`] noticed it before [`RunningCommand::wait`] was called.
    end: Option<io::Result<Option<End>>>,
}

impl RunningCommand {
    /// Starts a command through the spawner (the process that starts the rank's commands), and begins to write its
    /// standard input.
    pub(crate) fn start(mut spec: CommandSpec) -> Result<RunningCommand, CommandError> {
        let mut found = find_program::find(&spec)?;
        if let Some(name) = spec.shown.take() {
            found.name = name;
        }
        spec.env = environment::added(&spec)?;
        spec.program.clone_from(&found.path);
        let failed = |source| CommandError::Files { source };
        let (stdin, their_stdin) = match &spec.stdin_file {
            Some(file) => Writer::file(file).map_err(failed)?,
            None => Writer::new(std::mem::take(&mut spec.stdin)).map_err(failed)?,
        };
        let reader = |unread| if unread { StreamReader::unread() } else { StreamReader::new() };
        let (stdout, their_stdout) = reader(spec.unread[0]).map_err(failed)?;
        let (stderr, their_stderr) = reader(spec.unread[1]).map_err(failed)?;
        let files = [their_stdin.as_fd(), their_stdout.as_fd(), their_stderr.as_fd()];
        let spawner = spawner::current().map_err(|source| CommandError::Spawner { source })?;
        let mut channel = spawner.channel().map_err(failed)?;
        let lost = |_| CommandError::SpawnerDied { program: found.name.clone(), how: spawner.lost() };
        let run = channel.start(&spec, files).map_err(lost)?;
        let (number, ended, cancelled) = (channel.number, Mutex::new(false), AtomicBool::new(false));
        let handle = Arc::new(ProcessHandle { spawner, channel: number, run, ended, cancelled });
        Ok(RunningCommand {
            spec,
            found,
            look: FIRST_LOOK,
            exceeded: None,
            kills: None,
            handle,
            begin: Instant::now(),
            ending: None,
            is_killed: false,
            stdin,
            stdout,
            stderr,
            channel: Some(channel),
            end: None,
        })
    }

    /// The process number of the command, which is also that of its process group. `None` before the command has
    /// started and after it has ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.handle.spawner.pid(self.handle.channel)
    }

    /// A handle by which another thread can end this command.
    pub(crate) fn killer(&self) -> Killer {
        Killer(self.handle.clone())
    }

    /// Waits for the command's end, but not longer than `limit`.
    pub(crate) fn wait_at_most(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        let end = self.serve(Some(limit));
        if !matches!(end, Ok(None)) || Instant::now() < until {
            self.end = Some(end);
        }
    }

    /// Waits for the command's end, and returns its outputs, or the error if it failed.
    pub(crate) fn wait(mut self) -> Result<CommandOutput, CommandError> {
        let ended = self.end.take().unwrap_or_else(|| self.serve(None));
        let (status, usage) = self.ended(ended)?;
        self.finish();
        let ((stdout, full), (stderr, also_full)) = (self.stdout.finish(), self.stderr.finish());
        let captured = Captured { stdout, stderr };
        let exit = match self.judge(status, &captured, full.or(also_full)) {
            Ok(exit) => exit,
            Err(cause) => return Err(CommandError::Failed { cause: Box::new(cause), captured }),
        };
        match self.collect() {
            Ok(outs) => {
                Ok(CommandOutput { stdout: captured.stdout, stderr: captured.stderr, outs, exit, usage })
            }
            Err(cause) => Err(CommandError::Failed { cause: Box::new(cause), captured }),
        }
    }

    /// Serves the command's pipes and enforces its time and memory limits until it has ended. `None` if the spawner has
    /// died, or after `limit`.
    fn serve(&mut self, limit: Option<Duration>) -> io::Result<Option<End>> {
        let until = limit.map(|limit| Instant::now() + limit);
        loop {
            let Some(channel) = &mut self.channel else { return Ok(None) };
            let elapsed = self.begin.elapsed();
            let short = elapsed < SHORT && self.stdin.interest().is_none();
            let mut wait = short.then(|| SHORT - elapsed);
            let mut sooner = |other: Duration| wait = Some(wait.map_or(other, |wait| wait.min(other)));
            match self.ending {
                Some(ending) => ending.kill.into_iter().for_each(|kill| sooner(kill.saturating_sub(elapsed))),
                None => self.spec.timeout.into_iter().for_each(|limit| sooner(limit.saturating_sub(elapsed))),
            }
            if self.spec.memory.is_some() && self.exceeded.is_none() {
                sooner(self.look.saturating_sub(elapsed));
            }
            if let Some(until) = until {
                sooner(until.saturating_duration_since(Instant::now()));
            }
            let ended = {
                let mut fds = vec![PollFd::from_borrowed_fd(channel.socket(), PollFlags::IN)];
                if !short {
                    let pipes = [self.stdin.interest(), self.stdout.interest(), self.stderr.interest()];
                    fds.extend(pipes.into_iter().flatten());
                }
                wait_for(&mut fds, wait)?;
                !fds[0].revents().is_empty()
            };
            if ended {
                return channel.ended();
            }
            if !short {
                self.stdin.fill();
                self.stdout.fill();
                self.stderr.fill();
            }
            self.watch_limits();
            self.watch_memory();
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(None);
            }
        }
    }

    /// Ends the command if it has exceeded its time or its output, and kills it if it does not end in time.
    fn watch_limits(&mut self) {
        let elapsed = self.begin.elapsed();
        let printed = self.stdout.length() + self.stderr.length();
        let exceeded = match &self.spec {
            CommandSpec { max_output: Some(most), .. } if printed > *most => Some(ExceededLimit::Output),
            CommandSpec { timeout: Some(limit), .. } if elapsed >= *limit => Some(ExceededLimit::Time),
            _ => None,
        };
        if let (None, Some(limit)) = (self.ending, exceeded) {
            self.handle.signal(Signal::TERM);
            self.ending = Some(LimitEnding { limit, kill: Some(elapsed + self.spec.grace) });
            if limit == ExceededLimit::Output {
                self.stdout.keep_no_more();
                self.stderr.keep_no_more();
            }
        }
        // scratch is full: what the command prints from now on is lost, so it is killed at once
        let full = self.stdout.has_failed() || self.stderr.has_failed();
        let late = self.ending.and_then(|ending| ending.kill).is_some_and(|kill| elapsed >= kill);
        if (full || late) && !self.is_killed {
            self.handle.signal(Signal::KILL);
            self.is_killed = true;
            self.ending.iter_mut().for_each(|ending| ending.kill = None);
        }
    }

    fn watch_memory(&mut self) {
        let elapsed = self.begin.elapsed();
        if self.kills.is_none() && elapsed >= SHORT {
            self.kills = Some(memory::kills());
        }
        let (Some(limit), Some(pid)) = (self.spec.memory, self.pid()) else { return };
        if self.exceeded.is_some() || elapsed < self.look {
            return;
        }
        // The upper bound is cheap to read. The exact number, which takes longer, matters only beyond the limit.
        if memory::of_tree_at_most(pid) > limit {
            self.exceeded = Some(memory::of_tree(pid)).filter(|used| *used > limit);
        }
        if self.exceeded.is_some() {
            self.handle.signal(Signal::KILL);
        }
        let after = self.begin.elapsed();
        self.look = after + after.clamp(FIRST_LOOK, LOOKS);
    }

    /// Evaluates the end of the command that the spawner has reported, and returns the channel to the spawner for the
    /// next command.
    fn ended(&mut self, ended: io::Result<Option<End>>) -> Result<(ExitStatus, Usage), CommandError> {
        let program = self.found.name.clone();
        let channel = self.channel.take();
        *self.handle.ended.lock() = true;
        let Ok(Some(ended)) = ended else {
            return Err(CommandError::SpawnerDied { program, how: self.handle.spawner.lost() });
        };
        if let Some(channel) = channel {
            self.handle.spawner.give_back(channel);
        }
        let from = io::Error::from_raw_os_error;
        match ended {
            End::Exited { status, usage } => Ok((ExitStatus::from_raw(status), usage)),
            End::NotStarted(error) => Err(find_program::explain(from(error), &self.found, &self.spec.dir)),
            End::Refused => Err(CommandError::Cancelled { program }),
            End::Unknown(error) => Err(CommandError::Wait { program, source: from(error) }),
        }
    }

    /// Reads the rest of the command's outputs after the command has ended.
    fn finish(&mut self) {
        let until = Instant::now() + LEFT_BEHIND;
        loop {
            self.stdout.fill();
            self.stderr.fill();
            let mut fds: Vec<_> =
                [self.stdout.interest(), self.stderr.interest()].into_iter().flatten().collect();
            let left = until.saturating_duration_since(Instant::now());
            // A pipe that is still open is held by a process that left the group. What the command itself wrote has
            // been read, so nothing of it is lost when the time is over.
            if fds.is_empty() || left.is_zero() || wait_for(&mut fds, Some(left)).is_err() {
                return;
            }
        }
    }

    /// Decides by exit status and limits whether the command succeeded. Returns the code of its end, or the error.
    /// `full` is the error of putting its output into scratch.
    fn judge(
        &self,
        status: ExitStatus,
        captured: &Captured,
        full: Option<SpillError>,
    ) -> Result<i32, CommandError> {
        let program = self.found.name.clone();
        if self.handle.cancelled.load(Ordering::Acquire) {
            return Err(CommandError::Cancelled { program });
        }
        if let Some(SpillError { folder, source }) = full {
            return Err(CommandError::ScratchFull { program, folder, source });
        }
        let limit = self.ending.map(|ending| ending.limit);
        if let (Some(ExceededLimit::Time), Some(timeout)) = (limit, self.spec.timeout) {
            return Err(CommandError::TimedOut { program, timeout, tail: captured.tail() });
        }
        let printed = self.stdout.length() + self.stderr.length();
        if let Some(most) = self.spec.max_output.filter(|most| limit.is_some() || printed > *most) {
            return Err(CommandError::OverOutput { program, printed, most, tail: captured.tail() });
        }
        if let (Some(limit), Some(used)) = (self.spec.memory, self.exceeded) {
            return Err(CommandError::OverMemory { program, used, limit, tail: captured.tail() });
        }
        let code = signals::code_of(status);
        let killed = signals::signal_of(code) == Some(libc::SIGKILL);
        if killed && self.kills.is_some_and(|before| memory::kills() > before) {
            return Err(CommandError::HostOutOfMemory { program, tail: captured.tail() });
        }
        match status.signal() {
            _ if self.spec.ok_exit.contains(&code) => Ok(code),
            None => Err(CommandError::Exit { program, code, tail: captured.tail() }),
            Some(signal) => Err(CommandError::Signal { program, signal, tail: captured.tail() }),
        }
    }

    /// Finds the output files that the command had to write, and checks that each is a regular file.
    fn collect(&self) -> Result<Vec<OutFile>, CommandError> {
        self.spec.outs.iter().map(|(name, file)| self.find_out(name, file)).collect()
    }

    fn find_out(&self, name: &str, file: &Path) -> Result<OutFile, CommandError> {
        if !scratch::stays_below(file) {
            return Err(CommandError::OutPath { name: name.to_owned(), file: file.to_owned() });
        }
        let is_folder = scratch::is_folder(file);
        // without the slash that makes it a folder
        let path: PathBuf = self.spec.scratch.join(file).components().collect();
        match std::fs::metadata(&path) {
            Ok(found) if is_folder && !found.is_dir() => {
                Err(CommandError::OutNoFolder { name: name.to_owned(), path })
            }
            // Opening a pipe would wait for its writer, which has ended.
            Ok(found) if !is_folder && !found.is_file() => {
                Err(CommandError::OutKind { name: name.to_owned(), path, directory: found.is_dir() })
            }
            Ok(found) => Ok(OutFile { name: name.to_owned(), path, length: found.len(), is_folder }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(CommandError::OutMissing {
                name: name.to_owned(),
                file: file.to_owned(),
                scratch: self.spec.scratch.clone(),
                elsewhere: Some(self.spec.dir.join(file)).filter(|other| *other != path && other.exists()),
            }),
            Err(source) => Err(CommandError::OutUnreadable { name: name.to_owned(), path, source }),
        }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        if self.channel.is_none() {
            return;
        }
        self.killer().kill();
        // SIGKILL cannot be refused, so this wait is short. The exception is a process in an uninterruptible system
        // call, which must not block the rank; its channel is then lost.
        let ended = self.serve(Some(Duration::from_secs(2)));
        *self.handle.ended.lock() = true;
        if let (Some(channel), Ok(Some(_))) = (self.channel.take(), ended) {
            self.handle.spawner.give_back(channel);
        }
    }
}

fn wait_for(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<()> {
    let limit = limit.map(|limit| Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    match poll(fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
