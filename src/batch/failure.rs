//! Failures of instances: how an engine error is given the number of its task and the index of its instance, and how
//! failures are sorted into failed, skipped and left for the next run, and printed.

use crate::batch::failure_detail::FailureDetail;
use crate::batch::rank::{deadline, logs, rank_state};
use crate::batch::task_def::TaskDef;
use crate::clock;
use crate::console;
use crate::error::{Failure, Origin, Retry, TaskError, TaskErrorKind};
use crate::journal::crashes;
use crate::runtime::host::system_calls;
use crate::runtime::threads::task_context;
use crate::script::plan::Plan;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes the failure of a deferred instance: the instance is not run now, but left for the next run of the script.
/// `why` is the reason for the user, such as too little time.
pub(crate) fn left(why: &str) -> Failure {
    Failure::new(why).of_kind(TaskErrorKind::Deferred)
}

/// Whether an error means that an instance was deferred to the next run of the script: because the instance itself was,
/// or an instance that it depends on. What lacks a rank that has died can run when that rank is there again.
pub(crate) fn is_left(cause: &TaskError) -> bool {
    matches!(cause.kind, TaskErrorKind::Deferred | TaskErrorKind::RankLost)
}

/// Runs the `work` of an instance on this rank, unless too little of the job's time is left. Adds the time that it took
/// to the rank's busy time, and puts task number and index into its failure.
///
/// # Errors
/// The failure of the work, or a failure of kind [`TaskErrorKind::Deferred`] when the time is too short.
pub(crate) fn located<T>(
    def: &TaskDef,
    index: u64,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    system_calls::note_crashes_in(|| crashes::file_in(Path::new(&def.folder)));
    let quarantined = |why: &str| Failure::new(why).of_kind(TaskErrorKind::Quarantined);
    match def.quarantine(index) {
        None => located_at(def.number, index, work),
        Some(why) => located_at(def.number, index, || Err(quarantined(why))),
    }
}

/// Does the same as [`located`] for a caller that knows only the number of the task, not its definition.
///
/// # Errors
/// The failure of the work.
pub(crate) fn located_at<T>(
    task: u32,
    index: u64,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    task_context::name(Origin { group: task, index });
    let begin = clock::now();
    let state = rank_state::current();
    let fits = state.deadline.admits(task, Duration::ZERO);
    let outcome = if fits { work() } else { Err(left(state.deadline.why_not())) };
    // the end of the process has killed its commands and removed its scratch directory
    let is_ending = outcome.is_err() && state.is_ending(Duration::ZERO);
    let outcome = if is_ending { Err(left(deadline::STOPPED)) } else { outcome };
    let took = clock::since(begin);
    state.add_busy(took);
    if outcome.is_ok() {
        state.deadline.learn(task, took);
    }
    // a deferred instance, or an input that cannot be read, would only fail again: `retry-on` is about commands
    let detail = || FailureDetail { took, ..FailureDetail::default() }.encode();
    outcome.map_err(|failure| failure.or_retry(Retry::Never).or_detail(detail))
}

/// An instance without a result: it failed, or was skipped because a dependency failed, or was deferred to the next run
/// of the script.
#[derive(Debug, Clone)]
pub(crate) struct FailedInstance {
    /// The number of the task in the plan (the compiled script).
    pub task: usize,
    /// The index of the instance among all instances of its task.
    pub index: u64,
    /// The cause. For an instance that was not run, the error of the instance that it depends on.
    pub cause: Arc<TaskError>,
}

impl FailedInstance {
    /// Whether the instance itself failed, rather than an instance that it depends on. `None` where the error names no
    /// instance, because the engine made it.
    pub(crate) fn is_own(&self) -> Option<bool> {
        let Origin { group, index } = self.cause.origin?;
        Some((group as usize, index) == (self.task, self.index))
    }

    /// Whether the instance was deferred, to be run by the next run of the script.
    pub(crate) fn is_left(&self) -> bool {
        is_left(&self.cause)
    }
}

/// All instances without a result, in three lists by the reason.
#[derive(Debug, Default)]
pub(crate) struct FailuresByKind {
    /// Instances that were run and failed.
    pub failed: Vec<FailedInstance>,
    /// Instances that were never run, because a dependency has failed.
    pub skipped: Vec<FailedInstance>,
    /// Instances that were deferred, to be run by the next run of the script.
    pub left: Vec<FailedInstance>,
}

/// Sorts the instances of `all`, which have no result, into failed, skipped (a dependency has failed) and left for the
/// next run of the script.
pub(crate) fn part(plan: &Plan, all: Vec<FailedInstance>) -> FailuresByKind {
    let (left, all): (Vec<_>, Vec<_>) = all.into_iter().partition(FailedInstance::is_left);
    let without: HashSet<(usize, u64)> = all.iter().map(|failed| (failed.task, failed.index)).collect();
    let own =
        |failed: &FailedInstance| is_failure(plan, failed, |task, index| without.contains(&(task, index)));
    let (failed, skipped) = all.into_iter().partition(own);
    FailuresByKind { failed, skipped, left }
}

/// Whether an instance without a result was run and failed, rather than skipped because a dependency has failed.
/// `without` tells of an instance, by task number and index, whether it has no result.
pub(crate) fn is_failure(plan: &Plan, failed: &FailedInstance, without: impl Fn(usize, u64) -> bool) -> bool {
    // an error of the engine is the instance's own unless something that it needs failed
    failed.is_own().unwrap_or_else(|| {
        plan.tasks.get(failed.task).is_none_or(|task| {
            let mut needs = task.references.iter();
            !needs.any(|need| task.inputs(need, failed.index).any(|other| without(need.task, other)))
        })
    })
}

/// Groups failed instances of one task whose messages are equal, so that each message is printed once. Gives for each
/// group its first instance and the number of the others.
pub(crate) fn group<'f>(failed: &[&'f FailedInstance]) -> Vec<(&'f FailedInstance, usize)> {
    let mut groups: Vec<(&FailedInstance, usize)> = Vec::new();
    let mut known: HashMap<(usize, &str), usize> = HashMap::new();
    for failed in failed.iter().copied() {
        match known.entry((failed.task, failed.cause.message.as_str())) {
            Entry::Occupied(group) => groups[*group.get()].1 += 1,
            Entry::Vacant(new) => {
                new.insert(groups.len());
                groups.push((failed, 0));
            }
        }
    }
    groups
}

/// Formats the failure of an instance as a message in the style of rustc's, with the line to type to see what it has
/// printed. `more` counts the other instances of the task that failed with an equal message; `source` is the argument
/// of `dtask log` for this run.
pub(crate) fn tell(plan: &Plan, failed: &FailedInstance, more: usize, source: &str) -> String {
    let TaskError { message, rank, host, attempt, .. } = &*failed.cause;
    let (label, origin) = plan.tasks.get(failed.task).map_or_else(
        || ("a task".to_owned(), plan.path.display().to_string()),
        |task| (task.label(failed.index), task.origin.clone()),
    );
    let log = log_line(&label, &failed.cause, source);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    if failed.cause.kind == TaskErrorKind::Quarantined {
        let name = plan.tasks.get(failed.task).map_or("TASK", |task| task.name.as_str());
        let label = logs::one_line(&label);
        let log = console::line_to_type(&["log", source, &label]);
        return format!(
            "error: {label}{more} is quarantined ({origin}): {message}\n  = log: {log}\n  = help: mend the task, or run it \
             once more as it is with `--force {name}`"
        );
    }
    if !failed.cause.was_started() {
        return format!("error: {label}{more} could not be started ({origin}): {message}");
    }
    let attempt = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    format!("error: {label}{more} failed ({origin}): rank {rank} ({host}){attempt}: {message}{log}")
}

/// The line that prints what a failed instance has written, to be pasted into a shell; empty if the log has nothing of
/// it.
fn log_line(label: &str, cause: &TaskError, source: &str) -> String {
    let detail = FailureDetail::of(cause);
    let stream = match (detail.stderr_logged, detail.stdout_logged) {
        (true, _) => Some("--stderr"),
        (false, true) => None,
        (false, false) => return String::new(),
    };
    let label = logs::one_line(label);
    let args: Vec<&str> = ["log", source, &label].into_iter().chain(stream).collect();
    format!("\n  = log: {}", console::line_to_type(&args))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Rank;

    #[test]
    fn only_what_a_command_says_may_be_tried_again() {
        let retry = |failure: Failure| {
            let failed = located_at(3, 12, || Err::<(), _>(failure)).expect_err("it failed");
            failed.into_error(Rank(1), "h", 1, None).retry
        };
        assert_eq!(retry(Failure::new("no such input")), Retry::Never);
        assert_eq!(retry(left("too late")), Retry::Never);
        assert_eq!(retry(Failure::new("exit code 1").with_retry(Retry::Allowed)), Retry::Allowed);
    }
}
