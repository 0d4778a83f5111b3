//! The failure of an instance: the engine's error carries its name, the task's number and its index.

use crate::batch::rank::{deadline, rank_state};
use crate::batch::task_def::TaskDef;
use crate::error::{Failure, Origin, TaskError, TaskErrorKind};
use crate::runtime::threads::task_context;
use crate::script::plan::Plan;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The failure of an instance that is left for the next run.
pub(crate) fn left(why: &str) -> Failure {
    Failure::new(why).of_kind(TaskErrorKind::Deferred)
}

/// Whether an instance has no result because it, or something that it needs, is left for the next run.
pub(crate) fn is_left(cause: &TaskError) -> bool {
    cause.kind == TaskErrorKind::Deferred
}

/// Runs an instance's work, if the job's time is enough for it: counts its time, and gives its name to its failure.
///
/// # Errors
/// The work's.
pub(crate) fn located<T>(
    def: &TaskDef,
    index: u64,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    located_at(def.number, index, work)
}

/// As [`located`], for an instance of the task of that number.
///
/// # Errors
/// The work's.
pub(crate) fn located_at<T>(
    task: u32,
    index: u64,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    task_context::name(Origin { group: task, index });
    let begin = Instant::now();
    let state = rank_state::current();
    let fits = state.deadline.admits(task, Duration::ZERO);
    let outcome = if fits { work() } else { Err(left(deadline::TOO_LATE)) };
    let took = begin.elapsed();
    state.add_busy(took);
    if outcome.is_ok() {
        state.deadline.learn(task, took);
    }
    outcome
}

/// An instance that has no result.
#[derive(Debug, Clone)]
pub(crate) struct FailedInstance {
    /// Its task's number.
    pub task: usize,
    /// Its index.
    pub index: u64,
    /// Why; of an instance that was not run, the error of what it needs.
    pub cause: Arc<TaskError>,
}

impl FailedInstance {
    /// Whether it failed itself, not something that it needs; not known where the engine says why.
    pub(crate) fn is_own(&self) -> Option<bool> {
        let Origin { group, index } = self.cause.origin?;
        Some((group as usize, index) == (self.task, self.index))
    }

    /// Whether it is left for the next run.
    pub(crate) fn is_left(&self) -> bool {
        is_left(&self.cause)
    }
}

/// Instances without a result, by why they have none.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// They failed.
    pub failed: Vec<FailedInstance>,
    /// They were never run, because something that they need has failed.
    pub skipped: Vec<FailedInstance>,
    /// They are left for the next run.
    pub left: Vec<FailedInstance>,
}

/// Parts instances that have failed from those that were never run because of them, and from what is left.
pub(crate) fn part(plan: &Plan, all: Vec<FailedInstance>) -> Parts {
    let (left, all): (Vec<_>, Vec<_>) = all.into_iter().partition(FailedInstance::is_left);
    let without: HashSet<(usize, u64)> = all.iter().map(|failed| (failed.task, failed.index)).collect();
    let own = |failed: &FailedInstance| {
        // an error of the engine is the instance's own unless something that it needs failed
        failed.is_own().unwrap_or_else(|| {
            plan.tasks.get(failed.task).is_none_or(|task| {
                let mut needs = task.references.iter();
                !needs.any(|need| {
                    need.instances(failed.index).any(|other| without.contains(&(need.task, other)))
                })
            })
        })
    };
    let (failed, skipped) = all.into_iter().partition(own);
    Parts { failed, skipped, left }
}

/// Failed instances of one task with one message, as the first of them and how many more there are.
pub(crate) fn group(failed: &[FailedInstance]) -> Vec<(&FailedInstance, usize)> {
    let mut groups: Vec<(&FailedInstance, usize)> = Vec::new();
    let mut known: HashMap<(usize, &str), usize> = HashMap::new();
    for failed in failed {
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

/// A failed instance in words, in rustc's manner; with it, `more` that failed in the same way.
pub(crate) fn tell(plan: &Plan, failed: &FailedInstance, more: usize) -> String {
    let TaskError { message, rank, host, attempt, .. } = &*failed.cause;
    let (label, origin) = plan.tasks.get(failed.task).map_or_else(
        || ("a task".to_owned(), plan.path.display().to_string()),
        |task| (task.label(failed.index), task.origin.clone()),
    );
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    if !failed.cause.was_started() {
        return format!("error: {label}{more} could not be started ({origin}): {message}");
    }
    let attempt = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    format!("error: {label}{more} failed ({origin}): rank {rank} ({host}){attempt}: {message}")
}
