//! Host affinity: tasks that run on the host where certain other tasks have run.
//!
//! Two options of a definition refer to each other by a number above 0 that the client chooses: `host_group` puts the
//! hosts where the definition's tasks run into the group of that number, `same_host_as` asks for a host of the group
//! (in a script: `on = "host of mesh"`). A small result is kept at rank 0, which forgets where it was made, so for
//! definitions with a group the scheduler records where their tasks run. A task with `same_host_as` runs on a host
//! where one of its inputs of that group was made, on the rank where it would start first. If no rank of such a host
//! computes, it runs anywhere.

use super::Scheduler;
use crate::ids::{DefId, Rank, TaskId};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Highest number of inputs of a task that are examined for their hosts, to bound the cost of its placement.
const LOOKED_AT: usize = 64;

/// For each task that has run and whose definition has a `host_group` (the number by which definitions with
/// `same_host_as` ask for its host): that number, and the rank that ran it.
#[derive(Debug, Default)]
// never iterated: the order of a hash map could make equal events give different actions
pub(crate) struct HostGroups(HashMap<TaskId, (u32, Rank)>);

impl HostGroups {
    /// Forgets where `task` has run, since its record is removed.
    pub(crate) fn forget(&mut self, task: TaskId) {
        if !self.0.is_empty() {
            self.0.remove(&task);
        }
    }

    /// The number of tasks for which is recorded where they have run.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Scheduler {
    /// Records that a task of definition `def` has run on `rank`, if the definition has a `host_group`, so that other
    /// definitions can ask for its host.
    pub(super) fn note_host_group(&mut self, task: TaskId, def: DefId, rank: Rank) {
        let group = self.defs.get(def.index()).map_or(0, |def| def.options.host_group);
        if group > 0 {
            self.host_groups.0.insert(task, (group, rank));
        }
    }

    /// The computing ranks that the task may only run on, if it names several; else those of the hosts for which it has
    /// affinity: where its inputs of the group that it asks for have run. Empty if it asks for none.
    pub(super) fn beside(&self, task: TaskId) -> SmallVec<[Rank; 8]> {
        let mut ranks = SmallVec::new();
        let Some(record) = self.tasks.get(task) else { return ranks };
        let computes = |rank: &Rank| self.workers.get(*rank).is_some_and(|worker| worker.computes());
        let options = self.defs.get(record.def.index()).map(|def| def.options).unwrap_or_default();
        if let Some(among) = options.among {
            return among.iter().copied().filter(computes).collect();
        }
        let same_host_as = options.same_host_as;
        if same_host_as == 0 {
            return ranks;
        }
        let mut hosts: SmallVec<[u32; 2]> = SmallVec::new();
        for input in self.tasks.inputs(task).take(LOOKED_AT) {
            let at = self.host_groups.0.get(&input).filter(|(group, _)| *group == same_host_as);
            let Some(host) = at.and_then(|(_, rank)| self.workers.get(*rank)).map(|worker| worker.host)
            else {
                continue;
            };
            if !hosts.contains(&host) {
                hosts.push(host);
                ranks.extend(self.workers.ranks_of(host).iter().copied().filter(computes));
            }
        }
        ranks
    }

    /// The rank where a task would start first, among the ranks of the hosts for which it has affinity; `None` if it
    /// has none.
    pub(super) fn affine_rank(&self, task: TaskId) -> Option<Rank> {
        let start = |rank: Rank| {
            let fetch = self.tasks.inputs(task).take(LOOKED_AT).map(|input| self.fetch_time(input, rank));
            let fetch = fetch.fold(0, u64::saturating_add);
            let worker = self.workers.get(rank)?;
            let waiting = worker.pinned.len() as u64 / u64::from(worker.slots.max(1));
            Some((worker.room(1) == 0, waiting, worker.expected_start().saturating_add(fetch), rank))
        };
        self.beside(task).into_iter().filter_map(start).min().map(|(.., rank)| rank)
    }
}
