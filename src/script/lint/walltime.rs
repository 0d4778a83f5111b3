//! The time limit of the job (its wall time): how much of it is reserved for the end, and tasks that are too long for
//! it.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::syntax::script::RawScript;
use crate::script::values::units::words;
use std::time::Duration;

/// The longest time that is kept free of tasks before the end of a job, to tidy up; short jobs keep less free.
const MARGIN: Duration = Duration::from_secs(30);

/// Returns the time reserved for the end of a job with this time limit, to end commands in order, write files and tidy
/// up: a tenth of it, at most 30 seconds.
pub(crate) fn margin(limit: Duration) -> Duration {
    (limit / 10).min(MARGIN)
}

/// Returns how long tasks may run in a job with this time limit.
pub(crate) fn usable(limit: Duration) -> Duration {
    limit - margin(limit)
}

/// Reports tasks whose `time` is longer than the job: none of their instances would be started, in this job or the
/// next.
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
