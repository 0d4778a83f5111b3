//! How a task's command is run: where, in which environment, how long, and what happens when it fails.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a task's command is run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution<D> {
    /// Where it is run.
    pub dir: D,
    /// From an empty environment.
    pub clean_env: bool,
    /// With the MPI launcher's variables.
    pub inherit_mpi: bool,
    /// It is ended after this.
    pub timeout: Option<Duration>,
    /// The most memory that it and what it starts may have, in bytes.
    pub memory: Option<u64>,
    /// What the limit grows by with each attempt that exceeded it.
    pub memory_step: f64,
    /// How often it is tried again.
    pub retries: u32,
    /// After which failures; after any, if there are none here.
    pub retry_on: Vec<RetryOn>,
    /// Before the second attempt; twice that before the third, and so on.
    pub backoff: Duration,
}

impl<D> Execution<D> {
    /// The same with the folder `dir`.
    pub(crate) fn with_dir<E>(self, dir: E) -> Execution<E> {
        let Execution {
            dir: _,
            clean_env,
            inherit_mpi,
            timeout,
            memory,
            memory_step,
            retries,
            retry_on,
            backoff,
        } = self;
        Execution { dir, clean_env, inherit_mpi, timeout, memory, memory_step, retries, retry_on, backoff }
    }
}

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryOn {
    /// Killed by a signal.
    Crash,
    /// Over its `timeout`.
    Timeout,
    /// Over its `memory`, or the host's.
    Oom,
    /// Ended with this exit code.
    Exit(i32),
}

impl RetryOn {
    /// As scripts write it: `crash`, `timeout`, `oom`, `exit 75`.
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
