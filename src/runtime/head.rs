//! Carries out what the scheduler decides, and answers the client.

use super::links::Links;
use super::node::{Node, NodeError};
use super::pool::Compute;
use super::wait::{Answer, Wait};
use crate::call::Value;
use crate::error::ProtocolError;
use crate::ids::{HEAD, IdMap, Rank, TaskId};
use crate::protocol::{Order, Output, Report};
use crate::scheduler::{Action, Event, Outcome, RankInfo, Scheduler, Status};
use crate::transport::Transport;
use smallvec::SmallVec;
use std::sync::{Arc, Weak, mpsc};

/// What the client's threads tell rank 0's reactor.
#[derive(Debug)]
pub enum Request {
    /// A fact for the scheduler as it is: a definition, tasks, what was dropped.
    Fact(Event),
    /// A value that becomes a result at rank 0.
    Scatter {
        /// Its number.
        task: TaskId,
        /// The number in its key.
        key: u64,
        /// What and how large it is.
        output: Output,
        /// The value, if it is not inline.
        value: Option<Value>,
    },
    /// A thread waits for a task.
    Want {
        /// Which.
        task: TaskId,
        /// Whether its value is needed.
        value: bool,
        /// Who waits.
        wait: Arc<Wait>,
        /// Which of its answers this is.
        index: u32,
    },
    /// What is this task doing?
    Status(TaskId, mpsc::Sender<Status>),
    /// What has been done so far?
    Totals(mpsc::Sender<Totals>),
    /// The client has ended.
    Close,
}

/// What has been done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tasks that ended with a result.
    pub finished: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Bytes that moved from rank to rank as results.
    pub bytes_moved: u64,
    /// Results that moved.
    pub moves: u64,
    /// Time in tasks, in nanoseconds; of each task at most 4.3 s.
    pub busy_nanos: u64,
    /// Tasks finished on each rank.
    pub per_rank: Vec<u64>,
    /// Tasks that are on ranks now, running or next in line.
    pub assigned: u64,
}

struct Waiter {
    /// Gone when whoever asked has given up.
    wait: Weak<Wait>,
    index: u32,
    value: bool,
}

impl Waiter {
    fn answer(&self, answer: Answer) {
        if let Some(wait) = self.wait.upgrade() {
            wait.answer(self.index, answer);
        }
    }
}

/// Rank 0's side of the scheduler.
pub struct Head {
    machine: Scheduler,
    actions: Vec<Action>,
    waiters: IdMap<TaskId, SmallVec<[Waiter; 1]>>,
    /// What has been done so far.
    pub totals: Totals,
    /// The client has ended.
    pub closing: bool,
    alive: Vec<bool>,
    /// Which ranks have said `Bye`.
    gone: Vec<bool>,
}

impl Head {
    /// A head for ranks with these properties.
    pub fn new(ranks: &[RankInfo]) -> Self {
        Head {
            machine: Scheduler::new(ranks),
            actions: Vec::new(),
            waiters: IdMap::default(),
            totals: Totals { per_rank: vec![0; ranks.len()], ..Totals::default() },
            closing: false,
            alive: vec![true; ranks.len()],
            gone: vec![false; ranks.len()],
        }
    }

    /// The state machine, for checks.
    pub fn machine(&self) -> &Scheduler {
        &self.machine
    }

    /// Ranks that are alive, without rank 0.
    pub fn others(&self) -> impl Iterator<Item = Rank> + '_ {
        (1..self.alive.len()).filter(|&rank| self.alive[rank]).map(|rank| Rank(rank as u32))
    }

    /// Whether every other rank has said `Bye`, or has died.
    pub fn is_deserted(&self) -> bool {
        self.others().all(|rank| self.gone[rank.index()])
    }

    /// Takes a request of the client.
    ///
    /// # Errors
    /// When the state machine refuses.
    pub fn request<C: Compute, T: Transport>(
        &mut self,
        request: Request,
        node: &mut Node<C>,
        links: &mut Links<T>,
    ) -> Result<(), NodeError> {
        let event = match request {
            Request::Fact(event) => event,
            Request::Scatter { task, key, output, value } => {
                if let Some(value) = value {
                    node.put(task, value, links)?;
                }
                Event::Scatter { task, key, output }
            }
            Request::Want { task, value, wait, index } => {
                let waiters = self.waiters.entry(task).or_default();
                if waiters.len() >= 16 && waiters.len().is_power_of_two() {
                    waiters.retain(|waiter| waiter.wait.strong_count() > 0);
                }
                waiters.push(Waiter { wait: Arc::downgrade(&wait), index, value });
                Event::Want { task, value }
            }
            Request::Status(task, reply) => {
                let _ = reply.send(self.machine.status(task)); // who asked may have gone
                return Ok(());
            }
            Request::Totals(reply) => {
                let assigned = self.machine.assigned();
                let _ = reply.send(Totals { assigned, ..self.totals.clone() });
                return Ok(());
            }
            Request::Close => {
                self.closing = true;
                return Ok(());
            }
        };
        Ok(self.machine.handle(event, &mut self.actions)?)
    }

    /// Takes a report of a rank.
    ///
    /// # Errors
    /// When the state machine refuses.
    pub fn report(&mut self, from: Rank, report: Report) -> Result<(), ProtocolError> {
        match &report {
            Report::Finished { nanos, .. } => {
                self.totals.finished += 1;
                self.totals.busy_nanos += u64::from(*nanos);
                if let Some(count) = self.totals.per_rank.get_mut(from.index()) {
                    *count += 1;
                }
            }
            Report::Failed { .. } => self.totals.failed += 1,
            Report::Fetched { task } => {
                self.totals.moves += 1;
                self.totals.bytes_moved += self.machine.task(*task).map_or(0, |record| record.nbytes());
            }
            Report::Bye => {
                if let Some(gone) = self.gone.get_mut(from.index()) {
                    *gone = true;
                }
            }
            _ => {}
        }
        self.machine.handle(Event::From(from, report), &mut self.actions)
    }

    /// Takes the death of a rank.
    ///
    /// # Errors
    /// When it was rank 0.
    pub fn lost(&mut self, rank: Rank) -> Result<(), ProtocolError> {
        if let Some(alive) = self.alive.get_mut(rank.index()) {
            *alive = false;
        }
        self.machine.handle(Event::Lost(rank), &mut self.actions)
    }

    /// Places what is ready and carries out all actions, until there are no more.
    ///
    /// # Errors
    /// When the network fails.
    pub fn act<C: Compute, T: Transport>(
        &mut self,
        node: &mut Node<C>,
        links: &mut Links<T>,
    ) -> Result<(), NodeError> {
        loop {
            for report in std::mem::take(&mut node.reports) {
                self.report(HEAD, report)?;
            }
            self.machine.place(&mut self.actions);
            if self.actions.is_empty() && node.reports.is_empty() {
                return Ok(());
            }
            let mut actions = std::mem::take(&mut self.actions);
            for action in actions.drain(..) {
                match action {
                    Action::Send(HEAD, order) => node.order(order, links)?,
                    Action::Send(rank, order) => links.send(rank, &order)?,
                    Action::Resolve(task, outcome) => self.resolve(task, outcome, node),
                }
            }
            if self.actions.is_empty() {
                self.actions = actions;
            }
        }
    }

    fn resolve<C: Compute>(&mut self, task: TaskId, outcome: Outcome, node: &Node<C>) {
        let answer = match outcome {
            Outcome::Done => {
                // only those that do not wait for the value, which is on its way
                if let Some(waiters) = self.waiters.get_mut(&task) {
                    waiters.retain(|waiter| {
                        if !waiter.value {
                            waiter.answer(Answer::Done);
                        }
                        waiter.value
                    });
                    if waiters.is_empty() {
                        self.waiters.remove(&task);
                    }
                }
                return;
            }
            Outcome::Inline(bytes) => Answer::Inline(bytes),
            Outcome::Here(_) => match node.value(task) {
                Some(value) => Answer::Value(value.clone()),
                None => Answer::Closed(format!("internal error: the value of {task:?} is not in the store")),
            },
            Outcome::Failed(cause) => Answer::Failed(cause),
        };
        for waiter in self.waiters.remove(&task).unwrap_or_default() {
            waiter.answer(answer.clone());
        }
    }

    /// Tells all that still wait that the run has ended.
    pub fn close(&mut self, why: &str) {
        for (_, waiters) in self.waiters.drain() {
            for waiter in waiters {
                waiter.answer(Answer::Closed(why.to_owned()));
            }
        }
    }

    /// Sends `order` to all other ranks that are alive.
    ///
    /// # Errors
    /// When the network fails.
    pub fn send_all<T: Transport>(&self, order: &Order, links: &mut Links<T>) -> Result<(), NodeError> {
        for rank in self.others() {
            links.send(rank, order)?;
        }
        Ok(())
    }
}
