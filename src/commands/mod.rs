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
pub(crate) mod spec;
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

pub(crate) use spec::{CommandSpec, Launcher};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A file that a command has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutFile {
    /// The name in the specification.
    pub name: String,
    /// The path.
    pub path: PathBuf,
    /// The length in bytes.
    pub length: u64,
}

/// The outputs of a command that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandOutput {
    /// The standard output.
    pub stdout: Vec<u8>,
    /// The standard error.
    pub stderr: Vec<u8>,
    /// The files that the command was to write, in the order of the specification, in its private directory.
    pub outs: Vec<OutFile>,
    /// The exit code, one of `ok_exit`.
    pub exit: i32,
    /// The resources that the command took.
    pub usage: Usage,
}

/// Runs a command to its end.
pub(crate) fn run(spec: CommandSpec) -> Result<CommandOutput, CommandError> {
    RunningCommand::start(spec)?.wait()
}
