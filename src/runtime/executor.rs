//! The executor: carries out what a rank's [`Worker`] decides, on its store, its compute threads and the transport.
//!
//! The worker is a state machine without side effects. Events go in (an order of rank 0, a value that has arrived, a
//! task that has ended), actions come out: learn a definition, fetch a result, give one to another rank, compute a
//! task, report to rank 0. Start with [`Executor::order`] and `act`. Results are pulled: the receiver posts the
//! receive, then asks the holder, which sends (a rendezvous protocol).
//!
//! Invariant: the store holds the value of every task that the worker counts as present, and no other.

use super::profile::ProfilePhase;
use crate::error::{CodecError, ProtocolError};
use crate::ids::{DefId, IdMap, Rank, TaskId};
use crate::protocol::{
    BulkLayout, Definition, InputSource, Peer, RankOrder, RankReport, ReportedResult, RunTask,
};
use crate::runtime::outbox::{LinkError, Links};
use crate::runtime::threads::job::{Job, KnownDefinition};
use crate::runtime::threads::pool::{Compute, ComputeEvent};
use crate::task::arguments::SharedArguments;
use crate::task::bulk::{self, AllocateError};
use crate::task::function;
use crate::task::value::AnyValue;
use crate::transport::{BulkTarget, Transport};
use crate::worker::{Worker, WorkerAction, WorkerEvent};
use smallvec::SmallVec;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Largest number of fetches of results from other ranks under way at once: enough to keep every link busy. Each fetch
/// needs an MPI tag of its own.
pub(crate) const FETCHES_MAX: usize = 512;

/// Longest time for which a turn of the reactor computes short tasks itself, before the network is polled again.
const BUDGET: Duration = Duration::from_micros(50);

/// A fetch of a result from another rank that has to wait, since [`FETCHES_MAX`] others are under way.
struct Postponed {
    task: TaskId,
    holder: Rank,
    nbytes: u64,
    layout: BulkLayout,
}

/// The part of a rank that stores results and computes tasks: the worker (the state machine that decides) with the
/// store, the known definitions, the fetches and the compute threads around it.
pub(crate) struct Executor<C> {
    machine: Worker,
    actions: Vec<WorkerAction>,
    store: IdMap<TaskId, AnyValue>,
    defs: Vec<Option<Arc<KnownDefinition>>>,
    /// The compute threads, or in tests their simulation.
    pub compute: C,
    done: Vec<ComputeEvent>,
    /// Tasks whose results are being fetched, by the rank that holds the result and the tag of the transfer (see
    /// `transfer`).
    fetching: IdMap<u64, TaskId>,
    next_tag: u32,
    postponed: VecDeque<Postponed>,
    /// Tasks whose results this rank has no memory for, of which the worker does not know yet.
    no_room: Vec<TaskId>,
    /// Ranks that see the same files as this one, so that paths can be sent to them in place of files: as a rule those
    /// of the same host.
    pub same_files: HashSet<Rank>,
    /// Largest number of fetches under way at once: [`FETCHES_MAX`], or fewer in some tests.
    pub fetches_max: usize,
    /// Reports that are still to be sent to rank 0.
    pub reports: Vec<RankReport>,
}

/// An error after which a rank's reactor cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecutorError {
    /// The network failed, or a message could not be encoded for sending.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A message breaks the protocol: a bug of dtask, or a damaged message.
    #[error("internal error: {0} (please report this)")]
    Protocol(#[from] ProtocolError),
    /// The bytes of a message could not be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl From<crate::transport::TransportError> for ExecutorError {
    fn from(error: crate::transport::TransportError) -> Self {
        ExecutorError::Link(error.into())
    }
}

impl<C: Compute> Executor<C> {
    /// Makes the executor of a rank that computes `slots` tasks at a time, on the threads of `compute`.
    pub(crate) fn new(slots: u32, compute: C) -> Self {
        Executor {
            machine: Worker::new(slots),
            actions: Vec::new(),
            store: IdMap::default(),
            defs: Vec::new(),
            compute,
            done: Vec::new(),
            fetching: IdMap::default(),
            next_tag: 1,
            postponed: VecDeque::new(),
            no_room: Vec::new(),
            same_files: HashSet::new(),
            fetches_max: FETCHES_MAX,
            reports: Vec::new(),
        }
    }

    /// The worker's state machine, read by the checks of tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn machine(&self) -> &Worker {
        &self.machine
    }

    /// The value of `task`, if this rank's store has it.
    pub(crate) fn value(&self, task: TaskId) -> Option<&AnyValue> {
        self.store.get(&task)
    }

    /// Number of results in this rank's store.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn stored(&self) -> usize {
        self.store.len()
    }

    /// Whether results that this rank has asked other ranks for have still to arrive.
    pub(crate) fn is_fetching(&self) -> bool {
        !self.fetching.is_empty() || !self.postponed.is_empty()
    }

    /// Number of free slots that stay free only because the inputs of the tasks for them are still being fetched from
    /// other ranks; 0 while nothing is fetched.
    pub(crate) fn slots_without_data(&self) -> u32 {
        if self.is_fetching() { self.machine.slots_in_want() } else { 0 }
    }

    /// Puts a value that the client has scattered into the store, as the result of `task`.
    ///
    /// # Errors
    /// When the state machine refuses the event.
    pub(crate) fn put<T: Transport>(
        &mut self,
        task: TaskId,
        value: AnyValue,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        self.store.insert(task, value);
        self.handle(WorkerEvent::Put(task), links)
    }

    /// Carries out an order of rank 0.
    ///
    /// # Errors
    /// When the network fails, or the order breaks the protocol.
    pub(crate) fn order<T: Transport>(
        &mut self,
        order: RankOrder,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        if let RankOrder::Lost { rank } = &order {
            links.transport.forget(*rank)?;
            self.fetching.retain(|key, _| Rank((*key >> 32) as u32) != *rank);
            self.postponed.retain(|fetch| fetch.holder != *rank);
            self.fetch_postponed(links)?;
        }
        self.handle(WorkerEvent::Order(order), links)
    }

    /// Answers a request of another rank: sends it the result that it asks for.
    ///
    /// # Errors
    /// When the network fails, or the result is not in the store.
    pub(crate) fn peer<T: Transport>(
        &mut self,
        by: Rank,
        peer: Peer,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let Peer::Fetch { task, tag, same_files } = peer;
        self.handle(WorkerEvent::Asked { by, task, tag, same_files }, links)
    }

    /// Puts a result that this rank has fetched from another one into the store.
    ///
    /// # Errors
    /// When the result has arrived in a target that this executor did not make.
    pub(crate) fn arrived<T: Transport>(
        &mut self,
        from: Rank,
        tag: u32,
        target: Box<dyn BulkTarget>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let Some(task) = self.fetching.remove(&transfer(from, tag)) else {
            return Ok(()); // was given up when its sender died
        };
        let value = target.into_any().downcast::<AnyValue>();
        let value = value.map_err(|_| ProtocolError(format!("{task:?} has arrived in foreign memory")))?;
        self.store.insert(task, *value);
        self.fetch_postponed(links)?;
        self.handle(WorkerEvent::Arrived(task), links)
    }

    /// Handles the events that compute threads have queued: tasks ended, paused or resumed, and values encoded for
    /// sending. True if there were any.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn collect<T: Transport>(&mut self, links: &mut Links<T>) -> Result<bool, ExecutorError> {
        self.compute.collect(&mut self.done);
        if self.done.is_empty() {
            return Ok(false);
        }
        for done in &self.done {
            if let ComputeEvent::Ended(ended) = done {
                links.profile.computed(ended.nanos);
            }
        }
        self.take_done(links)?;
        Ok(true)
    }

    fn take_done<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        links.profile.enter(ProfilePhase::Machine);
        let mut all = std::mem::take(&mut self.done);
        for done in all.drain(..) {
            match done {
                ComputeEvent::Ended(ended) => {
                    let output = ended.result.map(|(output, value)| {
                        if let (ReportedResult::Stored { .. }, Some(value)) = (&output, value) {
                            self.store.insert(ended.task, value);
                        }
                        output
                    });
                    let (task, attempt) = (ended.task, ended.attempt);
                    let nanos = u32::try_from(ended.nanos).unwrap_or(u32::MAX);
                    self.handle(WorkerEvent::Computed { task, attempt, nanos, output }, links)?;
                    // with the memory that the task has left
                    if !self.postponed.is_empty() {
                        self.fetch_postponed(links)?;
                        self.do_without(links)?;
                    }
                }
                ComputeEvent::Paused(task) => self.handle(WorkerEvent::Paused(task), links)?,
                ComputeEvent::Resumed(task) => self.handle(WorkerEvent::Resumed(task), links)?,
                ComputeEvent::Encoded { to, tag, message } => {
                    links.transport.send_bulk(to, tag, message.0)?
                }
            }
        }
        self.done = all;
        Ok(())
    }

    /// Hands tasks whose inputs are all present to the compute threads, as far as slots are free.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn start<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        self.machine.start(&mut self.actions);
        if self.actions.is_empty() {
            return Ok(());
        }
        links.profile.enter(ProfilePhase::Placing);
        self.act(links)
    }

    /// Computes tasks that are shorter than a turn of the reactor on the calling thread, and short tasks that depend on
    /// them, for at most 50 µs. True if any task was computed.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn run_short<T: Transport>(&mut self, links: &mut Links<T>) -> Result<bool, ExecutorError> {
        if !self.compute.has_short() {
            return Ok(false);
        }
        let begin = Instant::now();
        while self.compute.has_short() && begin.elapsed() < BUDGET {
            links.profile.enter(ProfilePhase::Computing);
            self.compute.run_short(&mut self.done);
            self.take_done(links)?;
            self.start(links)?;
        }
        Ok(true)
    }

    fn handle<T: Transport>(
        &mut self,
        event: WorkerEvent,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        self.machine.handle(event, &mut self.actions)?;
        self.act(links)?;
        self.do_without(links)
    }

    /// Lets the tasks go on whose inputs this rank has no memory for. They will fail.
    fn do_without<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        while let Some(task) = self.no_room.pop() {
            self.machine.handle(WorkerEvent::NoRoom(task), &mut self.actions)?;
            self.act(links)?;
        }
        Ok(())
    }

    fn act<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                WorkerAction::Learn(definition) => self.learn(definition),
                WorkerAction::Nests(def) => self.learnt(def)?.nests.store(true, Ordering::Relaxed),
                WorkerAction::Execute(run) => self.execute(run)?,
                WorkerAction::Fetch { task, holder, nbytes, layout } => {
                    self.postponed.push_back(Postponed { task, holder, nbytes, layout });
                    self.fetch_postponed(links)?;
                }
                WorkerAction::Give { to, task, tag, same_files } => {
                    self.give(task, same_files, (to, tag), links)?
                }
                WorkerAction::Report(report) => self.reports.push(report),
                WorkerAction::Drop(task) => {
                    self.store.remove(&task);
                }
            }
        }
        self.actions = actions;
        Ok(())
    }

    fn learn(&mut self, definition: Definition) {
        let Definition { def, function, name: _, shared, slots: _, memory } = definition;
        if self.defs.len() <= def.index() {
            self.defs.resize(def.index() + 1, None);
        }
        self.defs[def.index()] = Some(Arc::new(KnownDefinition {
            function: function::find(function),
            shared: SharedArguments::new(&shared),
            memory,
            nests: AtomicBool::new(false),
        }));
    }

    fn learnt(&self, def: DefId) -> Result<Arc<KnownDefinition>, ProtocolError> {
        let learnt = self.defs.get(def.index()).and_then(Option::clone);
        learnt.ok_or_else(|| ProtocolError(format!("definition {def:?} was never sent here")))
    }

    fn execute(&mut self, run: RunTask) -> Result<(), ExecutorError> {
        let learnt = self.learnt(run.def)?;
        let mut inputs = SmallVec::with_capacity(run.inputs.len());
        for input in &run.inputs {
            inputs.push(match &input.source {
                InputSource::Inline(bytes) => AnyValue::from_encoded(bytes),
                InputSource::Here | InputSource::At { .. } | InputSource::Upcoming => {
                    let value = self.store.get(&input.task).cloned();
                    value.ok_or_else(|| {
                        ProtocolError(format!("{:?} takes {:?}, which is not here", run.task, input.task))
                    })?
                }
            });
        }
        let RunTask { task, attempt, def, args, .. } = run;
        self.compute.execute(Job { task, attempt, def, learnt, args, inputs });
        Ok(())
    }

    /// Starts fetches that had to wait, as long as fewer than `fetches_max` are under way.
    fn fetch_postponed<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        while self.fetching.len() < self.fetches_max
            && let Some(Postponed { task, holder, nbytes, layout }) = self.postponed.pop_front()
        {
            let before = links.profile.enter(ProfilePhase::Sending);
            let same_files = matches!(layout, BulkLayout::Pack { same_files } if same_files > 0)
                && self.same_files.contains(&holder);
            let target = match bulk::allocate(&layout, nbytes, same_files) {
                Ok(target) => target,
                Err(AllocateError::Layout(error)) => return Err(error.into()),
                // there may be more when a transfer or a task has ended
                Err(AllocateError::NoMemory(_))
                    if !self.fetching.is_empty() || self.machine.is_computing() =>
                {
                    self.postponed.push_front(Postponed { task, holder, nbytes, layout });
                    links.profile.enter(before);
                    return Ok(());
                }
                Err(AllocateError::NoMemory(error)) => {
                    self.store.insert(task, AnyValue::refused(&format!("an input: {error}")));
                    self.no_room.push(task);
                    links.profile.enter(before);
                    continue;
                }
            };
            while self.fetching.contains_key(&transfer(holder, self.next_tag)) {
                self.next_tag = next_tag(self.next_tag);
            }
            let tag = self.next_tag;
            self.next_tag = next_tag(tag);
            self.fetching.insert(transfer(holder, tag), task);
            links.transport.receive_bulk(holder, tag, target)?;
            links.send(holder, &Peer::Fetch { task, tag, same_files })?;
            links.profile.enter(before);
        }
        Ok(())
    }

    fn give<T: Transport>(
        &mut self,
        task: TaskId,
        same_files: bool,
        (to, tag): (Rank, u32),
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let value = self.store.get(&task).cloned();
        let value = value.ok_or_else(|| ProtocolError(format!("{task:?} is to be given, but not here")))?;
        if value.is_refused() {
            let why = format!("{task:?} is wanted of this rank, which had no memory for it");
            return Err(ProtocolError(why).into());
        }
        if value.needs_encoding() {
            self.compute.encode(value, same_files, to, tag);
            return Ok(());
        }
        let before = links.profile.enter(ProfilePhase::Sending);
        links.transport.send_bulk(to, tag, Arc::new(value))?;
        links.profile.enter(before);
        Ok(())
    }
}

fn transfer(from: Rank, tag: u32) -> u64 {
    u64::from(from.0) << 32 | u64::from(tag)
}

/// The next tag for a bulk transfer, after `tag`: 1 to 30,000, then 1 again. Every MPI allows tags up to 2^15 - 1.
fn next_tag(tag: u32) -> u32 {
    if tag >= 30_000 { 1 } else { tag + 1 }
}
