//! Teams: the slots that a program of several processes takes, on one rank or on many (gang scheduling).
//!
//! The task that starts such a program runs on one rank, the *leader*. The slots of its processes are counted at the
//! ranks that have them, which are told how many slots are taken ([`RankOrder::Lend`]). All slots are taken at once, and
//! only where all are free, so no program ever holds some and waits for others: nothing can lock up.
//!
//! While the first task of a class cannot start, a whole set of ranks on which it will fit is reserved, all at once too.
//! What is less urgent gives up its reservations for that. So the most urgent task always gets its ranks in the end.
//!
//! A program that fits on one host runs on one host. Else hosts are filled one after the other, those with most room
//! first.

use super::Scheduler;
use super::event::SchedulerAction;
use super::ready::Next;
use crate::ids::{Rank, TaskId};
use crate::protocol::{RankOrder, ResourceRequest};
use crate::scheduler::ranks::{RankRecord, RankTable};
use crate::scheduler::reservations::Reservation;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The most ranks in a team, so that the order that names them fits into a message.
const MEMBERS_MAX: usize = 4096;

/// The part of a rank in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TeamMember {
    /// The rank.
    pub rank: Rank,
    /// The number of its slots that the program takes. At the leader, one of them is that of the task itself.
    pub slots: u32,
    /// Bytes of memory of the rank's host that are counted here for all processes on that host; 0 at its other ranks.
    pub memory: u64,
}

/// The slots that a task's program takes, from its start to its end. The first member is the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramTeam {
    /// The ranks with their parts.
    pub members: SmallVec<[TeamMember; 2]>,
    /// The expected cost for each member, in nanoseconds, as it was counted at the start.
    pub cost: u32,
}

/// The teams of the tasks that ranks have.
#[derive(Debug, Default)]
pub(crate) struct Teams {
    teams: BTreeMap<TaskId, ProgramTeam>,
    /// Ranks whose number of taken slots has changed since they were told.
    changed: Vec<Rank>,
}

impl Teams {
    /// The teams with their tasks. Read by the checks of tests.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&TaskId, &ProgramTeam)> {
        self.teams.iter()
    }
}

/// The slots of a rank that count for a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Those that are free now.
    Free,
    /// All that the rank has.
    All,
}

impl RankTable {
    /// The members of a team for a task of the class `number`, or `None` if the ranks have too few slots. Ranks that
    /// are reserved for other classes count only if `may_take` says so of the class.
    pub(super) fn team_of(
        &self,
        number: usize,
        count: Count,
        may_take: impl Fn(u32) -> bool,
    ) -> Option<SmallVec<[TeamMember; 2]>> {
        let reservation = self.reservations.get(number)?;
        let needs = reservation.needs;
        let slots = |rank: Rank| {
            let worker = self.get(rank).filter(|worker| reservation.may_have(rank, worker));
            let is_open = |worker: &RankRecord| match worker.reserved {
                Some(by) if by != number as u32 => worker.waiting > 0 || may_take(by),
                _ => true,
            };
            worker.filter(|worker| is_open(worker)).map_or(0, |worker| match count {
                // what was sent ahead of its inputs may run there already
                Count::Free => worker.slots.saturating_sub(worker.active() + worker.ahead),
                Count::All => worker.slots,
            })
        };
        let mut hosts: SmallVec<[(u32, usize); 8]> = SmallVec::new();
        let (mut is_on_one, mut all) = (false, 0u64);
        for (at, host) in self.hosts.iter().enumerate() {
            let own = |of: &dyn Fn(Rank) -> u32| host.ranks().iter().map(|rank| u64::from(of(*rank))).sum();
            let used = if count == Count::Free { host.used.saturating_add(host.held) } else { 0 };
            let processes = |slots: u64, used: u64| {
                let left = host.memory.saturating_sub(used).checked_div(needs.memory).unwrap_or(u64::MAX);
                (slots / u64::from(needs.slots.max(1))).min(left)
            };
            is_on_one |=
                processes(own(&|rank| self.most_slots(reservation, rank)), 0) >= needs.processes.into();
            let here = processes(own(&slots), used).min(needs.processes.into());
            all += here;
            if here > 0 {
                hosts.push((here as u32, at));
            }
        }
        if is_on_one {
            hosts.retain(|(here, _)| *here == needs.processes);
            // the host with the least room left keeps others whole
            let room =
                |at: usize| self.hosts[at].ranks().iter().map(|rank| u64::from(slots(*rank))).sum::<u64>();
            hosts.sort_by_key(|(_, at)| (room(*at), *at));
            hosts.truncate(1);
        } else {
            hosts.sort_by_key(|(here, at)| (std::cmp::Reverse(*here), *at));
        }
        if hosts.is_empty() || (!is_on_one && all < needs.processes.into()) {
            return None;
        }
        let (mut left, mut members) = (needs.processes, SmallVec::new());
        for (here, at) in hosts {
            let here = here.min(left);
            left -= here;
            let (mut wanted, mut memory) = (here * needs.slots, u64::from(here).saturating_mul(needs.memory));
            let mut ranks: SmallVec<[(u32, Rank); 8]> =
                self.hosts[at].ranks().iter().map(|rank| (slots(*rank), *rank)).collect();
            ranks.sort_by_key(|(slots, rank)| (std::cmp::Reverse(*slots), *rank));
            for (slots, rank) in ranks {
                let slots = slots.min(wanted);
                if slots > 0 {
                    members.push(TeamMember { rank, slots, memory: std::mem::take(&mut memory) });
                    wanted -= slots;
                }
            }
        }
        (left == 0 && members.len() <= MEMBERS_MAX).then_some(members)
    }

    fn most_slots(&self, reservation: &Reservation, rank: Rank) -> u32 {
        self.get(rank).filter(|worker| reservation.may_have(rank, worker)).map_or(0, |worker| worker.slots)
    }

    /// The most processes of a program of the class `number` that fit on all ranks together when nothing else runs.
    pub(super) fn most_processes(&self, number: usize) -> u64 {
        let Some(reservation) = self.reservations.get(number) else { return 0 };
        let needs = reservation.needs;
        let on = |host: &crate::scheduler::reservations::Host| {
            let slots: u64 =
                host.ranks().iter().map(|rank| u64::from(self.most_slots(reservation, *rank))).sum();
            let memory = host.memory.checked_div(needs.memory).unwrap_or(u64::MAX);
            (slots / u64::from(needs.slots.max(1))).min(memory)
        };
        self.hosts.iter().map(on).fold(0, u64::saturating_add)
    }

    /// Reserves ranks for the next task of the class, enough for its whole team. Ranks that are reserved for classes
    /// of which `may_take` holds are taken from these. Returns whether it could.
    pub(super) fn reserve_team(&mut self, number: usize, may_take: impl Fn(u32) -> bool) -> bool {
        let Some(members) = self.team_of(number, Count::All, may_take) else { return false };
        let mut ranks: SmallVec<[Rank; 4]> = members.iter().map(|member| member.rank).collect();
        if members.iter().any(|member| member.memory > 0) {
            // the memory of these hosts gets free only if nothing else starts on them
            for member in members.iter().filter(|member| member.memory > 0) {
                let host = self.get(member.rank).map_or(0, |worker| worker.host);
                ranks.extend(self.ranks_of(host).iter().copied().filter(|rank| {
                    self.get(*rank).is_some_and(|worker| worker.computes() && worker.reserved.is_none())
                }));
            }
            ranks.sort_unstable();
            ranks.dedup();
        }
        for rank in &ranks {
            if let Some(by) = self.get(*rank).and_then(|worker| worker.reserved) {
                self.unreserve(by as usize);
            }
        }
        for rank in &ranks {
            if let Some(worker) = self.get_mut(*rank) {
                worker.reserved = Some(number as u32);
            }
        }
        if let Some(reservation) = self.reservations.get_mut(number) {
            reservation.team = ranks;
        }
        true
    }

    fn occupy_team(&mut self, team: &ProgramTeam) {
        for (at, member) in team.members.iter().enumerate() {
            self.change_member(member, at == 0, team.cost, true);
        }
    }

    /// Counts what a member takes as taken, or as free again. The slot and the cost of the task itself, at the leader,
    /// are counted as those of any task.
    fn change_member(&mut self, member: &TeamMember, leads: bool, cost: u32, takes: bool) {
        let Some(worker) = self.get_mut(member.rank) else { return };
        let (slots, cost) = if leads { (member.slots - 1, 0) } else { (member.slots, u64::from(cost)) };
        let host = worker.host;
        if takes {
            worker.extra += slots;
            worker.lent += slots;
            worker.load += cost;
        } else {
            worker.extra -= slots;
            worker.lent -= slots;
            worker.load -= cost;
        }
        let memory = member.memory;
        self.change_host(host, memory, |host| {
            host.used = if takes { host.used + memory } else { host.used - memory };
        });
    }
}

impl Scheduler {
    /// The team with which the next task of the class number `at` can start now. If there is none, keeps ranks free for
    /// it. Ranks that are kept free for less urgent classes, those not in `stopped`, may be taken. `moved` is set when
    /// that has changed anything.
    pub(super) fn team_for(
        &mut self,
        at: usize,
        next: Next,
        stopped: &[bool],
        moved: &mut bool,
    ) -> Option<ProgramTeam> {
        if let Some(members) = self.workers.team_of(at, Count::Free, |_| false) {
            return Some(self.led(next, members));
        }
        let has_team = |reservation: &Reservation| !reservation.team.is_empty();
        if self.workers.reservations().get(at).is_none_or(has_team) {
            return None;
        }
        let is_less_urgent = |class: u32| !stopped.get(class as usize).copied().unwrap_or(false);
        if self.workers.reserve_team(at, |_| false) || self.workers.reserve_team(at, is_less_urgent) {
            *moved = true;
        }
        None
    }

    /// Puts the member first that is to start the program: on the first host, the one that needs the least time to
    /// fetch the inputs, and rather not one where the task has failed.
    fn led(&self, next: Next, mut members: SmallVec<[TeamMember; 2]>) -> ProgramTeam {
        let host = |member: &TeamMember| self.workers.get(member.rank).map(|worker| worker.host);
        let first = members.first().and_then(host);
        let fetch = |rank: Rank| -> (bool, u64) {
            let Next::Task(task) = next else { return (false, 0) };
            let all = self.tasks.inputs(task).map(|input| self.fetch_time(input, rank));
            (self.another(task, rank) != rank, all.fold(0, u64::saturating_add))
        };
        let here = members.iter().enumerate().filter(|(_, member)| host(member) == first);
        if let Some((_, at)) = here.map(|(at, member)| (fetch(member.rank), at)).min() {
            members.swap(0, at);
        }
        ProgramTeam { members, cost: 0 }
    }

    /// Notes the team of a task that is about to be assigned to its leader.
    pub(super) fn set_team(&mut self, task: TaskId, team: ProgramTeam) {
        self.teams.teams.insert(task, team);
    }

    /// Counts the slots and the memory of the task's team as taken. `cost` is the expected cost of the task.
    pub(super) fn occupy_team(&mut self, task: TaskId, cost: u32) {
        let Some(team) = self.teams.teams.get_mut(&task) else { return };
        team.cost = cost;
        self.workers.occupy_team(team);
        self.teams.changed.extend(team.members.iter().map(|member| member.rank));
    }

    /// Counts the slots and the memory of the task's team as free again, as the task has left its rank.
    pub(super) fn vacate_team(&mut self, task: TaskId) {
        let Some(team) = self.teams.teams.remove(&task) else { return };
        for (at, member) in team.members.iter().enumerate() {
            self.workers.change_member(member, at == 0, team.cost, false);
        }
        self.teams.changed.extend(team.members.iter().map(|member| member.rank));
    }

    /// Takes the dead rank `lost` out of the teams that it does not lead. Their programs have lost processes and will
    /// fail by themselves.
    pub(super) fn shrink_teams(&mut self, lost: Rank) {
        for team in self.teams.teams.values_mut() {
            let at = team.members.iter().position(|member| member.rank == lost);
            if let Some(at) = at.filter(|at| *at > 0) {
                let member = team.members.remove(at);
                self.workers.change_member(&member, false, team.cost, false);
            }
        }
    }

    /// Tells the ranks of which it has changed how many slots programs take there.
    pub(super) fn tell_lent(&mut self, out: &mut Vec<SchedulerAction>) {
        let mut changed = std::mem::take(&mut self.teams.changed);
        changed.sort_unstable();
        changed.dedup();
        for rank in changed.drain(..) {
            if let Some(worker) = self.workers.ranks.get_mut(rank.index()).filter(|worker| worker.alive)
                && worker.told_lent != worker.lent
            {
                worker.told_lent = worker.lent;
                out.push(SchedulerAction::Send(rank, RankOrder::Lend { slots: worker.lent }));
            }
        }
        self.teams.changed = changed;
    }

    /// Tells the members of a task's team what is taken, and the leader, `rank`, whom the team consists of: before the
    /// task is sent.
    pub(super) fn tell_team(&mut self, task: TaskId, rank: Rank, out: &mut Vec<SchedulerAction>) {
        let Some(team) = self.teams.teams.get(&task) else { return };
        let members = team.members.iter().map(|member| (member.rank, member.slots)).collect();
        self.tell_lent(out);
        out.push(SchedulerAction::Send(rank, RankOrder::Team { task, members }));
    }

    /// What a program needs, for the message that the ranks do not have it.
    pub(super) fn team_needs(needs: &ResourceRequest) -> String {
        let of = match needs.slots {
            1 => String::new(),
            slots => format!(" of {slots} slots"),
        };
        format!("it needs {} processes{of} at a time", needs.processes)
    }
}
