//! The settings with which a task's command is run: working directory, environment, limits, and retries after failures.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The settings with which a task's command is run. `D` is the type of the working directory: a text as written, or one
/// whose references are resolved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution<D> {
    /// The working directory of the command.
    pub dir: D,
    /// Whether the command starts with an empty environment.
    pub clean_env: bool,
    /// Whether the command gets the environment variables by which the MPI launcher started this rank. A command that
    /// calls MPI itself may be confused by them.
    pub inherit_mpi: bool,
    /// The time after which the command is killed; `None` for no limit.
    pub timeout: Option<Duration>,
    /// The most memory that the command and its descendants may use, in bytes; `None` for no limit.
    pub memory: Option<u64>,
    /// The most bytes that the command may print; `None` for no limit.
    pub max_output: Option<u64>,
    /// The factor by which the memory limit grows after each attempt that exceeded it; 1 keeps it.
    pub memory_step: f64,
    /// The number of further attempts after a failure; 0 means that the command runs once.
    pub retries: u32,
    /// The kinds of failures after which there is another attempt. An empty list means all.
    pub retry_on: Vec<RetryOn>,
    /// The pause before the second attempt. Each further attempt waits twice as long (exponential back-off).
    pub backoff: Duration,
}

impl<D> Execution<D> {
    /// Replaces the working directory, and with it the type parameter.
    pub(crate) fn with_dir<E>(self, dir: E) -> Execution<E> {
        Execution {
            dir,
            clean_env: self.clean_env,
            inherit_mpi: self.inherit_mpi,
            timeout: self.timeout,
            memory: self.memory,
            max_output: self.max_output,
            memory_step: self.memory_step,
            retries: self.retries,
            retry_on: self.retry_on,
            backoff: self.backoff,
        }
    }
}

/// The time for which the result of an instance is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// Until the last instance that reads the result is done.
    #[default]
    LastUse,
    /// In the ranks' memory until the end of the run.
    Memory,
    /// On disk, until no later run of the script needs the result.
    Checkpoint,
}

/// A kind of failure after which a command may run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryOn {
    /// The command was killed by a signal.
    Crash,
    /// The command ran longer than its `timeout`.
    Timeout,
    /// The command exceeded its `memory`, or the host ran out of it.
    Oom,
    /// The command ended with this exit code.
    Exit(i32),
}

impl RetryOn {
    /// Reads a kind of failure as scripts write it: `crash`, `timeout`, `oom`, `exit 75`. `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<RetryOn> {
        match text {
            "crash" => Some(RetryOn::Crash),
            "timeout" => Some(RetryOn::Timeout),
            "oom" => Some(RetryOn::Oom),
            _ => {
                let code = text.strip_prefix("exit ")?.trim().parse::<u8>().ok()?;
                Some(RetryOn::Exit(code.into()))
            }
        }
    }
}
