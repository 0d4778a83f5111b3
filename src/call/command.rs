//! Running one command task on a rank: `run` and `shell`.
//!
//! ```text
//! let root = scratch_root()?;                              // once a rank
//! let scratch = private_dir(root.path())?;                 // once an attempt
//! stage_inputs(scratch.path(), [("mesh.bin", &mesh)])?;
//! let spec = CommandSpec::new(["./solver", "--mesh", ".."], here, scratch.path());
//! let output = run(spec)?;
//! ```
//!
//! * The command leads a process group of its own; the whole group is killed when the command is cancelled,
//!   runs out of time, is dropped, and also when it ends: nothing that it left behind goes on using the
//!   task's cores.
//! * No code runs between fork and exec, so that std may use `posix_spawn`: forking a process with much
//!   memory is slow, and forking one that has initialised MPI corrupts InfiniBand traffic. (The helper
//!   process that calls this is started before `MPI_Init` all the same.)
//! * Its input is written, and its outputs are read, by threads of their own: no amount of either stops the
//!   other.
//! * The launcher's variables are removed (`environment`), or a command that calls `MPI_Init` would take
//!   itself for the rank.

mod environment;
mod error;
mod group;
mod pipes;
mod program;
mod registry;
mod scratch;
#[cfg(test)]
mod tests;

pub use environment::is_launcher_variable;
pub use error::{Captured, CommandError, Failure};
pub use group::{Killer, kill_group, signal_name};
pub use registry::end_all;
pub use scratch::{ScratchError, private_dir, scratch_root, stage_inputs};

use group::Group;
use pipes::Reader;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// What becomes of the MPI launcher's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Launcher {
    /// They are removed: the command is a program of its own, and may call `MPI_Init` or `mpirun`.
    #[default]
    Scrub,
    /// They are left.
    Inherit,
}

/// One command to run, everything substituted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// The program and its arguments. A program without a slash is looked for in the command's PATH; one with
    /// a slash that is relative starts from `dir`.
    pub argv: Vec<OsString>,
    /// The working directory.
    pub dir: PathBuf,
    /// Variables added to the environment; they win.
    pub env: Vec<(String, OsString)>,
    /// Starts from an empty environment instead of the rank's.
    pub clean_env: bool,
    /// What becomes of the launcher's variables.
    pub launcher: Launcher,
    /// What the command reads from its standard input: `/dev/null`, if empty.
    pub stdin: Vec<u8>,
    /// Files that the command must write: a name, and the path below `scratch`.
    pub outs: Vec<(String, PathBuf)>,
    /// Exit codes that mean success.
    pub ok_exit: Vec<i32>,
    /// The task's private directory.
    pub scratch: PathBuf,
    /// The command is ended after this: SIGTERM, `grace`, SIGKILL, to its whole process group.
    pub timeout: Option<Duration>,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl CommandSpec {
    /// A command with a script's defaults.
    pub fn new<A: Into<OsString>>(
        argv: impl IntoIterator<Item = A>,
        dir: impl Into<PathBuf>,
        scratch: impl Into<PathBuf>,
    ) -> Self {
        CommandSpec {
            argv: argv.into_iter().map(Into::into).collect(),
            dir: dir.into(),
            env: Vec::new(),
            clean_env: false,
            launcher: Launcher::Scrub,
            stdin: Vec::new(),
            outs: Vec::new(),
            ok_exit: vec![0],
            scratch: scratch.into(),
            timeout: None,
            grace: Duration::from_secs(5),
        }
    }
}

/// What a command that succeeded has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Name and content of the files it was to write, in the order of the specification.
    pub outs: Vec<(String, Vec<u8>)>,
    /// Its exit code, one of `ok_exit`.
    pub exit: i32,
}

/// Runs a command to its end.
pub fn run(spec: CommandSpec) -> Result<CommandOutput, CommandError> {
    Running::start(spec)?.wait()
}

/// A command that was started. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    program: String,
    dir: PathBuf,
    outs: Vec<(String, PathBuf)>,
    ok_exit: Vec<i32>,
    scratch: PathBuf,
    timeout: Option<(Duration, Duration)>,
    group: Arc<Group>,
    child: Child,
    stdout: Option<Reader>,
    stderr: Option<Reader>,
}

impl Running {
    /// Starts a command.
    pub fn start(spec: CommandSpec) -> Result<Running, CommandError> {
        let found = program::find(&spec)?;
        let mut command = Command::new(&found.path);
        command
            .arg0(&spec.argv[0])
            .args(&spec.argv[1..])
            .current_dir(&spec.dir)
            .process_group(0)
            .stdin(if spec.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        environment::prepare(&mut command, &spec)?;
        let mut child = program::spawn(&mut command, &found, &spec)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut running = Running {
            program: found.name,
            group: Arc::new(Group::new(child.id())),
            child,
            dir: spec.dir,
            outs: spec.outs,
            ok_exit: spec.ok_exit,
            scratch: spec.scratch,
            timeout: spec.timeout.map(|timeout| (timeout, spec.grace)),
            stdout: None,
            stderr: None,
        };
        registry::register(&running.group);
        // From here on an error drops `running`, and with it kills the command.
        let failed = |source| CommandError::Threads { source };
        running.stdout = pipes.1.map(Reader::start).transpose().map_err(failed)?;
        running.stderr = pipes.2.map(Reader::start).transpose().map_err(failed)?;
        if let Some(pipe) = pipes.0 {
            pipes::write(pipe, spec.stdin).map_err(failed)?;
        }
        Ok(running)
    }

    /// The command's process, which is also its group.
    pub fn pid(&self) -> u32 {
        self.group.pid()
    }

    /// A handle by which another thread can end the command.
    pub fn killer(&self) -> Killer {
        Killer::new(&self.group)
    }

    /// Waits for the command's end and collects what it leaves.
    pub fn wait(mut self) -> Result<CommandOutput, CommandError> {
        let failed = |source| CommandError::Wait { program: self.program.clone(), source };
        let timed_out = self.group.wait(self.timeout).map_err(failed)?;
        let status = self.group.reap(&mut self.child).map_err(failed)?;
        let captured = Captured {
            stdout: self.stdout.take().map(Reader::finish).unwrap_or_default(),
            stderr: self.stderr.take().map(Reader::finish).unwrap_or_default(),
        };
        let exit = match self.judge(status, timed_out, &captured) {
            Ok(exit) => exit,
            Err(cause) => return Err(CommandError::Failed { cause: Box::new(cause), captured }),
        };
        match self.collect() {
            Ok(outs) => Ok(CommandOutput { stdout: captured.stdout, stderr: captured.stderr, outs, exit }),
            Err(cause) => Err(CommandError::Failed { cause: Box::new(cause), captured }),
        }
    }

    /// The exit code, if it means success.
    fn judge(&self, status: ExitStatus, timed_out: bool, captured: &Captured) -> Result<i32, CommandError> {
        let program = self.program.clone();
        if self.group.cancelled() {
            return Err(CommandError::Cancelled { program });
        }
        if let (true, Some((timeout, _))) = (timed_out, self.timeout) {
            return Err(CommandError::TimedOut { program, timeout, tail: captured.tail() });
        }
        match (status.code(), status.signal()) {
            (Some(code), _) if self.ok_exit.contains(&code) => Ok(code),
            (Some(code), _) => Err(CommandError::Exit { program, code, tail: captured.tail() }),
            (None, signal) => {
                Err(CommandError::Signal { program, signal: signal.unwrap_or(0), tail: captured.tail() })
            }
        }
    }

    /// Reads the files that the command was to write.
    fn collect(&self) -> Result<Vec<(String, Vec<u8>)>, CommandError> {
        let mut outs = Vec::with_capacity(self.outs.len());
        for (name, file) in &self.outs {
            outs.push((name.clone(), self.read_out(name, file)?));
        }
        Ok(outs)
    }

    fn read_out(&self, name: &str, file: &Path) -> Result<Vec<u8>, CommandError> {
        if !scratch::stays_below(file) {
            return Err(CommandError::OutPath { name: name.to_owned(), file: file.to_owned() });
        }
        let path = self.scratch.join(file);
        let unreadable =
            |source| CommandError::OutUnreadable { name: name.to_owned(), path: path.clone(), source };
        match std::fs::metadata(&path) {
            // Opening a pipe would wait for its writer, who is dead.
            Ok(metadata) if !metadata.is_file() => {
                Err(CommandError::OutKind { name: name.to_owned(), path, directory: metadata.is_dir() })
            }
            Ok(_) => std::fs::read(&path).map_err(unreadable),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(CommandError::OutMissing {
                name: name.to_owned(),
                file: file.to_owned(),
                scratch: self.scratch.clone(),
                elsewhere: Some(self.dir.join(file)).filter(|other| *other != path && other.exists()),
            }),
            Err(error) => Err(unreadable(error)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.group.is_reaped() {
            return;
        }
        self.killer().kill();
        // SIGKILL is not refused, so this wait is short: except for a process in an uninterruptible system
        // call, which must not hold up the rank. It is then reaped by whoever inherits it.
        self.group.reap_soon(&mut self.child, Duration::from_secs(2));
    }
}
