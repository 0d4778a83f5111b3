//! Running ahead: a task whose missing inputs are all made on one rank is sent there before they are done.
//!
//! The rank starts it without asking, so a chain costs no round trips. A task that was sent ahead is `Assigned` like
//! any other, but uses no slot until its last input is there. If one of these inputs fails there or is given back, the
//! rank gives the task back too.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::TaskState;
use crate::ids::{Rank, TaskId};
use crate::protocol::RankOrder;
use smallvec::SmallVec;

/// A task that misses more inputs is not sent ahead: all its inputs are looked at whenever one of them is sent to a rank,
/// which for a sum of many would take the square of their number.
const MISSING_MAX: u32 = 16;

impl Scheduler {
    /// The rank where all missing inputs of a blocked task are to be made, if that is one and it may run there.
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
        if def.is_some_and(|def| def.class.is_some() || def.options.near > 0) {
            return None; // it is sent where all that it needs is free, or to a host that is known when its inputs are
        }
        let on = def.and_then(|def| def.options.on);
        leader.filter(|&leader| on.is_none_or(|on| on == leader))
    }

    /// Tells `rank`, before it gets more tasks, how many of its ended ones are known here: it need not remember them for
    /// tasks that are sent ahead of them.
    pub(super) fn tell_seen(&mut self, rank: Rank, out: &mut Vec<SchedulerAction>) {
        let count = self.workers.take_unseen(rank);
        if count > 0 {
            out.push(SchedulerAction::Send(rank, RankOrder::Seen { count }));
        }
    }

    /// Notes a blocked task where it could be sent ahead of its inputs.
    pub(super) fn note_follower(&mut self, task: TaskId) {
        if let Some(leader) = self.leader(task)
            && let Some(worker) = self.workers.get_mut(leader)
        {
            worker.followers.push_back(task);
        }
    }

    /// Notes the tasks that wait for `task`, which has just been sent to a rank, where they could follow it.
    pub(super) fn note_followers(&mut self, task: TaskId) {
        let waiting: SmallVec<[TaskId; 2]> = self.tasks.waiting(task).collect();
        for consumer in waiting {
            self.note_follower(consumer);
        }
    }

    /// Sends tasks ahead of their inputs to `rank` while it has room for them.
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
