//! Slots of tasks that only wait for what computes elsewhere, such as a command: they are lent, so that the next task has
//! made itself ready when that ends.
//!
//! As many are lent at a time as a rank has slots. One that is not lent yet is when another has been taken back: the
//! order is that in which they were offered.

use crate::ids::TaskId;
use std::collections::VecDeque;

/// What is offered, and what is lent.
#[derive(Default)]
pub(crate) struct Loans {
    /// With the seats of their threads.
    offered: VecDeque<(TaskId, usize)>,
    lent: Vec<TaskId>,
}

impl Loans {
    /// A task's slot may be lent.
    pub(crate) fn offer(&mut self, task: TaskId, seat: usize) {
        self.offered.push_back((task, seat));
    }

    /// The next that is to be lent, with the seat of its thread, if fewer than `most` are; it is not offered any more.
    pub(crate) fn next(&mut self, most: usize) -> Option<(TaskId, usize)> {
        if self.lent.len() < most { self.offered.pop_front() } else { None }
    }

    /// It is lent now.
    pub(crate) fn lent(&mut self, task: TaskId) {
        self.lent.push(task);
    }

    /// A task goes on; whether its slot was lent.
    pub(crate) fn end(&mut self, task: TaskId) -> bool {
        self.offered.retain(|(other, _)| *other != task);
        let at = self.lent.iter().position(|other| *other == task);
        at.map(|at| self.lent.swap_remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_lent_as_there_are_slots() {
        let mut loans = Loans::default();
        (1..=3).for_each(|task| loans.offer(TaskId(task), task as usize));
        assert_eq!(loans.next(1), Some((TaskId(1), 1)));
        loans.lent(TaskId(1));
        assert_eq!(loans.next(1), None);
        assert!(!loans.end(TaskId(2)), "it was only offered");
        assert!(loans.end(TaskId(1)) && !loans.end(TaskId(1)));
        assert_eq!(loans.next(1), Some((TaskId(3), 3)));
    }
}
