//! The priority queue of ready tasks: those whose inputs are all there.
//!
//! A task has a user priority and a depth, the longest path to it from a task without inputs. One bucket for each pair
//! of these keeps its tasks in the order of arrival, as runs of consecutive numbers.

use crate::ids::TaskId;
use std::collections::{BTreeMap, VecDeque};

/// The entry at the front of the queue of ready tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A single task.
    Task(TaskId),
    /// The next task of a family (one function over a range of indexes), named by the family's first task.
    Family(TaskId),
}

/// The urgency of an entry in the queue: the user's priority, then the depth (the longest path from a task without
/// inputs). Entries with a larger one come first.
pub(super) type Urgency = (i32, u32);

#[derive(Debug, Default)]
struct Bucket {
    /// Runs of tasks with consecutive numbers, each as its first task and its length. Most tasks form such runs.
    tasks: VecDeque<(TaskId, u32)>,
    families: VecDeque<TaskId>,
}

impl Bucket {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.families.is_empty()
    }

    fn first(&self) -> Option<Next> {
        let family = || self.families.front().map(|&first| Next::Family(first));
        self.tasks.front().map(|&(task, _)| Next::Task(task)).or_else(family)
    }

    fn push(&mut self, task: TaskId) {
        match self.tasks.back_mut() {
            Some((first, count)) if *count < u32::MAX && task.0 == first.0 + u64::from(*count) => *count += 1,
            _ => self.tasks.push_back((task, 1)),
        }
    }

    fn pop(&mut self) {
        match self.tasks.front_mut() {
            Some((first, count)) if *count > 1 => {
                first.0 += 1;
                *count -= 1;
            }
            Some(_) => _ = self.tasks.pop_front(),
            None => _ = self.families.pop_front(),
        }
    }
}

/// The queue of ready tasks (all inputs have results): by user priority, then by depth, the larger first, then in the
/// order in which they became ready. Families come last among entries of equal priority and depth.
///
/// A task that is no longer ready stays in the queue. The caller skips it when it comes up.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// The bucket of the largest priority and depth, kept apart so that most calls need no look-up. Empty only if the
    /// queue is empty.
    top: Bucket,
    urgency: Urgency,
    /// The buckets of all other priorities and depths, none of them empty.
    rest: BTreeMap<Urgency, Bucket>,
    /// An empty bucket, kept to reuse its memory.
    spare: Bucket,
}

impl Ready {
    /// Queues a ready task under its priority and depth.
    pub(super) fn push(&mut self, priority: i32, depth: u32, task: TaskId) {
        self.bucket((priority, depth)).push(task);
    }

    /// Queues a family, whose tasks have no inputs, under its priority. The family is named by its first task.
    pub(super) fn push_family(&mut self, priority: i32, first: TaskId) {
        self.bucket((priority, 0)).families.push_back(first);
    }

    /// The bucket of entries of this `urgency`, made if needed. The caller must put an entry into it.
    fn bucket(&mut self, urgency: Urgency) -> &mut Bucket {
        if self.top.is_empty() {
            self.urgency = urgency;
        }
        if urgency < self.urgency {
            return self.rest.entry(urgency).or_insert_with(|| std::mem::take(&mut self.spare));
        }
        if urgency > self.urgency {
            let top = std::mem::replace(&mut self.top, std::mem::take(&mut self.spare));
            self.rest.insert(std::mem::replace(&mut self.urgency, urgency), top);
        }
        &mut self.top
    }

    /// Whether the queue is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.top.is_empty()
    }

    /// The first entry of the queue and its urgency. If `roots` is false, skips tasks without
    /// inputs.
    pub(super) fn peek(&self, roots: bool) -> Option<(Next, Urgency)> {
        if roots || self.urgency.1 > 0 {
            return Some((self.top.first()?, self.urgency));
        }
        // roots come last in their priority, so this skips at most one bucket per priority
        let (&urgency, bucket) = self.rest.iter().rev().find(|(urgency, _)| urgency.1 > 0)?;
        Some((bucket.first()?, urgency))
    }

    /// Removes the first entry of this `urgency`, which [`Ready::peek`] has returned.
    pub(super) fn pop(&mut self, urgency: Urgency) {
        let bucket = if urgency == self.urgency { Some(&mut self.top) } else { self.rest.get_mut(&urgency) };
        let Some(bucket) = bucket else { return };
        bucket.pop();
        if !bucket.is_empty() {
            return;
        }
        if urgency != self.urgency {
            self.rest.remove(&urgency);
        } else if let Some((urgency, bucket)) = self.rest.pop_last() {
            self.urgency = urgency;
            self.spare = std::mem::replace(&mut self.top, bucket);
        }
    }

    /// The tasks in the queue, without the instances of families. Used by the checks of tests.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        let runs = self.rest.values().chain([&self.top]).flat_map(|bucket| &bucket.tasks);
        runs.flat_map(|&(first, count)| (first.0..first.0 + u64::from(count)).map(TaskId))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(ready: &mut Ready) -> Vec<u64> {
        std::iter::from_fn(|| {
            let (next, urgency) = ready.peek(true)?;
            ready.pop(urgency);
            Some(match next {
                Next::Task(task) | Next::Family(task) => task.0,
            })
        })
        .collect()
    }

    #[test]
    fn priority_then_depth_then_order_of_arrival_then_families() {
        let mut ready = Ready::default();
        ready.push_family(0, TaskId(90));
        ready.push(0, 0, TaskId(1));
        ready.push(0, 2, TaskId(2));
        ready.push(-1, 9, TaskId(3));
        ready.push(0, 2, TaskId(4));
        ready.push(5, 0, TaskId(5));
        assert_eq!(drain(&mut ready), [5, 2, 4, 1, 90, 3]);
        assert_eq!(ready.peek(true), None);
    }

    #[test]
    fn roots_can_be_passed_by() {
        let mut ready = Ready::default();
        ready.push(5, 0, TaskId(1));
        ready.push(0, 0, TaskId(2));
        ready.push(0, 3, TaskId(3));
        assert_eq!(ready.peek(false), Some((Next::Task(TaskId(3)), (0, 3))));
        ready.pop((0, 3));
        assert_eq!(ready.peek(false), None);
        assert_eq!(drain(&mut ready), [1, 2]);
    }
}
