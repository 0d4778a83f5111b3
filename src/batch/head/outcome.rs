//! The result of a run, gathered at rank 0.

use crate::batch::artifact::{Absence, Artifact};
use crate::batch::failure::{FailedInstance, is_left};
use crate::batch::head::outputs::shared_files::{OutputEnd, Sinks};
use crate::batch::head::outputs::shared_paths::paths;
use crate::batch::head::recorder::Recorder;
use crate::batch::head::stopped::Stopped;
use crate::batch::head::submitter::Submitter;
use crate::compact::Ranges;
use crate::error::{TaskError, TaskErrorKind};
use crate::script::plan::Plan;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The number of failures whose messages are kept whole. Beyond it a failure that was told keeps its first line: a
/// million messages of some kilobytes would fill rank 0's memory.
const WHOLE: usize = 1_000;

/// The result of a run: counts of instances, failures, written files, and the instances that were not run.
#[derive(Default)]
pub(crate) struct RunOutcome {
    /// The number of instances of the plan that have ended, with a result or without.
    pub ended: u64,
    /// The number of instances that were skipped, by task number.
    pub skipped: BTreeMap<usize, u64>,
    /// The number of instances that were not needed, since an earlier one has met `until`, by task number.
    pub not_needed: BTreeMap<usize, u64>,
    /// The number of instances among those two that earlier runs have found.
    pub absent_before: u64,
    /// For tasks whose `until` has never held in a loop, the last instances of such loops: the label of the first one,
    /// and the number of the others.
    pub unmet: Vec<(String, u64)>,
    /// Instances that have no result, each with the cause.
    pub failed: FailureList,
    /// The path of the table of all failures; `None` before the run is over, and if there are none.
    pub failures_file: Option<String>,
    /// Files that rank 0 writes from the outputs of instances, with their state.
    pub sinks: Sinks,
    /// The instances that were not run because the run was stopped early; `None` unless it was.
    pub stopped: Option<Stopped>,
    /// The number of instances that earlier runs have done; they are part of `ended`.
    pub earlier: u64,
    /// The number of runs just before this one in which no instance has ended.
    pub fruitless: u32,
    /// The number of instances that have failed in earlier runs, and run again.
    pub failed_before: u64,
    /// The recorder, which writes the ends of instances to the journal.
    pub recorder: Recorder,
    /// The error of the journal, as a text for the user; `None` if all could be recorded.
    pub unrecorded: Option<String>,
}

impl RunOutcome {
    /// Hands the files that have become complete since the last call to the recorder, and those that have grown; `all`
    /// of them, if no more comes.
    pub(crate) fn record_files(&mut self, plan: &Plan, all: bool) {
        self.recorder.complete(&plan.dir, self.sinks.take_complete());
        self.recorder.grown(&plan.dir, self.sinks.take_grown(all));
    }
}

impl RunOutcome {
    /// Counts the instances that earlier runs have skipped, or have found not to be needed.
    pub(crate) fn note_earlier(&mut self, plan: &Plan, submitter: &Submitter<'_>) {
        for number in 0..plan.tasks.len() {
            let [skipped, others] = submitter.todo.absent(number);
            let chains = submitter.retained.chains.get(number).and_then(Option::as_ref);
            let not_needed = others + chains.map_or(0, |running| running.chains.not_needed.count());
            for (counts, count) in [(&mut self.skipped, skipped), (&mut self.not_needed, not_needed)] {
                if count > 0 {
                    counts.insert(number, count);
                }
            }
            self.absent_before += skipped + not_needed;
        }
    }

    /// Notes the instances of a loop that were never submitted: those `beyond` its end, which are not needed, and those
    /// that are `lost` since the loop cannot go on. Files that instances share go on without their outputs.
    pub(crate) fn leave_out(
        &mut self,
        plan: &Plan,
        task: usize,
        beyond: &Ranges,
        lost: Vec<(u64, Arc<TaskError>)>,
    ) {
        let has_files = plan.tasks.get(task).is_some_and(|task| paths(task).next().is_some());
        self.ended += beyond.count() + lost.len() as u64;
        if !beyond.is_empty() {
            *self.not_needed.entry(task).or_insert(0) += beyond.count();
        }
        if has_files {
            let nothing = Artifact::Absent(Absence::NotNeeded);
            for index in beyond.iter().flatten() {
                self.sinks.end(plan, task, index, &OutputEnd::Done(&nothing));
            }
        }
        for (index, cause) in lost {
            let left = is_left(&cause);
            note(&mut self.failed, task, index, Some(cause));
            if has_files {
                self.sinks.end(plan, task, index, &OutputEnd::Lost { left });
            }
        }
    }

    /// Notes that an instance did not run although nothing has failed.
    pub(crate) fn note_absent(&mut self, task: usize, why: Absence) {
        let counts = match why {
            Absence::Skipped => &mut self.skipped,
            Absence::NotNeeded => &mut self.not_needed,
        };
        *counts.entry(task).or_insert(0) += 1;
    }
}

/// Instances without a result, in the order in which rank 0 has learnt of them, each once. An instance comes twice if
/// it failed and then the helper tasks that would have saved its result failed too.
#[derive(Default)]
pub(crate) struct FailureList {
    list: Vec<FailedInstance>,
    known: HashSet<(usize, u64)>,
    /// Instances that were cancelled, since the run stops early: they have not failed.
    cancelled: Vec<(usize, u64)>,
    left: u64,
    skipped: u64,
}

impl FailureList {
    /// Adds an instance, unless it is there already.
    pub(crate) fn push(&mut self, failed: FailedInstance) {
        if !self.known.insert((failed.task, failed.index)) {
            return;
        }
        if failed.cause.kind == TaskErrorKind::Cancelled {
            self.cancelled.push((failed.task, failed.index));
            return;
        }
        if failed.is_left() {
            self.left += 1;
        } else if failed.is_own() == Some(false) {
            self.skipped += 1;
        }
        self.list.push(failed);
    }

    /// Takes the instances that were cancelled when the run was stopped.
    pub(crate) fn take_cancelled(&mut self) -> Vec<(usize, u64)> {
        std::mem::take(&mut self.cancelled)
    }

    /// Whether the instance is in the list.
    pub(crate) fn has(&self, task: usize, index: u64) -> bool {
        self.known.contains(&(task, index))
    }

    /// The instances, in the order in which they were added.
    pub(crate) fn as_slice(&self) -> &[FailedInstance] {
        &self.list
    }

    /// The instances, in the order of the plan.
    pub(crate) fn in_order(&self) -> Vec<FailedInstance> {
        let mut list = self.list.clone();
        list.sort_unstable_by_key(|failed| (failed.task, failed.index));
        list
    }

    /// The number of instances that are left for the next run of the script.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The number of instances that were not run because a dependency has failed.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The number of instances that were run and failed.
    pub(crate) fn own(&self) -> u64 {
        self.list.len() as u64 - self.left - self.skipped
    }

    /// Notes that the instances from number `from` on were told to the user, up to number `to`. Their messages are not
    /// needed any more, and are shortened where there are many.
    pub(crate) fn note_told(&mut self, from: usize, to: usize) {
        let told = self.list.get_mut(from.max(WHOLE)..to).unwrap_or_default();
        for failed in told {
            let first = failed.cause.message.lines().next().unwrap_or_default();
            if first.len() < failed.cause.message.len() {
                let message = first.to_owned();
                failed.cause = Arc::new(TaskError { message, ..(*failed.cause).clone() });
            }
        }
    }
}

impl Extend<FailedInstance> for FailureList {
    fn extend<I: IntoIterator<Item = FailedInstance>>(&mut self, more: I) {
        more.into_iter().for_each(|failed| self.push(failed));
    }
}

/// Adds an instance to the list of failures; does nothing if `cause` is `None`, since the instance succeeded.
pub(crate) fn note(failed: &mut FailureList, task: usize, index: u64, cause: Option<Arc<TaskError>>) {
    if let Some(cause) = cause {
        failed.push(FailedInstance { task, index, cause });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::failure::left;
    use crate::error::{Failure, Origin};
    use crate::ids::Rank;

    fn failed(index: u64, of: u64, failure: Failure) -> FailedInstance {
        let origin = Some(Origin { group: 0, index: of });
        FailedInstance { task: 0, index, cause: Arc::new(failure.into_error(Rank(1), "h", 1, origin)) }
    }

    #[test]
    fn an_instance_is_listed_and_counted_once() {
        let mut list = FailureList::default();
        let all = [
            failed(3, 3, Failure::new("own")),
            failed(3, 3, Failure::new("again")),
            failed(2, 3, Failure::new("own")),
            failed(1, 1, left("late")),
        ];
        list.extend(all);
        assert_eq!((list.own(), list.skipped(), list.left()), (1, 1, 1));
        assert!(list.has(0, 3) && !list.has(0, 4));
        assert_eq!(list.in_order().iter().map(|failed| failed.index).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn of_very_many_failures_the_first_lines_are_kept() {
        let mut list = FailureList::default();
        list.extend((0..1_100).map(|index| failed(index, index, Failure::new("first\nsecond"))));
        list.note_told(0, 500);
        list.note_told(500, 1_050);
        let whole = list.as_slice().iter().filter(|failed| failed.cause.message.contains("second"));
        assert_eq!(whole.count(), 1_050, "1000 that are kept, 50 that are not told yet");
    }
}
