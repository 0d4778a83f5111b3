//! Which instance has failed: the engine's error names the function, not the instance.

use super::def::Def;
use super::rank;
use crate::error::{Failure, TaskError};
use crate::script::Plan;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Begins and ends the name of an instance in front of a message; no message of a program has it.
const MARK: char = '\u{1}';

/// Runs an instance's work: counts its time, and puts the instance's name before its failure.
///
/// # Errors
/// The work's.
pub fn located<T>(def: &Def, index: u64, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    located_at(def.number, index, work)
}

/// As [`located`], for an instance of the task of that number.
///
/// # Errors
/// The work's.
pub fn located_at<T>(task: u32, index: u64, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let begin = Instant::now();
    let outcome = work();
    rank::busy(begin.elapsed());
    outcome.map_err(|Failure(message)| Failure(format!("{message}{MARK}{task}:{index}{MARK}")))
}

/// The instance that a message names, and the message without it.
fn parse(message: &str) -> (Option<(usize, u64)>, &str) {
    let named = || {
        // at the end, since long messages are cut at their beginning
        let (text, name) = message.strip_suffix(MARK)?.rsplit_once(MARK)?;
        let (task, index) = name.split_once(':')?;
        Some(((task.parse().ok()?, index.parse().ok()?), text))
    };
    named().map_or((None, message), |(name, text)| (Some(name), text))
}

/// An instance that has no result.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Its task's number.
    pub task: usize,
    /// Its index.
    pub index: u64,
    /// Why; of an instance that was not run, the error of what it needs.
    pub cause: Arc<TaskError>,
}

impl Failed {
    /// Whether it failed itself, not something that it needs; not known where the engine says why, as of a panic.
    pub fn is_own(&self) -> Option<bool> {
        Some(parse(&self.cause.message).0? == (self.task, self.index))
    }
}

/// Parts instances that have failed from those that were never run because of them.
pub fn part(plan: &Plan, all: Vec<Failed>) -> (Vec<Failed>, Vec<Failed>) {
    let without: HashSet<(usize, u64)> = all.iter().map(|failed| (failed.task, failed.index)).collect();
    let own = |failed: &Failed| {
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
    all.into_iter().partition(own)
}

/// Failed instances of one task with one message, as the first of them and how many more there are.
pub fn group(failed: &[Failed]) -> Vec<(&Failed, usize)> {
    let mut groups: Vec<(&Failed, usize)> = Vec::new();
    let mut known: HashMap<(usize, &str), usize> = HashMap::new();
    for failed in failed {
        match known.entry((failed.task, parse(&failed.cause.message).1)) {
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
pub fn tell(plan: &Plan, failed: &Failed, more: usize) -> String {
    let TaskError { message, rank, host, attempt, .. } = &*failed.cause;
    let message = parse(message).1;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_instances_are_found_again() {
        let failure: Failure =
            located_at(3, 12, || Err::<(), _>(Failure::new("no\nway"))).expect_err("it failed");
        assert_eq!(parse(&failure.0), (Some((3, 12)), "no\nway"));
        assert_eq!(parse("the task panicked: x"), (None, "the task panicked: x"));
        assert_eq!(parse("\u{1}x:y\u{1}"), (None, "\u{1}x:y\u{1}"));
        assert_eq!(parse(""), (None, ""));
    }
}
