//! Running one command task on a rank: `run` and `shell`.
//!
//! ```text
//! let root = ScratchRoot::new()?;                          // once a rank
//! let scratch = root.lend()?;                              // once an attempt
//! stage_inputs(scratch.path(), [("mesh.bin", Input::Bytes(mesh.into()))])?;
//! let spec = CommandSpec::new(["./solver", "--mesh", ".."], here, scratch.path());
//! let output = run(spec)?;
//! ```
//!
//! * A *spawner* starts them: a small process that was started before `MPI_Init`, or a thread where that was not
//!   possible. It kills all commands and removes the scratch directory when the rank dies, however it dies.
//! * The command leads a process group of its own; the whole group is killed when the command is cancelled,
//!   runs out of time, is dropped, and also when it ends: nothing that it left behind goes on using the
//!   task's cores.
//! * No code runs between fork and exec, so that std may use `posix_spawn`: forking a process with much
//!   memory is slow, and forking one that has initialised MPI corrupts InfiniBand traffic.
//! * The rank makes the pipes and hands them to the spawner; the thread that waits for the command writes its input and
//!   reads its outputs as they come: no amount of either stops the other.
//! * The launcher's variables are removed (`environment`), or a command that calls `MPI_Init` would take
//!   itself for the rank.

pub(crate) mod environment;
pub(crate) mod error;
pub(crate) mod find_program;
pub(crate) mod memory;
pub mod outputs;
pub(crate) mod pipes;
pub(crate) mod running;
pub(crate) mod scratch;
pub(crate) mod signals;
pub(crate) mod spawner;
pub(crate) mod staging;
pub(crate) mod stored_file;
#[cfg(test)]
mod tests;

pub(crate) use crate::commands::spawner::{Usage, end_all, serve_if_asked, start_process, stop_process};
pub(crate) use crate::commands::staging::{StagedInput, stage_inputs};
pub(crate) use crate::commands::stored_file::StoredFile;
pub(crate) use error::{Captured, CommandError, FailureKind};
pub(crate) use running::RunningCommand;
pub use scratch::ScratchRoot;
pub(crate) use scratch::{Scratch, ScratchError};

use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What becomes of the MPI launcher's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Launcher {
    /// They are removed: the command is a program of its own, and may call `MPI_Init` or `mpirun`.
    #[default]
    Scrub,
    /// They are left.
    Inherit,
}

/// One command to run, everything substituted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandSpec {
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
    /// A file that it reads from its standard input instead.
    pub stdin_file: Option<PathBuf>,
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
    /// The most memory that it and what it starts may have, in bytes: killed with more.
    pub memory: Option<u64>,
    /// It is started when fewer commands than this run here, or soon after.
    pub room: Option<u32>,
    /// The cores that it may run on; where there are none, those of the rank.
    pub cores: Vec<u32>,
}

impl CommandSpec {
    /// A command with a script's defaults.
    pub(crate) fn new<A: Into<OsString>>(
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
            stdin_file: None,
            outs: Vec::new(),
            ok_exit: vec![0],
            scratch: scratch.into(),
            timeout: None,
            grace: Duration::from_secs(5),
            memory: None,
            room: None,
            cores: Vec::new(),
        }
    }
}

/// A file that a command has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutFile {
    /// Its name in the specification.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub length: u64,
}

/// What a command that succeeded has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandOutput {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// The files it was to write, in the order of the specification. They lie in its private directory.
    pub outs: Vec<OutFile>,
    /// Its exit code, one of `ok_exit`.
    pub exit: i32,
    /// What it took.
    pub usage: Usage,
}

/// Runs a command to its end.
pub(crate) fn run(spec: CommandSpec) -> Result<CommandOutput, CommandError> {
    RunningCommand::start(spec)?.wait()
}
