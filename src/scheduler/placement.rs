//! Placement decisions: late binding of ready tasks to ranks by load and data locality, and work stealing from busy
//! ranks.
//!
//! Start at [`Scheduler::place`]. A root, here and elsewhere in the scheduler, is a task of depth 0: one that the
//! client has submitted and that has no inputs.

use super::Scheduler;
use super::event::SchedulerAction;
use super::ready::{Next, Urgency};
use super::task::TaskState;
use crate::ids::{DefId, HEAD, Rank, TaskId};
use crate::protocol::{Blob, INPUTS_MAX, InputSource, RankOrder, RunTask, TaskInput};
use smallvec::SmallVec;

/// Bandwidth between ranks that the estimates of transfer times assume, in bytes per microsecond.
const BANDWIDTH: u64 = 2_000;
/// Latency that the estimates assume until the first byte of a fetched input arrives, in nanoseconds.
const LATENCY: u64 = 5_000;
/// Largest number of ranks that are examined for a task since they hold inputs of it. The bound keeps the cost of
/// placement independent of the number of ranks.
const CANDIDATES: usize = 8;

impl Scheduler {
    /// Sends ready tasks to ranks with room, and takes queued tasks back from busy ranks when others are idle (work
    /// stealing).
    ///
    /// The caller calls this once per turn, after it has handled all events of the turn.
    pub fn place(&mut self, out: &mut Vec<SchedulerAction>) {
        self.tell_lent(out);
        self.place_pinned(out);
        let mut changed = std::mem::take(&mut self.changed);
        if self.workers.computing() == 0 {
            self.fail_ready(out);
        }
        loop {
            let next = self.next();
            if self.constrained.is_waiting() {
                let plain = next
                    .map(|(_, urgency, _)| urgency)
                    .or_else(|| self.ready.peek(true).map(|(_, urgency)| urgency));
                if self.place_constrained(plain.map_or(i32::MIN, |(priority, _)| priority), out) {
                    changed.append(&mut self.changed);
                    continue;
                }
            }
            let Some((next, urgency, rank)) = next else { break };
            match next {
                Next::Task(task) => {
                    self.ready.pop(urgency);
                    self.place_task(task, rank, out);
                }
                Next::Family(first) => self.place_family(first, urgency, rank, out),
            }
            self.workers.refresh(|rank| changed.push(rank));
        }
        changed.sort_unstable();
        changed.dedup();
        for rank in changed.drain(..) {
            self.place_followers(rank, out);
        }
        self.changed = changed;
        self.workers.refresh(|_| ());
        self.rebalance(out);
    }

    /// The first entry of the ready queue that can be placed, with its position in the queue and the rank where it
    /// would start first. `None` if nothing is ready or no rank has room.
    fn next(&mut self) -> Option<(Next, Urgency, Rank)> {
        let (next, urgency) = self.ready.peek(true)?;
        let root = urgency.1 == 0;
        // a rank over its memory limit gets no roots; but while no task computes nothing would ever free memory, so
        // then it gets them all the same
        if let Some(rank) = self.workers.least_loaded(root && self.workers.is_any_running()) {
            return Some((next, urgency, rank));
        }
        // if only ranks without memory or threads for roots have room, the first task with inputs is placed instead,
        // even if roots have a higher priority
        let rank = self.workers.least_loaded(false).filter(|_| root)?;
        self.ready.peek(false).map(|(next, urgency)| (next, urgency, rank))
    }

    fn place_pinned(&mut self, out: &mut Vec<SchedulerAction>) {
        let mut changed = std::mem::take(&mut self.changed);
        self.workers.refresh(|rank| changed.push(rank));
        changed.sort_unstable();
        for &rank in &changed {
            while let Some(worker) = self.workers.get_mut(rank)
                && worker.room(1) > 0
                && let Some(task) = worker.pinned.pop_front()
            {
                if self.tasks.get(task).is_some_and(|record| record.state == TaskState::Ready) {
                    self.assign(task, rank, out);
                }
            }
        }
        self.changed = changed;
        self.workers.refresh(|rank| self.changed.push(rank));
    }

    fn place_task(&mut self, task: TaskId, least: Rank, out: &mut Vec<SchedulerAction>) {
        let Some(record) = self.tasks.get(task) else { return };
        if !matches!(record.state, TaskState::Ready) {
            // the task was cancelled, or placed by an earlier entry of the queue
            return;
        }
        let options = self.defs.get(record.def.index()).map(|def| def.options).unwrap_or_default();
        let bound = options.on.or_else(|| self.affine_rank(task));
        if bound.is_none()
            && let Some(among) = options.among
        {
            let message = format!("it may only run on ranks {among}, which compute nothing");
            return self.fail_unplaced(task, among.first().copied().unwrap_or(HEAD), message, out);
        }
        match bound {
            Some(rank) => match self.workers.get_mut(rank).filter(|worker| worker.computes()) {
                Some(worker) if worker.room(1) > 0 => self.assign(task, rank, out),
                Some(worker) => worker.pinned.push_back(task),
                None => self.fail_pinned(task, rank, out),
            },
            None => {
                let preferred = options.prefer.filter(|&rank| {
                    self.workers.get(rank).is_some_and(|worker| worker.computes() && worker.room(1) > 0)
                });
                let rank = preferred.unwrap_or_else(|| self.choose(task, least));
                let rank = self.another(task, rank);
                self.assign(task, rank, out);
            }
        }
    }

    /// The rank where `task` is expected to start first, counting the wait in the rank's queue and the transfers of
    /// inputs. The candidates are `least`, the least loaded rank, and ranks that hold inputs.
    fn choose(&self, task: TaskId, least: Rank) -> Rank {
        let Some(record) = self.tasks.get(task) else { return least };
        let holders = self.holders(task);
        if record.given_back || holders.iter().all(|&holder| holder == least) {
            return least;
        }
        let start = |rank: Rank| {
            let queue = self.workers.get(rank).map_or(u64::MAX, |worker| worker.expected_start());
            let fetch: u64 = self.tasks.inputs(task).map(|input| self.fetch_time(input, rank)).sum();
            queue.saturating_add(fetch)
        };
        let candidates = std::iter::once(least).chain(holders);
        candidates.map(|rank| (start(rank), rank)).min().map_or(least, |(_, rank)| rank)
    }

    /// Ranks that hold inputs of a task and can queue it, at most [`CANDIDATES`] of them.
    pub(super) fn holders(&self, task: TaskId) -> SmallVec<[Rank; CANDIDATES]> {
        let mut holders = SmallVec::new();
        for input in self.tasks.inputs(task) {
            let Some(TaskState::Stored(copies)) = self.tasks.get(input).map(|input| &input.state) else {
                continue;
            };
            for holder in copies.holders.iter() {
                if holders.len() == CANDIDATES {
                    return holders;
                }
                let may = self.workers.get(holder).is_some_and(|worker| worker.may_queue());
                if may && !holders.contains(&holder) {
                    holders.push(holder);
                }
            }
        }
        holders
    }

    pub(super) fn fetch_time(&self, input: TaskId, rank: Rank) -> u64 {
        match self.tasks.get(input).map(|input| &input.state) {
            Some(TaskState::Stored(copies)) if !copies.holders.contains(rank) => {
                LATENCY + copies.nbytes.saturating_mul(1000) / BANDWIDTH
            }
            _ => 0,
        }
    }

    fn define(&mut self, def: DefId, rank: Rank, out: &mut Vec<SchedulerAction>) {
        if self.workers.learn(rank, def)
            && let Some(known) = self.defs.get(def.index())
        {
            out.push(SchedulerAction::Send(rank, RankOrder::Define(known.definition.clone())));
            if known.nests {
                out.push(SchedulerAction::Send(rank, RankOrder::Nests { def }));
            }
        }
    }

    pub(super) fn assign(&mut self, task: TaskId, rank: Rank, out: &mut Vec<SchedulerAction>) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        let def = record.def;
        let (cost, pinned, class) = self
            .defs
            .get(def.index())
            .map_or((0, false, None), |def| (def.cost(), def.is_bound(), def.class));
        let missing = if let TaskState::Blocked { missing } = record.state { missing } else { 0 };
        record.state = TaskState::Assigned { rank, cost, missing };
        record.attempt = record.attempt.wrapping_add(1);
        record.given_back = false;
        self.retries.started(task);
        let waiting = !record.waiting.is_empty();
        self.workers.add(rank, cost, pinned, missing > 0);
        if let Some(class) = class {
            self.occupy(task, class, rank, cost);
        }
        self.define(def, rank, out);
        self.tell_seen(rank, out);
        if class.is_some() {
            self.tell_team(task, rank, out);
        }
        if waiting {
            self.note_followers(task);
        }
        let Some(record) = self.tasks.get(task) else { return };
        let mut inputs =
            self.tasks.inputs(task).map(|input| TaskInput { task: input, source: self.source(input, rank) });
        let mut more = inputs.len();
        // allocates nothing for tasks without inputs, and no more than needed for the others, since most have few
        let mut first = Vec::new();
        if more > 0 {
            first.reserve_exact(more.min(INPUTS_MAX));
            first.extend(inputs.by_ref().take(INPUTS_MAX));
            more -= first.len();
        }
        let run = RunTask {
            task,
            attempt: record.attempt,
            def,
            key: record.key,
            args: Blob::new(&record.args),
            inputs: first,
            more: more as u32,
            depth: if record.nested { record.depth } else { 0 },
        };
        out.push(SchedulerAction::Send(rank, RankOrder::Run(run)));
        while more > 0 {
            let next: Vec<TaskInput> = inputs.by_ref().take(INPUTS_MAX).collect();
            more -= next.len();
            out.push(SchedulerAction::Send(
                rank,
                RankOrder::MoreInputs { task, inputs: next, more: more as u32 },
            ));
        }
    }

    fn source(&self, input: TaskId, rank: Rank) -> InputSource {
        match self.tasks.get(input).map(|input| &input.state) {
            Some(TaskState::Inline(value)) => InputSource::Inline(Blob::new(value)),
            Some(TaskState::Stored(copies)) if !copies.holders.contains(rank) => InputSource::At {
                // ranks with different numbers fetch from different copies
                holder: copies.holders.pick(rank.index()),
                nbytes: copies.nbytes,
                layout: (*copies.layout).clone(),
            },
            Some(TaskState::Assigned { rank: at, .. }) if *at == rank => InputSource::Upcoming,
            _ => InputSource::Here,
        }
    }

    /// Sends the next instances of a family to `rank`: as many as the rank has room for, but at most its share if all
    /// ranks that compute divided the rest equally. `urgency` is that of the family in the ready queue.
    fn place_family(&mut self, first: TaskId, urgency: Urgency, rank: Rank, out: &mut Vec<SchedulerAction>) {
        let Some(family) = self.families.get_mut(first) else {
            self.ready.pop(urgency);
            return;
        };
        let (def, index) = (family.def, family.next);
        let cost = self.defs.get(def.index()).map_or(0, |def| def.cost());
        let worker = self.workers.get(rank);
        let slots = worker.map_or(1, |worker| worker.slots);
        let room = worker.map_or(0, |worker| worker.room(cost)).max(1);
        let computing = self.workers.computing().max(1);
        let share = (family.count - index).div_ceil(computing).max(u64::from(slots));
        let count = family.run_length(share.min(u64::from(room)));
        family.advance(count);
        if family.is_started() {
            self.ready.pop(urgency);
            self.families.remove(first);
        }
        if count == 0 {
            return;
        }
        for k in index..index + count {
            let mut record = Self::instance(def, k);
            record.state = TaskState::Assigned { rank, cost, missing: 0 };
            record.attempt = 1;
            self.tasks.insert(TaskId(first.0 + k), record, SmallVec::new());
            self.workers.add(rank, cost, false, false);
            self.placed_at_the_end(TaskId(first.0 + k));
        }
        self.define(def, rank, out);
        self.tell_seen(rank, out);
        let count = count as u32;
        out.push(SchedulerAction::Send(
            rank,
            RankOrder::RunRange { def, first: TaskId(first.0 + index), index, count },
        ));
    }
}
