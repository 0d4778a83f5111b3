//! Commands: running the program of a `run` or `shell` task on a rank.
//!
//! ```text
//! let root = ScratchRoot::new()?;                          // once a rank
//! let scratch = root.lend()?;                              // once an attempt
//! stage_inputs(scratch.path(), [("mesh.bin", Input::Bytes(mesh.into()))])?;
//! let spec = CommandSpec::new(["./solver", "--mesh", ".."], here, scratch.path());
//! let output = run(spec)?;
//! ```
//!
//! * The *spawner* (a fork server) starts the commands. It is a small process that was started before `MPI_Init`, or a
//!   thread where that was not possible. When the rank dies in any way, it kills all commands and removes the scratch
//!   directory.
//! * Each command leads a process group of its own. The whole group is killed when the command ends, is cancelled,
//!   exceeds its time limit, or is dropped: nothing that it leaves behind goes on using the task's cores.
//! * No code runs between fork and exec, so that std may use `posix_spawn`: forking a process with much memory is slow,
//!   and forking one that has initialised MPI corrupts InfiniBand traffic.
//! * The rank creates the pipes and hands them to the spawner. The thread that waits for the command writes its input
//!   and reads its outputs at the same time, so that neither can block the other.
//! * What a command prints is in memory as far as the rank's budget goes (`output_budget`), else in a file in scratch,
//!   written while the command runs (`stream_output`).
//! * The launcher's variables are removed (`environment`). With them, a command that calls `MPI_Init` would take itself
//!   for the rank.

pub(crate) mod dead_scratch;
pub(crate) mod environment;
pub(crate) mod error;
pub(crate) mod find_program;
pub(crate) mod folder;
#[cfg(test)]
mod limit_tests;
pub(crate) mod memory;
pub(crate) mod mpi_launcher;
pub(crate) mod output_budget;
pub mod outputs;
pub(crate) mod pipes;
mod rank_scratch;
pub(crate) mod removal;
pub(crate) mod running;
pub(crate) mod scratch;
pub(crate) mod signals;
#[cfg(test)]
pub(crate) mod simulated;
pub(crate) mod spawner;
pub(crate) mod spec;
pub(crate) mod staging;
pub(crate) mod stored_file;
pub(crate) mod stream_output;
#[cfg(test)]
mod tests;

pub(crate) use crate::commands::spawner::{Usage, end_all, serve_if_asked, start_process, stop_process};
pub(crate) use crate::commands::staging::{StagedInput, stage_inputs};
pub(crate) use crate::commands::stored_file::{StoredFile, is_program};
pub(crate) use error::{Captured, CommandError, FailureKind};
pub(crate) use running::RunningCommand;
pub use scratch::ScratchRoot;
pub(crate) use scratch::{Scratch, ScratchError};

pub(crate) use spec::{CommandSpec, Launcher};
pub(crate) use stream_output::StreamOutput;

use std::path::PathBuf;

/// An output file that a command has written in its private directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutFile {
    /// The name by which [`CommandSpec::outs`] lists the file.
    pub name: String,
    /// The path of the file, within the command's private directory.
    pub path: PathBuf,
    /// The length of the output file, in bytes.
    pub length: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// The outputs of a command that succeeded.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    /// The bytes that the command wrote to standard output.
    pub stdout: StreamOutput,
    /// The bytes that the command wrote to standard error.
    pub stderr: StreamOutput,
    /// The output files, in the order of [`CommandSpec::outs`]. They lie in the command's private directory.
    pub outs: Vec<OutFile>,
    /// The exit code of the command, or 128 and the number of the signal that killed it; one of those that mean success
    /// ([`CommandSpec::ok_exit`]).
    pub exit: i32,
    /// The processor time and the peak memory that the command used.
    pub usage: Usage,
}

/// Runs a command to its end, and returns its outputs.
pub(crate) fn run(spec: CommandSpec) -> Result<CommandOutput, CommandError> {
    RunningCommand::start(spec)?.wait()
}
