//! What can go wrong, said so that the reader knows who (rank, host), where (task) and what to do.

use crate::ids::{Attempt, Rank};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The result of most calls of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a call of the library can fail with.
///
/// `Debug` prints the same text as `Display`, so that `fn main() -> dtask::Result<()>` ends with a readable line.
#[derive(Clone, thiserror::Error)]
pub enum Error {
    /// A task failed, or something it depends on did.
    #[error(transparent)]
    Task(#[from] Arc<TaskError>),
    /// A wait took longer than its limit; the task goes on.
    #[error("timed out after {0:?}: the task is not done yet")]
    Timeout(std::time::Duration),
    /// A value could not be encoded, or its bytes not decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Start-up failed: another executable, another version, an MPI without the thread level that is needed.
    #[error("{0}")]
    Startup(String),
    /// Rank 0 has refused to start, and says why itself.
    #[error("rank 0 has refused to start")]
    Refused,
    /// MPI reported an error, or a peer broke the protocol.
    #[error("rank {rank} ({host}): {message}")]
    Transport {
        /// Where it was seen.
        rank: Rank,
        /// The host of that rank.
        host: String,
        /// What happened.
        message: String,
    },
    /// The run ended before the task did.
    #[error("the run has ended: {0}")]
    Closed(String),
    /// Anything the program's own closure wants to report through `?`.
    #[error("{0}")]
    Other(String),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// A mistake of this program, which is told rather than hidden.
    pub(crate) fn internal(what: &str) -> Error {
        Error::Other(format!("internal error: {what}"))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::Other(error.to_string())
    }
}

/// Why a task has no result.
///
/// ```
/// # use dtask::{TaskError, Rank};
/// let error = TaskError {
///     message: "division by zero".into(), task: "div-1f00".into(), rank: Rank(3), host: "node12".into(), attempt: 1,
/// };
/// assert_eq!(error.to_string(), "task div-1f00 failed on rank 3 (node12), attempt 1: division by zero");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// The panic's message, the error's text, or what a command said.
    pub message: String,
    /// The key of the task that failed first; of a dependant it is not the dependant's own.
    pub task: String,
    /// Where it ran; of a task that could not be started, where it should have.
    pub rank: Rank,
    /// The host of that rank; empty if it could not be started.
    pub host: String,
    /// 1 for the first attempt; 0 if it could not be started.
    pub attempt: Attempt,
}

impl TaskError {
    /// Whether the task ran at all.
    pub fn was_started(&self) -> bool {
        self.attempt > 0
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskError { message, task, rank, host, attempt } = self;
        if !self.was_started() {
            return write!(f, "task {task} could not be started: {message}");
        }
        write!(f, "task {task} failed on rank {rank} ({host}), attempt {attempt}: {message}")
    }
}

impl std::error::Error for TaskError {}

/// What a task function returns in `Err` to fail its task; made from any error by `?`.
///
/// ```
/// fn parse(text: String) -> Result<i64, dtask::Failure> {
///     Ok(text.trim().parse()?)
/// }
/// assert!(parse("12".into()).is_ok());
/// assert_eq!(parse("x".into()).unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    /// A failure with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        Failure(message.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// `Failure` is no `std::error::Error` itself, else this would overlap with `impl From<T> for T`.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let why = cause.to_string();
            // many errors say their source themselves
            if !text.contains(&why) {
                text.push_str(": ");
                text.push_str(&why);
            }
            source = cause.source();
        }
        Failure(text)
    }
}

/// A value that could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    pub(crate) fn encode(error: impl fmt::Display) -> Self {
        CodecError(format!("cannot encode: {error}"))
    }

    pub(crate) fn decode(error: impl fmt::Display) -> Self {
        CodecError(format!("cannot decode: {error}"))
    }
}

/// The longest text of an error that is sent, in bytes.
pub const MESSAGE_MAX: usize = 8 * 1024;

/// `text` cut to [`MESSAGE_MAX`] bytes at a character's border, its end kept, since that is where commands say why.
pub fn bounded(text: String) -> String {
    bounded_to(MESSAGE_MAX, text)
}

/// As [`bounded`], to `most` bytes: some dozens at least.
pub fn bounded_to(most: usize, text: String) -> String {
    if text.len() <= most {
        return text;
    }
    let mut start = text.len() - most.saturating_sub(8);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("[…] {}", &text[start..])
}

/// A message that the state machine did not expect: a bug of dtask or a damaged message, never a panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProtocolError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        enum Outer {
            #[error("disk: {source}")]
            Says { source: std::io::Error },
            #[error("disk")]
            Leaves { source: std::io::Error },
        }
        let cause = || std::io::Error::other("full");
        assert_eq!(Failure::from(Outer::Says { source: cause() }).0, "disk: full");
        assert_eq!(Failure::from(Outer::Leaves { source: cause() }).0, "disk: full");
    }

    #[test]
    fn a_task_that_never_ran_names_no_place() {
        let never = TaskError {
            message: "no rank is left that computes".into(),
            task: "f-12".into(),
            rank: Rank(0),
            host: String::new(),
            attempt: 0,
        };
        assert_eq!(never.to_string(), "task f-12 could not be started: no rank is left that computes");
    }
}
