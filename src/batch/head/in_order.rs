//! Instances that are consumed in the order of their indices, one window at a time. Used where many instances append to
//! one file, and for a family that the engine expands, of which rank 0 has futures only for a window.

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
use crate::error::{Error, Result};
use crate::script::plan::Plan;
use crate::script::plan::task::PlanTask;
use std::collections::VecDeque;

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
    pub(crate) next: u64,
    pub(crate) window: Option<(Vec<Option<Future<Artifact>>>, PendingWindow)>,
    /// The number of failures of the window that were reported by [`Ordered::fresh`].
    reported: usize,
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
    /// Makes the stream of a task's instances, of which none is consumed yet. `own` is false if the futures are those
    /// of helper tasks that extract or save the instances' results.
    pub(crate) fn new(task: usize, source: StreamOrigin, own: bool) -> Self {
        Ordered { task, source, own, next: 0, window: None, reported: 0 }
    }

    /// Appends the futures of newly submitted instances to the stream, which hands out outputs in index order. `last`
    /// means that no more will follow.
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
        let at = |(at, cause)| FailedInstance { task: self.task, index: self.next + at as u64, cause };
        Some((ended as u64, failed.into_iter().map(at).collect()))
    }

    /// The failures in the current window that have come since the last call.
    pub(crate) fn fresh(&mut self) -> impl Iterator<Item = FailedInstance> + use<> {
        let (task, next, seen) = (self.task, self.next, self.reported);
        let new = match &self.window {
            Some((_, PendingWindow::Ends(watch))) => watch.failures_after(seen),
            Some((_, PendingWindow::Values(pending))) if self.own => pending.failures_after(seen),
            _ => Vec::new(),
        };
        self.reported += new.len();
        new.into_iter().map(move |(at, cause)| FailedInstance { task, index: next + at as u64, cause })
    }

    /// The first instances of the current window that have not ended, at most `most`, with their indices. Empty if the
    /// futures are of helper tasks.
    pub(crate) fn unended(&self, most: usize) -> impl Iterator<Item = (u64, &Future<Artifact>)> {
        let (futures, ended) = match &self.window {
            Some((futures, PendingWindow::Ends(watch))) if self.own => (&futures[..], watch.ended()),
            Some((futures, PendingWindow::Values(_))) if self.own => (&futures[..], Vec::new()),
            _ => (&[][..], Vec::new()),
        };
        let ended = ended.into_iter().chain(std::iter::repeat(false));
        let open = (self.next..).zip(futures).zip(ended).filter(|(_, ended)| !ended);
        open.filter_map(|((index, future), _)| Some((index, future.as_ref()?))).take(most)
    }

    /// Gives up the rest of the stream when the run is stopped: counts in `outcome` the instances that have ended,
    /// notes in `stopped` those that are to be cancelled, and returns those that are running.
    pub(crate) fn give_up(
        mut self,
        client: &Client,
        stopped: &mut Stopped,
        outcome: &mut RunOutcome,
    ) -> Running {
        if let Some((window, PendingWindow::Ends(watch))) = &mut self.window {
            let ended = watch.ended();
            for (future, _) in window.iter_mut().zip(&ended).filter(|(_, ended)| **ended) {
                *future = None;
            }
            outcome.ended += ended.iter().filter(|ended| **ended).count() as u64;
            let failures = watch.failures().into_iter();
            let failures = failures.filter(|(at, _)| ended.get(*at).copied().unwrap_or(false));
            failures.for_each(|(at, cause)| {
                note(&mut outcome.failed, self.task, self.next + at as u64, Some(cause))
            });
        }
        let window = self.window.map_or(Vec::new(), |(window, _)| window);
        let after = self.next + window.len() as u64;
        let futures = window.into_iter().enumerate();
        let futures = futures.filter_map(|(at, future)| Some((self.next + at as u64, future?)));
        let mut running = stopped::give_up(client, self.task, futures, stopped);
        match self.source {
            StreamOrigin::Lazy(family, next) => stopped.note(self.task, next..family.len()),
            StreamOrigin::Futures(futures, _) => {
                running.extend(stopped::give_up(client, self.task, (after..).zip(futures), stopped));
            }
        }
        running
    }

    /// Appends the outputs of the current window if all its instances have ended, and requests those of the next
    /// window, if instances are left. Returns whether anything was done.
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
                    // rank 0 does not read these results, so each is dropped as soon as its instance has ended
                    let futures = window.iter_mut().zip(watch.ended());
                    futures.filter(|(_, ended)| *ended).for_each(|(future, _)| *future = None);
                    return Ok(false);
                };
                for ended in outcomes? {
                    outcome.ended += u64::from(self.own);
                    note(&mut outcome.failed, self.task, self.next, ended.err());
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
        self.reported = 0;
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
        let outputs = match result {
            Ok(outputs) => Some(outputs),
            Err(Error::Task(cause)) => {
                if self.own {
                    note(&mut outcome.failed, self.task, self.next, Some(cause));
                }
                None
            }
            Err(other) => return Err(other),
        };
        for (which, stream) in paths(task) {
            // a path that cannot be rendered was reported by `Sinks::new`
            let Ok(path) = path_of(plan, task, stream, self.next) else { continue };
            if left {
                outcome.sinks.leave(&path);
            }
            let bytes = outputs.as_ref().map(|outputs| outputs.output(which)?.bytes()).transpose();
            let bytes = bytes.map_err(|error| Error::Other(error.to_string()))?;
            outcome.sinks.append(&path, bytes.as_deref());
        }
        Ok(())
    }
}
