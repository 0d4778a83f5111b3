//! The error types of the library. Each message tells the rank and host, the task, and if possible a remedy.

use crate::ids::{Attempt, Rank};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The result type of this crate's functions, with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a call of the library.
///
/// `Debug` prints the same text as `Display`, so that `fn main() -> dtask::Result<()>` ends with a readable line.
#[derive(Clone, thiserror::Error)]
pub enum Error {
    /// The task failed, or a task that it depends on did.
    #[error(transparent)]
    Task(#[from] Arc<TaskError>),
    /// A wait took longer than its time limit. The task, if the wait was for one, goes on.
    #[error("timed out after {0:?}: what was waited for is not done yet")]
    Timeout(std::time::Duration),
    /// A value could not be encoded, or bytes could not be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Start-up failed: ranks run different executables or versions, or MPI does not support threads as needed.
    #[error("{0}")]
    Startup(String),
    /// Rank 0 refused to start the run and has printed the reason itself.
    #[error("rank 0 has refused to start")]
    Refused,
    /// MPI reported an error, or another rank sent an unexpected message.
    #[error("rank {rank} ({host}): {message}")]
    Transport {
        /// The rank that noticed the error in communication.
        rank: Rank,
        /// The host name of that rank.
        host: String,
        /// A description of the error.
        message: String,
    },
    /// The run ended before the task did; the text tells the reason.
    #[error("the run has ended: {0}")]
    Closed(String),
    /// The other end of a channel, or a queue, an actor or another object, is closed, was released, or was lost with
    /// its rank; the text says which.
    #[error("{0}")]
    Gone(String),
    /// Any other error, such as a call that is not allowed where it was made, or an error of the program's own that its
    /// closure returns through `?`.
    #[error("{0}")]
    Other(String),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Makes the error of a mistake in dtask's own code, which is reported rather than hidden.
    pub(crate) fn internal(what: &str) -> Error {
        Error::Other(format!("internal error: {what}"))
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
    /// The task's function returned an error.
    #[default]
    Failed,
    /// The task's function panicked.
    Panicked,
    /// The task could not be started: no rank is able or allowed to run it, or a value that it needs is lost for good.
    NotStarted,
    /// The task was cancelled.
    Cancelled,
    /// The task was not started and is left for a later run, since the remaining time of this job does not suffice.
    Deferred,
    /// The task took longer than its time limit.
    TimedOut,
    /// The task cannot run in this run: the only rank that was allowed to run it has died, or the only one that had a
    /// value that it needs and that cannot be made again.
    RankLost,
    /// Several ranks have died with the task, so that it is taken to be the reason and is not started again.
    Quarantined,
}

/// The number of ranks that may die with a task before it is taken to be the reason.
pub(crate) const DEATHS_MAX: usize = 3;

/// The reason why a task is not started again that ranks have died with, each named with its host; `None` if they are
/// too few.
pub(crate) fn quarantine(ranks: &[String]) -> Option<String> {
    let text =
        || format!("{} have died with it, one after the other: it is not started again", ranks.join(", "));
    (ranks.len() >= DEATHS_MAX).then(text)
}

/// The wish of a failed attempt of a task: whether and how the task may start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Retry {
    /// The task may start again, up to the number of retries that its options allow.
    #[default]
    Allowed,
    /// The task must not start again, since another attempt would fail in the same way.
    Never,
    /// The task may start again, up to the number of retries that its options allow, but with this many bytes of host
    /// memory reserved for it.
    WithMemory(u64),
}

/// A task's name in the layer above the engine, for instance the batch tool. The engine copies it into errors without
/// reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The number of the task's group, for instance of a task in a script.
    pub group: u32,
    /// The index of the task within its group, for instance of an instance of a script's task.
    pub index: u64,
}

/// The failure of a task: the reason why it has no result.
///
/// ```
/// # fn main() -> dtask::Result<()> { dtask::run(|client| {
/// fn half(n: u32) -> Result<u32, dtask::Failure> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(dtask::Failure::new(format!("{n} is odd"))) }
/// }
/// let Err(dtask::Error::Task(error)) = client.submit(half, (7,)).result() else { panic!("7 has a half") };
/// assert_eq!((error.message.as_str(), error.attempt), ("7 is odd", 1));
/// assert_eq!(error.kind, dtask::TaskErrorKind::Failed);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskError {
    /// The panic message, the text of the error, or the error output of a command.
    pub message: String,
    /// The kind of the failure.
    pub kind: TaskErrorKind,
    /// The key of the task that failed first. For a task that failed since a task it depends on did, it is the key of
    /// that one.
    pub task: String,
    /// The rank that ran the task. For a task that could not be started, the rank that should have run it.
    pub rank: Rank,
    /// The name of the host of that rank; empty if the task could not be started.
    pub host: String,
    /// The number of the attempt that failed, from 1; 0 if the task could not be started.
    pub attempt: Attempt,
    /// The task's name in the layer above the engine; `None` if that layer gave it none.
    pub(crate) origin: Option<Origin>,
    pub(crate) retry: Retry,
    /// Facts of the failure in an encoding of the layer above, which the engine copies without reading; empty if that
    /// layer gave none.
    pub(crate) detail: Vec<u8>,
}

impl TaskError {
    /// Makes the error of a task that has run and failed, without an origin (a name in the layer above); allows a
    /// retry.
    #[doc(hidden)]
    pub fn of_attempt(message: String, task: String, rank: Rank, host: String, attempt: Attempt) -> Self {
        let (kind, retry) = (TaskErrorKind::Failed, Retry::Allowed);
        TaskError { message, kind, task, rank, host, attempt, origin: None, retry, detail: Vec::new() }
    }

    /// Makes the error of a task that could not be started.
    #[doc(hidden)]
    pub fn not_started(message: String, task: String, rank: Rank) -> Self {
        let kind = TaskErrorKind::NotStarted;
        TaskError { kind, ..TaskError::of_attempt(message, task, rank, String::new(), 0) }
    }

    /// Replaces the retry policy of this error.
    #[doc(hidden)]
    pub fn with_retry(self, retry: Retry) -> Self {
        TaskError { retry, ..self }
    }

    /// Whether the task ran at all; false if it failed before its first start.
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

/// The error type of a task function: returning it fails the task. Any [`std::error::Error`] converts into it with
/// `?`.
///
/// The error of another task, whose result this task asked for, is passed on unchanged. So the end of a chain of
/// tasks learns the first cause.
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
    /// The advice on another attempt; `None` if the function says nothing of it.
    retry: Option<Retry>,
    /// Facts of the failure for the layer above the engine, in its own encoding; empty for none.
    detail: Vec<u8>,
    /// The failure of another task, which is passed on in place of this one; `None` if the failure is the task's own.
    cause: Option<Arc<TaskError>>,
}

impl Failure {
    /// Makes a failure with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        let (message, kind) = (message.to_string(), TaskErrorKind::Failed);
        Failure { message, kind, retry: None, detail: Vec::new(), cause: None }
    }

    /// Makes the failure of an error that a task function returns, with the cause that it hands on.
    pub(crate) fn of_error<E: fmt::Display + 'static>(error: E) -> Self {
        let any: Box<dyn std::any::Any> = Box::new(error);
        let any = match any.downcast::<Failure>() {
            Ok(failure) => return *failure,
            Err(any) => any,
        };
        match any.downcast::<Error>() {
            Ok(error) => (*error).into(),
            // `{:#}` prints the causes of an `anyhow::Error` too
            Err(any) => {
                Failure::new(any.downcast_ref::<E>().map_or(String::new(), |error| format!("{error:#}")))
            }
        }
    }

    /// Replaces the kind of this failure (failed, panicked, ..).
    pub(crate) fn of_kind(self, kind: TaskErrorKind) -> Self {
        Failure { kind, ..self }
    }

    /// Replaces the retry policy of this failure.
    pub(crate) fn with_retry(self, retry: Retry) -> Self {
        Failure { retry: Some(retry), ..self }
    }

    /// Gives the failure this advice on another attempt, unless it has its own.
    pub(crate) fn or_retry(self, retry: Retry) -> Self {
        Failure { retry: self.retry.or(Some(retry)), ..self }
    }

    /// Gives the failure these facts for the layer above the engine, unless it has some.
    pub(crate) fn or_detail(self, detail: impl FnOnce() -> Vec<u8>) -> Self {
        let detail = if self.detail.is_empty() { detail() } else { self.detail };
        Failure { detail, ..self }
    }

    /// If this failure is a panic over `told`, the failure of another task (as when this task unwraps that task's
    /// result), makes `told` its cause. A panic carries nothing but a text, so it counts as such if its text contains
    /// that of `told`.
    pub(crate) fn unwrapping(self, told: Option<Arc<TaskError>>) -> Self {
        let is_unwrapped = |told: &Arc<TaskError>| {
            self.kind == TaskErrorKind::Panicked && self.message.contains(&told.to_string())
        };
        let cause = told.filter(is_unwrapped).or(self.cause);
        Failure { cause, ..self }
    }

    /// Replaces the message of this failure by `change(message)`.
    pub(crate) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        Failure { message: change(self.message), ..self }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Makes the error of a task that failed in its attempt number `attempt` on `rank`.
    pub(crate) fn into_error(
        self,
        rank: Rank,
        host: &str,
        attempt: Attempt,
        origin: Option<Origin>,
    ) -> TaskError {
        let Failure { message, kind, retry, detail, cause } = self;
        match cause {
            Some(cause) => (*cause).clone(),
            None => TaskError {
                message: bounded(message),
                kind,
                task: String::new(), // rank 0 fills in the key, which ranks do not know
                rank,
                host: host.to_owned(),
                attempt,
                origin,
                retry: retry.unwrap_or_default(),
                detail,
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

// `Failure` does not implement `std::error::Error`, else this would overlap with `impl From<T> for T`.
impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let first: &(dyn std::error::Error + 'static) = &error;
        let mut text = error.to_string();
        let mut cause = handed_on(first);
        let mut source = error.source();
        while let Some(next) = source {
            let why = next.to_string();
            // many errors print their source themselves
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

/// The error of another task that `error` carries, if it is an [`Error::Task`] or an `Arc<TaskError>`; else `None`.
fn handed_on(error: &(dyn std::error::Error + 'static)) -> Option<Arc<TaskError>> {
    match error.downcast_ref::<Error>() {
        Some(Error::Task(cause)) => Some(cause.clone()),
        Some(_) => None,
        None => error.downcast_ref::<Arc<TaskError>>().cloned(),
    }
}

/// The error of encoding or decoding a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    pub(crate) fn encode(error: impl fmt::Display) -> Self {
        CodecError(format!("cannot encode: {error}"))
    }

    /// Makes the error of a task whose arguments stand for the reason why it fails.
    pub(crate) fn never(why: String) -> Self {
        CodecError(why)
    }

    pub(crate) fn decode(error: impl fmt::Display) -> Self {
        CodecError(format!("cannot decode: {error}"))
    }
}

/// The longest text of an error that is sent to another rank, in bytes.
pub const MESSAGE_MAX: usize = 8 * 1024;

/// Shortens `text` to at most [`MESSAGE_MAX`] bytes, at the border of a character. The end is kept, since commands
/// report the reason last.
pub fn bounded(text: String) -> String {
    bounded_to(MESSAGE_MAX, text)
}

/// Shortens `text` like [`bounded`], to at most `most` bytes, which must be at least some dozens.
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

/// The error of a state machine that got an unexpected message, because of a bug in dtask or damaged bytes. The state
/// machines return it instead of panicking.
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
        // a text that only quotes another task's error is the task's own failure
        let own = at_end(Failure::new(format!("gave up: {first}")));
        assert_eq!((own.rank, own.attempt), (Rank(1), 4));
    }

    #[test]
    fn a_task_that_never_ran_names_no_place() {
        let never = TaskError::not_started("no rank is left that computes".into(), "f-12".into(), Rank(0));
        assert_eq!(never.to_string(), "task f-12 could not be started: no rank is left that computes");
    }
}
