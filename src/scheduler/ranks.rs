//! What the scheduler believes of each rank, and the indexes that find the least and the most loaded one.

use super::event::RankInfo;
use crate::compact::tournament::Tournament;
use crate::ids::{DefId, Rank, TaskId};
use crate::scheduler::reservations::{Host, Reservation, hosts};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Work that a rank may have queued beyond its slots, in nanoseconds: enough to hide a round trip.
pub(crate) const HORIZON: u64 = 1_000_000;
/// Tasks that a rank may have queued beyond its slots, however short they are.
pub(crate) const BACKLOG_MAX: u32 = 1024;
/// Threads that wait inside tasks on a rank, beyond its slots, from which on it gets no more tasks without inputs: each of
/// them could be one more, while what they have submitted goes on.
pub(crate) const WAITING_MAX: u32 = 64;
/// What a task costs its rank beside its function, in nanoseconds.
pub(crate) const TASK_OVERHEAD: u32 = 300;

/// One rank.
#[derive(Debug)]
pub(crate) struct RankRecord {
    /// Tasks that it computes at a time.
    pub slots: u32,
    /// Bytes of results above which it gets no more tasks without inputs.
    pub memory_limit: u64,
    /// False once it has died.
    pub alive: bool,
    /// Tasks sent and not finished.
    pub assigned: u32,
    /// Those of them that miss inputs: they were sent ahead of tasks before them on the same rank, and use no slot yet.
    pub ahead: u32,
    /// Slots that its tasks take beyond one each.
    pub extra: u32,
    /// Devices that it has.
    pub gpus: u32,
    /// Those of them that its tasks take.
    pub gpus_used: u32,
    /// The number of its host.
    pub host: u32,
    /// It is kept free for tasks with these needs: the number of their reservation.
    pub reserved: Option<u32>,
    /// What the others are expected to cost together, in nanoseconds.
    pub load: u64,
    /// The same of those that miss inputs.
    pub ahead_load: u64,
    /// Slots there that tasks have given back, since they wait for other tasks.
    pub waiting: u32,
    /// Bytes of results that it holds.
    pub stored: u64,
    /// A `Retract` is under way; with it, whether it has brought a task that may run elsewhere.
    retracting: Option<bool>,
    /// The last `Retract` brought no such task, and nothing has changed since.
    barren: bool,
    /// Tasks that may run nowhere else and wait for room.
    pub pinned: VecDeque<TaskId>,
    /// Blocked tasks whose missing inputs were all to be made here when they were noted.
    pub followers: VecDeque<TaskId>,
    /// Ended or returned tasks that it was not told of to be noted.
    pub unseen: u32,
    /// A bit for each definition that it has been told.
    known: SmallVec<[u64; 2]>,
    /// It is among the ranks whose place in the indexes may have changed.
    dirty: bool,
    /// The same of the index of busy ranks.
    unsorted: bool,
}

impl RankRecord {
    /// When a task given to it now would start, in nanoseconds from now.
    pub(crate) fn expected_start(&self) -> u64 {
        if self.active() < self.slots { 0 } else { self.load / u64::from(self.slots.max(1)) }
    }

    /// Slots of the tasks that could run there now.
    pub(crate) fn active(&self) -> u32 {
        (self.assigned - self.ahead + self.extra).saturating_sub(self.waiting)
    }

    /// How many more tasks that cost `cost` nanoseconds each it may get: its slots, one more, and what short tasks
    /// it can queue within the horizon.
    pub(crate) fn room(&self, cost: u32) -> u32 {
        if !self.is_open() {
            return 0;
        }
        (self.slots + 1).saturating_sub(self.active()).max(self.short_room(cost, self.load))
    }

    /// How many more tasks it may get ahead of their inputs: one for each slot, and what short tasks it can queue.
    pub(crate) fn room_ahead(&self, cost: u32) -> u32 {
        if !self.is_open() {
            return 0;
        }
        self.slots.saturating_sub(self.ahead).max(self.short_room(cost, self.load + self.ahead_load))
    }

    fn short_room(&self, cost: u32, load: u64) -> u32 {
        let time = (HORIZON * u64::from(self.slots)).saturating_sub(load);
        let most = (self.slots + BACKLOG_MAX).saturating_sub(self.assigned);
        u32::try_from(time / u64::from(cost.max(1))).unwrap_or(u32::MAX).min(most)
    }

    fn has_room(&self) -> bool {
        let queued = self.load < HORIZON * u64::from(self.slots) && self.assigned < self.slots + BACKLOG_MAX;
        self.is_open() && (self.active() <= self.slots || queued)
    }

    /// Whether it takes tasks beside those that it is kept free for. Where tasks wait for others, these may have to run
    /// there before anything else can.
    pub(crate) fn is_open(&self) -> bool {
        self.computes() && (self.reserved.is_none() || self.waiting > 0)
    }

    /// Whether it computes anything, now and later.
    pub(crate) fn computes(&self) -> bool {
        self.alive && self.slots > 0
    }

    /// Whether a task may be queued there because of its inputs, although others would come first.
    pub(crate) fn may_queue(&self) -> bool {
        self.is_open() && self.assigned < self.slots + BACKLOG_MAX
    }

    fn load_of(&mut self, ahead: bool) -> &mut u64 {
        if ahead { &mut self.ahead_load } else { &mut self.load }
    }

    /// Whether its results, or its threads that wait, leave no room for more roots.
    pub(crate) fn is_full(&self) -> bool {
        self.stored > self.memory_limit || self.waiting >= self.slots.saturating_add(WAITING_MAX)
    }
}

/// All ranks, with indexes.
#[derive(Debug)]
pub(crate) struct RankTable {
    pub(super) ranks: Vec<RankRecord>,
    pub(super) hosts: Vec<Host>,
    /// For each kind of needs.
    pub(super) reservations: Vec<Reservation>,
    /// Ranks with room for more tasks and memory to spare, by expected start, then tasks per slot.
    spare: Tournament,
    /// Ranks with room for more tasks whose memory is full, in the same order.
    full: Tournament,
    /// Ranks with tasks beyond their slots, the largest load first. Brought up to date when it is asked.
    busy: Tournament,
    dirty: Vec<Rank>,
    unsorted: Vec<Rank>,
    assigned: u64,
    waiting: u64,
    computing: u64,
}

impl RankTable {
    /// Ranks 0, 1, … as `infos` tells.
    pub(crate) fn new(infos: &[RankInfo]) -> Self {
        let ranks = infos
            .iter()
            .map(|info| RankRecord {
                slots: info.slots,
                memory_limit: info.memory_limit,
                alive: true,
                assigned: 0,
                ahead: 0,
                extra: 0,
                gpus: info.gpus,
                gpus_used: 0,
                host: info.host,
                reserved: None,
                load: 0,
                ahead_load: 0,
                waiting: 0,
                stored: 0,
                retracting: None,
                barren: false,
                pinned: VecDeque::new(),
                followers: VecDeque::new(),
                unseen: 0,
                known: SmallVec::new(),
                dirty: true,
                unsorted: true,
            })
            .collect();
        let all: Vec<Rank> = (0..infos.len() as u32).map(Rank).collect();
        RankTable {
            ranks,
            hosts: hosts(infos.iter().map(|info| (info.host, info.memory))),
            reservations: Vec::new(),
            spare: Tournament::new(infos.len()),
            full: Tournament::new(infos.len()),
            busy: Tournament::new(infos.len()),
            dirty: all.clone(),
            unsorted: all,
            assigned: 0,
            waiting: 0,
            computing: infos.iter().filter(|info| info.slots > 0).count() as u64,
        }
    }

    /// The rank, if there is one of that number.
    pub(crate) fn get(&self, rank: Rank) -> Option<&RankRecord> {
        self.ranks.get(rank.index())
    }

    /// The rank; whatever is changed is seen by the indexes at the next [`RankTable::refresh`].
    pub(crate) fn get_mut(&mut self, rank: Rank) -> Option<&mut RankRecord> {
        let worker = self.ranks.get_mut(rank.index())?;
        if !worker.dirty {
            worker.dirty = true;
            self.dirty.push(rank);
        }
        if !worker.unsorted {
            worker.unsorted = true;
            self.unsorted.push(rank);
        }
        Some(worker)
    }

    /// All ranks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Rank, &RankRecord)> {
        self.ranks.iter().enumerate().map(|(rank, worker)| (Rank(rank as u32), worker))
    }

    /// Tasks assigned on all ranks together.
    pub(crate) fn total_assigned(&self) -> u64 {
        self.assigned
    }

    /// Whether any task is on a rank that does not wait for others.
    pub(crate) fn is_any_running(&self) -> bool {
        self.assigned > self.waiting
    }

    /// Threads that wait inside tasks on all ranks together.
    pub(crate) fn total_waiting(&self) -> u64 {
        self.waiting
    }

    /// Notes that tasks on `rank` that wait have given so many slots back.
    pub(crate) fn set_waiting(&mut self, rank: Rank, slots: u32) {
        if let Some(worker) = self.get_mut(rank) {
            let before = std::mem::replace(&mut worker.waiting, slots);
            worker.barren = false;
            self.waiting = self.waiting - u64::from(before) + u64::from(slots);
        }
    }

    /// Ranks that compute and are alive.
    pub(crate) fn computing(&self) -> u64 {
        self.computing
    }

    /// Notes that `rank` is asked to give tasks back.
    pub(crate) fn retract(&mut self, rank: Rank) {
        if let Some(worker) = self.get_mut(rank) {
            worker.retracting = Some(false);
        }
    }

    /// Notes that `rank` has given back a task that may run elsewhere.
    pub(crate) fn given_back(&mut self, rank: Rank) {
        if let Some(moved) = self.get_mut(rank).and_then(|worker| worker.retracting.as_mut()) {
            *moved = true;
        }
    }

    /// Notes that `rank` has given back what it can.
    pub(crate) fn retract_done(&mut self, rank: Rank) {
        if let Some(worker) = self.get_mut(rank)
            && let Some(moved) = worker.retracting.take()
        {
            // asking again before anything has changed would only go in circles
            worker.barren = !moved;
        }
    }

    /// Takes `rank` out: it has died. Returns the tasks that could only have run there.
    pub(crate) fn bury(&mut self, rank: Rank) -> VecDeque<TaskId> {
        self.set_waiting(rank, 0);
        let Some(worker) = self.get_mut(rank) else { return VecDeque::new() };
        let computed = worker.computes();
        worker.alive = false;
        worker.stored = 0;
        worker.retracting = None;
        worker.followers = VecDeque::new();
        let pinned = std::mem::take(&mut worker.pinned);
        self.computing -= u64::from(computed);
        self.unreserve_on(rank);
        pinned
    }

    /// Counts a task of `cost` nanoseconds as sent to `rank`; `pinned` if it may run nowhere else, `ahead` if it misses
    /// inputs.
    pub(crate) fn add(&mut self, rank: Rank, cost: u32, pinned: bool, ahead: bool) {
        if let Some(worker) = self.get_mut(rank) {
            worker.assigned += 1;
            // one more that cannot be given away changes nothing
            worker.barren &= pinned || ahead;
            worker.ahead += u32::from(ahead);
            *worker.load_of(ahead) += u64::from(cost);
            self.assigned += 1;
        }
    }

    /// Counts a task of `cost` nanoseconds as gone from `rank`; `ahead` if it missed inputs.
    pub(crate) fn remove(&mut self, rank: Rank, cost: u32, ahead: bool) {
        if let Some(worker) = self.get_mut(rank) {
            worker.assigned -= 1;
            worker.barren = false;
            worker.ahead -= u32::from(ahead);
            *worker.load_of(ahead) -= u64::from(cost);
            self.assigned -= 1;
        }
    }

    /// Counts a task of `cost` nanoseconds on `rank` as one that misses inputs, or does no longer.
    pub(crate) fn set_ahead(&mut self, rank: Rank, cost: u32, ahead: bool) {
        if let Some(worker) = self.get_mut(rank) {
            *worker.load_of(!ahead) -= u64::from(cost);
            *worker.load_of(ahead) += u64::from(cost);
            worker.ahead = if ahead { worker.ahead + 1 } else { worker.ahead - 1 };
            worker.barren &= ahead;
        }
    }

    /// Brings the indexes up to date; calls `with` for each rank that has changed and has tasks that wait for its room.
    pub(crate) fn refresh(&mut self, mut with: impl FnMut(Rank)) {
        while let Some(rank) = self.dirty.pop() {
            let worker = &mut self.ranks[rank.index()];
            worker.dirty = false;
            if !worker.pinned.is_empty() || !worker.followers.is_empty() {
                with(rank);
            }
            let key = worker.has_room().then(|| {
                let per_slot = u64::from(worker.active()) * 64 / u64::from(worker.slots);
                key(worker.expected_start(), per_slot, rank)
            });
            let full = worker.is_full();
            self.spare.set(rank, key.filter(|_| !full));
            if full || self.full.first().is_some() {
                self.full.set(rank, key.filter(|_| full));
            }
            if !self.reservations.is_empty() {
                self.refresh_reservations(rank);
            }
        }
    }

    /// The rank with room where a task would start first; with `root`, only among those with memory to spare.
    pub(crate) fn least_loaded(&self, root: bool) -> Option<Rank> {
        let full = if root { None } else { self.full.first() };
        match (self.spare.first(), full) {
            (Some(spare), Some(full)) if full >> 32 < spare >> 32 => Some(rank_of(full)),
            (spare, full) => spare.or(full).map(rank_of),
        }
    }

    /// A rank with a slot free, if any.
    pub(crate) fn idle(&self) -> Option<Rank> {
        let rank = self.least_loaded(false)?;
        let worker = &self.ranks[rank.index()];
        (worker.active() < worker.slots).then_some(rank)
    }

    /// The rank with the most work queued beyond its slots, apart from those that are asked already, or in vain.
    pub(crate) fn busiest(&mut self) -> Option<Rank> {
        while let Some(rank) = self.unsorted.pop() {
            let worker = &mut self.ranks[rank.index()];
            worker.unsorted = false;
            let queued = worker.alive && worker.active() > worker.slots;
            let queued = queued && worker.retracting.is_none() && !worker.barren;
            self.busy.set(rank, queued.then(|| key(u64::MAX - worker.load, 0, Rank(!rank.0))));
        }
        self.busy.first().map(|key| Rank(!rank_of(key).0))
    }

    /// Counts one more task of `rank` that has ended or was given back.
    pub(crate) fn note_unseen(&mut self, rank: Rank) {
        if let Some(worker) = self.ranks.get_mut(rank.index()) {
            worker.unseen += 1;
        }
    }

    /// How many tasks of `rank` have ended or were given back since the last call.
    pub(crate) fn take_unseen(&mut self, rank: Rank) -> u32 {
        self.ranks.get_mut(rank.index()).map_or(0, |worker| std::mem::take(&mut worker.unseen))
    }

    /// Notes that `rank` is told the definition `def`; false if it was before.
    pub(crate) fn learn(&mut self, rank: Rank, def: DefId) -> bool {
        let Some(worker) = self.ranks.get_mut(rank.index()) else { return false };
        let (word, bit) = (def.index() / 64, 1u64 << (def.index() % 64));
        if worker.known.len() <= word {
            worker.known.resize(word + 1, 0);
        }
        let new = worker.known[word] & bit == 0;
        worker.known[word] |= bit;
        new
    }

    /// Whether `rank` has been told the definition `def`.
    pub(crate) fn has_learnt(&self, rank: Rank, def: DefId) -> bool {
        let (word, bit) = (def.index() / 64, 1u64 << (def.index() % 64));
        self.get(rank).and_then(|worker| worker.known.get(word)).is_some_and(|known| known & bit != 0)
    }
}

/// A key of the indexes: by `first`, then `second`, then rank.
pub(super) fn key(first: u64, second: u64, rank: Rank) -> u128 {
    u128::from(first) << 64 | u128::from(second as u32) << 32 | u128::from(rank.0)
}

pub(super) fn rank_of(key: u128) -> Rank {
    Rank(key as u32)
}
