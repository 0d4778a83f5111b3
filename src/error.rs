//! Errors of the library, said so that the reader knows who (rank, host), where (task) and what to do.

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

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::Other(error.to_string())
    }
}

/// The kind of a task's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TaskErrorKind {
    /// The task's function has returned an error.
    #[default]
    Failed,
    /// The task's function has panicked.
    Panicked,
    /// The task could not be started: no rank may or can run it, or a value that it needs is lost for good.
    NotStarted,
    /// The task was cancelled before it started.
    Cancelled,
    /// The task is left for a later run: the time of this one is not enough for it.
    Deferred,
}

/// How a task that has failed may be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Retry {
    /// As often as its options say.
    #[default]
    Allowed,
    /// Not at all: it would fail again.
    Never,
    /// As often as its options say, with so many bytes of its host's memory from now on.
    WithMemory(u64),
}

/// A name that the layer above the engine gives to a task; the engine carries it in errors and does not look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The number of a group of tasks.
    pub group: u32,
    /// The number of the task in its group.
    pub index: u64,
}

/// The reason why a task has no result.
///
/// ```
/// # fn main() -> dtask::Result<()> { dtask::run(|client| {
/// fn half(n: u32) -> Result<u32, dtask::Failure> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(dtask::Failure::new(format!("{n} is odd"))) }
/// }
/// let Err(dtask::Error::Task(error)) = client.submit(half, (7,)).result() else { panic!("7 has a half") };
/// assert_eq!((error.message.as_str(), error.attempt), ("7 is odd", 1));
/// assert_eq!(error.kind, dtask::TaskErrorKind::Failed);
/// Ok(()) })?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskError {
    /// The panic's message, the error's text, or what a command said.
    pub message: String,
    /// The kind of the failure.
    pub kind: TaskErrorKind,
    /// The key of the task that failed first; of a dependant it is not the dependant's own.
    pub task: String,
    /// The rank where it ran; of a task that could not be started, where it should have.
    pub rank: Rank,
    /// The host of that rank; empty if it could not be started.
    pub host: String,
    /// 1 for the first attempt; 0 if it could not be started.
    pub attempt: Attempt,
    /// The name of the task at the layer above the engine, if that has given it one.
    pub(crate) origin: Option<Origin>,
    pub(crate) retry: Retry,
}

impl TaskError {
    /// An error of a task that has run, without an origin.
    #[doc(hidden)]
    pub fn of_attempt(message: String, task: String, rank: Rank, host: String, attempt: Attempt) -> Self {
        let (kind, retry) = (TaskErrorKind::Failed, Retry::Allowed);
        TaskError { message, kind, task, rank, host, attempt, origin: None, retry }
    }

    /// The error of a task that could not be started.
    #[doc(hidden)]
    pub fn not_started(message: String, task: String, rank: Rank) -> Self {
        let kind = TaskErrorKind::NotStarted;
        TaskError { kind, ..TaskError::of_attempt(message, task, rank, String::new(), 0) }
    }

    /// The same error, after which the task may be started again in this way.
    #[doc(hidden)]
    pub fn with_retry(self, retry: Retry) -> Self {
        TaskError { retry, ..self }
    }

    /// Whether the task ran at all.
    pub fn was_started(&self) -> bool {
        self.attempt > 0
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskError { message, task, rank, host, attempt, .. } = self;
        if !self.was_started() {
            return write!(f, "task {task} could not be started: {message}");
        }
        write!(f, "task {task} failed on rank {rank} ({host}), attempt {attempt}: {message}")
    }
}

impl std::error::Error for TaskError {}

/// The error of a task function: it fails the task. Any error becomes one by `?`.
///
/// An error of another task, of which this one has asked for the result, is handed on as it is: the first cause is what the
/// end of a chain of tasks is told.
///
/// ```
/// fn parse(text: String) -> Result<i64, dtask::Failure> {
///     Ok(text.trim().parse()?)
/// }
/// assert!(parse("12".into()).is_ok());
/// assert_eq!(parse("x".into()).unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    kind: TaskErrorKind,
    retry: Retry,
    /// The failure of another task that is handed on.
    cause: Option<Arc<TaskError>>,
}

impl Failure {
    /// A failure with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        Failure {
            message: message.to_string(),
            kind: TaskErrorKind::Failed,
            retry: Retry::Allowed,
            cause: None,
        }
    }

    /// The same failure, of this kind.
    pub(crate) fn of_kind(self, kind: TaskErrorKind) -> Self {
        Failure { kind, ..self }
    }

    /// The same failure, after which the task may be started again in this way.
    pub(crate) fn with_retry(self, retry: Retry) -> Self {
        Failure { retry, ..self }
    }

    /// The same failure with more words, of which `change` makes the message.
    pub(crate) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        Failure { message: change(self.message), ..self }
    }

    /// The message.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The error of a task that has failed so at its `attempt` on `rank`.
    pub(crate) fn into_error(
        self,
        rank: Rank,
        host: &str,
        attempt: Attempt,
        origin: Option<Origin>,
    ) -> TaskError {
        let Failure { message, kind, retry, cause } = self;
        match cause {
            Some(cause) => (*cause).clone(),
            None => TaskError {
                message: bounded(message),
                kind,
                task: String::new(), // rank 0 knows its key
                rank,
                host: host.to_owned(),
                attempt,
                origin,
                retry,
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// `Failure` is no `std::error::Error` itself, else this would overlap with `impl From<T> for T`.
impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let first: &(dyn std::error::Error + 'static) = &error;
        let mut text = error.to_string();
        let mut cause = handed_on(first);
        let mut source = error.source();
        while let Some(next) = source {
            let why = next.to_string();
            // many errors say their source themselves
            if !text.contains(&why) {
                text.push_str(": ");
                text.push_str(&why);
            }
            cause = cause.or_else(|| handed_on(next));
            source = next.source();
        }
        Failure { cause, ..Failure::new(text) }
    }
}

/// The error of another task that an error is, if it is one.
fn handed_on(error: &(dyn std::error::Error + 'static)) -> Option<Arc<TaskError>> {
    match error.downcast_ref::<Error>() {
        Some(Error::Task(cause)) => Some(cause.clone()),
        Some(_) => None,
        None => error.downcast_ref::<Arc<TaskError>>().cloned(),
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
        assert_eq!(Failure::from(Outer::Says { source: cause() }).message, "disk: full");
        assert_eq!(Failure::from(Outer::Leaves { source: cause() }).message, "disk: full");
    }

    #[test]
    fn the_error_of_another_task_is_handed_on_as_it_is() {
        #[derive(Debug, thiserror::Error)]
        #[error("step 3: {source}")]
        struct Step {
            source: Error,
        }
        let first = Arc::new(TaskError::of_attempt("odd".into(), "half-1".into(), Rank(2), "n2".into(), 1));
        let at_end = |failure: Failure| failure.into_error(Rank(1), "n1", 4, None);
        assert_eq!(at_end(Error::Task(first.clone()).into()), *first);
        assert_eq!(at_end(Step { source: Error::Task(first.clone()) }.into()), *first);
        // a text that only quotes it is the task's own
        let own = at_end(Failure::new(format!("gave up: {first}")));
        assert_eq!((own.rank, own.attempt), (Rank(1), 4));
    }

    #[test]
    fn a_task_that_never_ran_names_no_place() {
        let never = TaskError::not_started("no rank is left that computes".into(), "f-12".into(), Rank(0));
        assert_eq!(never.to_string(), "task f-12 could not be started: no rank is left that computes");
    }
}
