//! Rank 0's head: carries out what the [`Scheduler`] decides, and answers the client's requests.
//!
//! The scheduler is a state machine without side effects: requests, reports and lost ranks go in as events, orders to
//! ranks and outcomes of tasks come out as actions. The head keeps what needs a clock or a thread: who waits, the
//! pauses before retries, the totals. Start with [`Head::act`], which places ready tasks until there is nothing more to
//! do.

mod answers;
mod notices;

use super::profile::ProfilePhase;
use super::wait::{Wait, WaitAnswer};
use super::waiters::{Waiter, Waiters};
use crate::clock;
use crate::compact::Runs;
use crate::console;
use crate::error::ProtocolError;
use crate::ids::{Attempt, DefId, HEAD, Rank, TaskId};
use crate::protocol::{RankOrder, RankReport, ReportedResult, Spent};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::objects::{KeptPromise, ObjectRequest};
use crate::runtime::outbox::Links;
use crate::runtime::threads::pool::Compute;
use crate::scheduler::{RankInfo, Scheduler, SchedulerAction, SchedulerEvent, Status, TaskOutcome};
use crate::task::value::AnyValue;
use crate::transport::Transport;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::panic::Location;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Number of the scheduler's actions that may collect in the queue while one request is handled, before they are
/// carried out.
const ACTIONS_MAX: usize = 1024;

/// A request of a client, sent by the thread that uses the client to the reactor of its rank.
#[derive(Debug)]
pub(crate) enum Request {
    /// An event that is passed to the scheduler unchanged: a new definition, submitted tasks, dropped futures.
    Fact(SchedulerEvent),
    /// Stores a value of the client as a result of rank 0 (scatter).
    Scatter {
        /// The number of the task that stands for the value.
        task: TaskId,
        /// The number that users see behind the result's name, to tell values apart: half of the hash of the value.
        key: u64,
        /// The size and layout of the value, or the value itself, encoded, if it is small enough to travel inside
        /// messages.
        output: ReportedResult,
        /// The value; `None` if it is inline in `output`.
        value: Option<AnyValue>,
    },
    /// Notes that a thread waits for the ends or the values of tasks.
    Want {
        /// The tasks that are waited for.
        tasks: Runs,
        /// The index of the first of them in the wait; the others follow it.
        first: u32,
        /// The wait to which the answers are delivered, shared with the waiting thread.
        wait: Arc<Wait>,
    },
    /// Asks for the status of a task; the answer goes into the given channel.
    Status(TaskId, mpsc::Sender<Status>),
    /// Asks for the sizes in bytes of stored results, 0 for all others; the answer goes into the given channel.
    Lengths(Runs, mpsc::Sender<Vec<u64>>),
    /// Asks for the ranks that hold a copy of a result, and its size in bytes; the answer goes into the given channel.
    Holders(TaskId, mpsc::Sender<(Vec<Rank>, u64)>),
    /// Asks for the keys of the results of which a rank holds a copy; the answer goes into the given channel.
    ResultsOn(Rank, mpsc::Sender<Vec<String>>),
    /// Asks for the names under which results are published; the answer goes into the given channel.
    PublishedNames(mpsc::Sender<Vec<String>>),
    /// Asks for the totals of the run so far; the answer goes into the given channel.
    Totals(mpsc::Sender<Totals>),
    /// Notes the place in the program of the first submission of a definition, which the client has numbered so.
    Place(DefId, &'static Location<'static>),
    /// A request about an object, such as a call of a queue.
    Object(Box<ObjectRequest>),
    /// Brings a promised result for rank 0's scheduler that has come before the scheduler knew of the promise.
    Kept(TaskId, WaitAnswer),
    /// Tells all ranks the name of the counter with this number, by which tasks ask for it.
    CounterName(u32, Box<str>),
    /// Ends the run: the client's closure has returned. If it has succeeded, tasks whose futures are held elsewhere and
    /// detached ones run to their ends first.
    Close {
        /// Whether the closure has succeeded.
        succeeded: bool,
    },
}

/// Totals of the run so far, over all ranks: numbers of tasks, bytes moved, busy time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Number of tasks that have ended with a result so far.
    pub finished: u64,
    /// Number of tasks that failed.
    pub failed: u64,
    /// Bytes of results that moved from rank to rank.
    pub bytes_moved: u64,
    /// Number of results that moved from rank to rank.
    pub moves: u64,
    /// Sum of the durations of tasks, in nanoseconds; each task counts at most 4.3 s (32 bits).
    pub busy_nanos: u64,
    /// Number of tasks that have ended with a result on each rank.
    pub per_rank: Vec<u64>,
    /// By rank, the number of bytes of results that it has moved to disk because its memory was short.
    pub spilled: Vec<u64>,
    /// Number of tasks that ranks have now: tasks that run, and tasks queued there to run next.
    pub assigned: u64,
}

/// The scheduler's state machine with the clients that wait for answers, the totals and the state of the other ranks.
pub(crate) struct Head {
    machine: Scheduler,
    actions: Vec<SchedulerAction>,
    waiters: Waiters,
    /// Totals of the run so far.
    pub totals: Totals,
    /// Whether the client's closure has returned, so that the run is to be shut down.
    closing: bool,
    /// Whether the end waits for tasks that somebody can still want.
    awaits: bool,
    /// The time when the closure returned, and whether the user was told since then which tasks the end of the run
    /// waits for.
    closed_at: Option<(Instant, bool)>,
    /// The reason why the run has ended; `None` while it goes on.
    closed: Option<String>,
    /// The names of the ranks' hosts.
    hosts: Vec<String>,
    /// Whether the user is told of futures that were dropped too early, of failures that nobody asks for, and of tasks
    /// that the end waits for. The batch tool has its own ways.
    pub tells: bool,
    /// The places in the program where definitions were first submitted.
    places: BTreeMap<DefId, &'static Location<'static>>,
    /// The definitions for which the user was told that a future was dropped too early; each is told once.
    told: BTreeSet<DefId>,
    /// The pauses before retries that have still to end, as a queue with the earliest end first.
    due: BinaryHeap<Reverse<(Instant, TaskId, Attempt)>>,
    alive: Vec<bool>,
    /// Whether each rank has said `Bye`: it computes and fetches no more, at the end of the run.
    gone: Vec<bool>,
    /// How each rank has spent its time, sent with its `Bye`; `None` before that and without `--profile`.
    spent: Vec<Option<Box<Spent>>>,
}

impl Head {
    /// Makes the head of rank 0, for a job of ranks with these slots and resources.
    pub(crate) fn new(ranks: &[RankInfo]) -> Self {
        Head {
            machine: Scheduler::new(ranks),
            actions: Vec::new(),
            waiters: Waiters::default(),
            totals: Totals {
                per_rank: vec![0; ranks.len()],
                spilled: vec![0; ranks.len()],
                ..Totals::default()
            },
            closing: false,
            awaits: false,
            closed_at: None,
            closed: None,
            hosts: Vec::new(),
            tells: false,
            places: BTreeMap::new(),
            told: BTreeSet::new(),
            due: BinaryHeap::new(),
            alive: vec![true; ranks.len()],
            gone: vec![false; ranks.len()],
            spent: vec![None; ranks.len()],
        }
    }

    /// The scheduler's state machine, for checks in tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn machine(&self) -> &Scheduler {
        &self.machine
    }

    /// Ranks other than 0 that are alive.
    pub(crate) fn others(&self) -> impl Iterator<Item = Rank> + '_ {
        (1..self.alive.len()).filter(|&rank| self.alive[rank]).map(|rank| Rank(rank as u32))
    }

    /// Whether `rank` is alive.
    pub(crate) fn is_alive(&self, rank: Rank) -> bool {
        self.alive.get(rank.index()).is_some_and(|alive| *alive)
    }

    /// Whether every rank other than 0 has said `Bye` (has finished its work at shutdown) or has died.
    pub(crate) fn is_deserted(&self) -> bool {
        self.others().all(|rank| self.gone[rank.index()])
    }

    /// How each rank has spent its time, with `own` for rank 0; `None` for ranks that have not reported it.
    pub(crate) fn spent(&self, own: Option<Box<Spent>>) -> Vec<Option<Box<Spent>>> {
        let mut spent = self.spent.clone();
        spent[HEAD.index()] = own;
        spent
    }

    /// Handles a request of the client: passes it to the scheduler, or answers it.
    ///
    /// # Errors
    /// When the state machine refuses the event.
    pub(crate) fn request<C: Compute, T: Transport>(
        &mut self,
        request: Request,
        node: &mut Executor<C>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let event = match request {
            Request::Fact(event) => event,
            Request::Scatter { task, key, output, value } => {
                if let Some(value) = value {
                    node.put(task, value, links)?;
                }
                SchedulerEvent::Scatter { task, key, output }
            }
            Request::Want { tasks, first, wait } => {
                if let Some(why) = &self.closed {
                    wait.close(why);
                    return Ok(());
                }
                return self.want(&tasks, first, &wait, node, links);
            }
            Request::Status(task, reply) => {
                // after the end of the run a task that polls in a loop must get an answer that ends its loop
                let is_over = self.closed.is_some();
                let status = if is_over { Status::Released } else { self.machine.status(task) };
                let _ = reply.send(status); // the thread that asked may have given up
                return Ok(());
            }
            Request::Lengths(tasks, reply) => {
                let length = |task| self.machine.task(task).map_or(0, |record| record.nbytes());
                let _ = reply.send(tasks.iter().map(TaskId).map(length).collect());
                return Ok(());
            }
            Request::Holders(task, reply) => {
                let _ = reply.send(self.machine.copies_of(task)); // the thread that asked may have given up
                return Ok(());
            }
            Request::ResultsOn(rank, reply) => {
                let _ = reply.send(self.machine.results_on(rank)); // the thread that asked may have given up
                return Ok(());
            }
            Request::PublishedNames(reply) => {
                let _ = reply.send(self.machine.published_names());
                return Ok(());
            }
            Request::Totals(reply) => {
                let assigned = self.machine.assigned();
                let _ = reply.send(Totals { assigned, ..self.totals.clone() });
                return Ok(());
            }
            Request::Place(own, place) => {
                if let Some(def) = self.machine.number_of(own) {
                    self.places.entry(def).or_insert(place);
                }
                return Ok(());
            }
            Request::Kept(task, answer) => {
                node.objects.kept.push((task, answer));
                return Ok(());
            }
            Request::Object(request) => return node.object_request(*request, links),
            Request::CounterName(counter, name) => {
                return self.send_all(&RankOrder::Counter { counter, name }, links);
            }
            Request::Close { succeeded } => {
                self.closing = true;
                self.awaits = succeeded && self.tells;
                if !self.awaits {
                    return Ok(());
                }
                SchedulerEvent::Closing
            }
        };
        Ok(self.machine.handle(event, &mut self.actions)?)
    }

    fn want<C: Compute, T: Transport>(
        &mut self,
        tasks: &Runs,
        first: u32,
        wait: &Arc<Wait>,
        node: &mut Executor<C>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let Some(number) = self.waiters.open(wait, tasks.len()) else { return Ok(()) };
        let value = wait.wants_values();
        for (task, place) in tasks.iter().map(TaskId).zip(first..) {
            let before = self.actions.len();
            self.machine.handle(SchedulerEvent::Want { task, value }, &mut self.actions)?;
            // for a task that is done, as most are, the scheduler answers at once, and no waiter has to be noted
            let at_once = match self.actions.get(before) {
                Some(SchedulerAction::Resolve(_, TaskOutcome::Done)) => !value,
                Some(SchedulerAction::Resolve(..)) => true,
                _ => false,
            };
            let waiter = Waiter { wait: number, place };
            if at_once && let Some(SchedulerAction::Resolve(_, outcome)) = self.actions.pop() {
                let answer = self.answer(task, outcome, node);
                self.waiters.tell(waiter, answer);
                continue;
            }
            self.waiters.add(task, waiter);
            if self.actions.len() >= ACTIONS_MAX {
                self.carry_out(node, links)?; // a million results may lie on other ranks, with an action each
            }
        }
        self.waiters.flush();
        Ok(())
    }

    /// Handles a report of a rank.
    ///
    /// # Errors
    /// When the state machine refuses the report.
    pub(crate) fn report(&mut self, from: Rank, mut report: RankReport) -> Result<(), ProtocolError> {
        match &mut report {
            RankReport::Finished { nanos, .. } => {
                self.totals.finished += 1;
                self.totals.busy_nanos += u64::from(*nanos);
                if let Some(count) = self.totals.per_rank.get_mut(from.index()) {
                    *count += 1;
                }
            }
            RankReport::Failed { .. } => self.totals.failed += 1,
            RankReport::Retracted { task, .. } if self.closed.is_some() => {
                if let Some(def) = self.machine.task(*task).map(|record| record.def) {
                    self.tell_abandoned(def);
                }
            }
            RankReport::Fetched { task } => {
                self.totals.moves += 1;
                self.totals.bytes_moved += self.machine.task(*task).map_or(0, |record| record.nbytes());
            }
            RankReport::OnDisk { moved, .. } => {
                if let Some(spilled) = self.totals.spilled.get_mut(from.index()) {
                    *spilled = *moved;
                }
            }
            RankReport::Bye { spent } => {
                if let (Some(gone), Some(of_rank)) =
                    (self.gone.get_mut(from.index()), self.spent.get_mut(from.index()))
                {
                    *gone = true;
                    *of_rank = spent.take();
                }
            }
            _ => {}
        }
        self.machine.handle(SchedulerEvent::From(from, report), &mut self.actions)
    }

    /// Hands a promised result to the scheduler. A long value is in the store already.
    ///
    /// # Errors
    /// When the state machine refuses it.
    pub(crate) fn keep(&mut self, (task, output): KeptPromise) -> Result<(), ProtocolError> {
        self.machine.handle(SchedulerEvent::Keep { task, output }, &mut self.actions)
    }

    /// Handles the death of a rank: its tasks run again elsewhere, and the user is told so. When the run is being shut
    /// down (`is_running` is false), the end only waits for the rank no longer.
    ///
    /// # Errors
    /// When rank 0 has died.
    pub(crate) fn lost(&mut self, rank: Rank, is_running: bool) -> Result<(), ProtocolError> {
        match self.alive.get_mut(rank.index()) {
            Some(alive) if *alive => *alive = false,
            _ => return Ok(()),
        }
        if !is_running {
            return Ok(());
        }
        self.tell_lost(rank);
        self.machine.handle(SchedulerEvent::Lost(rank), &mut self.actions)
    }

    /// Places ready tasks on ranks and carries out all actions, until there are no more.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn act<C: Compute, T: Transport>(
        &mut self,
        node: &mut Executor<C>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        self.end_pauses()?;
        loop {
            for report in std::mem::take(&mut node.reports) {
                self.report(HEAD, report)?;
            }
            links.profile.enter(ProfilePhase::Placing);
            self.machine.place(&mut self.actions);
            if self.actions.is_empty() && node.reports.is_empty() {
                return Ok(());
            }
            self.carry_out(node, links)?;
        }
    }

    /// Tells the scheduler which pauses of failed tasks are over, so that these tasks start again.
    fn end_pauses(&mut self) -> Result<(), ProtocolError> {
        while let Some(&Reverse((at, task, attempt))) = self.due.peek()
            && at <= clock::now()
        {
            self.due.pop();
            self.machine.handle(SchedulerEvent::Due { task, attempt }, &mut self.actions)?;
        }
        Ok(())
    }

    fn carry_out<C: Compute, T: Transport>(
        &mut self,
        node: &mut Executor<C>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            let phase = if let SchedulerAction::Send(..) = action {
                ProfilePhase::Sending
            } else {
                ProfilePhase::Machine
            };
            links.profile.enter(phase);
            match action {
                SchedulerAction::Send(HEAD, order) => node.order(order, links)?,
                SchedulerAction::Send(rank, order) => links.send(rank, &order)?,
                SchedulerAction::Resolve(task, outcome) => self.resolve(task, outcome, node),
                SchedulerAction::Abandoned(def) => self.tell_abandoned(def),
                SchedulerAction::Void(tickets) => node.void_tickets(&tickets, links)?,
                SchedulerAction::Unheard(cause) => {
                    if self.tells {
                        console::error(format_args!("dtask: {cause}"));
                    }
                }
                SchedulerAction::Delay { task, attempt, millis } => {
                    let end = clock::now() + Duration::from_millis(millis);
                    self.due.push(Reverse((end, task, attempt)));
                }
            }
        }
        self.waiters.flush();
        self.actions = actions;
        Ok(())
    }

    /// Tells all threads that still wait for tasks that the run has ended, with the reason `why`.
    pub(crate) fn close(&mut self, why: &str) {
        self.closed = Some(why.to_owned());
        self.waiters.close(why);
    }

    /// Whether the client's closure has returned and all tasks that the end of the run waits for have ended.
    pub(crate) fn may_close(&self) -> bool {
        self.closing && (!self.awaits || self.machine.awaited() == 0)
    }

    /// Sends `order` to all ranks that are alive, except rank 0.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn send_all<T: Transport>(
        &self,
        order: &RankOrder,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        for rank in self.others() {
            links.send(rank, order)?;
        }
        Ok(())
    }
}
