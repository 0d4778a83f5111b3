//! The executor: carries out what a rank's [`Worker`] decides, on its store, its compute threads and the transport.
//!
//! The worker is a state machine without side effects. Events go in (an order of rank 0, a value that has arrived, a
//! task that has ended), actions come out: learn a definition, fetch a result, give one to another rank, compute a
//! task, report to rank 0. Start with [`Executor::order`] and `act`. Results are pulled: the receiver posts the
//! receive, then asks the holder, which sends (a rendezvous protocol).
//!
//! Invariant: the store holds the value of every task that the worker counts as present, and no other.

mod arrivals;
pub(crate) mod error;
mod spill;
mod starved;

use super::deadlines::Deadlines;
use super::fetches::Fetches;
use super::profile::ProfilePhase;
use crate::console;
use crate::error::{ProtocolError, TaskError, TaskErrorKind};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{
    Blob, Definition, InputSource, Peer, RankOrder, RankReport, ReportedResult, RunTask, TAG_INLINE,
};
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::objects::RankObjects;
use crate::runtime::outbox::Links;
use crate::runtime::store::Store;
use crate::runtime::threads::compute_event::{ComputeEvent, OutgoingValue};
use crate::runtime::threads::job::{self, Job, KnownDefinition, RankLocation};
use crate::runtime::threads::pool::{BackgroundThread, Compute};
use crate::task::arguments::SharedArguments;
use crate::task::function;
use crate::task::value::AnyValue;
use crate::transport::{BulkSource, Transport};
use crate::worker::{Worker, WorkerAction, WorkerEvent};
use arrivals::UnverifiedResults;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// Longest time for which the reactor's thread itself computes short tasks before it polls the network again.
const BUDGET: Duration = Duration::from_micros(50);

/// The part of a rank that stores results and computes tasks: the worker (the state machine that decides) with the
/// store, the known definitions, the fetches and the compute threads around it.
pub(crate) struct Executor<C> {
    machine: Worker,
    actions: Vec<WorkerAction>,
    /// The results of this rank, in memory and on disk.
    pub store: Store,
    /// The number of bytes of results on disk in the last report to rank 0.
    told_absent: u64,
    defs: Vec<Option<Arc<KnownDefinition>>>,
    /// The compute threads, or in tests their simulation.
    pub compute: C,
    done: Vec<ComputeEvent>,
    /// The fetches of results from other ranks.
    pub fetches: Fetches,
    /// Whether ranks compare checksums of the results that they send each other.
    pub checksums: bool,
    /// The results that have arrived or whose checksums have, until both are there.
    unverified: UnverifiedResults,
    /// The running tasks with a time limit.
    deadlines: Deadlines,
    /// Results that cannot be taken in for lack of memory, each with the error for the tasks that take it. The state
    /// machine gets them at its next event.
    refused: Vec<(TaskId, Box<TaskError>)>,
    /// The last attempt to fetch what waits for memory.
    fed: Option<Instant>,
    /// The time since which results wait for memory and nothing here will free any.
    hungry: Option<Instant>,
    place: RankLocation,
    /// The objects that live on this rank, and this rank's calls of objects elsewhere.
    pub objects: RankObjects,
    /// Reports that are still to be sent to rank 0.
    pub reports: Vec<RankReport>,
}

impl<C: Compute> Executor<C> {
    /// Makes the executor of the rank at `place`, which computes `slots` tasks at a time on the threads of `compute`.
    pub(crate) fn new(slots: u32, compute: C, place: RankLocation) -> Self {
        Executor {
            machine: Worker::new(slots),
            actions: Vec::new(),
            store: Store::default(),
            told_absent: 0,
            defs: Vec::new(),
            compute,
            done: Vec::new(),
            fetches: Fetches::default(),
            checksums: false,
            unverified: UnverifiedResults::default(),
            deadlines: Deadlines::default(),
            refused: Vec::new(),
            fed: None,
            hungry: None,
            place,
            objects: RankObjects::default(),
            reports: Vec::new(),
        }
    }

    /// The rank and host of this executor.
    pub(super) fn place(&self) -> &RankLocation {
        &self.place
    }

    /// The worker's state machine, read by the checks of tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn machine(&self) -> &Worker {
        &self.machine
    }

    /// The value of `task`, if this rank's store has it.
    pub(crate) fn value(&mut self, task: TaskId) -> Option<&AnyValue> {
        self.store.get(task)
    }

    /// Number of results in this rank's store.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn stored(&self) -> usize {
        self.store.len()
    }

    /// Whether results that this rank has asked other ranks for have still to arrive.
    pub(crate) fn is_fetching(&self) -> bool {
        !self.fetches.is_empty()
    }

    /// Whether tasks that were handed to the compute threads have still to end.
    pub(crate) fn is_computing(&self) -> bool {
        self.machine.running() > 0
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
        self.relieve();
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
        if let RankOrder::Team { task, members } = order {
            self.place.teams.insert(task, members);
            return Ok(());
        }
        if let RankOrder::Lost { rank } = &order {
            links.transport.forget(*rank)?;
            self.fetches.forget(*rank);
            self.unverified.forget(*rank);
            // first, since a fetch that now fails for lack of memory is reported to the state machine when the order
            // is handled
            self.start_fetches(links)?;
            self.objects_lost(*rank, links)?;
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
        match peer {
            Peer::Fetch { task, tag, same_files } => {
                self.handle(WorkerEvent::Asked { by, task, tag, same_files }, links)
            }
            Peer::Value { task, bytes } => match self.fetches.brought(by, task, bytes)? {
                Some(value) => self.has_come(task, value, links),
                None => Ok(()), // was given up when its sender died
            },
            Peer::Checksum { tag, sum } => self.checksum(by, tag, sum, links),
            message => self.object_message(by, message, links),
        }
    }

    fn has_come<T: Transport>(
        &mut self,
        task: TaskId,
        value: AnyValue,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        self.store.insert(task, value);
        self.relieve();
        self.start_fetches(links)?;
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
                    self.place.cancelled.remove(ended.task);
                    self.place.teams.remove(ended.task);
                    let result = match self.deadlines.end(ended.task) {
                        None => ended.result,
                        Some(limit) => Err(self.too_late(ended.attempt, limit)),
                    };
                    let output = result.map(|(output, value)| {
                        if let (ReportedResult::Stored { .. }, Some(value)) = (&output, value) {
                            self.store.insert(ended.task, value);
                        }
                        output
                    });
                    let (task, attempt) = (ended.task, ended.attempt);
                    let nanos = u32::try_from(ended.nanos).unwrap_or(u32::MAX);
                    self.handle(WorkerEvent::Computed { task, attempt, nanos, output }, links)?;
                }
                ComputeEvent::Paused(task) => self.handle(WorkerEvent::Paused(task), links)?,
                ComputeEvent::Resumed(task) => self.handle(WorkerEvent::Resumed(task), links)?,
                ComputeEvent::Called(ended) => self.call_ended(ended, links)?,
                ComputeEvent::Encoded { to, tag, message, sum } => {
                    if let Some(sum) = sum {
                        links.send(to, &Peer::Checksum { tag, sum })?;
                    }
                    links.transport.send_bulk(to, tag, message.0)?
                }
                ComputeEvent::Summed { from, tag, arrived, sum } => {
                    self.summed(from, tag, (arrived.0, sum), links)?
                }
                ComputeEvent::ReadBack { to, task, value } => {
                    links.send(to, &Peer::Value { task, bytes: Blob::new(value.bytes()) })?
                }
                ComputeEvent::Moved(moved) => self.moved(moved),
            }
        }
        self.done = all;
        self.relieve();
        Ok(())
    }

    /// Hands tasks whose inputs are all present to the compute threads, as far as slots are free.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn start<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        self.feed(links)?;
        self.tell_absent();
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
        self.tell_refused(links)
    }

    fn act<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                WorkerAction::Learn(definition) => self.learn(definition),
                WorkerAction::Nests(def) => self.learnt(def)?.nests.store(true, Ordering::Relaxed),
                WorkerAction::Execute(run) => self.execute(run)?,
                WorkerAction::Fetch { task, holder, nbytes, layout } => {
                    self.fetches.push(task, holder, nbytes, layout);
                    self.start_fetches(links)?;
                }
                WorkerAction::Give { to, task, tag, same_files } => {
                    self.give(task, same_files, (to, tag), links)?
                }
                WorkerAction::Report(report) => {
                    if let RankReport::Retracted { task, .. } = &report {
                        self.place.teams.remove(*task);
                    }
                    self.reports.push(report);
                }
                WorkerAction::Drop(task) => {
                    self.store.remove(task);
                    self.hungry = None;
                }
                WorkerAction::Cancel(task) => self.place.cancelled.insert(task),
            }
        }
        self.actions = actions;
        Ok(())
    }

    fn learn(&mut self, definition: Definition) {
        let Definition { def, function, name, shared, slots, memory, gpus, timeout } = definition;
        if self.defs.len() <= def.index() {
            self.defs.resize(def.index() + 1, None);
        }
        self.defs[def.index()] = Some(Arc::new(KnownDefinition {
            function: function::find(function),
            name: job::interned(&name),
            shared: SharedArguments::new(&shared),
            memory,
            slots,
            gpus,
            timeout,
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
                    let value = self.store.get(input.task).cloned();
                    value.ok_or_else(|| {
                        ProtocolError(format!("{:?} takes {:?}, which is not here", run.task, input.task))
                    })?
                }
            });
        }
        let RunTask { task, attempt, def, key, args, .. } = run;
        self.deadlines.begin(task, attempt, learnt.timeout);
        self.compute.execute(Job { task, attempt, def, key, learnt, args, inputs });
        Ok(())
    }

    /// Tells the running tasks whose time is over that nobody waits for them any more, and reports them to rank 0.
    pub(crate) fn end_late_tasks(&mut self) {
        while let Some((task, attempt, limit)) = self.deadlines.expired() {
            self.place.cancelled.insert(task);
            let error = Box::new(self.too_late(attempt, limit));
            self.reports.push(RankReport::TimedOut { task, attempt, error });
        }
    }

    fn too_late(&self, attempt: Attempt, limit: Duration) -> TaskError {
        let message = format!("it has taken longer than its time limit of {limit:?}");
        let (rank, host) = (self.place.rank, self.place.host.to_string());
        let error = TaskError::of_attempt(message, String::new(), rank, host, attempt);
        TaskError { kind: TaskErrorKind::TimedOut, ..error }
    }

    /// Starts fetches that had to wait, as long as not too many are under way.
    fn start_fetches<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        while let Some((task, why)) = self.fetches.start(self.store.room(), links)? {
            self.refuse(task, &why);
        }
        Ok(())
    }

    /// Reports to the state machine the results that cannot be taken in for lack of memory.
    fn tell_refused<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        while let Some((task, error)) = self.refused.pop() {
            self.handle(WorkerEvent::Refused(task, error), links)?;
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
        let value = self.store.get(task).cloned();
        let value = value.ok_or_else(|| ProtocolError(format!("{task:?} is to be given, but not here")))?;
        let place = self.place.clone();
        if tag == TAG_INLINE && value.is_on_disk() {
            let read = move || {
                let value = AnyValue::from_wire(sendable(&value, false, &place).bytes().to_vec());
                ComputeEvent::ReadBack { to, task, value }
            };
            self.compute.background(BackgroundThread::Encode, Box::new(read));
            return Ok(());
        }
        if tag == TAG_INLINE {
            // short enough to be encoded here: a hand-over to another thread takes longer
            job::quietly(|| value.encode());
            links.send(to, &Peer::Value { task, bytes: Blob::new(value.bytes()) })?;
            return Ok(());
        }
        let sums = self.checksums;
        if sums || value.needs_encoding() {
            let encode = move || {
                let message = match value.needs_encoding() {
                    true => sendable(&value, same_files, &place),
                    false => Arc::new(value),
                };
                let is_whole = message.stream().is_none();
                let sum = (sums && is_whole).then(|| xxh3_64(message.bytes()));
                ComputeEvent::Encoded { to, tag, message: OutgoingValue(message), sum }
            };
            self.compute.background(BackgroundThread::Encode, Box::new(encode));
            return Ok(());
        }
        let before = links.profile.enter(ProfilePhase::Sending);
        links.transport.send_bulk(to, tag, Arc::new(value))?;
        links.profile.enter(before);
        Ok(())
    }
}

/// Encodes a value for another rank. Ends the process if the value cannot be read back from disk and is of a kind, such
/// as an array, whose bytes leave no room for an error: the receiver would compute with wrong numbers.
fn sendable(value: &AnyValue, same_files: bool, place: &RankLocation) -> Arc<dyn BulkSource> {
    value.message(same_files).unwrap_or_else(|error| {
        let (rank, host) = (place.rank, &place.host);
        console::error(format_args!(
            "dtask: rank {rank} ({host}) ends, so that no wrong value is used: {error}"
        ));
        std::process::abort()
    })
}
