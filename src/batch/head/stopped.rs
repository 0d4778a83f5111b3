//! Instances that are left undone when a run is stopped before its plan is complete.

use crate::batch::artifact::Artifact;
use crate::client::Client;
use crate::client::future::Future;
use crate::scheduler::Status;
use std::ops::Range;

/// The reason why a run ends before all instances of its plan have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Too many instances have failed: this number, which reached the limit that `[policy]` in the script sets.
    Failures(u64),
    /// The time limit of the job was reached, with a margin for the end of the run.
    Time,
    /// A signal to dtask asked the run to stop.
    Asked,
    /// Nothing that was left could ever start, since its instances wait for each other.
    Stuck,
}

/// The instances that were not run because the run was stopped early, with the reason.
#[derive(Default)]
pub(crate) struct Stopped {
    /// The reason why the run was stopped; `None` while it goes on.
    pub why: Option<StopReason>,
    /// Whether tasks were still running at some rank when the job's time was over.
    pub late: bool,
    /// Futures of instances that will not be run. The caller cancels them in the engine.
    pub(crate) cancelled: Vec<Future<()>>,
    /// Instances that were not started, as pairs of task number and range of indices.
    pub not_run: Vec<(usize, Range<u64>)>,
}

impl Stopped {
    /// Whether the instances that were not run are left for the next run of the script: so after a time limit or a
    /// signal.
    pub(crate) fn is_resumable(&self) -> bool {
        matches!(self.why, Some(StopReason::Time | StopReason::Asked))
    }

    /// The number of instances that were not started, by task number, for a plan of `tasks` tasks.
    pub(crate) fn counts(&self, tasks: usize) -> Vec<u64> {
        let mut counts = vec![0; tasks];
        for (task, range) in &self.not_run {
            if let Some(count) = counts.get_mut(*task) {
                *count += range.end - range.start;
            }
        }
        counts
    }

    /// Whether an instance is among those that were not started.
    pub(crate) fn has(&self, task: usize, index: u64) -> bool {
        self.not_run.iter().any(|(other, range)| *other == task && range.contains(&index))
    }

    /// Adds a range of instances that were not started.
    pub(crate) fn note(&mut self, task: usize, range: Range<u64>) {
        match self.not_run.last_mut() {
            Some((other, last)) if *other == task && last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.not_run.push((task, range)),
        }
    }
}

/// Running instances of tasks, as triples of task number, index of the instance and its future.
pub(crate) type Running = Vec<(usize, u64, Future<Artifact>)>;

/// Sorts futures of a task's instances when the run is stopped: returns those of running tasks; notes all others in
/// `stopped` as not run and to be cancelled.
pub(crate) fn give_up(
    client: &Client,
    task: usize,
    futures: impl IntoIterator<Item = (u64, Future<Artifact>)>,
    stopped: &mut Stopped,
) -> Running {
    let futures: Vec<_> = futures.into_iter().collect();
    let statuses = client.statuses(futures.iter().map(|(_, future)| future));
    let mut running = Vec::new();
    for ((index, future), status) in futures.into_iter().zip(statuses) {
        match status {
            Status::Pending | Status::Released => {
                stopped.note(task, index..index + 1);
                stopped.cancelled.push(future.only_waited_for());
            }
            _ => running.push((task, index, future)),
        }
    }
    running
}
