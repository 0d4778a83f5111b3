//! Instances that are consumed in the order of their indices, one window at a time. Used where many instances append to
//! one file.

use crate::batch::artifact::Artifact;
use crate::batch::failure::{FailedInstance, is_left};
use crate::batch::head::outcome::{RunOutcome, note};
use crate::batch::head::retained::outputs_of;
use crate::batch::head::shared_files::{path_of, paths};
use crate::batch::head::stopped::{self, Running, Stopped};
use crate::batch::outputs::STDOUT;
use crate::client::Client;
use crate::client::family::Family;
use crate::client::future::{Future, Pending};
use crate::client::watch::Watch;
use crate::compact::Runs;
use crate::error::{Error, Result};
use crate::script::plan::Plan;
use crate::script::plan::task::PlanTask;
use std::collections::{HashSet, VecDeque};

/// The number of instances in a window of [`Ordered`] if rank 0 only watches until they end, without fetching outputs.
const WATCHED: usize = 65_536;
/// The number of instances in a window of [`Ordered`] if rank 0 fetches their outputs. Small, since all are in memory
/// together.
const FETCHED: usize = 64;

/// The source from which [`Ordered`] takes the futures of a task's instances.
pub(crate) enum StreamOrigin {
    /// A family that the engine itself expands into instances, and the number of its instances taken so far.
    Lazy(Family<Artifact>, u64),
    /// The futures of instances submitted so far, and whether these are all of the task's.
    Futures(VecDeque<Future<Artifact>>, bool),
}

/// The instances of one task, consumed by rank 0 in the order of their indices, a window at a time. Consuming an
/// instance means to append its outputs to files, or to note that it has ended.
pub(crate) struct Ordered {
    pub(crate) task: usize,
    pub(crate) source: StreamOrigin,
    /// Whether the futures are those of the instances themselves; false for those of helper tasks that extract or save
    /// their results.
    pub(crate) own: bool,
    /// The indices of all instances of the stream so far.
    pub(crate) indices: Runs,
    /// The place in the stream of the next instance.
    pub(crate) next: u64,
    pub(crate) window: Option<(Vec<Option<Future<Artifact>>>, PendingWindow)>,
}

/// The instances of a window, for which rank 0 waits: watched until they end, or fetched with their outputs.
pub(crate) enum PendingWindow {
    Ends(Watch),
    Values(Pending<Artifact>),
}

impl StreamOrigin {
    /// Takes up to `count` of the next futures. If `printed`, submits tasks that print arrays as text, and gives their
    /// futures.
    pub(crate) fn take(&mut self, count: usize, printed: bool, client: &Client) -> Vec<Future<Artifact>> {
        match self {
            StreamOrigin::Lazy(family, next) => {
                let start = *next;
                *next = family.len().min(start + count as u64);
                let mut futures = family.range(start..*next);
                if printed {
                    futures.iter_mut().for_each(|array| *array = outputs_of(client, array, &[STDOUT]));
                }
                futures
            }
            StreamOrigin::Futures(futures, _) => futures.drain(..count.min(futures.len())).collect(),
        }
    }
}

impl Ordered {
    /// Makes the stream of a task's instances, of which none is consumed yet.
    pub(crate) fn new(task: usize, source: StreamOrigin, own: bool) -> Self {
        Ordered { task, source, own, indices: Runs::default(), next: 0, window: None }
    }

    /// Appends the indices of the instances that are added to the stream.
    pub(crate) fn number(&mut self, indices: &Runs) {
        indices.ranges().for_each(|range| self.indices.extend(range.start, range.end - range.start));
    }

    /// The index of the instance that is `at` places after the next one.
    fn index(&self, at: usize) -> u64 {
        usize::try_from(self.next).ok().and_then(|next| self.indices.get(next + at)).unwrap_or(u64::MAX)
    }

    /// Drops the futures of those instances of the window that have ended, and hands those with a result to the
    /// recorder.
    fn record(&mut self, outcome: &mut RunOutcome) {
        let (Some((_, PendingWindow::Ends(watch))), true) = (&self.window, self.own) else { return };
        let (ended, mut failed) = (watch.ended(), None);
        if watch.is_closed() {
            return;
        }
        let failures = watch.failures();
        for at in (0..ended.len()).filter(|at| ended[*at]) {
            let index = self.index(at);
            let Some((window, _)) = &mut self.window else { return };
            let failed =
                failed.get_or_insert_with(|| failures.iter().map(|(at, _)| *at).collect::<HashSet<_>>());
            if window.get_mut(at).and_then(Option::take).is_some() && !failed.contains(&at) {
                outcome.recorder.ended(self.task, index);
            }
        }
    }

    /// Appends the futures of newly submitted instances to the stream. `last` means that no more will follow.
    pub(crate) fn add(&mut self, more: Vec<Future<Artifact>>, last: bool) {
        if let StreamOrigin::Futures(futures, complete) = &mut self.source {
            futures.extend(more);
            *complete = last;
        }
    }

    /// The number of submitted instances that rank 0 has not consumed yet. Always 0 for a family that the engine
    /// expands, and for helper tasks.
    pub(crate) fn open(&self) -> u64 {
        let waiting = self.window.as_ref().map_or(0, |(window, _)| window.len());
        match &self.source {
            StreamOrigin::Futures(futures, _) if self.own => (futures.len() + waiting) as u64,
            _ => 0,
        }
    }

    /// Whether rank 0 has consumed all instances of the task: has appended their outputs, or seen that they have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.window.is_none() && !matches!(self.source, StreamOrigin::Futures(_, false))
    }

    /// The number of instances in the current window that have ended, and the failures among them. If outputs are
    /// fetched, only failures count until the whole window has arrived. `None` if there is no window, or the futures
    /// are of helper tasks.
    pub(crate) fn so_far(&self) -> Option<(u64, Vec<FailedInstance>)> {
        let (ended, failed) = match &self.window {
            Some((_, PendingWindow::Ends(watch))) => {
                (watch.ended().iter().filter(|ended| **ended).count(), watch.failures())
            }
            Some((_, PendingWindow::Values(pending))) if self.own => {
                let failures = pending.failures();
                (failures.len(), failures)
            }
            _ => return None,
        };
        let at = |(at, cause)| FailedInstance { task: self.task, index: self.index(at), cause };
        Some((ended as u64, failed.into_iter().map(at).collect()))
    }

    /// Gives up the rest of the stream when the run is stopped: notes the instances that are to be cancelled, and
    /// returns those that are running.
    pub(crate) fn give_up(
        mut self,
        client: &Client,
        stopped: &mut Stopped,
        outcome: &mut RunOutcome,
    ) -> Running {
        self.record(outcome);
        if let Some((window, PendingWindow::Ends(watch))) = &mut self.window {
            let ended = watch.ended();
            for (future, _) in window.iter_mut().zip(&ended).filter(|(_, ended)| **ended) {
                *future = None;
            }
            outcome.ended += ended.iter().filter(|ended| **ended).count() as u64;
            let failures = watch.failures().into_iter();
            let failures = failures.filter(|(at, _)| ended.get(*at).copied().unwrap_or(false));
            failures.for_each(|(at, cause)| {
                let index = self.next as usize + at;
                note(&mut outcome.failed, self.task, self.indices.get(index).unwrap_or(u64::MAX), Some(cause))
            });
        }
        let window = self.window.take().map_or(Vec::new(), |(window, _)| window);
        let after = window.len();
        let futures = window.into_iter().enumerate();
        let futures = futures.filter_map(|(at, future)| Some((self.index(at), future?)));
        let mut running = stopped::give_up(client, self.task, futures, stopped);
        let rest = self.index(after);
        match std::mem::replace(&mut self.source, StreamOrigin::Futures(VecDeque::new(), true)) {
            // the instances of a family that the engine expands follow one another
            StreamOrigin::Lazy(family, next) => stopped.note(self.task, rest..rest + (family.len() - next)),
            StreamOrigin::Futures(futures, _) => {
                let futures =
                    futures.into_iter().enumerate().map(|(at, future)| (self.index(after + at), future));
                running.extend(stopped::give_up(client, self.task, futures, stopped));
            }
        }
        running
    }

    /// Appends the outputs of the current window if all its instances have ended, and requests the next. After the last
    /// instance there is none.
    pub(crate) fn turn(
        &mut self,
        plan: &Plan,
        task: &PlanTask,
        client: &Client,
        outcome: &mut RunOutcome,
    ) -> Result<bool> {
        match &mut self.window {
            None if matches!(&self.source, StreamOrigin::Futures(futures, false) if futures.is_empty()) => {
                return Ok(false);
            }
            None => {}
            Some((window, PendingWindow::Ends(watch))) => {
                let Some(outcomes) = watch.take() else {
                    // a result that no task needs is dropped at once
                    self.record(outcome);
                    return Ok(false);
                };
                let rest: Vec<bool> = window.iter().map(Option::is_some).collect();
                for (ended, is_new) in outcomes?.into_iter().zip(rest) {
                    let index = self.index(0);
                    outcome.ended += u64::from(self.own);
                    if self.own && is_new && ended.is_ok() {
                        outcome.recorder.ended(self.task, index);
                    }
                    note(&mut outcome.failed, self.task, index, ended.err());
                    self.next += 1;
                }
            }
            Some((_, PendingWindow::Values(pending))) => {
                let Some(results) = pending.take() else { return Ok(false) };
                for result in results {
                    outcome.ended += u64::from(self.own);
                    self.value(plan, task, result, outcome)?;
                    self.next += 1;
                }
            }
        }
        let fetch = paths(task).next().is_some();
        let printed = fetch && !task.action.is_command();
        let window = self.source.take(if fetch { FETCHED } else { WATCHED }, printed, client);
        self.window = (!window.is_empty()).then(|| {
            let asked = if fetch {
                PendingWindow::Values(client.pending(&window))
            } else {
                PendingWindow::Ends(client.watch(&window))
            };
            (window.into_iter().map(Some).collect(), asked)
        });
        Ok(true)
    }

    /// Appends the outputs (standard output and error) of the next instance to their files, or notes that the instance
    /// has none.
    fn value(
        &self,
        plan: &Plan,
        task: &PlanTask,
        result: Result<Artifact>,
        outcome: &mut RunOutcome,
    ) -> Result<()> {
        let left = matches!(&result, Err(Error::Task(cause)) if is_left(cause));
        let index = self.index(0);
        if self.own && result.is_ok() {
            outcome.recorder.ended(self.task, index);
        }
        let outputs = match result {
            Ok(outputs) => Some(outputs),
            Err(Error::Task(cause)) => {
                if self.own {
                    note(&mut outcome.failed, self.task, index, Some(cause));
                }
                None
            }
            Err(other) => return Err(other),
        };
        for (which, stream) in paths(task) {
            let Ok(path) = path_of(plan, task, stream, index) else { continue }; // told by `Sinks::new`
            if left {
                outcome.sinks.leave(&path);
            }
            let bytes = outputs.as_ref().map(|outputs| outputs.output(which)?.bytes()).transpose();
            let bytes = bytes.map_err(|error| Error::Other(error.to_string()))?;
            if outcome.sinks.append(&path, bytes.as_deref()) {
                outcome.recorder.complete(&plan.dir, &path);
            }
        }
        Ok(())
    }
}
