//! Chooses the instances to submit next: those whose inputs have been submitted, as many as the window has room for.

use crate::batch::head::failures::failed_members::Losses;
use crate::batch::head::submitter::{PART, Submitter};
use crate::batch::task_def::streams;
use crate::error::Result;
use crate::script::plan::task::{PlanTask, Reference, TaskAction};
use crate::script::values::execution::Keep;
use std::ops::Range;

impl Submitter<'_> {
    /// Whether all instances that an instance depends on have been submitted. False for an index after the last
    /// instance.
    pub(super) fn is_ready(&self, number: usize, index: u64) -> bool {
        let task = &self.plan.tasks[number];
        let whole = task.is_whole();
        let is_counted = |reference: &Reference| {
            let other = &self.plan.tasks[reference.task];
            // a tree is built of the instances that have a result
            other.optional || other.skippable && is_reduction(task)
        };
        let are_known =
            |reference: &Reference| self.losses.get(&reference.task).is_some_and(Losses::are_known);
        let is_there = |reference: &Reference| {
            if !task.reads(reference, index) {
                return true;
            }
            if let Some(running) = &self.retained.chains[reference.task] {
                let chains = &running.chains;
                if reference.last && !whole {
                    return reference.join.instances(index).all(|first| chains.is_over(first));
                }
                if reference.join.is_gather() || whole {
                    return chains.are_over() && (!is_counted(reference) || are_known(reference));
                }
                return reference.join.instances(index).all(|other| chains.is_settled(other));
            }
            let (submitted, all) = (self.next[reference.task], self.plan.tasks[reference.task].family.len());
            // an instance of the same task counts as submitted if its index is lower
            let submitted = if reference.task == number { submitted.max(index) } else { submitted };
            if is_counted(reference) && reference.join.is_gather() {
                return submitted == all && are_known(reference);
            }
            submitted == all || !whole && reference.join.last(index).is_none_or(|last| last < submitted)
        };
        index < task.family.len() && task.references.iter().all(is_there)
    }

    /// The ranges of instances of a task to submit now, of which `open` are submitted and have not ended. Empty if the
    /// window is full, or if inputs of the next instance are not submitted yet.
    pub(super) fn part(&mut self, number: usize, open: u64) -> Result<Vec<Range<u64>>> {
        let (task, next) = (&self.plan.tasks[number], self.next[number]);
        let all = task.family.len();
        if !self.is_ready(number, next) {
            return Ok(Vec::new());
        }
        if task.is_whole() {
            return Ok(std::iter::once(next..all).collect());
        }
        if self.is_lazy(number) {
            let end = self.todo.from(number, next).next().map_or(all, |run| run.end);
            return Ok(std::iter::once(next..end).collect());
        }
        let room = self.window.saturating_sub(open).min(PART).min(all - next);
        if task.references.is_empty() && room < PART.min(all - next) {
            return Ok(Vec::new());
        }
        let complete = task
            .references
            .iter()
            .all(|reference| self.next[reference.task] == self.plan.tasks[reference.task].family.len());
        let (mut ranges, mut left) = (Vec::new(), room);
        for run in self.todo.from(number, next) {
            let most = run.end.min(run.start.saturating_add(left));
            let ready = |index: &u64| complete || self.is_ready(number, *index);
            let end = if complete { most } else { (run.start..most).find(|at| !ready(at)).unwrap_or(most) };
            left -= end - run.start;
            ranges.extend((end > run.start).then_some(run.start..end));
            if end < run.end {
                break;
            }
        }
        Ok(ranges)
    }

    /// Whether the rest of a family is submitted to the engine as one item, which the engine expands into instances
    /// while it runs. That is possible if the task has neither dependencies nor dependants, and no instance of it in
    /// between is done.
    pub(super) fn is_lazy(&self, number: usize) -> bool {
        let task = &self.plan.tasks[number];
        // the instances of a task with files at rank 0 are all followed by one `StreamedTask`
        let has_stream = self.begun[number].is_some() && !streams(task).is_empty();
        if self.too_long[number] || has_stream || self.todo.from(number, self.next[number]).nth(1).is_some() {
            return false;
        }
        let saved = !task.action.is_command() && !task.saves.is_empty();
        let family = !matches!(
            task.action,
            TaskAction::MapReduce(_) | TaskAction::Reduce { .. } | TaskAction::Merge { .. }
        );
        family
            && !task.skippable
            && task.references.is_empty()
            && !self.read.referred[number]
            && task.keep == Keep::LastUse
            && !saved
    }
}

impl Submitter<'_> {
    /// The first instance of the rest of the plan, with the reason, if none of it can ever start: it waits for itself.
    /// `None` while a merge or the end of a family is still to come. The caller has nothing under way, and the last
    /// [`Submitter::advance`] has submitted nothing.
    pub(super) fn stuck(&self) -> Option<((usize, u64), String)> {
        if !self.unordered.is_empty() || self.losses.values().any(|losses| !losses.have_ended()) {
            return None;
        }
        let first = *self.left.first()?;
        let first = (first, self.next[first]);
        let mut path = vec![first];
        while let Some(next) = self.waits_for(*path.last()?).filter(|_| path.len() < NAMED) {
            let was_there = path.contains(&next);
            path.push(next);
            if was_there {
                break;
            }
        }
        let label = |(task, index): &(usize, u64)| format!("`{}`", self.plan.tasks[*task].label(*index));
        let rest: Vec<String> = path.iter().skip(1).map(label).collect();
        let rest = rest.join(", which waits for ");
        Some((first, format!("it can never start: it waits for {rest}; see `dtask explain E89` and `E90`")))
    }

    /// An instance that `instance` waits for: one that it reads, or the one before which it must not be submitted.
    fn waits_for(&self, (number, index): (usize, u64)) -> Option<(usize, u64)> {
        let task = &self.plan.tasks[number];
        let read = task.references.iter().filter(|reference| task.reads(reference, index));
        let mut missing = read.filter_map(|reference| {
            let next = self.next[reference.task];
            if task.is_whole() || reference.join.is_gather() {
                let all = self.plan.tasks[reference.task].family.len();
                return (next < all).then_some((reference.task, next));
            }
            // as in `is_ready`: an instance of the same task counts as submitted if its index is lower
            let next = if reference.task == number { next.max(index) } else { next };
            reference.join.last(index).filter(|last| *last >= next).map(|last| (reference.task, last))
        });
        // the instances of a task are submitted in the order of their indices
        missing.next().or_else(|| (self.next[number] < index).then_some((number, self.next[number])))
    }
}

/// The most instances of a circle that are named.
const NAMED: usize = 8;

/// Whether a task merges the results of a family as a tree.
fn is_reduction(task: &PlanTask) -> bool {
    matches!(task.action, TaskAction::Reduce { .. } | TaskAction::Merge { .. })
}
