//! The time that a job has: what of it is kept for the end, and tasks that are too long for it.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::syntax::script::RawScript;
use crate::script::values::units::words;
use std::time::Duration;

/// The most that is kept for the end.
const MARGIN: Duration = Duration::from_secs(30);

/// What is kept of a limit for the end of the job: to end commands in order, to write files, to tidy up.
pub(crate) fn margin(limit: Duration) -> Duration {
    (limit / 10).min(MARGIN)
}

/// How long tasks may run in a job that has so long.
pub(crate) fn usable(limit: Duration) -> Duration {
    limit - margin(limit)
}

/// Tasks whose `time` is longer than the job: none of their instances would be started, in this job or the next.
pub(crate) fn check(script: &RawScript, limit: Option<Duration>, cx: &mut DiagnosticCollector) {
    let Some(limit) = limit else { return };
    for task in &script.tasks {
        let Some(time) = task.time.as_ref().filter(|time| time.value > usable(limit)) else { continue };
        let message = format!("the `time` of `{}` is longer than the job", task.name.value);
        let label = format!("the job has {}, less {} for its end", words(limit), words(margin(limit)));
        cx.push(Diagnostic::new(Code::TimeTooLong, time.span.clone(), message).label(label).help(
            "ask for a longer job, or make the task shorter: none of its instances would ever be started",
        ));
    }
}
