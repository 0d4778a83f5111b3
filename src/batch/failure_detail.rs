//! Facts of a failed attempt that rank 0 tells the user: how the command ended, how long it took, what it has logged.

use crate::codec;
use crate::commands::FailureKind;
use crate::commands::signals;
use crate::error::{TaskError, TaskErrorKind};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Facts of a failed attempt at an instance. They travel to rank 0 within the engine's error, encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct FailureDetail {
    /// The kind of the command's failure; `None` if no command failed, but for instance an expression.
    pub command: Option<FailureKind>,
    /// The time that the attempt took.
    pub took: Duration,
    /// Whether the log has something of the command's standard output.
    pub stdout_logged: bool,
    /// Whether the log has something of the command's standard error.
    pub stderr_logged: bool,
}

impl FailureDetail {
    /// Encodes the facts for [`TaskError`].
    pub(crate) fn encode(&self) -> Vec<u8> {
        codec::encode(self).unwrap_or_default()
    }

    /// Decodes the facts of an error. An error that the engine has made, or a rank with other facts, has none.
    pub(crate) fn of(error: &TaskError) -> FailureDetail {
        codec::decode(&error.detail).unwrap_or_default()
    }
}

/// Names the kind of a failure in a word or two, as the table of failures has it: `exit 3`, `timeout`, `oom`. The
/// kinds that `retry-on` can list have the same words as there.
pub(crate) fn kind(error: &TaskError) -> String {
    let word = match (FailureDetail::of(error).command, error.kind) {
        (Some(FailureKind::Exit(code)), _) => {
            let Some(signal) = signals::signal_of(code) else { return format!("exit {code}") };
            let name = signals::signal_name(signal);
            return name.split(" (").next().unwrap_or_default().to_owned();
        }
        (Some(FailureKind::NotStarted), _) => "no program",
        (Some(FailureKind::TimedOut), _) => "timeout",
        (Some(FailureKind::OutOfMemory), _) => "oom",
        (Some(FailureKind::Cancelled), _) | (None, TaskErrorKind::Cancelled) => "cancelled",
        (Some(FailureKind::TooMuchOutput), _) => "max-output",
        (Some(FailureKind::Output), _) => "output",
        (Some(FailureKind::System), _) => "system",
        (None, TaskErrorKind::Panicked) => "panic",
        (None, TaskErrorKind::NotStarted) => "not started",
        (None, TaskErrorKind::Quarantined) => "quarantined",
        (None, _) => "error",
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;
    use crate::ids::Rank;

    #[test]
    fn facts_travel_and_kinds_have_words() {
        let detail = FailureDetail {
            command: Some(FailureKind::Exit(3)),
            took: Duration::from_millis(1234),
            stdout_logged: true,
            stderr_logged: false,
        };
        let failed = |failure: Failure| failure.into_error(Rank(1), "h", 1, None);
        let error = failed(Failure::new("no").or_detail(|| detail.encode()).or_detail(|| vec![9]));
        assert_eq!((FailureDetail::of(&error), kind(&error)), (detail, "exit 3".to_owned()));
        let error = failed(Failure::new("no").of_kind(TaskErrorKind::Panicked));
        assert_eq!((FailureDetail::of(&error), kind(&error)), (FailureDetail::default(), "panic".to_owned()));
        let killed = FailureDetail { command: Some(FailureKind::Exit(128 + 9)), ..detail };
        assert_eq!(kind(&failed(Failure::new("").or_detail(|| killed.encode()))), "SIGKILL");
        // bytes that are no encoding of facts
        assert_eq!(kind(&failed(Failure::new("").or_detail(|| vec![255; 3]))), "error");
    }
}
