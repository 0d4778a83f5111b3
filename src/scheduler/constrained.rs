//! Constrained tasks: those that need several slots, GPUs, host memory or counters of the job.
//!
//! Constrained tasks wait apart from plain ones, in *classes* of equal needs, so that plain tasks pay nothing for them.
//! Tasks of a class start one after the other, so only the first can be next. If it cannot start yet, its needs are set
//! aside: classes behind it get none of its counters, and one rank is kept free for it (a backfill reservation, see
//! `reservations`). So no task starves, and smaller tasks overtake a larger one only where they do not delay it
//! (backfill).
//!
//! Start at `Scheduler::place_constrained`, which runs in every turn of placement.

use super::Scheduler;
use super::event::{DefOptions, SchedulerAction};
use super::ready::{Next, Ready, Urgency};
use super::task::{ScheduledTask, TaskState};
use crate::error::ProtocolError;
use crate::ids::{DefId, Rank, TaskId};
use crate::protocol::{COUNTERS_MAX, RankList, ResourceRequest};
use crate::scheduler::reservations::{Availability, Shortage};
use smallvec::SmallVec;

/// An amount of each counter of the job (a limited quantity, such as licences), indexed by the counter's number.
type Amounts = [u32; COUNTERS_MAX];

/// The ranks that are allowed to run the tasks of a class, as in [`DefOptions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AllowedRanks {
    /// The only rank, if there is one.
    pub on: Option<Rank>,
    /// The list of ranks, if there is one.
    pub among: Option<RankList>,
}

impl AllowedRanks {
    /// Whether `rank` is allowed to run the tasks.
    pub(crate) fn has(&self, rank: Rank) -> bool {
        self.on.is_none_or(|on| on == rank) && self.among.is_none_or(|among| among.contains(&rank))
    }
}

/// A class of tasks that need the same resources, and its queue. Its index in the list of classes is also that of its
/// reservation in the rank table.
#[derive(Debug)]
pub(crate) struct ConstraintClass {
    needs: ResourceRequest,
    allowed: AllowedRanks,
    ready: Ready,
    /// Whether some rank can ever give its tasks all that they need; `None` if not determined since ranks or counters
    /// last changed.
    able: Option<bool>,
}

/// The queues of constrained tasks (those that need anything beyond one slot), one queue per class of equal needs, and
/// the counters of the job.
#[derive(Debug, Default)]
pub(crate) struct ConstrainedTasks {
    classes: Vec<ConstraintClass>,
    totals: Amounts,
    pub(super) used: Amounts,
}

impl ConstrainedTasks {
    /// Whether any constrained task waits in a queue.
    pub(crate) fn is_waiting(&self) -> bool {
        self.classes.iter().any(|class| !class.ready.is_empty())
    }

    /// Adds a ready task to the queue of its class. `depth` is the longest path from a task without inputs to it.
    pub(crate) fn push(&mut self, class: u32, priority: i32, depth: u32, task: TaskId) {
        if let Some(class) = self.classes.get_mut(class as usize) {
            class.ready.push(priority, depth, task);
        }
    }

    /// Adds the instances of a family to the queue of their class. The family is named by its first task.
    pub(crate) fn push_family(&mut self, class: u32, priority: i32, first: TaskId) {
        if let Some(class) = self.classes.get_mut(class as usize) {
            class.ready.push_family(priority, first);
        }
    }

    /// Forgets for each class whether its needs can be met, since ranks or counters have changed. The next look
    /// determines it anew.
    pub(crate) fn look_again(&mut self) {
        self.classes.iter_mut().for_each(|class| class.able = None);
    }

    /// The tasks that wait in the queues, without the instances of families. Used by the checks of tests.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.classes.iter().flat_map(|class| class.ready.tasks())
    }

    /// The resources that each task of a class needs; `None` if there is no such class.
    pub(crate) fn needs(&self, class: u32) -> Option<&ResourceRequest> {
        self.classes.get(class as usize).map(|class| &class.needs)
    }

    /// The used and the total amount of each counter of the job. Used by the checks of tests.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.used.iter().copied().zip(self.totals.iter().copied())
    }

    fn find(&self, needs: &ResourceRequest, allowed: AllowedRanks) -> Option<usize> {
        self.classes.iter().position(|class| class.needs == *needs && class.allowed == allowed)
    }

    /// The class whose first task is to start next, with that task and its urgency (priority and depth).
    /// Only classes whose first task has at least the priority `floor` are examined, and none that is marked in
    /// `stopped`.
    fn first(&self, floor: i32, stopped: &[bool]) -> Option<(usize, Next, Urgency)> {
        let next = |(at, class): (usize, &ConstraintClass)| {
            let (next, urgency) = class.ready.peek(true)?;
            (urgency.0 >= floor && !stopped.get(at).copied().unwrap_or(false)).then_some((at, next, urgency))
        };
        let all = self.classes.iter().enumerate().filter_map(next);
        all.min_by_key(|(_, next, urgency)| {
            let (Next::Task(task) | Next::Family(task)) = *next;
            (std::cmp::Reverse(*urgency), task)
        })
    }
}

impl Scheduler {
    pub(super) fn on_counter(&mut self, counter: usize, total: u32) -> Result<(), ProtocolError> {
        let Some(known) = self.constrained.totals.get_mut(counter) else {
            return Err(ProtocolError(format!("counter {counter} of at most {COUNTERS_MAX}")));
        };
        *known = total;
        self.constrained.look_again();
        Ok(())
    }

    /// The class of tasks that need these resources, made if it does not exist. `None` for a plain request (one slot
    /// and nothing else), since plain tasks have no class.
    pub(super) fn class_of(&mut self, options: &DefOptions) -> Option<u32> {
        let needs = options.needs;
        if needs.is_plain() {
            return None;
        }
        let allowed = AllowedRanks { on: options.on, among: options.among };
        let at = self.constrained.find(&needs, allowed).unwrap_or_else(|| {
            let ready = Ready::default();
            self.constrained.classes.push(ConstraintClass { needs, allowed, ready, able: None });
            self.workers.add_reservation(needs, allowed);
            self.constrained.classes.len() - 1
        });
        Some(at as u32)
    }

    /// Queues a task whose inputs are all done: with the plain tasks, or in the class of its needs.
    pub(super) fn enqueue(&mut self, def: DefId, depth: u32, task: TaskId) {
        let (priority, class) =
            self.defs.get(def.index()).map_or((0, None), |def| (def.options.priority, def.class));
        match class {
            None => self.ready.push(priority, depth, task),
            Some(class) => self.constrained.push(class, priority, depth, task),
        }
    }

    /// Counts the resources that a task of `class` needs as taken: from `rank`, from its host and from the job's
    /// counters. `cost` is its expected cost in nanoseconds.
    pub(super) fn occupy(&mut self, task: TaskId, class: u32, rank: Rank, cost: u32) {
        let Some(&needs) = self.constrained.needs(class) else { return };
        match needs.processes {
            0 | 1 => self.workers.occupy(rank, &needs),
            _ => self.occupy_team(task, cost),
        }
        self.constrained.used.iter_mut().zip(needs.counters).for_each(|(used, count)| *used += count);
    }

    /// Counts the resources of a task of definition `def`, which has left `rank`, as free again. `cost` is its expected
    /// cost there in nanoseconds; `ahead` tells that it was sent there before all its inputs existed.
    pub(super) fn leave(&mut self, task: TaskId, rank: Rank, def: DefId, (cost, ahead): (u32, bool)) {
        self.workers.remove(rank, cost, ahead);
        let class = self.defs.get(def.index()).and_then(|def| def.class);
        if let Some(&needs) = class.and_then(|class| self.constrained.needs(class)) {
            match needs.processes {
                0 | 1 => self.workers.vacate(rank, &needs),
                _ => self.vacate_team(task),
            }
            self.constrained.used.iter_mut().zip(needs.counters).for_each(|(used, count)| *used -= count);
        }
    }

    /// Sends constrained tasks to ranks, but none of a lower priority than `floor`, that of the first plain task which
    /// waits. Returns whether it sent, failed or reserved anything.
    pub(super) fn place_constrained(&mut self, floor: i32, out: &mut Vec<SchedulerAction>) -> bool {
        let mut moved = self.yield_to(floor);
        let mut stopped: SmallVec<[bool; 16]> = smallvec::smallvec![false; self.constrained.classes.len()];
        let mut left: Amounts =
            std::array::from_fn(|at| self.constrained.totals[at].saturating_sub(self.constrained.used[at]));
        while let Some((at, next, urgency)) = self.constrained.first(floor, &stopped) {
            let Some(class) = self.constrained.classes.get(at) else { break };
            let needs = class.needs;
            if !self.is_able(at) {
                self.fail_class(at, out);
                moved = true;
                continue;
            }
            let is_cancelled = match next {
                Next::Task(task) => {
                    self.tasks.get(task).is_none_or(|record| record.state != TaskState::Ready)
                }
                Next::Family(first) => self.families.get_mut(first).is_none(),
            };
            if is_cancelled {
                self.pop(at, urgency);
                // the queue may be empty now, so that the rank that was reserved for the task is free again
                moved = true;
                continue;
            }
            let counted = left.iter().zip(&needs.counters).all(|(left, needs)| left >= needs);
            let team = if counted && needs.processes > 1 {
                self.team_for(at, next, &stopped, &mut moved)
            } else {
                None
            };
            let rank = match &team {
                Some(team) => team.members.first().map(|leader| leader.rank),
                None if counted && needs.processes == 1 => {
                    self.reserve_for(at, next, urgency.1 == 0, &mut moved)
                }
                None => None,
            };
            if !counted {
                moved |= self.workers.unreserve(at);
            }
            for (left, needs) in left.iter_mut().zip(needs.counters) {
                *left = left.saturating_sub(needs);
            }
            match (rank, next) {
                (None, _) => stopped[at] = true,
                (Some(rank), Next::Task(task)) => {
                    self.pop(at, urgency);
                    team.into_iter().for_each(|team| self.set_team(task, team));
                    self.assign(task, rank, out);
                    moved = true;
                }
                (Some(rank), Next::Family(first)) => {
                    let task = self.next_instance(first);
                    if self.families.get_mut(first).is_none() {
                        self.pop(at, urgency);
                    }
                    if let Some(task) = task {
                        team.into_iter().for_each(|team| self.set_team(task, team));
                        self.assign(task, rank, out);
                    }
                    moved = true;
                }
            }
            if rank.is_some() {
                self.workers.unreserve(at);
            }
            self.refresh();
        }
        moved
    }

    /// Cancels the reservations of ranks for tasks below the priority `floor`: more urgent plain tasks wait, and
    /// reserved ranks would not take them. Returns whether there was any reservation.
    fn yield_to(&mut self, floor: i32) -> bool {
        let mut moved = false;
        for at in 0..self.constrained.classes.len() {
            let next = self.constrained.classes[at].ready.peek(true);
            if next.is_some_and(|(_, urgency)| urgency.0 < floor) {
                moved |= self.workers.unreserve(at);
            }
        }
        if moved {
            self.refresh();
        }
        moved
    }

    /// Updates the indexes of ranks, and lists in `changed` the ranks that have got room and for which tasks wait.
    fn refresh(&mut self) {
        let Self { workers, changed, .. } = self;
        workers.refresh(|rank| changed.push(rank));
    }

    fn pop(&mut self, at: usize, urgency: Urgency) {
        let Some(class) = self.constrained.classes.get_mut(at) else { return };
        class.ready.pop(urgency);
        if class.ready.is_empty() {
            self.workers.unreserve(at);
            self.refresh();
        }
    }

    /// The rank where the next task of the class number `at` can start now. If there is none, keeps a rank free for the
    /// task (a reservation) and returns `None`. `root` says that the task has no inputs; `moved` is set when a
    /// reservation is made or cancelled.
    fn reserve_for(&mut self, at: usize, next: Next, root: bool, moved: &mut bool) -> Option<Rank> {
        match self.workers.best(at) {
            Some((rank, Availability::Now)) => {
                let rank = self.nearest(at, next, rank);
                Some(match next {
                    Next::Task(task) => self.another_of(at, task, rank),
                    Next::Family(_) => rank,
                })
            }
            Some((rank, Availability::Full)) => {
                // a rank over its memory limit gets no task without inputs, unless all tasks in flight only wait for
                // others: then nothing would ever free memory
                let goes = !root || !self.workers.is_any_running();
                if !goes {
                    *moved |= self.workers.unreserve(at);
                }
                goes.then_some(rank)
            }
            Some((rank, Availability::Later)) => {
                if self
                    .workers
                    .reservations()
                    .get(at)
                    .is_some_and(|reservation| reservation.reserved.is_none())
                    && self.workers.may_reserve(at, rank)
                {
                    self.workers.reserve(at, rank);
                    *moved = true;
                }
                None
            }
            None => None,
        }
    }

    /// Of the ranks that can start the task now, the one that needs the least time to fetch the inputs. `first` is the
    /// rank that placement has chosen by load. It is kept for an instance of a family, which has no inputs, and for a
    /// task that a rank has given back.
    fn nearest(&self, at: usize, next: Next, first: Rank) -> Rank {
        let Next::Task(task) = next else { return first };
        if self.tasks.get(task).is_none_or(|record| record.given_back) {
            return first;
        }
        let fetch = |rank: Rank| -> u64 {
            self.tasks.inputs(task).map(|input| self.fetch_time(input, rank)).fold(0, u64::saturating_add)
        };
        let beside = self.beside(task).into_iter().filter(|&rank| self.workers.fits(at, rank));
        if let Some((_, rank)) = beside.map(|rank| (fetch(rank), rank)).min() {
            return rank;
        }
        let holders = self.holders(task).into_iter().filter(|&rank| self.workers.fits(at, rank));
        let all = std::iter::once(first).chain(holders);
        all.map(|rank| (fetch(rank), rank != first, rank)).min().map_or(first, |(.., rank)| rank)
    }

    /// Makes the record of the family's next instance, which is to start, and returns its number. Forgets the family
    /// after its last instance.
    fn next_instance(&mut self, first: TaskId) -> Option<TaskId> {
        let family = self.families.get_mut(first)?;
        let (def, index) = (family.def, family.next);
        let count = family.run_length(1);
        family.advance(count);
        if family.is_started() {
            self.families.remove(first);
        }
        let task = TaskId(first.0 + index);
        (count > 0).then(|| {
            let record: ScheduledTask = Self::instance(def, index);
            self.tasks.insert(task, record, SmallVec::new());
            task
        })
    }

    /// Whether some rank can ever meet the needs of the class number `at`.
    pub(super) fn is_able(&mut self, at: usize) -> bool {
        let Some(class) = self.constrained.classes.get(at) else { return false };
        if let Some(able) = class.able {
            return able;
        }
        let able = self.lack(at).is_none();
        if let Some(class) = self.constrained.classes.get_mut(at) {
            class.able = Some(able);
        }
        able
    }

    fn lack(&self, at: usize) -> Option<Shortage> {
        let needs = &self.constrained.classes.get(at)?.needs;
        let counters = needs.counters.iter().zip(&self.constrained.totals).enumerate();
        let short = counters.filter(|(_, (needs, total))| needs > total).map(|(at, (_, total))| (at, *total));
        short.map(|(at, total)| Shortage::Counter(at, total)).next().or_else(|| self.workers.lack(at))
    }

    /// Fails all waiting tasks of the class number `at`, since no rank can ever meet their needs.
    fn fail_class(&mut self, at: usize, out: &mut Vec<SchedulerAction>) {
        let (Some(lack), Some(class)) = (self.lack(at), self.constrained.classes.get(at)) else { return };
        let (needs, on) = (class.needs, class.allowed.on);
        let there = on.map_or_else(
            || match class.allowed.among {
                Some(among) => format!("none of ranks {among}"),
                None => "no rank".to_owned(),
            },
            |rank| format!("rank {rank}, the only one that may run it, does not"),
        );
        let message = match lack {
            Shortage::Ranks => match on {
                Some(rank) => format!("it may only run on rank {rank}, which computes nothing"),
                None => match class.allowed.among {
                    Some(among) => format!("it may only run on ranks {among}, which compute nothing"),
                    None => "no rank is left that computes".to_owned(),
                },
            },
            Shortage::Slots(most) => {
                format!("it needs {} slots at a time, and {there} has so many: at most {most}", needs.slots)
            }
            Shortage::Gpus(most) => {
                format!("it needs {} devices, and {there} has so many: at most {most}", needs.gpus)
            }
            Shortage::Memory(most) => {
                format!("it needs {} bytes of memory, and {there} has so much: at most {most}", needs.memory)
            }
            Shortage::Processes(most) => {
                format!("{}, and the ranks together have room for {most}", Self::team_needs(&needs))
            }
            Shortage::Together => format!("{there} has all that it needs: {needs:?}"),
            Shortage::Counter(counter, total) => {
                format!("it needs {} of a counter that has {total}", needs.counters[counter])
            }
        };
        while let Some((next, urgency)) =
            self.constrained.classes.get(at).and_then(|class| class.ready.peek(true))
        {
            self.pop(at, urgency);
            match next {
                Next::Task(task) => self.fail_unplaced(task, on.unwrap_or(Rank(0)), message.clone(), out),
                Next::Family(first) => self.touch_all(first),
            }
        }
    }
}
