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

/// Highest number of missing inputs with which a task is sent ahead of them (prefetch). All inputs are examined
/// whenever one of them is sent to a rank; for a sum of many inputs that would take quadratic time.
const MISSING_MAX: u32 = 16;

impl Scheduler {
    /// Finds the rank to which all missing inputs of a blocked task were sent, so that the task can be sent there too.
    /// `None` if they were sent to different ranks or not at all, or if the task must not run on that rank.
    fn leader(&self, task: TaskId) -> Option<Rank> {
        let record = self.tasks.get(task)?;
        if !matches!(record.state, TaskState::Blocked { missing } if missing <= MISSING_MAX)
            || self.is_held_back(task)
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
        let fits = |leader: &Rank| {
            def.is_none_or(|def| {
                def.options.allows(*leader) && def.options.prefer.is_none_or(|rank| rank == *leader)
            })
        };
        leader.filter(fits)
    }

    /// Tells `rank`, before it gets more tasks, how many of its reports on ended tasks rank 0 has handled. The rank can
    /// then forget these tasks.
    pub(super) fn tell_seen(&mut self, rank: Rank, out: &mut Vec<SchedulerAction>) {
        let count = self.workers.take_unseen(rank);
        if count > 0 {
            out.push(SchedulerAction::Send(rank, RankOrder::Seen { count }));
        }
    }

    /// Lists a blocked task as a follower of the rank to which all its missing inputs were sent, if there is one: it
    /// can be sent there early.
    pub(super) fn note_follower(&mut self, task: TaskId) {
        if let Some(leader) = self.leader(task)
            && let Some(worker) = self.workers.get_mut(leader)
        {
            worker.followers.push_back(task);
        }
    }

    /// Lists the consumers of `task`, which was just sent to a rank, as followers of that rank, each if all inputs that
    /// it misses were sent there.
    pub(super) fn note_followers(&mut self, task: TaskId) {
        let waiting: SmallVec<[TaskId; 2]> = self.tasks.waiting(task).collect();
        for consumer in waiting {
            self.note_follower(consumer);
        }
    }

    /// Sends the followers of `rank` to it while it has room: tasks whose missing inputs that rank is going to make.
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
