//! Every invariant of the scheduler, as code that tests run after each event.

use super::Scheduler;
use super::task::{OwnerWants, ScheduledTask, TaskState};
use crate::ids::{DefId, TaskId};
use crate::protocol::ResourceRequest;
use std::collections::{BTreeMap, BTreeSet};

impl Scheduler {
    /// Verifies all invariants of the scheduler, in time proportional to the number of tasks times the number of ranks.
    ///
    /// # Errors
    /// The first violated invariant, as a text.
    pub fn check(&self) -> Result<(), String> {
        let mut pending: BTreeMap<TaskId, u32> = BTreeMap::new();
        let mut lineage: BTreeMap<TaskId, u32> = BTreeMap::new();
        let mut waiting: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
        for input in self.leaving.iter().flat_map(|(_, leaving)| &leaving.inputs) {
            *pending.entry(*input).or_default() += 1;
        }
        for task in self.published.tasks().chain(self.moves.tasks()) {
            *pending.entry(task).or_default() += 1;
        }
        for (task, record) in self.tasks.iter() {
            if record.want == OwnerWants::Bringing {
                *pending.entry(task).or_default() += 1;
            }
            if self.detached.contains(task) {
                *pending.entry(task).or_default() += 1;
            }
            for input in self.tasks.inputs(task) {
                *lineage.entry(input).or_default() += 1;
                let unfinished = matches!(
                    record.state,
                    TaskState::Blocked { .. } | TaskState::Ready | TaskState::Assigned { .. }
                );
                if unfinished {
                    *pending.entry(input).or_default() += 1;
                }
                let open = self
                    .tasks
                    .get(input)
                    .is_some_and(|input| !input.has_result() && !matches!(input.state, TaskState::Failed(_)));
                if matches!(record.state, TaskState::Blocked { .. } | TaskState::Assigned { .. }) && open {
                    waiting.entry(input).or_default().push(task);
                }
            }
        }
        for (task, record) in self.tasks.iter() {
            let wrong = |what: &str, is: u32, should: u32| {
                Err(format!("{task:?} ({:?}): {what} is {is}, should be {should}", record.state))
            };
            let should = pending.get(&task).copied().unwrap_or(0);
            if record.pending != should {
                return wrong("pending", record.pending, should);
            }
            let should = lineage.get(&task).copied().unwrap_or(0);
            if record.lineage != should {
                return wrong("lineage", record.lineage, should);
            }
            self.check_owner(task)?;
            self.check_state(task)?;
            let mut is: Vec<TaskId> = self.tasks.waiting(task).collect();
            is.retain(|&consumer| {
                let consumer = self.tasks.get(consumer).map(|consumer| &consumer.state);
                matches!(consumer, Some(TaskState::Blocked { .. } | TaskState::Assigned { .. }))
            });
            is.sort_unstable();
            let mut should = waiting.remove(&task).unwrap_or_default();
            should.sort_unstable();
            if is != should {
                return Err(format!("{task:?}: waiting are {is:?}, should be {should:?}"));
            }
        }
        let listed = |record: &ScheduledTask| {
            usize::from(record.inputs.is_listed()) + usize::from(record.waiting.is_listed())
        };
        let (is, should) = (self.tasks.lists(), self.tasks.iter().map(|(_, record)| listed(record)).sum());
        if is != should {
            return Err(format!("{is} lists of tasks are in use, should be {should}"));
        }
        if let Some(task) = self.deaths.tasks().find(|task| self.tasks.get(*task).is_none()) {
            return Err(format!("deaths are counted against {task:?}, which is gone"));
        }
        self.check_ready()?;
        self.check_needs()?;
        self.check_workers()
    }

    /// Verifies that every ready task is in a queue, since otherwise it would never start.
    fn check_ready(&self) -> Result<(), String> {
        let mut queued: BTreeSet<TaskId> = self.ready.tasks().collect();
        queued.extend(self.constrained.tasks());
        queued.extend(self.workers.iter().flat_map(|(_, worker)| worker.pinned.iter().copied()));
        match self
            .tasks
            .iter()
            .find(|(task, record)| record.state == TaskState::Ready && !queued.contains(task))
        {
            Some((task, _)) => Err(format!("{task:?} is ready, but in no queue")),
            None => Ok(()),
        }
    }

    /// Verifies that the resources counted as taken are those of the running tasks, and do not exceed the totals.
    fn check_needs(&self) -> Result<(), String> {
        let needs = |def: DefId| self.constrained.needs(self.defs.get(def.index())?.class?).copied();
        let running = |record: &super::ScheduledTask| match record.state {
            TaskState::Assigned { rank, .. } => Some((rank, needs(record.def)?)),
            _ => None,
        };
        let running = self.tasks.iter().filter_map(|(_, record)| running(record));
        let leaving =
            self.leaving.iter().filter_map(|(_, leaving)| Some((leaving.rank, needs(leaving.def)?)));
        let running: Vec<_> = running.chain(leaving).collect();
        for (at, (used, total)) in self.constrained.counters().enumerate() {
            let should: u32 = running.iter().map(|(_, needs)| needs.counters[at]).sum();
            if used != should || used > total {
                return Err(format!("counter {at}: {used} of {total} used, should be {should}"));
            }
        }
        for (task, team) in self.teams.iter() {
            let is_there = self.tasks.get(*task).map(|record| &record.state);
            let leaving = self.leaving.iter().any(|(other, _)| other == task);
            if !leaving && !matches!(is_there, Some(TaskState::Assigned { .. })) {
                return Err(format!("{task:?} ({is_there:?}) has the team {team:?}"));
            }
        }
        for (rank, worker) in self.workers.iter() {
            let alone = |needs: &&ResourceRequest| needs.processes == 1;
            let here = || running.iter().filter(|(at, _)| *at == rank).map(|(_, needs)| needs).filter(alone);
            let lent = self.lent(rank);
            if worker.lent != lent {
                return Err(format!("rank {rank} lends {} slots, should be {lent}", worker.lent));
            }
            let slots: u32 = here().map(|needs| needs.slots - 1).sum();
            let should = (slots + lent, here().map(|needs| needs.gpus).sum());
            if (worker.extra, worker.gpus_used) != should || worker.gpus_used > worker.gpus {
                let is = (worker.extra, worker.gpus_used, worker.gpus);
                return Err(format!("rank {rank}: (extra, gpus, of) is {is:?}, should be {should:?}"));
            }
            let by = worker
                .reserved
                .and_then(|by| self.workers.reservations().get(by as usize))
                .map(|by| by.reserved);
            let in_team = worker
                .reserved
                .and_then(|by| self.workers.reservations().get(by as usize))
                .is_some_and(|by| by.team.contains(&rank));
            if worker.reserved.is_some() && by != Some(Some((rank, worker.host))) && !in_team {
                return Err(format!("rank {rank} is reserved for {:?}, which has {by:?}", worker.reserved));
            }
        }
        for (number, reservation) in self.workers.reservations().iter().enumerate() {
            if let Some((rank, _)) = reservation.reserved
                && self.workers.get(rank).is_none_or(|worker| worker.reserved != Some(number as u32))
            {
                return Err(format!("reservation {number} has {rank} reserved, which does not know it"));
            }
            let knows = |rank: &&crate::ids::Rank| {
                self.workers.get(**rank).is_some_and(|worker| worker.reserved == Some(number as u32))
            };
            if let Some(rank) = reservation.team.iter().find(|rank| !knows(rank)) {
                return Err(format!("reservation {number} has {rank} in its team, which does not know it"));
            }
        }
        for (number, host) in self.workers.hosts().iter().enumerate() {
            let at = |rank: &crate::ids::Rank| {
                self.workers.get(*rank).is_some_and(|worker| worker.host as usize == number)
            };
            let alone = running.iter().filter(|(rank, needs)| at(rank) && needs.processes == 1);
            let members = self.teams.iter().flat_map(|(_, team)| &team.members);
            let of_teams: u64 = members.filter(|member| at(&member.rank)).map(|member| member.memory).sum();
            let used: u64 = alone.map(|(_, needs)| needs.memory).sum::<u64>() + of_teams;
            let held = self
                .workers
                .reservations()
                .iter()
                .filter(|reservation| reservation.is_held_at(number as u32));
            let held: u64 = held.map(|reservation| reservation.needs.memory).sum();
            if (host.used, host.held) != (used, held) || used > host.memory {
                let is = (host.used, host.held, host.memory);
                return Err(format!("host {number}: (used, held, of) is {is:?}, should be {used}, {held}"));
            }
        }
        Ok(())
    }

    /// The slots of a rank that programs of several processes take, beside the tasks that have started them.
    fn lent(&self, rank: crate::ids::Rank) -> u32 {
        let of = |(at, member): (usize, &super::teams::TeamMember)| match member.rank == rank {
            true => member.slots - u32::from(at == 0),
            false => 0,
        };
        self.teams.iter().flat_map(|(_, team)| team.members.iter().enumerate()).map(of).sum()
    }

    fn check_state(&self, task: TaskId) -> Result<(), String> {
        let Some(record) = self.tasks.get(task) else { return Ok(()) };
        let missing = |input: &TaskId| !self.tasks.get(*input).is_some_and(|input| input.has_result());
        let missing = self.tasks.inputs(task).filter(missing).count()
            + usize::from(self.is_held_back(task))
            + usize::from(self.is_promised(task));
        match &record.state {
            TaskState::Blocked { missing: noted } if *noted as usize != missing || missing == 0 => {
                Err(format!("{task:?}: {noted} inputs noted as missing, {missing} are"))
            }
            TaskState::Assigned { missing: noted, .. } if *noted as usize != missing => {
                Err(format!("{task:?}: {noted} inputs noted as missing, {missing} are"))
            }
            TaskState::Ready if missing > 0 => Err(format!("{task:?} is ready, but misses {missing} inputs")),
            TaskState::Stored(copies) if copies.holders.is_empty() => {
                Err(format!("{task:?} is stored nowhere"))
            }
            TaskState::Inline(_) | TaskState::Stored(_) if record.is_unneeded() => {
                Err(format!("{task:?} has a result that nobody needs"))
            }
            TaskState::Inline(_) if !record.inputs.is_empty() => {
                Err(format!("{task:?} ({:?}) still names its inputs", record.state))
            }
            TaskState::Released | TaskState::Failed(_) if record.is_unneeded() && record.lineage == 0 => {
                Err(format!("{task:?} ({:?}) should have no record", record.state))
            }
            TaskState::Released if !record.is_unneeded() => Err(format!("{task:?} is released, but needed")),
            _ => Ok(()),
        }
    }

    fn check_workers(&self) -> Result<(), String> {
        let mut total = 0;
        for (rank, worker) in self.workers.iter() {
            let (mut assigned, mut ahead, mut load, mut stored) = (0u32, 0u32, [0u64; 2], 0u64);
            for (_, record) in self.tasks.iter() {
                match &record.state {
                    TaskState::Assigned { rank: at, cost, missing } if *at == rank => {
                        assigned += 1;
                        ahead += u32::from(*missing > 0);
                        load[usize::from(*missing > 0)] += u64::from(*cost);
                    }
                    TaskState::Stored(copies) if copies.holders.contains(rank) => stored += copies.nbytes,
                    _ => {}
                }
            }
            for (_, team) in self.teams.iter() {
                let costs = team.members.iter().skip(1).filter(|member| member.rank == rank);
                load[0] += costs.map(|_| u64::from(team.cost)).sum::<u64>();
            }
            for (_, leaving) in self.leaving.iter().filter(|(_, leaving)| leaving.rank == rank) {
                assigned += 1;
                load[0] += u64::from(leaving.cost);
            }
            let is = (worker.assigned, worker.ahead, [worker.load, worker.ahead_load], worker.stored);
            let should = (assigned, ahead, load, stored);
            if is != should {
                return Err(format!(
                    "rank {rank}: (assigned, ahead, loads, stored) is {is:?}, should be {should:?}"
                ));
            }
            if !worker.alive && (assigned > 0 || stored > 0) {
                return Err(format!("rank {rank} is dead, but has tasks or results"));
            }
            total += u64::from(assigned);
        }
        let waiting: u64 = self.workers.iter().map(|(_, worker)| u64::from(worker.waiting)).sum();
        if waiting != self.workers.total_waiting() {
            return Err(format!("{} threads wait, should be {waiting}", self.workers.total_waiting()));
        }
        if total != self.workers.total_assigned() {
            return Err(format!("{} tasks assigned, should be {total}", self.workers.total_assigned()));
        }
        Ok(())
    }
}
