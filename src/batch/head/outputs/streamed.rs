//! Tasks whose instances rank 0 follows one by one: those whose streams go to files of rank 0, and families that the
//! engine expands itself.
//!
//! An instance goes through these states; it counts as ended from the second on.
//!
//! 1. *running*: submitted, and watched until it ends. An instance that fails goes no further: its failure is recorded,
//!    and the file goes on without its output.
//! 2. *ended*: its result is on the rank that made it. If the result is large and holds more than the streams, or is an
//!    array, a helper task on that rank extracts or prints the streams. The helper task needs a slot of the rank; small
//!    results are fetched without one.
//! 3. *ready*: what remains is small, or holds the streams alone.
//! 4. *fetched*: brought to rank 0, up to [`FETCHED`] bytes at a time, and handed to the [`Sinks`].
//!
//! [`Sinks`]: crate::batch::head::outputs::shared_files::Sinks

use crate::batch::artifact::{Absence, Artifact, take_outputs};
use crate::batch::failure::is_left;
use crate::batch::head::failures::failed_members::absent;
use crate::batch::head::outcome::{RunOutcome, note};
use crate::batch::head::outputs::shared_files::OutputEnd;
use crate::batch::head::outputs::shared_paths::paths;
use crate::batch::head::stopped::{self, Stopped};
use crate::batch::outputs::STDOUT;
use crate::client::Client;
use crate::client::family::Family;
use crate::client::future::Future;
use crate::client::pending::Pending;
use crate::client::watch::Watch;
use crate::error::{Error, Result, TaskError};
use crate::script::plan::Plan;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The largest number of instances of a family, expanded by the engine itself, that are watched or have ended and are
/// not dealt with.
const WINDOW: usize = 65_536;
/// The number of instances that are watched together. The record of all of them is kept until the last one has ended.
const WATCHED: u64 = 1024;
/// The largest number of outputs that are extracted or fetched at once.
const BATCH: usize = 4096;
/// The length in bytes up to which a result is brought to rank 0 as a whole, although only the streams are needed.
const WHOLE: u64 = 1 << 20;
/// The largest number of batches of outputs that are extracted at the same time.
const EXTRACTED: usize = 16;
/// The number of bytes of outputs that are fetched at once, for all tasks together. A single output may have more.
pub(crate) const FETCHED: u64 = 8 << 20;

/// The source of the futures of a task's instances.
pub(crate) enum StreamOrigin {
    /// A family that the engine itself expands into instances.
    Lazy {
        family: Family<Artifact>,
        /// The index of its first instance; the others follow it.
        first: u64,
        /// The number of its instances taken so far.
        next: u64,
    },
    /// Futures of instances, as they are submitted; the flag is set once all instances of the task are.
    Given(bool),
}

/// The instances of one task, of which rank 0 follows each.
pub(crate) struct StreamedTask {
    task: usize,
    source: StreamOrigin,
    /// Whether streams go to files of rank 0. If not, nothing is left to do for an instance that has ended.
    has_files: bool,
    /// The outputs that a helper task has to extract from each result; empty if results have the streams alone.
    extract: Vec<u32>,
    running: Vec<WatchedPart>,
    ended: BTreeMap<u64, Future<Artifact>>,
    extracting: Vec<WatchedPart>,
    ready: BTreeMap<u64, Future<Artifact>>,
    fetching: Option<FetchedOutputs>,
}

/// Futures that are watched together, by index of the instance: of the instances, or of helper tasks that extract their
/// outputs. A future is dropped when its end has been seen.
struct WatchedPart {
    futures: Vec<(u64, Option<Future<Artifact>>)>,
    watch: Watch,
    /// The number of futures that had not ended at the last look at the watch.
    open: usize,
}

/// An instance that has ended: its index, its future, and its failure if it has no result.
type EndedInstance = (u64, Future<Artifact>, EndOf);

/// The way in which an instance has ended.
enum EndOf {
    Result,
    /// The instance did not run, although nothing has failed.
    Absent(Absence),
    Failed(Arc<TaskError>),
}

/// Outputs that are on their way to rank 0.
struct FetchedOutputs {
    futures: Vec<(u64, Future<Artifact>)>,
    pending: Pending<Artifact>,
    bytes: u64,
}

impl WatchedPart {
    fn new(client: &Client, futures: Vec<(u64, Future<Artifact>)>) -> Self {
        let watch = client.watch(futures.iter().map(|(_, future)| future));
        let open = futures.len() + 1; // differs from the number of the watch, so that the first call looks
        WatchedPart {
            futures: futures.into_iter().map(|(index, future)| (index, Some(future))).collect(),
            watch,
            open,
        }
    }

    fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Takes the instances that have ended since the last call.
    fn take_ended(&mut self) -> Result<Vec<EndedInstance>> {
        let open = self.watch.open();
        if open == self.open {
            return Ok(Vec::new());
        }
        self.open = open;
        // how an instance has ended is looked up after the look which tells that it has
        let ended = self.watch.ended();
        let absent: HashMap<usize, Absence> = absent(&self.watch).into_iter().collect();
        let end_of = |at: usize, failure: Option<Arc<TaskError>>| match (failure, absent.get(&at)) {
            (Some(cause), _) => EndOf::Failed(cause),
            (None, Some(why)) => EndOf::Absent(*why),
            (None, None) => EndOf::Result,
        };
        if open == 0 {
            let Some(outcomes) = self.watch.take() else { return Ok(Vec::new()) };
            let ended = self.futures.iter_mut().zip(outcomes?).enumerate();
            let ended = ended.filter_map(|(at, ((index, future), end))| {
                Some((*index, future.take()?, end_of(at, end.err())))
            });
            return Ok(ended.collect());
        }
        let failures = self.watch.failures();
        let failure = |at: usize| {
            let found = failures.binary_search_by_key(&at, |(place, _)| *place);
            Some(failures.get(found.ok()?)?.1.clone())
        };
        let both = self.futures.iter_mut().zip(ended).enumerate().filter(|(_, (_, ended))| *ended);
        let ended = both
            .filter_map(|(at, ((index, future), _))| Some((*index, future.take()?, end_of(at, failure(at)))));
        Ok(ended.collect())
    }
}

/// Takes the instances of all `parts` that have ended since the last call, and drops the parts that are over.
fn take_all_ended(parts: &mut Vec<WatchedPart>) -> Result<Vec<EndedInstance>> {
    let mut ended = Vec::new();
    for part in parts.iter_mut() {
        ended.append(&mut part.take_ended()?);
    }
    parts.retain(|part| !part.is_over());
    Ok(ended)
}

impl StreamedTask {
    /// Makes the record of a task of which no instance has ended. `extract` has the outputs that helper tasks have to
    /// extract from its results, if any.
    pub(crate) fn new(plan: &Plan, task: usize, source: StreamOrigin, extract: Vec<u32>) -> Self {
        let has_files = plan.tasks.get(task).is_some_and(|task| paths(task).next().is_some());
        StreamedTask {
            task,
            source,
            has_files,
            extract,
            running: Vec::new(),
            ended: BTreeMap::new(),
            extracting: Vec::new(),
            ready: BTreeMap::new(),
            fetching: None,
        }
    }

    /// Adds newly submitted instances, by index. `last` means that no more will follow.
    pub(crate) fn add(&mut self, client: &Client, futures: Vec<(u64, Future<Artifact>)>, last: bool) {
        if let StreamOrigin::Given(complete) = &mut self.source {
            *complete = last;
        }
        if !futures.is_empty() {
            self.running.push(WatchedPart::new(client, futures));
        }
    }

    /// The number of submitted instances that have not ended.
    pub(crate) fn running(&self) -> usize {
        self.running.iter().map(|part| part.open.min(part.futures.len())).sum()
    }

    /// The first instances that have not been seen to end, at most `most`, with their indices.
    pub(crate) fn unended(&self, most: usize) -> impl Iterator<Item = (u64, &Future<Artifact>)> {
        let futures = self.running.iter().flat_map(|part| &part.futures);
        futures.filter_map(|(index, future)| Some((*index, future.as_ref()?))).take(most)
    }

    /// The number of instances that have ended and whose outputs have not been handed to the files.
    fn unfetched(&self) -> usize {
        let extracting = self.extracting.iter().map(|part| part.futures.len()).sum::<usize>();
        let fetching = self.fetching.as_ref().map_or(0, |fetching| fetching.futures.len());
        self.ended.len() + extracting + self.ready.len() + fetching
    }

    /// The number of instances that count for the window of the submitter. Always 0 for a family that the engine
    /// expands.
    pub(crate) fn open(&self) -> u64 {
        match self.source {
            StreamOrigin::Lazy { .. } => 0,
            StreamOrigin::Given(_) => (self.running() + self.unfetched()) as u64,
        }
    }

    /// The number of bytes that are on their way to rank 0.
    pub(crate) fn fetching(&self) -> u64 {
        self.fetching.as_ref().map_or(0, |fetching| fetching.bytes)
    }

    /// Whether all instances of the task have ended, and their outputs have been handed to the files.
    pub(crate) fn is_over(&self) -> bool {
        let all = match &self.source {
            StreamOrigin::Lazy { family, next, .. } => *next == family.len(),
            StreamOrigin::Given(complete) => *complete,
        };
        all && self.running.is_empty() && self.unfetched() == 0
    }

    /// Moves instances on: notes those that have ended, and brings outputs to the files. `left` is the number of bytes
    /// that may be fetched. Returns whether something has changed.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn turn(
        &mut self,
        plan: &Plan,
        client: &Client,
        left: &mut u64,
        outcome: &mut RunOutcome,
    ) -> Result<bool> {
        let mut moved = self.take_more(client);
        moved |= self.note_ended(plan, outcome)?;
        if self.has_files {
            moved |= self.extract(plan, client, outcome)?;
            moved |= self.fetch(plan, client, left, outcome)?;
        }
        Ok(moved)
    }

    /// Begins to watch the next instances of a family that the engine expands.
    fn take_more(&mut self, client: &Client) -> bool {
        let mut open = self.running() + self.unfetched();
        let StreamOrigin::Lazy { family, first, next } = &mut self.source else { return false };
        let before = *next;
        while *next < family.len() && open < WINDOW {
            let end = family.len().min(*next + WATCHED);
            let futures: Vec<_> = (*first + *next..).zip(family.range(*next..end)).collect();
            open += futures.len();
            self.running.push(WatchedPart::new(client, futures));
            *next = end;
        }
        *next > before
    }

    /// Notes the instances that have ended since the last call. Returns whether there are any.
    fn note_ended(&mut self, plan: &Plan, outcome: &mut RunOutcome) -> Result<bool> {
        let all = take_all_ended(&mut self.running)?;
        let moved = !all.is_empty();
        for (index, future, end) in all {
            outcome.ended += 1;
            match end {
                EndOf::Result => outcome.recorder.ended(self.task, index),
                EndOf::Absent(why) => {
                    outcome.recorder.absent(self.task, index, why);
                    outcome.note_absent(self.task, why);
                }
                EndOf::Failed(_) => {}
            }
            match end {
                EndOf::Failed(cause) => {
                    let left = is_left(&cause);
                    note(&mut outcome.failed, self.task, index, Some(cause));
                    if self.has_files {
                        outcome.sinks.end(plan, self.task, index, &OutputEnd::Lost { left });
                    }
                }
                _ if !self.has_files => {}
                _ if self.extract.is_empty() => drop(self.ready.insert(index, future)),
                _ => drop(self.ended.insert(index, future)),
            }
        }
        Ok(moved)
    }

    /// Takes the results of helper tasks that have extracted outputs, and starts more of these tasks for results that
    /// are large. Returns whether anything has changed.
    fn extract(&mut self, plan: &Plan, client: &Client, outcome: &mut RunOutcome) -> Result<bool> {
        let extracted = take_all_ended(&mut self.extracting)?;
        let moved = !extracted.is_empty();
        for (index, future, end) in extracted {
            match end {
                EndOf::Result | EndOf::Absent(_) => drop(self.ready.insert(index, future)),
                EndOf::Failed(cause) => {
                    let why = OutputEnd::Unreadable(cause.message.clone());
                    outcome.sinks.end(plan, self.task, index, &why);
                }
            }
        }
        if self.ended.is_empty() || self.extracting.len() >= EXTRACTED || outcome.sinks.is_full() {
            return Ok(moved);
        }
        // a high priority, since these tasks take little time and let results be dropped
        let options = client.options().priority(i32::MAX);
        let mut futures = Vec::new();
        for length in client.lengths(self.ended.values().take(BATCH))? {
            let Some((index, whole)) = self.ended.pop_first() else { break };
            if length <= WHOLE {
                self.ready.insert(index, whole);
            } else {
                futures.push((index, options.submit(take_outputs, (&whole, self.extract.clone()))));
            }
        }
        if !futures.is_empty() {
            self.extracting.push(WatchedPart::new(client, futures));
        }
        Ok(true)
    }

    /// Hands outputs that have arrived to the files, and fetches more.
    fn fetch(
        &mut self,
        plan: &Plan,
        client: &Client,
        left: &mut u64,
        outcome: &mut RunOutcome,
    ) -> Result<bool> {
        let mut moved = false;
        if let Some(fetching) = &self.fetching {
            let Some(results) = fetching.pending.take() else { return Ok(false) };
            for ((index, _), result) in fetching.futures.iter().zip(results) {
                let outputs = match result {
                    // a small array comes as it is, without having been printed by a helper task
                    Ok(array @ Artifact::Array(_)) => Ok(take_outputs(&array, &[STDOUT]).unwrap_or(array)),
                    Ok(outputs) => Ok(outputs),
                    Err(Error::Task(cause)) => Err(cause),
                    Err(other) => return Err(other),
                };
                let end = match &outputs {
                    Ok(outputs) => OutputEnd::Done(outputs),
                    Err(cause) if is_left(cause) => OutputEnd::Lost { left: true },
                    Err(cause) => OutputEnd::Unreadable(cause.message.clone()),
                };
                outcome.sinks.end(plan, self.task, *index, &end);
            }
            self.fetching = None;
            moved = true;
        }
        if *left == 0 || self.ready.is_empty() || outcome.sinks.is_full() {
            return Ok(moved);
        }
        let lengths = client.lengths(self.ready.values().take(BATCH))?;
        let (mut futures, mut bytes) = (Vec::new(), 0);
        for length in lengths {
            if *left == 0 {
                break;
            }
            futures.extend(self.ready.pop_first());
            bytes += length;
            *left = left.saturating_sub(length.max(1));
        }
        let pending = client.pending(futures.iter().map(|(_, future)| future));
        self.fetching = Some(FetchedOutputs { futures, pending, bytes });
        Ok(true)
    }

    /// Gives up the instances that have not started, when the run is stopped: notes them in `stopped` as to be
    /// cancelled. Running instances, and the outputs of ended ones, are still followed.
    pub(crate) fn give_up(&mut self, client: &Client, stopped: &mut Stopped) {
        let futures = std::mem::take(&mut self.running).into_iter().flat_map(|part| part.futures);
        let futures = futures.filter_map(|(index, future)| Some((index, future?)));
        let running = stopped::give_up(client, self.task, futures, stopped);
        if !running.is_empty() {
            let running = running.into_iter().map(|(_, index, future)| (index, future)).collect();
            self.running.push(WatchedPart::new(client, running));
        }
        if let StreamOrigin::Lazy { family, first, next } = &self.source {
            stopped.note(self.task, first + next..first + family.len());
        }
        self.source = StreamOrigin::Given(true);
    }

    /// Notes in `stopped` the instances that still run at the end of the job's time.
    pub(crate) fn leave_running(&self, stopped: &mut Stopped) {
        let futures = self.running.iter().flat_map(|part| &part.futures);
        for (index, _) in futures.filter(|(_, future)| future.is_some()) {
            stopped.note(self.task, *index..index + 1);
        }
    }

    /// Gives up outputs that have not been handed to the files, if no instance runs any more. The files lack them then.
    pub(crate) fn give_up_outputs(&mut self) {
        if self.running.is_empty() {
            self.ended.clear();
            self.ready.clear();
        }
    }
}
