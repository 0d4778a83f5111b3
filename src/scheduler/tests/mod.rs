//! A small test language (DSL) for the scheduler.
//!
//! Each verb is one event or one turn of placement, after which every invariant is checked. The scheduler's actions
//! are kept per rank until a test takes them, and a test that ends with an action not taken fails. So no test can
//! overlook a superfluous order.

mod detached;
mod family;
mod faults;
mod finish;
pub(crate) mod host_affinity;
mod leaving;
mod loss;
mod loss_races;
mod needs;
mod nested;
mod placement;
pub(crate) mod prefetch;
mod quarantine;
mod release;
mod results;
mod retract;
mod retry;
mod revival;
mod submit;
mod teams;
mod want;

use super::{
    DefOptions, NewTask, RankInfo, Scheduler, SchedulerAction, SchedulerEvent, Status, TaskOutcome, TaskState,
};
use crate::error::{ProtocolError, TaskError};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{
    Blob, BulkLayout, Definition, InputSource, RankOrder, RankReport, ReportedResult, RunTask, TaskInput,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The layout of every stored result in these tests.
const LAYOUT: BulkLayout = BulkLayout::Encoded;

/// A scheduler under test, with the actions that no test has taken yet.
struct Env {
    scheduler: Scheduler,
    orders: BTreeMap<u32, VecDeque<RankOrder>>,
    resolved: VecDeque<(u64, TaskOutcome)>,
    /// The tasks in a pause before a retry, each with the failed attempt and the length of the pause in milliseconds.
    pauses: VecDeque<(u64, Attempt, u64)>,
    known: BTreeSet<(u32, DefId)>,
    /// The pairs of a rank and a definition where the rank was told that tasks of the definition submit others.
    nests: BTreeSet<(u32, DefId)>,
    defs: u32,
    nanos: u32,
    /// Whether `Retract` orders are kept for the test; off by default, since few tests are about them.
    retracts: bool,
    /// Whether `Seen` orders are kept for the test; off by default, since few tests are about them.
    seen: bool,
    /// The definitions of tasks that were released before they were sent anywhere.
    abandoned: Vec<u32>,
    /// The messages of failures that nobody asked for.
    unheard: Vec<String>,
    /// The numbers of the copies of handles that nobody will read.
    voided: Vec<u64>,
}

/// Makes ranks 0, 1, … with these slots and unlimited memory, and the definition 0 without options.
fn ranks<const N: usize>(slots: [u32; N]) -> Env {
    limited(slots.map(|slots| (slots, u64::MAX)))
}

/// Makes ranks 0, 1, … with these slots and memory limits (in bytes), and the definition 0 without options.
fn limited<const N: usize>(ranks: [(u32, u64); N]) -> Env {
    cluster(&ranks.map(|(slots, memory_limit)| RankInfo { slots, memory_limit, ..RankInfo::default() }))
}

/// Makes ranks 0, 1, … with these properties, and the definition 0 without options.
fn cluster(infos: &[RankInfo]) -> Env {
    let mut env = Env {
        scheduler: Scheduler::new(infos),
        orders: BTreeMap::new(),
        resolved: VecDeque::new(),
        pauses: VecDeque::new(),
        known: BTreeSet::new(),
        nests: BTreeSet::new(),
        defs: 0,
        nanos: 50_000_000,
        retracts: false,
        seen: false,
        abandoned: Vec::new(),
        unheard: Vec::new(),
        voided: Vec::new(),
    };
    env.define(DefOptions::default());
    env
}

fn on(rank: u32) -> DefOptions {
    DefOptions { on: Some(Rank(rank)), ..DefOptions::default() }
}

fn priority(priority: i32) -> DefOptions {
    DefOptions { priority, ..DefOptions::default() }
}

fn retries(retries: u16) -> DefOptions {
    DefOptions { retries, ..DefOptions::default() }
}

fn stored(nbytes: u64) -> ReportedResult {
    ReportedResult::Stored { nbytes, layout: LAYOUT }
}

fn inline(text: &str) -> ReportedResult {
    ReportedResult::Inline(Blob::new(text.as_bytes()))
}

fn error(message: &str) -> TaskError {
    TaskError::of_attempt(message.into(), String::new(), Rank(1), "h1".into(), 1)
}

impl Env {
    /// Handles an event that may be an error. The invariants hold after it either way.
    fn try_handle(&mut self, event: SchedulerEvent) -> Result<(), ProtocolError> {
        let mut out = Vec::new();
        let done = self.scheduler.handle(event.clone(), &mut out);
        if let Err(wrong) = self.scheduler.check() {
            panic!("after {event:?}: {wrong}");
        }
        self.note(out);
        done
    }

    fn handle(&mut self, event: SchedulerEvent) -> &mut Self {
        if let Err(refused) = self.try_handle(event.clone()) {
            panic!("{event:?}: {refused}");
        }
        self
    }

    /// Handles an event that must be refused and must change nothing.
    fn refuse(&mut self, event: SchedulerEvent) -> &mut Self {
        let records = self.scheduler.records();
        assert!(self.try_handle(event.clone()).is_err(), "{event:?} is taken");
        assert_eq!(self.scheduler.records(), records, "{event:?} is refused, but has changed the records");
        self
    }

    fn note(&mut self, out: Vec<SchedulerAction>) {
        for action in out {
            match action {
                SchedulerAction::Resolve(task, outcome) => self.resolved.push_back((task.0, outcome)),
                SchedulerAction::Abandoned(def) => self.abandoned.push(def.0),
                SchedulerAction::Void(tickets) => self.voided.extend(tickets.iter().map(|copy| copy.ticket)),
                SchedulerAction::Unheard(cause) => self.unheard.push(cause.message.clone()),
                SchedulerAction::Delay { task, attempt, millis } => {
                    self.pauses.push_back((task.0, attempt, millis));
                }
                SchedulerAction::Send(rank, RankOrder::Define(definition)) => {
                    assert!(
                        self.known.insert((rank.0, definition.def)),
                        "{rank} learns {definition:?} twice"
                    );
                }
                SchedulerAction::Send(rank, RankOrder::Nests { def }) => {
                    assert!(self.known.contains(&(rank.0, def)), "{rank} does not know {def:?}");
                    assert!(self.nests.insert((rank.0, def)), "{rank} is told twice that {def:?} nests");
                }
                SchedulerAction::Send(_, RankOrder::Retract { .. }) if !self.retracts => {}
                SchedulerAction::Send(_, RankOrder::Seen { .. }) if !self.seen => {}
                SchedulerAction::Send(rank, order) => {
                    if let RankOrder::Run(RunTask { def, .. }) | RankOrder::RunRange { def, .. } = &order {
                        assert!(
                            self.known.contains(&(rank.0, *def)),
                            "{order:?} comes before its definition"
                        );
                    }
                    self.orders.entry(rank.0).or_default().push_back(order);
                }
            }
        }
    }

    // ---- events

    fn define(&mut self, options: DefOptions) -> &mut Self {
        let def = DefId(self.defs);
        self.defs += 1;
        let definition = Definition {
            def,
            function: 7,
            name: format!("f{def}"),
            shared: Blob::default(),
            slots: options.needs.slots_of_task(),
            memory: options.needs.memory,
            gpus: options.needs.gpus,
            timeout: options.timeout,
        };
        self.handle(SchedulerEvent::define(definition, options))
    }

    fn new_task(task: u64, def: u32, inputs: &[u64]) -> NewTask {
        let inputs = inputs.iter().map(|&input| TaskId(input)).collect();
        let args = Blob::new(&[task as u8]);
        NewTask { task: TaskId(task), def: DefId(def), key: task, args, inputs, parent: None }
    }

    fn submit(&mut self, task: u64, inputs: &[u64]) -> &mut Self {
        self.submit_as(0, task, inputs)
    }

    fn submit_as(&mut self, def: u32, task: u64, inputs: &[u64]) -> &mut Self {
        self.handle(SchedulerEvent::Submit(Self::new_task(task, def, inputs)))
    }

    fn family(&mut self, def: u32, first: u64, count: u64) -> &mut Self {
        self.handle(SchedulerEvent::SubmitFamily { def: DefId(def), first: TaskId(first), count })
    }

    fn scatter(&mut self, task: u64, output: ReportedResult) -> &mut Self {
        self.handle(SchedulerEvent::Scatter { task: TaskId(task), key: task, output })
    }

    fn release(&mut self, tasks: &[u64]) -> &mut Self {
        for &task in tasks {
            self.handle(SchedulerEvent::Release(TaskId(task)));
        }
        self
    }

    fn cancel(&mut self, task: u64) -> &mut Self {
        self.handle(SchedulerEvent::Cancel(TaskId(task)))
    }

    fn retry(&mut self, task: u64) -> &mut Self {
        self.handle(SchedulerEvent::Retry(TaskId(task)))
    }

    fn timed_out(&mut self, rank: u32, task: u64, attempt: Attempt) -> &mut Self {
        let error = Box::new(error("too slow"));
        self.from(rank, RankReport::TimedOut { task: TaskId(task), attempt, error })
    }

    /// Reports the end of an attempt of which the task's record may know nothing any more.
    fn ends(&mut self, rank: u32, task: u64, attempt: Attempt, output: ReportedResult) -> &mut Self {
        let nanos = self.nanos;
        self.from(rank, RankReport::Finished { task: TaskId(task), attempt, nanos, output })
    }

    fn tells_cancelled(&mut self, rank: u32, tasks: &[u64]) -> &mut Self {
        for &task in tasks {
            self.sends(rank, RankOrder::Cancel { task: TaskId(task) });
        }
        self
    }

    fn want(&mut self, task: u64, value: bool) -> &mut Self {
        self.handle(SchedulerEvent::Want { task: TaskId(task), value })
    }

    fn lost(&mut self, rank: u32) -> &mut Self {
        self.handle(SchedulerEvent::Lost(Rank(rank)))
    }

    fn from(&mut self, rank: u32, report: RankReport) -> &mut Self {
        self.handle(SchedulerEvent::From(Rank(rank), report))
    }

    /// Sets the duration of the tasks that finish from now on, in nanoseconds.
    fn takes(&mut self, nanos: u32) -> &mut Self {
        self.nanos = nanos;
        self
    }

    fn finish_with(&mut self, rank: u32, task: u64, output: ReportedResult) -> &mut Self {
        let attempt = self.scheduler.task(TaskId(task)).map_or(1, |record| record.attempt);
        let nanos = self.nanos;
        self.from(rank, RankReport::Finished { task: TaskId(task), attempt, nanos, output })
    }

    fn finish(&mut self, rank: u32, task: u64) -> &mut Self {
        self.finish_with(rank, task, inline("v"))
    }

    fn finish_stored(&mut self, rank: u32, task: u64, nbytes: u64) -> &mut Self {
        self.finish_with(rank, task, stored(nbytes))
    }

    fn fail(&mut self, rank: u32, task: u64, message: &str) -> &mut Self {
        self.fail_with(rank, task, error(message))
    }

    fn fail_with(&mut self, rank: u32, task: u64, error: TaskError) -> &mut Self {
        let attempt = self.scheduler.task(TaskId(task)).map_or(1, |record| record.attempt);
        self.from(rank, RankReport::Failed { task: TaskId(task), attempt, error: Box::new(error) })
    }

    /// Expects that the task pauses for `millis` milliseconds after this attempt.
    fn pauses(&mut self, task: u64, attempt: Attempt, millis: u64) -> &mut Self {
        assert_eq!(self.pauses.pop_front(), Some((task, attempt, millis)));
        self
    }

    fn due(&mut self, task: u64, attempt: Attempt) -> &mut Self {
        self.handle(SchedulerEvent::Due { task: TaskId(task), attempt })
    }

    fn fetched(&mut self, rank: u32, task: u64) -> &mut Self {
        self.from(rank, RankReport::Fetched { task: TaskId(task) })
    }

    fn retracted(&mut self, rank: u32, task: u64) -> &mut Self {
        let attempt = self.scheduler.task(TaskId(task)).map_or(1, |record| record.attempt);
        self.from(rank, RankReport::Retracted { task: TaskId(task), attempt })
    }

    /// Keeps `Retract` orders for the test from now on.
    fn noting_retracts(&mut self) -> &mut Self {
        self.retracts = true;
        self
    }

    /// Keeps `Seen` orders for the test from now on.
    fn noting_seen(&mut self) -> &mut Self {
        self.seen = true;
        self
    }

    /// Runs one turn of placement, in which the scheduler sends ready tasks to ranks.
    fn place(&mut self) -> &mut Self {
        let mut out = Vec::new();
        self.scheduler.place(&mut out);
        if let Err(wrong) = self.scheduler.check() {
            panic!("after placing: {wrong}");
        }
        self.note(out);
        self
    }

    /// Submits a task without inputs, has `rank` compute it, and stores its result there.
    fn stored_at(&mut self, rank: u32, task: u64, nbytes: u64) -> &mut Self {
        self.submit(task, &[]).place();
        self.take_run(rank, task);
        self.finish_stored(rank, task, nbytes)
    }

    // ---- actions

    /// Takes the next order to `rank` from the scheduler's actions.
    fn take(&mut self, rank: u32) -> RankOrder {
        let next = self.orders.get_mut(&rank).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| panic!("nothing is sent to rank {rank}, but {:?}", self.orders))
    }

    /// Takes the next order to `rank`, which must be to run `task`.
    fn take_run(&mut self, rank: u32, task: u64) -> RunTask {
        match self.take(rank) {
            RankOrder::Run(run) if run.task == TaskId(task) => run,
            other => panic!("rank {rank} is to run t{task}, but got {other:?}"),
        }
    }

    fn runs(&mut self, rank: u32, tasks: &[u64]) -> &mut Self {
        for &task in tasks {
            self.take_run(rank, task);
        }
        self
    }

    fn sends(&mut self, rank: u32, order: RankOrder) -> &mut Self {
        assert_eq!(self.take(rank), order, "to rank {rank}");
        self
    }

    fn releases(&mut self, rank: u32, tasks: &[u64]) -> &mut Self {
        for &task in tasks {
            self.sends(rank, RankOrder::Release { task: TaskId(task) });
        }
        self
    }

    fn brings(&mut self, task: u64, holder: u32, nbytes: u64) -> &mut Self {
        self.sends(0, RankOrder::Bring { task: TaskId(task), holder: Rank(holder), nbytes, layout: LAYOUT })
    }

    fn tells_lost(&mut self, ranks: &[u32], lost: u32) -> &mut Self {
        for &rank in ranks {
            self.sends(rank, RankOrder::Lost { rank: Rank(lost) });
        }
        self
    }

    fn resolves(&mut self, task: u64, outcome: TaskOutcome) -> &mut Self {
        assert_eq!(self.resolved.pop_front(), Some((task, outcome)));
        self
    }

    /// Expects that the client is told the failure of `task`, with this message in the cause.
    fn resolves_failed(&mut self, task: u64, message: &str) -> &mut Self {
        match self.resolved.pop_front() {
            Some((at, TaskOutcome::Failed(cause))) if at == task && cause.message.contains(message) => self,
            other => panic!("t{task} is to fail with {message:?}, but {other:?}"),
        }
    }

    /// Takes all orders to `rank` from the scheduler's actions.
    fn drain(&mut self, rank: u32) -> Vec<RankOrder> {
        self.orders.remove(&rank).unwrap_or_default().into()
    }

    fn is(&mut self, task: u64, status: Status) -> &mut Self {
        assert_eq!(self.scheduler.status(TaskId(task)), status, "t{task}");
        self
    }

    fn state(&self, task: u64) -> &TaskState {
        &self.scheduler.task(TaskId(task)).unwrap_or_else(|| panic!("t{task} has no record")).state
    }

    fn is_gone(&mut self, task: u64) -> &mut Self {
        assert_eq!(self.scheduler.task(TaskId(task)), None);
        self
    }

    /// The ranks that hold a copy of the result, sorted.
    fn holders(&self, task: u64) -> Vec<u32> {
        let TaskState::Stored(copies) = self.state(task) else { panic!("t{task} is {:?}", self.state(task)) };
        let mut holders: Vec<u32> = copies.holders.iter().map(|rank| rank.0).collect();
        holders.sort_unstable();
        holders
    }

    fn records(&mut self, records: usize) -> &mut Self {
        assert_eq!(self.scheduler.records(), records, "records");
        assert!(records > 0 || self.scheduler.assigned() == 0);
        self
    }

    /// Expects that nothing more is sent to `rank`.
    fn quiet_on(&mut self, rank: u32) -> &mut Self {
        assert!(self.orders.get(&rank).is_none_or(VecDeque::is_empty), "to rank {rank}: {:?}", self.orders);
        self
    }

    /// Expects that the test has taken every action.
    fn quiet(&mut self) -> &mut Self {
        self.orders.retain(|_, orders| !orders.is_empty());
        assert!(self.orders.is_empty(), "left over: {:?}", self.orders);
        assert!(self.resolved.is_empty(), "left over: {:?}", self.resolved);
        assert!(self.pauses.is_empty(), "left over: {:?}", self.pauses);
        self
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.quiet();
        }
    }
}

fn here(task: u64) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::Here }
}

fn soon(task: u64) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::Upcoming }
}

fn at(task: u64, holder: u32, nbytes: u64) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::At { holder: Rank(holder), nbytes, layout: LAYOUT } }
}

fn by_value(task: u64, text: &str) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::Inline(Blob::new(text.as_bytes())) }
}
