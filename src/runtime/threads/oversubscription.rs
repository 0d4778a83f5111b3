//! Slot lending: a task that only waits for what computes elsewhere, such as a command, lends its slot, so that the
//! next task can prepare itself in the meantime.
//!
//! At most as many slots are lent as a rank has. When a lent slot is taken back, the next one on offer is lent, in the
//! order of the offers.

use crate::ids::TaskId;
use std::collections::VecDeque;

/// The loans of a rank's slots. A task that only waits for work elsewhere, such as a command, offers its slot; a lent
/// slot lets another task start meanwhile.
#[derive(Default)]
pub(crate) struct Loans {
    /// Tasks that offer their slots, not lent yet, each with the number of its thread's pool (see `blocking`), the
    /// oldest offer first.
    offered: VecDeque<(TaskId, usize)>,
    lent: Vec<TaskId>,
}

impl Loans {
    /// Offers the slot of `task`, which only waits for work elsewhere, so that another task can start. `pool` is the
    /// number of its thread's pool (see `blocking`).
    pub(crate) fn offer(&mut self, task: TaskId, pool: usize) {
        self.offered.push_back((task, pool));
    }

    /// Takes the oldest offer of a slot, if fewer than `most` slots are lent: the task, with the number of its thread's
    /// pool.
    pub(crate) fn next(&mut self, most: usize) -> Option<(TaskId, usize)> {
        if self.lent.len() < most { self.offered.pop_front() } else { None }
    }

    /// Notes that the slot of `task`, which only waits, is lent: one more task can start on the rank meanwhile.
    pub(crate) fn lent(&mut self, task: TaskId) {
        self.lent.push(task);
    }

    /// Ends the offer or the loan of the slot of `task`, which computes again or ends. True if its slot was lent.
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
