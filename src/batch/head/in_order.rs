//! Instances that are taken in the order of their indices, some at a time: what many append to one file.

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

/// Instances that are asked for together where nothing of them is fetched.
const WATCHED: usize = 65_536;
/// Outputs that are fetched together.
const FETCHED: usize = 64;

/// The source of a stream.
pub(crate) enum StreamOrigin {
    /// A family that the engine expands, and how many of it were taken.
    Lazy(Family<Artifact>, u64),
    /// Instances that are submitted so far; whether that is all.
    Futures(VecDeque<Future<Artifact>>, bool),
}

/// Instances that are taken in the order of their indices, some at a time.
pub(crate) struct Ordered {
    pub(crate) task: usize,
    pub(crate) source: StreamOrigin,
    /// Whether these are the instances, not what was made of them.
    pub(crate) own: bool,
    pub(crate) next: u64,
    pub(crate) window: Option<(Vec<Option<Future<Artifact>>>, PendingWindow)>,
}

/// Instances that are waited for together.
pub(crate) enum PendingWindow {
    Ends(Watch),
    Values(Pending<Artifact>),
}

impl StreamOrigin {
    /// The next futures, as many as that at most; with `printed`, of the printed form of arrays.
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
    /// A stream of a task of which nothing is taken yet.
    pub(crate) fn new(task: usize, source: StreamOrigin, own: bool) -> Self {
        Ordered { task, source, own, next: 0, window: None }
    }

    /// Adds the next futures; `last` says that they are the last.
    pub(crate) fn add(&mut self, more: Vec<Future<Artifact>>, last: bool) {
        if let StreamOrigin::Futures(futures, complete) = &mut self.source {
            futures.extend(more);
            *complete = last;
        }
    }

    /// How many are submitted that have not been taken; of a family that the engine expands, none.
    pub(crate) fn open(&self) -> u64 {
        let waiting = self.window.as_ref().map_or(0, |(window, _)| window.len());
        match &self.source {
            StreamOrigin::Futures(futures, _) if self.own => (futures.len() + waiting) as u64,
            _ => 0,
        }
    }

    /// Whether all have been taken.
    pub(crate) fn is_over(&self) -> bool {
        self.window.is_none() && !matches!(self.source, StreamOrigin::Futures(_, false))
    }

    /// The number of watched instances that have ended, and the failures among them; of those that are fetched, only
    /// the failures are told before all are there.
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

    /// Gives up those that are not running; the others are returned.
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

    /// Takes the window that is waited for, if it is there, and asks for the next; without one when there are no more.
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
                    // results that nobody wants are dropped at once
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

    /// Appends an instance's streams to their files, or notes that they are missing.
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
            let Ok(path) = path_of(plan, task, stream, self.next) else { continue }; // told by `Sinks::new`
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
