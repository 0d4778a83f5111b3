//! Where tasks that need more than a slot can run: for each kind of needs an index of the ranks, and what is set aside.
//!
//! A rank that is *reserved* for tasks of one kind gets no others until one of them has started there: so a task that
//! needs many slots waits no longer than what runs there already, however many small ones there are.

use crate::compact::tournament::Tournament;
use crate::ids::Rank;
use crate::protocol::ResourceRequest;
use crate::scheduler::ranks::{RankRecord, RankTable, key, rank_of};

/// A host, whose memory its ranks share.
#[derive(Debug)]
pub(crate) struct Host {
    /// All of it, in bytes.
    pub memory: u64,
    /// Of its running tasks.
    pub used: u64,
    /// For tasks for which one of its ranks is reserved.
    pub held: u64,
    ranks: Vec<Rank>,
}

/// The ranks, as tasks with the same needs see them.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(super) needs: ResourceRequest,
    on: Option<Rank>,
    /// Ranks that can meet the needs and are not reserved for others: those that can now first, then by expected start.
    index: Tournament,
    /// The rank that is kept free for the next of these tasks, and its host.
    pub reserved: Option<(Rank, u32)>,
}

/// What no rank can give to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// No rank is left that computes.
    Ranks,
    /// So many slots at a time; the most that a rank has.
    Slots(u32),
    /// So many devices; the most that a rank has.
    Gpus(u32),
    /// So much memory; the most that a host has.
    Memory(u64),
    /// All of it together, though each alone there is.
    Together,
    /// So much of a counter; what there is of it.
    Counter(usize, u32),
}

/// When a rank can take a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// Now.
    Now,
    /// Now, but its results leave no room for more roots.
    Full,
    /// When others have ended.
    Later,
}

impl Reservation {
    /// Whether a rank of that host is reserved.
    pub(crate) fn is_held_at(&self, host: u32) -> bool {
        self.reserved.is_some_and(|(_, at)| at == host)
    }

    fn is_able(&self, rank: Rank, worker: &RankRecord, host: &Host) -> bool {
        worker.computes()
            && worker.slots >= self.needs.slots
            && worker.gpus >= self.needs.gpus
            && host.memory >= self.needs.memory
            && self.on.is_none_or(|on| on == rank)
    }

    /// When `rank` could take one of these tasks; never, if it cannot at all or is reserved for others.
    fn when(&self, number: usize, rank: Rank, worker: &RankRecord, host: &Host) -> Option<Availability> {
        let kept = worker.reserved == Some(number as u32);
        if !(kept || worker.is_open()) || !self.is_able(rank, worker, host) {
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
    /// One more kind of needs; its number is how many there were.
    pub(crate) fn add_reservation(&mut self, needs: ResourceRequest, on: Option<Rank>) {
        let index = Tournament::new(self.ranks.len());
        self.reservations.push(Reservation { needs, on, index, reserved: None });
        for rank in 0..self.ranks.len() {
            self.get_mut(Rank(rank as u32));
        }
        self.refresh(|_| ());
    }

    /// The reservations, for checks.
    pub(crate) fn reservations(&self) -> &[Reservation] {
        &self.reservations
    }

    /// The hosts, for checks.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The ranks of a host.
    pub(crate) fn ranks_of(&self, host: u32) -> &[Rank] {
        self.hosts.get(host as usize).map(|host| host.ranks.as_slice()).unwrap_or_default()
    }

    /// Brings the place of `rank` in all reservations up to date.
    pub(super) fn refresh_reservations(&mut self, rank: Rank) {
        let worker = &self.ranks[rank.index()];
        let host = &self.hosts[worker.host as usize];
        for (number, reservation) in self.reservations.iter_mut().enumerate() {
            let place = reservation.when(number, rank, worker, host).map(|when| {
                let start = (worker.load / u64::from(worker.slots.max(1))).min((1 << 62) - 1);
                let per_slot = u64::from(worker.active()) * 64 / u64::from(worker.slots.max(1));
                key((when as u64) << 62 | start, per_slot, rank)
            });
            reservation.index.set(rank, place);
        }
    }

    /// Where a task of `reservation` would start first, and when.
    pub(crate) fn best(&self, reservation: usize) -> Option<(Rank, Availability)> {
        let first = self.reservations.get(reservation)?.index.first()?;
        let when = match (first >> 126) as u8 {
            0 => Availability::Now,
            1 => Availability::Full,
            _ => Availability::Later,
        };
        Some((rank_of(first), when))
    }

    /// Whether `rank` can take a task of `reservation` now.
    pub(crate) fn fits(&self, reservation: usize, rank: Rank) -> bool {
        let when = || {
            let (worker, found) = (self.get(rank)?, self.reservations.get(reservation)?);
            found.when(reservation, rank, worker, self.hosts.get(worker.host as usize)?)
        };
        when() == Some(Availability::Now)
    }

    /// What of the needs of `reservation` no rank can give.
    pub(crate) fn lack(&self, reservation: usize) -> Option<Shortage> {
        let reservation = self.reservations.get(reservation)?;
        let able = |(rank, worker): (Rank, &RankRecord)| {
            self.hosts.get(worker.host as usize).is_some_and(|host| reservation.is_able(rank, worker, host))
        };
        if self.iter().any(able) {
            return None;
        }
        let alive = || {
            let here = |rank: Rank| reservation.on.is_none_or(|on| on == rank);
            self.iter()
                .filter(move |(rank, worker)| worker.computes() && here(*rank))
                .map(|(_, worker)| worker)
        };
        let Some(slots) = alive().map(|worker| worker.slots).max() else { return Some(Shortage::Ranks) };
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

    /// A task with these needs, counted by [`RankTable::add`], takes them of `rank`.
    pub(crate) fn occupy(&mut self, rank: Rank, needs: &ResourceRequest) {
        if let Some(worker) = self.get_mut(rank) {
            worker.extra += needs.slots - 1;
            worker.gpus_used += needs.gpus;
            let host = worker.host;
            self.change_host(host, needs.memory, |host| host.used += needs.memory);
        }
    }

    /// It gives them back.
    pub(crate) fn vacate(&mut self, rank: Rank, needs: &ResourceRequest) {
        if let Some(worker) = self.get_mut(rank) {
            worker.extra -= needs.slots - 1;
            worker.gpus_used -= needs.gpus;
            let host = worker.host;
            self.change_host(host, needs.memory, |host| host.used -= needs.memory);
        }
    }

    /// Whether `rank` may be kept free for `reservation`: it is not for others, and its host has the memory for all for whom its
    /// ranks are, together; else each would wait for what is set aside for another.
    pub(crate) fn may_reserve(&self, number: usize, rank: Rank) -> bool {
        let (Some(needs), Some(worker)) = (self.needs_of(number), self.get(rank)) else { return false };
        let host = self.hosts.get(worker.host as usize);
        worker.reserved.is_none()
            && host.is_some_and(|host| host.held.saturating_add(needs.memory) <= host.memory)
    }

    /// Keeps `rank` free for the next task of `reservation`.
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

    /// Keeps no rank free for `reservation` any more; whether one was.
    pub(crate) fn unreserve(&mut self, number: usize) -> bool {
        let Some((rank, host)) =
            self.reservations.get_mut(number).and_then(|reservation| reservation.reserved.take())
        else {
            return false;
        };
        if let Some(worker) = self.get_mut(rank) {
            worker.reserved = None;
        }
        if let Some(needs) = self.needs_of(number) {
            self.change_host(host, needs.memory, |host| host.held -= needs.memory);
        }
        true
    }

    /// Drops what is set aside on a rank that has died.
    pub(super) fn unreserve_on(&mut self, rank: Rank) {
        for number in 0..self.reservations.len() {
            if self.reservations[number].reserved.is_some_and(|(at, _)| at == rank) {
                self.unreserve(number);
            }
        }
    }

    fn needs_of(&self, number: usize) -> Option<ResourceRequest> {
        self.reservations.get(number).map(|reservation| reservation.needs)
    }

    /// Changes the memory of a host by `amount`: what all of its ranks can take.
    fn change_host(&mut self, host: u32, amount: u64, change: impl FnOnce(&mut Host)) {
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

/// The hosts of some ranks: for each its number, and its memory.
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
