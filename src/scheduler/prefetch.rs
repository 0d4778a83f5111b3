//! Prefetch: a task whose missing inputs are all made on one rank is sent there ahead of them.
//!
//! The rank starts the task when its inputs are done, without asking rank 0, so a chain of tasks costs no round
//! trips. A task that was sent ahead is `Assigned` like any other, but uses no slot until its last input is done. If
//! an input fails or is returned to rank 0, the rank returns the task too.
//!
//! A task is noted as a *follower* of the rank that makes its missing inputs, its *leader*, and sent when that rank
//! has room.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::TaskState;
use crate::ids::{Rank, TaskId};
use crate::protocol::RankOrder;
use smallvec::SmallVec;

/// Highest number of missing inputs of a task that is sent ahead. All inputs are examined whenever one of them is
/// assigned, which for a sum of many inputs would take quadratic time.
const MISSING_MAX: u32 = 16;

impl Scheduler {
    /// The rank that makes all missing inputs of a blocked task; `None` if there is no single one or the task may not
    /// run there.
    fn leader(&self, task: TaskId) -> Option<Rank> {
        let record = self.tasks.get(task)?;
        if !matches!(record.state, TaskState::Blocked { missing } if missing <= MISSING_MAX)
            || self.retries.is_paused(task, record.attempt)
        {
            return None;
        }
        let mut leader = None;
        for input in self.tasks.inputs(task) {
            match self.tasks.get(input)?.state {
                TaskState::Inline(_) | TaskState::Stored(_) => {}
                TaskState::Assigned { rank, .. } if leader.is_none_or(|leader| leader == rank) => {
                    leader = Some(rank)
                }
                _ => return None,
            }
        }
        let def = self.defs.get(record.def.index());
        if def.is_some_and(|def| def.class.is_some() || def.options.same_host_as > 0) {
            return None; // such a task is sent when its resources are free, or when its host is known
        }
        let on = def.and_then(|def| def.options.on);
        leader.filter(|&leader| on.is_none_or(|on| on == leader))
    }

    /// Acknowledges to `rank`, before it gets more tasks, the reports on ended tasks that have arrived here. The rank
    /// can then forget these tasks.
    pub(super) fn tell_seen(&mut self, rank: Rank, out: &mut Vec<SchedulerAction>) {
        let count = self.workers.take_unseen(rank);
        if count > 0 {
            out.push(SchedulerAction::Send(rank, RankOrder::Seen { count }));
        }
    }

    /// Notes a blocked task as a follower of the rank that makes its missing inputs, if there is one.
    pub(super) fn note_follower(&mut self, task: TaskId) {
        if let Some(leader) = self.leader(task)
            && let Some(worker) = self.workers.get_mut(leader)
        {
            worker.followers.push_back(task);
        }
    }

    /// Notes the consumers of `task`, which was just sent to a rank, as followers of that rank where possible.
    pub(super) fn note_followers(&mut self, task: TaskId) {
        let waiting: SmallVec<[TaskId; 2]> = self.tasks.waiting(task).collect();
        for consumer in waiting {
            self.note_follower(consumer);
        }
    }

    /// Sends the followers of `rank` to it, ahead of their inputs, while it has room for them.
    pub(super) fn place_followers(&mut self, rank: Rank, out: &mut Vec<SchedulerAction>) {
        loop {
            let Some(worker) = self.workers.get(rank) else { return };
            let Some(&task) = worker.followers.front() else { return };
            let def = self.tasks.get(task).and_then(|record| self.defs.get(record.def.index()));
            let room = worker.room_ahead(def.map_or(0, |def| def.cost()));
            if room == 0 {
                return;
            }
            if let Some(worker) = self.workers.get_mut(rank) {
                worker.followers.pop_front();
            }
            if self.leader(task) == Some(rank) {
                self.assign(task, rank, out);
            }
        }
    }
}
