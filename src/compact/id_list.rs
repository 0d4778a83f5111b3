//! Short lists of task numbers in one machine word.
//!
//! A task record has two such lists: the inputs and the consumers of the task. Most have at most two elements whose
//! numbers are near the number of the record's task, so the word holds the differences. A longer list moves to a side
//! table, [`Lists`], and the word holds the number of its entry.

use crate::ids::TaskId;
use smallvec::SmallVec;
use std::num::NonZeroI32;

/// A list of tasks in the order of insertion, in one word: up to two near tasks as differences of their numbers, or the
/// number of a list in the side table [`Lists`].
///
/// A task is near if its number differs by less than 2^31 from that of the task whose record contains the list. Each
/// method takes that task as `own`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct IdList {
    /// The difference between the number of the list's first task and that of `own`. If this is `None` and `second` is
    /// not, `second` is the number of a list in [`Lists`]; if both are `None`, the list is empty.
    first: Option<NonZeroI32>,
    second: Option<NonZeroI32>,
}

const _: () = assert!(size_of::<IdList>() == 8);

/// The side table for lists that do not fit into the word of an [`IdList`].
#[derive(Debug, Default)]
pub struct Lists {
    /// The lists, that with number 1 first.
    lists: Vec<Vec<TaskId>>,
    free: Vec<NonZeroI32>,
}

impl Lists {
    /// The number of lists in the side table that are in use.
    pub fn len(&self) -> usize {
        self.lists.len() - self.free.len()
    }

    fn get(&self, number: NonZeroI32) -> &[TaskId] {
        &self.lists[number.get() as usize - 1]
    }

    fn get_mut(&mut self, number: NonZeroI32) -> &mut Vec<TaskId> {
        &mut self.lists[number.get() as usize - 1]
    }

    fn add(&mut self, list: Vec<TaskId>) -> NonZeroI32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.lists.push(Vec::new());
            i32::try_from(self.lists.len()).ok().and_then(NonZeroI32::new).unwrap_or(NonZeroI32::MAX)
        });
        *self.get_mut(number) = list;
        number
    }

    fn take(&mut self, number: NonZeroI32) -> Vec<TaskId> {
        self.free.push(number);
        std::mem::take(self.get_mut(number))
    }
}

/// An iterator over the tasks of an [`IdList`], in the order of insertion.
#[derive(Debug, Clone)]
pub enum Iter<'a> {
    /// The task whose record contains the list, and the differences of up to two others to its number.
    Near(TaskId, Option<NonZeroI32>, Option<NonZeroI32>),
    /// The tasks of a list in [`Lists`] that were not yielded yet.
    Listed(std::slice::Iter<'a, TaskId>),
}

impl Iter<'_> {
    /// An iterator that yields nothing.
    pub fn none() -> Self {
        Iter::Near(TaskId(0), None, None)
    }
}

impl Iterator for Iter<'_> {
    type Item = TaskId;

    fn next(&mut self) -> Option<TaskId> {
        match self {
            Iter::Near(own, first, second) => {
                let distance = first.take().or_else(|| second.take())?;
                Some(TaskId(own.0.wrapping_add_signed(distance.get().into())))
            }
            Iter::Listed(tasks) => tasks.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match self {
            Iter::Near(_, first, second) => usize::from(first.is_some()) + usize::from(second.is_some()),
            Iter::Listed(tasks) => tasks.len(),
        };
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl IdList {
    /// Makes a list of the tasks `tasks`, to be stored in the record of the task `own`.
    #[inline]
    pub fn new(own: TaskId, tasks: SmallVec<[TaskId; 2]>, lists: &mut Lists) -> Self {
        let near = |at: usize| tasks.get(at).and_then(|&task| distance(own, task));
        let (first, second) = (near(0), near(1));
        match (tasks.len(), first, second) {
            (0, ..) | (1, Some(_), _) | (2, Some(_), Some(_)) => IdList { first, second },
            _ => IdList { first: None, second: Some(lists.add(tasks.into_vec())) },
        }
    }

    /// Whether the list has no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        *self == IdList::default()
    }

    /// Whether the elements are stored in the side table [`Lists`], not in this word.
    pub fn is_listed(&self) -> bool {
        self.first.is_none() && self.second.is_some()
    }

    /// Appends `task` to the list in the record of `own`.
    #[inline]
    pub fn push(&mut self, own: TaskId, task: TaskId, lists: &mut Lists) {
        match (self.first, self.second, distance(own, task)) {
            (None, Some(number), _) => lists.get_mut(number).push(task),
            (None, None, Some(near)) => self.first = Some(near),
            (Some(_), None, Some(near)) => self.second = Some(near),
            _ => {
                let all = self.iter(own, lists).chain([task]).collect();
                *self = IdList { first: None, second: Some(lists.add(all)) };
            }
        }
    }

    /// Iterates over the tasks in the order of insertion.
    #[inline]
    pub fn iter<'a>(&self, own: TaskId, lists: &'a Lists) -> Iter<'a> {
        match (self.first, self.second) {
            (None, Some(number)) => Iter::Listed(lists.get(number).iter()),
            (first, second) => Iter::Near(own, first, second),
        }
    }

    /// Empties the list and returns its tasks.
    #[inline]
    pub fn take(&mut self, own: TaskId, lists: &mut Lists) -> SmallVec<[TaskId; 2]> {
        match std::mem::take(self) {
            IdList { first: None, second: None } => SmallVec::new(),
            IdList { first: None, second: Some(number) } => SmallVec::from_vec(lists.take(number)),
            IdList { first, second } => Iter::Near(own, first, second).collect(),
        }
    }
}

/// The difference of the numbers of `own` and `task`; `None` if it is zero or does not fit into an `i32`.
fn distance(own: TaskId, task: TaskId) -> Option<NonZeroI32> {
    i32::try_from(task.0.wrapping_sub(own.0).cast_signed()).ok().and_then(NonZeroI32::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [u64; 9] = [0, 7, 8, 9, 1 << 31, (1 << 31) + 7, 1 << 56, u64::MAX - 1, u64::MAX];

    #[test]
    fn what_is_put_in_comes_out_in_order() {
        let mut lists = Lists::default();
        for own in NUMBERS.map(TaskId) {
            for first in NUMBERS {
                let (mut few, mut tasks) = (IdList::default(), SmallVec::<[TaskId; 2]>::new());
                for task in [first, (1 << 56) - 1, 3, 3, u64::MAX].map(TaskId) {
                    let at_once = &mut IdList::new(own, tasks.clone(), &mut lists);
                    for few in [&mut few, at_once] {
                        assert!(few.iter(own, &lists).eq(tasks.iter().copied()));
                        assert_eq!(few.iter(own, &lists).len(), tasks.len());
                        assert_eq!(few.is_empty(), tasks.is_empty());
                    }
                    assert_eq!(at_once.take(own, &mut lists), tasks);
                    few.push(own, task, &mut lists);
                    tasks.push(task);
                }
                assert_eq!(lists.len(), 1);
                assert_eq!(few.take(own, &mut lists), tasks);
                assert!(few.is_empty() && lists.len() == 0);
            }
        }
    }

    #[test]
    fn two_near_ones_need_no_list() {
        let mut lists = Lists::default();
        let few =
            IdList::new(TaskId(1 << 40), [TaskId((1 << 40) - 9), TaskId(1 << 40 | 9)].into(), &mut lists);
        assert!(!few.is_listed() && lists.len() == 0);
    }
}
