//! The client of a run: submits a random graph, drops and waits for futures at random, and knows what must come out.

use crate::cluster::with_nested;
use crate::rng::{Rng, hash};
use dtask::internal::compact::Ranges;
use dtask::internal::ids::{DefId, Rank, TaskId};
use dtask::internal::protocol::{Blob, BulkLayout, Definition, RankList, ReportedResult, index_argument};
use dtask::internal::scheduler::{
    COUNTERS_MAX, DefOptions, NewTask, RankInfo, ResourceRequest, SchedulerEvent, TaskOutcome,
};
use std::collections::{BTreeMap, BTreeSet};

/// How a task behaves when it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Works,
    /// Fails that often, which its definition's retries make good.
    FailsFirst(u16),
    FailsAlways,
    FailsAtTimes,
}

/// What is known of a task from the start.
#[derive(Debug, Clone)]
pub struct Spec {
    pub def: DefId,
    pub args: Blob,
    pub inputs: Vec<TaskId>,
    pub manner: Manner,
    /// What its value must be.
    pub value: u64,
    /// Bytes of its result, 0 for one that travels in messages.
    pub nbytes: u64,
    pub must_fail: bool,
    pub may_fail: bool,
    /// What it submits is drawn from this, so many levels deep.
    pub seed: u64,
    pub level: u32,
}

impl Spec {
    pub fn layout(&self) -> BulkLayout {
        match self.nbytes % 2 {
            0 => BulkLayout::Encoded,
            _ => BulkLayout::Bulk { container: 1, element: 2, shape: vec![self.nbytes].into() },
        }
    }

    pub fn output(&self, value: u64) -> ReportedResult {
        match self.nbytes {
            0 => ReportedResult::Inline(Blob::new(&value.to_le_bytes())),
            nbytes => ReportedResult::Stored { nbytes, layout: self.layout() },
        }
    }
}

/// The value of a task whose inputs have these values.
pub fn value_of(def: DefId, args: &[u8], inputs: impl Iterator<Item = u64>) -> u64 {
    inputs.fold(hash(u64::from(def.0), args), |so_far, input| hash(so_far, &input.to_le_bytes()))
}

struct Def {
    options: DefOptions,
    may_fail: bool,
}

/// What may be asked of a graph.
pub struct Plan {
    pub tasks: usize,
    pub ranks: Vec<RankInfo>,
    /// Of a hundred definitions, how many need more than a slot.
    pub needy: usize,
    /// Ranks that will die at some time.
    pub victims: Vec<Rank>,
    /// Whether no rank that computes will be left.
    pub none_left: bool,
    pub failing: bool,
    /// Of a hundred results, how many travel in messages.
    pub inline: usize,
    /// Of a hundred tasks, how many submit others.
    pub nesting: usize,
}

#[derive(Default)]
struct Wanted {
    done: bool,
    value: bool,
}

pub struct Client {
    pub specs: BTreeMap<TaskId, Spec>,
    plan: Plan,
    defs: Vec<Def>,
    held: Vec<TaskId>,
    families: Vec<(TaskId, u64)>,
    wanted: BTreeMap<TaskId, Wanted>,
    next: u64,
    submitted: usize,
    asked_all: bool,
    released_all: bool,
}

impl Client {
    pub fn new(plan: Plan) -> Self {
        Client {
            specs: BTreeMap::new(),
            plan,
            defs: Vec::new(),
            held: Vec::new(),
            families: Vec::new(),
            wanted: BTreeMap::new(),
            next: 1,
            submitted: 0,
            asked_all: false,
            released_all: false,
        }
    }

    /// Whether tasks may find no rank that computes.
    pub fn may_run_nowhere(&self) -> bool {
        self.plan.none_left
    }

    /// Whether it has nothing more to say and waits for nothing.
    pub fn is_done(&self) -> bool {
        self.released_all && self.wanted.is_empty()
    }

    /// Whether it has something to say now.
    pub fn can_speak(&self) -> bool {
        !self.released_all && (!self.asked_all || self.wanted.is_empty())
    }

    /// The next thing that it says.
    pub fn speak(&mut self, rng: &mut Rng) -> Vec<SchedulerEvent> {
        if self.defs.is_empty() {
            let counter = |(counter, total)| SchedulerEvent::Counter { counter, total };
            return [(0, 3), (COUNTERS_MAX - 1, 1)]
                .into_iter()
                .map(counter)
                .chain([self.define(rng)])
                .collect();
        }
        if self.defs.len() < 3 || (self.defs.len() < 8 && rng.chance(2)) {
            return vec![self.define(rng)];
        }
        if self.submitted < self.plan.tasks {
            let submits = self.held.len() < 3 || rng.chance(60);
            return match (submits, rng.below(20)) {
                (true, 0) => vec![self.family(rng)],
                (true, 1) => vec![self.scatter(rng)],
                (true, _) => vec![self.submit(rng)],
                (false, 0) if !self.families.is_empty() => vec![self.release_family(rng)],
                (false, 1) if self.plan.failing => vec![self.cancel(rng)],
                (false, 3) if self.plan.failing => vec![SchedulerEvent::Retry(rng.pick(&self.held))],
                (false, 4) => vec![SchedulerEvent::Name(rng.pick(&self.held), "a name".into())],
                (false, 2) => vec![SchedulerEvent::Detach(rng.pick(&self.held))],
                (false, 0..=11) => vec![self.release(rng)],
                (false, _) => vec![self.want(rng)],
            };
        }
        if !self.asked_all {
            self.asked_all = true;
            let percent = rng.pick(&[0, 50, 100]);
            let held = self.held.clone();
            let mut events = Vec::new();
            for task in held {
                if rng.chance(percent) {
                    events.push(SchedulerEvent::Want { task, value: rng.chance(80) });
                }
            }
            return events;
        }
        self.released_all = true;
        std::mem::take(&mut self.held).into_iter().map(SchedulerEvent::Release).collect()
    }

    fn define(&mut self, rng: &mut Rng) -> SchedulerEvent {
        let (def, ranks) = (DefId(self.defs.len() as u32), self.plan.ranks.len());
        let on = rng.chance(12).then(|| Rank(rng.below(self.plan.ranks.len()) as u32));
        let needs = if rng.chance(self.plan.needy) { Self::needs(rng) } else { ResourceRequest::default() };
        let (priority, retries) = (rng.pick(&[0, 0, 0, 1, -3]), rng.pick(&[0, 0, 2]));
        let (host_group, same_host_as) = (rng.pick(&[0, 0, 1]), rng.pick(&[0, 0, 0, 1]));
        let retry_delay = rng.pick(&[0, 0, 5]);
        let timeout = if self.plan.failing { rng.pick(&[0, 0, 0, 9]) } else { 0 };
        let some = rng.chance(12).then(|| RankList::new((0..2).map(|_| Rank(rng.below(ranks) as u32))));
        let among = some.filter(|_| on.is_none());
        let prefer = rng.chance(12).then(|| Rank(rng.below(ranks) as u32));
        let options = DefOptions {
            priority,
            retries,
            retry_delay,
            timeout,
            on,
            among,
            prefer,
            needs,
            host_group,
            same_host_as,
        };
        // a rank 0 that computes nothing cannot run what is pinned to it
        let may_fail = on.is_some_and(|rank| rank == Rank(0) || self.plan.victims.contains(&rank))
            || among.is_some_and(|ranks| {
                ranks.iter().all(|rank| *rank == Rank(0) || self.plan.victims.contains(rank))
            })
            || timeout > 0
            || !self.can_be_met(&needs, &options);
        self.defs.push(Def { options, may_fail });
        let name = format!("f{def}");
        let (shared, slots, memory) = (Blob::default(), needs.slots_of_task(), needs.memory);
        SchedulerEvent::define(
            Definition { def, function: 1, name, shared, slots, memory, gpus: 0, timeout: 0 },
            options,
        )
    }

    /// Whether tasks of a definition may take too long.
    pub fn is_timed(&self, def: DefId) -> bool {
        self.defs.get(def.index()).is_some_and(|def| def.options.timeout > 0)
    }

    /// Bytes of memory that each task of a definition needs.
    pub fn memory(&self, def: DefId) -> u64 {
        self.defs.get(def.index()).map_or(0, |def| def.options.needs.memory)
    }

    fn needs(rng: &mut Rng) -> ResourceRequest {
        let mut needs =
            ResourceRequest { slots: rng.pick(&[1, 1, 2, 2, 3, 4]), ..ResourceRequest::default() };
        if rng.chance(30) {
            needs.processes = rng.pick(&[2, 2, 3, 5]);
            needs.slots = rng.pick(&[1, 1, 2]);
        } else if rng.chance(30) {
            needs.gpus = rng.pick(&[1, 1, 2]);
        }
        if rng.chance(30) {
            needs.memory = rng.pick(&[30, 60, 100]);
        }
        if rng.chance(40) {
            needs.counters[0] = rng.pick(&[1, 1, 2, 3]);
        }
        if rng.chance(20) {
            needs.counters[COUNTERS_MAX - 1] = rng.pick(&[1, 1, 2]);
        }
        needs
    }

    /// Whether a rank that does not die can meet all needs.
    fn can_be_met(&self, needs: &ResourceRequest, options: &DefOptions) -> bool {
        let able = |(rank, info): (usize, &RankInfo)| {
            let rank = Rank(rank as u32);
            info.slots >= needs.slots.max(1)
                && info.gpus >= needs.gpus
                && info.memory >= needs.memory
                && options.allows(rank)
                && !self.plan.victims.contains(&rank)
        };
        let counted = needs.counters[0] <= 3 && needs.counters[COUNTERS_MAX - 1] <= 1;
        if needs.processes > 1 {
            return counted && self.processes(needs, options) >= u64::from(needs.processes);
        }
        *needs == ResourceRequest::default() || counted && self.plan.ranks.iter().enumerate().any(able)
    }

    /// How many processes of a program have room on the ranks that do not die.
    fn processes(&self, needs: &ResourceRequest, options: &DefOptions) -> u64 {
        let mut hosts: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
        for (rank, info) in self.plan.ranks.iter().enumerate() {
            let rank = Rank(rank as u32);
            if options.allows(rank) && !self.plan.victims.contains(&rank) {
                let host = hosts.entry(info.host).or_default();
                *host = (host.0 + info.slots, info.memory);
            }
        }
        let of = |(slots, memory): &(u32, u64)| {
            u64::from(slots / needs.slots.max(1)).min(memory.checked_div(needs.memory).unwrap_or(u64::MAX))
        };
        hosts.values().map(of).sum()
    }

    fn number(&mut self, rng: &mut Rng, count: u64) -> TaskId {
        let first = self.next + if rng.chance(3) { rng.below(600) as u64 } else { 0 };
        self.next = first + count;
        TaskId(first)
    }

    fn nbytes(&self, rng: &mut Rng) -> u64 {
        match rng.chance(self.plan.inline) {
            true => 0,
            false => rng.pick(&[200, 4_096, 100_001, 50_000_000, 1 << 33]) + rng.below(2) as u64,
        }
    }

    fn spec(&mut self, rng: &mut Rng, task: TaskId, def: DefId, args: Blob, inputs: Vec<TaskId>) {
        let retries = self.defs[def.index()].options.retries;
        let manner = match (self.plan.failing, rng.below(30)) {
            (true, 0) => Manner::FailsAlways,
            (true, 1..=2) => Manner::FailsAtTimes,
            (true, 3..=6) => Manner::FailsFirst(retries),
            _ => Manner::Works,
        };
        let level = if rng.chance(self.plan.nesting) { 1 + rng.below(3) as u32 } else { 0 };
        let (own, seed) = (value_of(def, &args, inputs.iter().map(|input| self.specs[input].value)), task.0);
        let spec = Spec {
            def,
            value: with_nested(own, seed, level),
            seed,
            level,
            nbytes: self.nbytes(rng),
            must_fail: manner == Manner::FailsAlways
                || inputs.iter().any(|input| self.specs[input].must_fail),
            may_fail: manner == Manner::FailsAtTimes
                || self.defs[def.index()].may_fail
                || self.plan.none_left
                || inputs.iter().any(|input| self.specs[input].may_fail),
            args,
            inputs,
            manner,
        };
        self.specs.insert(task, spec);
        self.held.push(task);
        self.submitted += 1;
    }

    fn submit(&mut self, rng: &mut Rng) -> SchedulerEvent {
        let task = self.number(rng, 1);
        let def = DefId(rng.below(self.defs.len()) as u32);
        let most = if rng.chance(2) { 600 } else { 4 };
        let count = if self.held.is_empty() || rng.chance(25) { 0 } else { rng.below(most) };
        let late = rng.chance(60); // deep graphs take what was submitted last
        let inputs: Vec<TaskId> = (0..count)
            .map(|_| {
                let from = if late { self.held.len().saturating_sub(4) } else { 0 };
                self.held[from + rng.below(self.held.len() - from)]
            })
            .collect();
        let args = Blob::new(&task.0.to_le_bytes());
        self.spec(rng, task, def, args.clone(), inputs.clone());
        SchedulerEvent::Submit(NewTask { task, def, key: task.0, args, inputs: inputs.into(), parent: None })
    }

    fn family(&mut self, rng: &mut Rng) -> SchedulerEvent {
        let count = rng.below(40) as u64;
        let first = self.number(rng, count);
        let def = DefId(rng.below(self.defs.len()) as u32);
        for index in 0..count {
            self.spec(rng, TaskId(first.0 + index), def, index_argument(index), Vec::new());
        }
        self.families.push((first, count));
        SchedulerEvent::SubmitFamily { def, first, count }
    }

    fn scatter(&mut self, rng: &mut Rng) -> SchedulerEvent {
        let task = self.number(rng, 1);
        let value = hash(3, &task.0.to_le_bytes());
        let (def, args, nbytes) = (DefId(u32::MAX), Blob::default(), self.nbytes(rng));
        let (inputs, manner) = (Vec::new(), Manner::Works);
        let (must_fail, may_fail, seed, level) = (false, false, 0, 0);
        let spec = Spec { def, args, inputs, manner, value, nbytes, must_fail, may_fail, seed, level };
        let output = spec.output(value);
        self.specs.insert(task, spec);
        self.held.push(task);
        SchedulerEvent::Scatter { task, key: task.0, output }
    }

    fn release(&mut self, rng: &mut Rng) -> SchedulerEvent {
        let at = rng.below(self.held.len());
        SchedulerEvent::Release(self.held.swap_remove(at))
    }

    fn release_family(&mut self, rng: &mut Rng) -> SchedulerEvent {
        let at = rng.below(self.families.len());
        let (first, count) = self.families.swap_remove(at);
        let keep = rng.pick(&[0, 10, 90]);
        let held: BTreeSet<TaskId> = self.held.iter().copied().collect();
        let except: Ranges =
            (0..count).filter(|index| !held.contains(&TaskId(first.0 + index)) || rng.chance(keep)).collect();
        self.held.retain(|task| {
            !(first..TaskId(first.0 + count)).contains(task) || except.contains(task.0 - first.0)
        });
        SchedulerEvent::ReleaseFamily { first, count, except }
    }

    fn cancel(&mut self, rng: &mut Rng) -> SchedulerEvent {
        let task = rng.pick(&self.held);
        let mut cancelled = BTreeSet::from([task]);
        // inputs come before what takes them
        for (&task, spec) in self.specs.range_mut(task..) {
            if cancelled.contains(&task) || spec.inputs.iter().any(|input| cancelled.contains(input)) {
                cancelled.insert(task);
                spec.may_fail = true;
            }
        }
        SchedulerEvent::Cancel(task)
    }

    fn want(&mut self, rng: &mut Rng) -> SchedulerEvent {
        SchedulerEvent::Want { task: rng.pick(&self.held), value: rng.chance(50) }
    }

    /// The scheduler is about to hear of this.
    pub fn heard(&mut self, event: &SchedulerEvent) {
        if let SchedulerEvent::Want { task, value } = event {
            let wanted = self.wanted.entry(*task).or_default();
            wanted.value |= value;
            wanted.done |= !value;
        }
    }

    /// The scheduler has answered; `here` is the value in the store of rank 0.
    pub fn told(&mut self, task: TaskId, outcome: &TaskOutcome, here: Option<u64>) {
        let spec = &self.specs[&task];
        let wanted = self.wanted.get_mut(&task).unwrap_or_else(|| panic!("{task:?} is told, but not wanted"));
        let value = match outcome {
            TaskOutcome::Done => {
                assert!(!spec.must_fail, "{task:?} is done, but must fail");
                wanted.done = false;
                if !wanted.value {
                    self.wanted.remove(&task);
                }
                return;
            }
            TaskOutcome::Failed(cause) => {
                assert!(spec.must_fail || spec.may_fail, "{task:?} has failed: {cause}");
                self.wanted.remove(&task);
                return;
            }
            TaskOutcome::Inline(value) => {
                assert_eq!(spec.nbytes, 0, "{task:?} is large, but came in a message");
                u64::from_le_bytes(value[..].try_into().expect("eight bytes"))
            }
            TaskOutcome::Here(layout) => {
                assert_eq!(*layout, spec.layout(), "{task:?}");
                here.unwrap_or_else(|| panic!("{task:?} is said to be at rank 0, but is not"))
            }
        };
        assert!(!spec.must_fail, "{task:?} has a value, but must fail");
        assert_eq!(value, spec.value, "the value of {task:?}");
        assert!(wanted.value, "{task:?}: its value is told, but was not asked for");
        self.wanted.remove(&task);
    }
}
