//! The reactor of a rank (progress engine): what happens in one turn. Only the reactor calls the transport.
//!
//! A turn takes requests of the rank's own threads and messages of other ranks, lets the state machines decide, carries
//! the decisions out, and sends the frames. [`crate::runtime::driver`] says which thread makes the turns. The end of a
//! run goes through `ShutdownPhase`:
//!
//! ```text
//!   rank 0:  Running ── Shutdown to all ──► Serving ── Bye of all, then Leave to all ──► Last
//!   others:  Running ── Shutdown ──► Leaving ── fetches ended, Bye ──► Serving ── Leave ──► Last
//! ```
//!
//! Start with [`Reactor::turn`].

use super::head::{Head, Request};
use super::liveness::{self, LinkChange, Liveness};
use super::mailbox::Mailbox;
use super::nested::Nested;
use super::profile::ProfilePhase as Profiled;
use crate::error::ProtocolError;
use crate::ids::{HEAD, Rank, TaskId};
use crate::protocol::{self, Frame, RankOrder, RankReport};
use crate::runtime::driver::DrivenReactor;
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::pool::Compute;
use crate::runtime::wait::WaitAnswer;
use crate::transport::{Arrival, Flight, Transport};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// The reason in the errors of waits that the end of the run has ended.
const RETURNED: &str = "the closure given to `run` has returned";
/// The rank that watches rank 0.
const HEAD_WATCHER: Rank = Rank(1);
/// Number of turns in a row, in all of which something moved, after which the clock is read.
const TURNS_UNTIMED: u32 = 64;

/// The progress of a rank's shutdown, from the running state to the end of the reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShutdownPhase {
    /// The run goes on: the rank computes tasks and no shutdown has begun.
    Running,
    /// The rank computes no more, and says `Bye` to rank 0 when all its fetches have ended. Ranks other than 0 only.
    Leaving,
    /// The rank has said `Bye` (rank 0: has sent `Shutdown`), but still sends results to ranks that ask for them.
    Serving,
    /// All ranks have said `Bye`: the rank leaves when all its messages are sent.
    Last,
}

/// The reactor of a rank: its executor, the head on rank 0, and the links to other ranks.
pub(crate) struct Reactor<T, C> {
    /// The links to other ranks, for frames and bulk data.
    pub links: Links<T>,
    /// The executor, which computes this rank's tasks and stores their results.
    pub node: Executor<C>,
    /// The head, which runs the scheduler, with the mailbox for the client's requests; `None` on ranks other than 0.
    pub head: Option<(Head, Arc<Mailbox<Request>>)>,
    /// The requests of tasks that submit tasks; `None` on rank 0, where tasks use the client's mailbox.
    pub nested: Option<Nested>,
    requests: Vec<Request>,
    arrivals: Vec<Arrival>,
    phase: ShutdownPhase,
    /// Whether the rank waits at the end of the run for the tasks that it computes.
    awaits: bool,
    /// The begin of the run, from which times are counted; and the number of turns since the clock was read.
    begin: Instant,
    turns: u32,
}

impl<T: Transport, C: Compute> Reactor<T, C> {
    /// Makes the reactor of a rank; on rank 0 with a head, which schedules for all ranks.
    pub(crate) fn new(
        links: Links<T>,
        node: Executor<C>,
        head: Option<(Head, Arc<Mailbox<Request>>)>,
    ) -> Self {
        let (requests, arrivals) = (Vec::new(), Vec::new());
        Reactor {
            links,
            node,
            head,
            nested: None,
            requests,
            arrivals,
            phase: ShutdownPhase::Running,
            awaits: false,
            begin: Instant::now(),
            turns: 0,
        }
    }

    /// Sets whether the rank waits at the end of the run for the tasks that it computes (`awaits`), and after how many
    /// milliseconds of `silence` of another rank it warns the user; 0 for never.
    pub(crate) fn watching(mut self, awaits: bool, silence: u32) -> Self {
        self.awaits = awaits;
        self.links.liveness = Liveness::new(silence.into(), self.links.transport.ranks(), 0);
        self
    }

    /// Adds the state for nested tasks (tasks that this rank's tasks submit), on a rank other than 0.
    pub(crate) fn with_nested(mut self, nested: Nested) -> Self {
        self.nested = Some(nested);
        self
    }

    /// Adds messages that arrived during the handshake; the first turn handles them.
    pub(crate) fn with_early(mut self, early: Vec<Arrival>) -> Self {
        self.arrivals = early;
        self
    }

    /// Makes one turn: takes requests and messages, decides, and carries out the decisions. True if there was anything
    /// to do.
    ///
    /// # Errors
    /// When the network fails, a peer breaks the protocol, or rank 0 has died.
    pub(crate) fn turn(&mut self) -> Result<bool, ExecutorError> {
        self.links.profile.enter(Profiled::Polling);
        // only promised results of earlier turns: the scheduler learns of their promises from the requests taken below
        let kept = std::mem::take(&mut self.node.objects.kept);
        let mut moved = self.take_requests()?;
        self.node.own_fence_passed(&mut self.links)?;
        moved |= self.keep_promises(kept)?;
        moved |= self.take_arrivals()?;
        moved |= self.node.collect(&mut self.links)?;
        if self.phase == ShutdownPhase::Running {
            if let Some((head, _)) = &mut self.head {
                head.act(&mut self.node, &mut self.links)?;
            }
            self.node.start(&mut self.links)?;
        }
        if self.phase == ShutdownPhase::Running || self.awaits {
            moved |= self.node.run_short(&mut self.links)?;
        }
        self.node.end_late_tasks();
        self.turns += 1;
        if !moved || self.turns >= TURNS_UNTIMED {
            self.turns = 0;
            self.watch()?;
        }
        self.send_reports()?;
        moved |= self.leave()?;
        moved |= self.links.flush()?;
        let node = &self.node;
        self.links.profile.turn_ended(moved, || (node.is_fetching(), node.slots_without_data()));
        Ok(moved)
    }

    fn take_requests(&mut self) -> Result<bool, ExecutorError> {
        if let Some(nested) = &mut self.nested {
            return nested.take_requests(&mut self.node, &mut self.links);
        }
        let Some((head, mailbox)) = &mut self.head else { return Ok(false) };
        mailbox.drain(&mut self.requests);
        if self.requests.is_empty() {
            return Ok(false);
        }
        self.links.profile.enter(Profiled::Machine);
        let mut outcome = Ok(());
        for request in self.requests.drain(..) {
            match (&outcome, request) {
                (Ok(()), request) => outcome = head.request(request, &mut self.node, &mut self.links),
                // threads that wait for answers must be told that none will come
                (Err(error), Request::Want { wait, .. }) => wait.close(&error.to_string()),
                (Err(error), Request::Object(request)) => request.close(&error.to_string()),
                _ => {}
            }
        }
        outcome.map(|()| true)
    }

    /// Hands promised results to the scheduler.
    fn keep_promises(&mut self, kept: Vec<(TaskId, WaitAnswer)>) -> Result<bool, ExecutorError> {
        if kept.is_empty() {
            return Ok(false);
        }
        for kept in self.node.kept_promises(kept, &mut self.links)? {
            match &mut self.head {
                Some((head, _)) => head.keep(kept)?,
                None => self.node.reports.push(match kept {
                    (task, Ok(output)) => RankReport::Keep { task, output },
                    (task, Err(error)) => RankReport::Break { task, error },
                }),
            }
        }
        Ok(true)
    }

    fn take_arrivals(&mut self) -> Result<bool, ExecutorError> {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        self.links.profile.enter(Profiled::Polling);
        let moved = self.links.transport.poll(&mut arrivals)?;
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Control { from, frame } => {
                    self.links.liveness.heard(from);
                    self.links.profile.enter(Profiled::Decoding);
                    let messages = protocol::decode(&frame).map_err(|error| damaged(from, &error))?;
                    self.links.transport.recycle(frame);
                    self.links.profile.enter(Profiled::Machine);
                    self.take_frame(from, messages)?;
                }
                Arrival::Bulk { from, tag, target } => {
                    self.links.liveness.heard(from);
                    self.links.profile.enter(Profiled::Machine);
                    self.node.arrived(from, tag, target, &mut self.links)?
                }
                Arrival::Lost { rank: HEAD } => return Err(ExecutorError::HeadDied),
                Arrival::Lost { rank } => self.lost(rank)?,
            }
        }
        self.arrivals = arrivals;
        Ok(moved)
    }

    /// Handles the death of a rank other than 0. During the run rank 0 decides what follows and orders it. At the end
    /// nothing does: all that may still be wanted of the dead rank are results for inputs that nobody needs any more.
    fn lost(&mut self, rank: Rank) -> Result<(), ExecutorError> {
        if self.phase != ShutdownPhase::Running {
            self.node.fetches.forget(rank);
        }
        match &mut self.head {
            Some((head, _)) => Ok(head.lost(rank, self.phase == ShutdownPhase::Running)?),
            None => Ok(()),
        }
    }

    fn take_frame(&mut self, from: Rank, frame: Frame) -> Result<(), ExecutorError> {
        match (frame, &mut self.head) {
            (Frame::Orders(orders), None) if from == HEAD => {
                for order in orders {
                    self.take_order(order)?;
                }
                if let Some(nested) = &mut self.nested {
                    nested.flush();
                }
            }
            (Frame::Reports(reports), Some((head, _))) => {
                for report in reports {
                    match report {
                        RankReport::Silent { rank, seconds, is_back } => {
                            // if rank 0 itself hears nothing from the rank, the user has been told already
                            if !self.links.liveness.is_silent(rank) {
                                head.tell_link(from, rank, seconds.into(), is_back);
                            }
                        }
                        report => head.report(from, report)?,
                    }
                }
            }
            (Frame::Peers(peers), _) => {
                for peer in peers {
                    self.node.peer(from, peer, &mut self.links)?;
                }
            }
            (frame, _) => {
                let kind = match frame {
                    Frame::Hello(_) => "a hello after the start",
                    Frame::Welcome(_) => "a welcome after the start",
                    Frame::Orders(_) => "orders",
                    Frame::Reports(_) => "reports",
                    Frame::Peers(_) => "requests",
                };
                return Err(ProtocolError(format!("rank {from} has sent {kind}, which it may not")).into());
            }
        }
        Ok(())
    }

    fn take_order(&mut self, order: RankOrder) -> Result<(), ExecutorError> {
        match (order, &mut self.nested) {
            (RankOrder::Answer { task, answer }, Some(nested)) => {
                nested.answer(task, answer, &mut self.node)?
            }
            (RankOrder::Status { task, status }, Some(nested)) => nested.status(task, status),
            (RankOrder::Counter { counter, name }, Some(nested)) => nested.name_counter(counter, &name),
            (order, _) => self.take_plain_order(order)?,
        }
        Ok(())
    }

    fn take_plain_order(&mut self, order: RankOrder) -> Result<(), ExecutorError> {
        match order {
            RankOrder::Shutdown => {
                if let Some(nested) = &mut self.nested {
                    nested.close(RETURNED);
                }
                self.node.objects.close(RETURNED);
                self.phase = ShutdownPhase::Leaving;
                self.node.order(RankOrder::Shutdown, &mut self.links)?;
            }
            RankOrder::Leave => self.phase = ShutdownPhase::Last,
            order => self.node.order(order, &mut self.links)?,
        }
        Ok(())
    }

    fn send_reports(&mut self) -> Result<(), ExecutorError> {
        if self.head.is_none() && !self.node.reports.is_empty() {
            self.links.profile.enter(Profiled::Sending);
            for report in self.node.reports.drain(..) {
                self.links.send(HEAD, &report)?;
            }
        }
        Ok(())
    }

    /// Sends signs of life (heartbeats) to the ranks that watch this one, and reports ranks that have been silent for
    /// too long.
    fn watch(&mut self) -> Result<(), ExecutorError> {
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !self.links.liveness.is_due(now) || self.phase == ShutdownPhase::Last {
            return Ok(());
        }
        let own = self.links.transport.rank();
        let debtors: HashSet<Rank> = self.node.fetches.debtors().collect();
        let watched = |rank: Rank| match (own, rank) {
            (HEAD, rank) => rank != HEAD && self.head.as_ref().is_some_and(|(head, _)| head.is_alive(rank)),
            (HEAD_WATCHER, HEAD) => true,
            (_, rank) => debtors.contains(&rank),
        };
        for change in self.links.liveness.look(now, watched) {
            let (rank, millis, is_back) = match change {
                LinkChange::Silent(rank, millis) => (rank, millis, false),
                LinkChange::Back(rank, millis) => (rank, millis, true),
            };
            let seconds = millis / 1000;
            match &self.head {
                Some((head, _)) => head.tell_link(HEAD, rank, seconds, is_back),
                None if rank == HEAD => {
                    liveness::tell("rank 0", &format!(" to rank {own}"), seconds, is_back)
                }
                None => {
                    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                    self.links.send(HEAD, &RankReport::Silent { rank, seconds, is_back })?;
                }
            }
        }
        let watcher = if own == HEAD { HEAD_WATCHER } else { HEAD };
        if watcher.index() < self.links.transport.ranks() && self.links.liveness.owes_sign(watcher, now) {
            match own {
                HEAD => self.links.send(watcher, &RankOrder::Alive)?,
                _ => self.links.send(watcher, &RankReport::Alive)?,
            }
        }
        Ok(())
    }

    /// Takes the next step of the shutdown, if its condition is met. True if a step was taken.
    fn leave(&mut self) -> Result<bool, ExecutorError> {
        let computing = self.node.is_computing() || self.node.objects.is_busy();
        let busy = self.node.is_fetching() || (self.awaits && computing);
        if let Some((head, _)) = &mut self.head {
            head.tell_unended();
            if self.phase == ShutdownPhase::Running && head.may_close() {
                head.close(RETURNED);
                self.node.objects.close(RETURNED);
                head.send_all(&RankOrder::Shutdown, &mut self.links)?;
                self.phase = ShutdownPhase::Serving;
                self.node.order(RankOrder::Shutdown, &mut self.links)?;
                self.node.reports.extend(self.node.spilled());
                for report in std::mem::take(&mut self.node.reports) {
                    head.report(HEAD, report)?;
                }
                return Ok(true);
            }
            if self.phase == ShutdownPhase::Serving && head.is_deserted() && !busy {
                head.send_all(&RankOrder::Leave, &mut self.links)?;
                self.phase = ShutdownPhase::Last;
                return Ok(true);
            }
        } else if self.phase == ShutdownPhase::Leaving && !busy {
            if let Some(spilled) = self.node.spilled() {
                self.links.send(HEAD, &spilled)?;
            }
            self.links.send(HEAD, &RankReport::Bye { spent: self.links.profile.spent() })?;
            self.phase = ShutdownPhase::Serving;
            return Ok(true);
        }
        Ok(false)
    }
}

impl<T: Transport + Send, C: Compute + Send> DrivenReactor for Reactor<T, C> {
    fn turn(&mut self) -> Result<bool, ExecutorError> {
        self.turn()
    }

    fn is_over(&self) -> bool {
        self.phase == ShutdownPhase::Last && self.links.transport.quiet()
    }

    fn flight(&self) -> Flight {
        self.links.transport.flight()
    }

    fn has_work(&self) -> bool {
        let requests = self.head.as_ref().is_some_and(|(_, mailbox)| !mailbox.is_empty());
        let nested = self.nested.as_ref().is_some_and(Nested::has_requests);
        requests || nested || self.node.compute.has_done() || self.node.objects.is_due()
    }

    fn wants_own(&self) -> bool {
        self.node.compute.leaves_short()
    }
}

fn damaged(from: Rank, error: &crate::error::CodecError) -> ProtocolError {
    ProtocolError(format!("a damaged message from rank {from}: {error}"))
}
