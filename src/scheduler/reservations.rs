//! Backfill reservations: for each class of constrained tasks an index of the ranks that can run them, and the rank
//! kept free for the class's first task.
//!
//! A rank that is *reserved* for a class gets no other tasks until one of the class has started there. So a task that
//! needs many slots waits at most until the tasks that run there now have ended, however many small tasks are ready.

use crate::compact::tournament::Tournament;
use crate::ids::Rank;
use crate::protocol::ResourceRequest;
use crate::scheduler::constrained::AllowedRanks;
use crate::scheduler::ranks::{RankRecord, RankTable, key, rank_of};
use smallvec::SmallVec;

/// A host of the job, with the memory that its ranks share.
#[derive(Debug)]
pub(crate) struct Host {
    /// Total memory of the host, in bytes.
    pub memory: u64,
    /// Memory that running tasks on the host have asked for, in bytes.
    pub used: u64,
    /// Memory set aside on the host, in bytes, for tasks that are to start next on its reserved ranks and have not
    /// started yet.
    pub held: u64,
    ranks: Vec<Rank>,
}

impl Host {
    /// The ranks on the host, in ascending order.
    pub(super) fn ranks(&self) -> &[Rank] {
        &self.ranks
    }
}

/// The reservation of a class of tasks with equal needs: an index of the ranks by when each could start such a task.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(super) needs: ResourceRequest,
    allowed: AllowedRanks,
    /// The ranks that can meet the needs of the class and are not reserved for other classes. Ranks that can start a
    /// task now come first, then the others by expected start.
    index: Tournament,
    /// The rank that is kept free for the next task of the class, with the number of its host. `None` if no rank is
    /// kept free.
    pub reserved: Option<(Rank, u32)>,
    /// The ranks that are kept free for the next task of a class of programs with several processes.
    pub team: SmallVec<[Rank; 4]>,
}

/// The reason why no rank can ever run a task: the resource of which it needs too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// No rank that computes tasks is alive any more.
    Ranks,
    /// No rank has as many slots; the value is the most that a rank has.
    Slots(u32),
    /// No rank has as many GPUs; the value is the most that a rank has.
    Gpus(u32),
    /// No host has as much memory; the value is the most that a host has, in bytes.
    Memory(u64),
    /// All ranks together have no room for so many processes of a program; the value is how many they have room for.
    Processes(u64),
    /// Each resource exists in the needed amount, but no single rank has all of them.
    Together,
    /// The job has less of a counter (such as licences); the values are the counter's number and its total.
    Counter(usize, u32),
}

/// The time when a rank can start a task of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// The rank can start the task now.
    Now,
    /// The rank can start the task now, but its stored results, or its waiting threads, leave no room for tasks
    /// without inputs.
    Full,
    /// The rank cannot start the task now, but after tasks that run on it have ended.
    Later,
}

impl Reservation {
    /// Whether the rank that is kept free for this class is on the given host.
    pub(crate) fn is_held_at(&self, host: u32) -> bool {
        self.reserved.is_some_and(|(_, at)| at == host)
    }

    fn is_able(&self, rank: Rank, worker: &RankRecord, host: &Host) -> bool {
        worker.computes()
            && worker.slots >= self.needs.slots
            && worker.gpus >= self.needs.gpus
            && host.memory >= self.needs.memory
            && self.allowed.has(rank)
    }

    /// Whether processes of a program of this class may run on the rank.
    pub(super) fn may_have(&self, rank: Rank, worker: &RankRecord) -> bool {
        worker.computes() && self.allowed.has(rank)
    }

    /// Whether `rank` could start a task of this class now or later. `number` is the number of the class. `None` if the
    /// rank never can, or is reserved for another class.
    fn when(&self, number: usize, rank: Rank, worker: &RankRecord, host: &Host) -> Option<Availability> {
        let kept = worker.reserved == Some(number as u32);
        // programs of several processes find their ranks by `team_of`
        if self.needs.processes > 1 || !(kept || worker.is_open()) || !self.is_able(rank, worker, host) {
            return None;
        }
        let own = if self.is_held_at(worker.host) { self.needs.memory } else { 0 };
        let memory = host.used.saturating_add(host.held - own).saturating_add(self.needs.memory);
        let fits = worker.active() + self.needs.slots <= worker.slots
            && worker.gpus_used + self.needs.gpus <= worker.gpus
            && memory <= host.memory;
        Some(match (fits, worker.is_full()) {
            (true, false) => Availability::Now,
            (true, true) => Availability::Full,
            (false, _) => Availability::Later,
        })
    }
}

impl RankTable {
    /// Adds the reservation of a new class, which gets the next free number, the same as the class.
    pub(crate) fn add_reservation(&mut self, needs: ResourceRequest, allowed: AllowedRanks) {
        let index = Tournament::new(self.ranks.len());
        self.reservations.push(Reservation { needs, allowed, index, reserved: None, team: SmallVec::new() });
        for rank in 0..self.ranks.len() {
            self.get_mut(Rank(rank as u32));
        }
        self.refresh(|_| ());
    }

    /// The reservations, indexed by the number of the class.
    pub(crate) fn reservations(&self) -> &[Reservation] {
        &self.reservations
    }

    /// The hosts, indexed by number. Used by the checks of tests.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The ranks of a host; empty if there is no such host.
    pub(crate) fn ranks_of(&self, host: u32) -> &[Rank] {
        self.hosts.get(host as usize).map(|host| host.ranks.as_slice()).unwrap_or_default()
    }

    /// Updates the position of `rank` in the index of every class's reservation, after the rank's load or resources
    /// have changed.
    pub(super) fn refresh_reservations(&mut self, rank: Rank) {
        let worker = &self.ranks[rank.index()];
        let host = &self.hosts[worker.host as usize];
        for (number, reservation) in self.reservations.iter_mut().enumerate() {
            let key = reservation.when(number, rank, worker, host).map(|when| {
                let start = (worker.load / u64::from(worker.slots.max(1))).min((1 << 62) - 1);
                let per_slot = u64::from(worker.active()) * 64 / u64::from(worker.slots.max(1));
                key((when as u64) << 62 | start, per_slot, rank)
            });
            reservation.index.set(rank, key);
        }
    }

    /// The rank where a task of the class would start first, and whether it can start now. `None` if no rank can take
    /// it.
    pub(crate) fn best(&self, reservation: usize) -> Option<(Rank, Availability)> {
        let first = self.reservations.get(reservation)?.index.first()?;
        let when = match (first >> 126) as u8 {
            0 => Availability::Now,
            1 => Availability::Full,
            _ => Availability::Later,
        };
        Some((rank_of(first), when))
    }

    /// Whether `rank` can start a task of the class now.
    pub(crate) fn fits(&self, reservation: usize, rank: Rank) -> bool {
        let when = || {
            let (worker, found) = (self.get(rank)?, self.reservations.get(reservation)?);
            found.when(reservation, rank, worker, self.hosts.get(worker.host as usize)?)
        };
        when() == Some(Availability::Now)
    }

    /// The resource that no rank can give to tasks of the class; `None` if some rank can meet all needs.
    pub(crate) fn lack(&self, number: usize) -> Option<Shortage> {
        let reservation = self.reservations.get(number)?;
        let able = |(rank, worker): (Rank, &RankRecord)| {
            self.hosts.get(worker.host as usize).is_some_and(|host| reservation.is_able(rank, worker, host))
        };
        if reservation.needs.processes == 1 && self.iter().any(able) {
            return None;
        }
        let alive = || {
            let here = |rank: Rank| reservation.allowed.has(rank);
            self.iter()
                .filter(move |(rank, worker)| worker.computes() && here(*rank))
                .map(|(_, worker)| worker)
        };
        let Some(slots) = alive().map(|worker| worker.slots).max() else { return Some(Shortage::Ranks) };
        if reservation.needs.processes > 1 {
            let most = self.most_processes(number);
            return (most < reservation.needs.processes.into()).then_some(Shortage::Processes(most));
        }
        let gpus = alive().map(|worker| worker.gpus).max().unwrap_or(0);
        let memory = alive().filter_map(|worker| self.hosts.get(worker.host as usize));
        let memory = memory.map(|host| host.memory).max().unwrap_or(0);
        Some(if slots < reservation.needs.slots {
            Shortage::Slots(slots)
        } else if gpus < reservation.needs.gpus {
            Shortage::Gpus(gpus)
        } else if memory < reservation.needs.memory {
            Shortage::Memory(memory)
        } else {
            Shortage::Together
        })
    }

    /// Counts the resources that a task needs as taken from `rank` and its host: slots beyond the first, GPUs, memory.
    /// [`RankTable::add`] has counted the task and its first slot already.
    pub(crate) fn occupy(&mut self, rank: Rank, needs: &ResourceRequest) {
        if let Some(worker) = self.get_mut(rank) {
            worker.extra += needs.slots - 1;
            worker.gpus_used += needs.gpus;
            let host = worker.host;
            self.change_host(host, needs.memory, |host| host.used += needs.memory);
        }
    }

    /// Counts the resources of a task that has left `rank` as free again: slots beyond the first, GPUs, host memory.
    pub(crate) fn vacate(&mut self, rank: Rank, needs: &ResourceRequest) {
        if let Some(worker) = self.get_mut(rank) {
            worker.extra -= needs.slots - 1;
            worker.gpus_used -= needs.gpus;
            let host = worker.host;
            self.change_host(host, needs.memory, |host| host.used -= needs.memory);
        }
    }

    /// Whether `rank` can be reserved for the class: it is not reserved yet, and its host has enough memory for all
    /// reservations on it together. Otherwise each reservation could wait for memory that is set aside for another.
    pub(crate) fn may_reserve(&self, number: usize, rank: Rank) -> bool {
        let (Some(needs), Some(worker)) = (self.needs_of(number), self.get(rank)) else { return false };
        let host = self.hosts.get(worker.host as usize);
        worker.reserved.is_none()
            && host.is_some_and(|host| host.held.saturating_add(needs.memory) <= host.memory)
    }

    /// Reserves `rank` for the next task of the class, in place of the class's earlier reservation.
    pub(crate) fn reserve(&mut self, number: usize, rank: Rank) {
        self.unreserve(number);
        let Some(needs) = self.needs_of(number) else { return };
        let Some(worker) = self.get_mut(rank) else { return };
        worker.reserved = Some(number as u32);
        let host = worker.host;
        self.change_host(host, needs.memory, |host| host.held += needs.memory);
        if let Some(reservation) = self.reservations.get_mut(number) {
            reservation.reserved = Some((rank, host));
        }
    }

    /// Cancels the reservation of the class, so that its rank is no longer kept free. Returns whether there was one.
    pub(crate) fn unreserve(&mut self, number: usize) -> bool {
        let Some(reservation) = self.reservations.get_mut(number) else { return false };
        let (single, team) = (reservation.reserved.take(), std::mem::take(&mut reservation.team));
        for rank in &team {
            if let Some(worker) = self.get_mut(*rank) {
                worker.reserved = None;
            }
        }
        let Some((rank, host)) = single else { return !team.is_empty() };
        if let Some(worker) = self.get_mut(rank) {
            worker.reserved = None;
        }
        if let Some(needs) = self.needs_of(number) {
            self.change_host(host, needs.memory, |host| host.held -= needs.memory);
        }
        true
    }

    /// Cancels all reservations of `rank`, which has died: another rank is to be kept free for these classes.
    pub(super) fn unreserve_on(&mut self, rank: Rank) {
        for number in 0..self.reservations.len() {
            let reservation = &self.reservations[number];
            if reservation.reserved.is_some_and(|(at, _)| at == rank) || reservation.team.contains(&rank) {
                self.unreserve(number);
            }
        }
    }

    fn needs_of(&self, number: usize) -> Option<ResourceRequest> {
        self.reservations.get(number).map(|reservation| reservation.needs)
    }

    /// Applies `change` to the host's record, and marks the host's ranks as changed, since the memory that is left
    /// decides which of them can start a task now. Does nothing if the changed `amount` of memory is 0 bytes.
    pub(super) fn change_host(&mut self, host: u32, amount: u64, change: impl FnOnce(&mut Host)) {
        if amount == 0 {
            return;
        }
        let Some(found) = self.hosts.get_mut(host as usize) else { return };
        change(found);
        for at in 0..found.ranks.len() {
            let Some(&rank) = self.hosts.get(host as usize).and_then(|host| host.ranks.get(at)) else {
                return;
            };
            self.get_mut(rank);
        }
    }
}

/// Groups ranks 0, 1, … by host. Each item is the rank's host number and the memory of that host in bytes.
pub(super) fn hosts(ranks: impl Iterator<Item = (u32, u64)>) -> Vec<Host> {
    let mut hosts: Vec<Host> = Vec::new();
    for (rank, (host, memory)) in ranks.enumerate() {
        let host = host as usize;
        if hosts.len() <= host {
            hosts.resize_with(host + 1, || Host { memory: 0, used: 0, held: 0, ranks: Vec::new() });
        }
        hosts[host].memory = hosts[host].memory.max(memory);
        hosts[host].ranks.push(Rank(rank as u32));
    }
    hosts
}
