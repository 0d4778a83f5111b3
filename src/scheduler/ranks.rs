//! The table of ranks as rank 0 knows them, with indexes that find the least and the most loaded rank.
//!
//! The load of a rank is the expected cost of the tasks assigned to it. Changes through [`RankTable::get_mut`] mark a
//! rank; the indexes are up to date after [`RankTable::refresh`].

use super::event::RankInfo;
use crate::compact::tournament::Tournament;
use crate::ids::{DefId, Rank, TaskId};
use crate::scheduler::reservations::{Host, Reservation, hosts};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Expected work that a rank may have queued beyond the tasks that run in its slots, in nanoseconds per slot: enough to
/// hide a round trip to rank 0.
pub(crate) const HORIZON: u64 = 1_000_000;
/// Number of tasks that a rank may have queued beyond those that run in its slots, however short they are.
pub(crate) const BACKLOG_MAX: u32 = 1024;
/// Number of threads on a rank that may wait inside tasks, beyond its slots. From that number on the rank gets no more
/// of the client's tasks without inputs, since each could become one more waiting thread. Nested tasks, for which those
/// threads wait, still go there.
pub(crate) const WAITING_MAX: u32 = 64;
/// Expected time that a task costs its rank in addition to the time in its function, in nanoseconds.
pub(crate) const TASK_OVERHEAD: u32 = 300;

/// The record that rank 0 keeps of a rank: its resources, its load and its tasks that wait.
#[derive(Debug)]
pub(crate) struct RankRecord {
    /// Number of tasks that the rank computes at a time.
    pub slots: u32,
    /// Bytes of stored results above which the rank gets no more tasks without inputs: these only add results, while
    /// tasks with inputs let others be released.
    pub memory_limit: u64,
    /// Whether the rank lives; false once it has died.
    pub alive: bool,
    /// Number of tasks that were sent to the rank and have not ended: running ones, queued ones and those that miss
    /// inputs.
    pub assigned: u32,
    /// Number of assigned tasks that miss inputs: they were sent early, since other tasks on the same rank make these
    /// inputs. They use no slot yet.
    pub ahead: u32,
    /// Slots that the assigned tasks take beyond one for each task.
    pub extra: u32,
    /// Slots of these that programs of several processes take, beside the tasks that have started them.
    pub lent: u32,
    /// The value of `lent` that the rank was told last.
    pub told_lent: u32,
    /// Number of GPUs of the rank.
    pub gpus: u32,
    /// GPUs that tasks on the rank are using.
    pub gpus_used: u32,
    /// The number of the rank's host, an index into the table of hosts.
    pub host: u32,
    /// The class of tasks (with equal needs) for whose next task the rank is kept free, by number; `None` if the rank
    /// is not reserved.
    pub reserved: Option<u32>,
    /// Expected cost of the assigned tasks that have all inputs, in nanoseconds.
    pub load: u64,
    /// Expected cost of the assigned tasks that miss inputs, in nanoseconds.
    pub ahead_load: u64,
    /// Slots that are free because the tasks in them wait for other tasks.
    pub waiting: u32,
    /// Bytes of results that the rank holds, copies of other ranks' results included.
    pub stored: u64,
    /// The number of bytes of these results that the rank has on disk and not in memory, by its last report.
    pub on_disk: u64,
    /// The state of the last request to return queued tasks (`Retract`, for work stealing). `None` if it was answered
    /// completely; else whether a task has been returned that other ranks can take.
    retracting: Option<bool>,
    /// Whether the last `Retract` returned no task that other ranks can take, and nothing has changed since. Then the
    /// request is not repeated.
    barren: bool,
    /// Ready tasks that must run on this rank, and wait until it has room.
    pub pinned: VecDeque<TaskId>,
    /// Blocked tasks that can be sent to this rank early: when they were listed, it was going to make all their missing
    /// inputs.
    pub followers: VecDeque<TaskId>,
    /// Number of the rank's reports of ended or returned tasks that rank 0 has handled but not yet acknowledged with
    /// `Seen`.
    pub unseen: u32,
    /// A bit set of the definitions that the rank has been sent, by definition number.
    known: SmallVec<[u64; 2]>,
    /// Whether the rank is in the list of changed ranks, whose positions in the indexes `spare` and `full` are out of
    /// date.
    dirty: bool,
    /// Whether the rank is in the list of changed ranks whose positions in the index `busy` are out of date.
    unsorted: bool,
}

impl RankRecord {
    /// The expected wait on the rank before a task that is sent to it now would start, in nanoseconds; 0 if a slot is
    /// free.
    pub(crate) fn expected_start(&self) -> u64 {
        if self.active() < self.slots { 0 } else { self.load / u64::from(self.slots.max(1)) }
    }

    /// Number of slots that the rank's tasks take, counting queued tasks but neither waiting ones nor those that miss
    /// inputs.
    pub(crate) fn active(&self) -> u32 {
        (self.assigned - self.ahead + self.extra).saturating_sub(self.waiting)
    }

    /// Number of further tasks, of `cost` nanoseconds each, that rank 0 may send to the rank: up to its slots and one
    /// more, or as many short ones as [`HORIZON`] allows.
    pub(crate) fn room(&self, cost: u32) -> u32 {
        if !self.is_open() {
            return 0;
        }
        (self.slots + 1).saturating_sub(self.active()).max(self.short_room(cost, self.load))
    }

    /// Number of further tasks, of `cost` nanoseconds each, that rank 0 may send to the rank before their inputs exist:
    /// one per slot, or as many short ones as [`HORIZON`] allows.
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

    /// Whether the rank takes any task, not only those of the class for which it is reserved. A reserved rank whose
    /// tasks wait for others takes any task too: they may wait for tasks that have to run on it first.
    pub(crate) fn is_open(&self) -> bool {
        self.computes() && (self.reserved.is_none() || self.waiting > 0)
    }

    /// Whether the rank computes tasks: it is alive and has slots.
    pub(crate) fn computes(&self) -> bool {
        self.alive && self.slots > 0
    }

    /// Whether a task may be queued on the rank behind others, where that saves a transfer of its inputs: the rank
    /// takes any task, and its queue is not too long.
    pub(crate) fn may_queue(&self) -> bool {
        self.is_open() && self.assigned < self.slots + BACKLOG_MAX
    }

    fn load_of(&mut self, ahead: bool) -> &mut u64 {
        if ahead { &mut self.ahead_load } else { &mut self.load }
    }

    /// Whether the rank is to get no more tasks without inputs: its results in memory exceed the memory limit, or too
    /// many of its threads wait inside tasks.
    pub(crate) fn is_full(&self) -> bool {
        self.stored.saturating_sub(self.on_disk) > self.memory_limit
            || self.waiting >= self.slots.saturating_add(WAITING_MAX)
    }
}

/// The table of all ranks, with the hosts, the reservations and the indexes.
#[derive(Debug)]
pub(crate) struct RankTable {
    pub(super) ranks: Vec<RankRecord>,
    pub(super) hosts: Vec<Host>,
    /// The reservations, one for each class of tasks with equal needs: which rank is kept free for the next task of the
    /// class, if any.
    pub(super) reservations: Vec<Reservation>,
    /// The index of ranks with room for more tasks that are not full ([`RankRecord::is_full`]), by expected start, then
    /// by tasks per slot.
    spare: Tournament,
    /// The index of ranks with room for more tasks that are full ([`RankRecord::is_full`]) and get no roots, in the
    /// same order as `spare`.
    full: Tournament,
    /// The index of ranks with more tasks than slots, the largest load first. Updated only when it is read.
    busy: Tournament,
    dirty: Vec<Rank>,
    unsorted: Vec<Rank>,
    assigned: u64,
    waiting: u64,
    computing: u64,
}

impl RankTable {
    /// Makes the table of ranks 0, 1, … from their properties, all alive and without tasks.
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
                lent: 0,
                told_lent: 0,
                gpus: info.gpus,
                gpus_used: 0,
                host: info.host,
                reserved: None,
                load: 0,
                ahead_load: 0,
                waiting: 0,
                stored: 0,
                on_disk: 0,
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

    /// The record of `rank`, or `None` if there is no such rank.
    pub(crate) fn get(&self, rank: Rank) -> Option<&RankRecord> {
        self.ranks.get(rank.index())
    }

    /// The record of `rank`, for changes, which reach the indexes at the next [`RankTable::refresh`]. `None` if there
    /// is no such rank.
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

    /// The ranks, dead ones included, with their records.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Rank, &RankRecord)> {
        self.ranks.iter().enumerate().map(|(rank, worker)| (Rank(rank as u32), worker))
    }

    /// Number of tasks that are assigned to ranks, over all ranks.
    pub(crate) fn total_assigned(&self) -> u64 {
        self.assigned
    }

    /// Whether any assigned task, on any rank, does something else than wait for other tasks.
    pub(crate) fn is_any_running(&self) -> bool {
        self.assigned > self.waiting
    }

    /// Slots on all ranks together that are free because their tasks wait for other tasks.
    pub(crate) fn total_waiting(&self) -> u64 {
        self.waiting
    }

    /// Sets the number of slots on `rank` that are free because their tasks wait for other tasks.
    pub(crate) fn set_waiting(&mut self, rank: Rank, slots: u32) {
        if let Some(worker) = self.get_mut(rank) {
            let before = std::mem::replace(&mut worker.waiting, slots);
            worker.barren = false;
            self.waiting = self.waiting - u64::from(before) + u64::from(slots);
        }
    }

    /// Sets the number of bytes of results that `rank` has on disk and not in memory.
    pub(crate) fn set_on_disk(&mut self, rank: Rank, bytes: u64) {
        if let Some(worker) = self.get_mut(rank) {
            worker.on_disk = bytes;
        }
    }

    /// Number of living ranks that have slots.
    pub(crate) fn computing(&self) -> u64 {
        self.computing
    }

    /// Notes that rank 0 has asked `rank` to return queued tasks (work stealing).
    pub(crate) fn retract(&mut self, rank: Rank) {
        if let Some(worker) = self.get_mut(rank) {
            worker.retracting = Some(false);
        }
    }

    /// Notes that `rank`, asked to return queued tasks, has returned one that other ranks can take.
    pub(crate) fn given_back(&mut self, rank: Rank) {
        if let Some(moved) = self.get_mut(rank).and_then(|worker| worker.retracting.as_mut()) {
            *moved = true;
        }
    }

    /// Notes that `rank` has answered a request to return tasks (`Retract`) completely.
    pub(crate) fn retract_done(&mut self, rank: Rank) {
        if let Some(worker) = self.get_mut(rank)
            && let Some(moved) = worker.retracting.take()
        {
            // if no other rank can take what the rank has returned, to ask again before anything changes would return
            // the same
            worker.barren = !moved;
        }
    }

    /// Marks `rank` as dead. Returns the tasks that waited for room on this rank: they were pinned to it, or had
    /// affinity to its host.
    pub(crate) fn bury(&mut self, rank: Rank) -> VecDeque<TaskId> {
        self.set_waiting(rank, 0);
        let Some(worker) = self.get_mut(rank) else { return VecDeque::new() };
        let computed = worker.computes();
        worker.alive = false;
        (worker.stored, worker.on_disk) = (0, 0);
        worker.retracting = None;
        worker.followers = VecDeque::new();
        let pinned = std::mem::take(&mut worker.pinned);
        self.computing -= u64::from(computed);
        self.unreserve_on(rank);
        pinned
    }

    /// Counts a task of `cost` nanoseconds as sent to `rank`. `pinned` tells that the task is bound to a rank or host
    /// and no other rank could take it, `ahead` that it misses inputs.
    pub(crate) fn add(&mut self, rank: Rank, cost: u32, pinned: bool, ahead: bool) {
        if let Some(worker) = self.get_mut(rank) {
            worker.assigned += 1;
            // a task that no other rank could take is no reason to ask the rank again for tasks
            worker.barren &= pinned || ahead;
            worker.ahead += u32::from(ahead);
            *worker.load_of(ahead) += u64::from(cost);
            self.assigned += 1;
        }
    }

    /// Counts a task of `cost` nanoseconds as gone from `rank`. `ahead` tells that it still missed inputs there.
    pub(crate) fn remove(&mut self, rank: Rank, cost: u32, ahead: bool) {
        if let Some(worker) = self.get_mut(rank) {
            worker.assigned -= 1;
            worker.barren = false;
            worker.ahead -= u32::from(ahead);
            *worker.load_of(ahead) -= u64::from(cost);
            self.assigned -= 1;
        }
    }

    /// Moves a task of `cost` nanoseconds on `rank` to those that miss inputs, or to those that have all of them if
    /// `ahead` is false.
    pub(crate) fn set_ahead(&mut self, rank: Rank, cost: u32, ahead: bool) {
        if let Some(worker) = self.get_mut(rank) {
            *worker.load_of(!ahead) -= u64::from(cost);
            *worker.load_of(ahead) += u64::from(cost);
            worker.ahead = if ahead { worker.ahead + 1 } else { worker.ahead - 1 };
            worker.barren &= ahead;
        }
    }

    /// Updates the indexes. Calls `with` for each changed rank that has pinned tasks or followers, which wait for room
    /// on it.
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

    /// The rank with room where a task would start first; `None` if no rank has room. With `root` (a task without
    /// inputs), a full rank ([`RankRecord::is_full`]) does not count.
    pub(crate) fn least_loaded(&self, root: bool) -> Option<Rank> {
        let full = if root { None } else { self.full.first() };
        match (self.spare.first(), full) {
            (Some(spare), Some(full)) if full >> 32 < spare >> 32 => Some(rank_of(full)),
            (spare, full) => spare.or(full).map(rank_of),
        }
    }

    /// A rank that has a free slot, or `None` if there is none.
    pub(crate) fn idle(&self) -> Option<Rank> {
        let rank = self.least_loaded(false)?;
        let worker = &self.ranks[rank.index()];
        (worker.active() < worker.slots).then_some(rank)
    }

    /// The rank with the most work queued beyond its slots, to take tasks back from. Excludes ranks that have not
    /// answered a `Retract` yet or had nothing to return.
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

    /// Counts one more report of `rank` on an ended or returned task, to be acknowledged to it.
    pub(crate) fn note_unseen(&mut self, rank: Rank) {
        if let Some(worker) = self.ranks.get_mut(rank.index()) {
            worker.unseen += 1;
        }
    }

    /// Number of reports of `rank` on ended or returned tasks since the last call, to be acknowledged now.
    pub(crate) fn take_unseen(&mut self, rank: Rank) -> u32 {
        self.ranks.get_mut(rank.index()).map_or(0, |worker| std::mem::take(&mut worker.unseen))
    }

    /// Notes that rank 0 sends the definition `def` to `rank`. Returns false if it was sent before, so that it is sent
    /// once.
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

    /// Whether rank 0 has sent the definition `def` to `rank`.
    pub(crate) fn has_learnt(&self, rank: Rank, def: DefId) -> bool {
        let (word, bit) = (def.index() / 64, 1u64 << (def.index() % 64));
        self.get(rank).and_then(|worker| worker.known.get(word)).is_some_and(|known| known & bit != 0)
    }
}

/// Makes a sort key for the indexes: by `first`, then by `second`, then by rank.
pub(super) fn key(first: u64, second: u64, rank: Rank) -> u128 {
    u128::from(first) << 64 | u128::from(second as u32) << 32 | u128::from(rank.0)
}

pub(super) fn rank_of(key: u128) -> Rank {
    Rank(key as u32)
}
