//! The instances that a run gives up when it ends before its plan.

use crate::batch::artifact::Artifact;
use crate::client::Client;
use crate::client::future::Future;
use crate::scheduler::Status;
use std::ops::Range;

/// The reason why a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// As `[policy]` says, after so many failures.
    Failures(u64),
    /// The time of the job is over.
    Time,
    /// A signal asked for it.
    Asked,
}

/// The instances that a stopped run has left undone.
#[derive(Default)]
pub(crate) struct Stopped {
    /// The reason, once the run is stopped.
    pub why: Option<StopReason>,
    /// Whether the time was over before all that was running had ended.
    pub late: bool,
    /// Futures of what is given up, until it is cancelled.
    pub(crate) cancelled: Vec<Future<()>>,
    /// Instances that were not started, by task.
    pub not_run: Vec<(usize, Range<u64>)>,
}

impl Stopped {
    /// Whether what was not done is left for the next run.
    pub(crate) fn is_resumable(&self) -> bool {
        matches!(self.why, Some(StopReason::Time | StopReason::Asked))
    }

    /// For each of so many tasks how many instances were not started.
    pub(crate) fn counts(&self, tasks: usize) -> Vec<u64> {
        let mut counts = vec![0; tasks];
        for (task, range) in &self.not_run {
            if let Some(count) = counts.get_mut(*task) {
                *count += range.end - range.start;
            }
        }
        counts
    }

    /// Whether an instance was not started.
    pub(crate) fn has(&self, task: usize, index: u64) -> bool {
        self.not_run.iter().any(|(other, range)| *other == task && range.contains(&index))
    }

    /// Notes instances of a task that were not started.
    pub(crate) fn note(&mut self, task: usize, range: Range<u64>) {
        match self.not_run.last_mut() {
            Some((other, last)) if *other == task && last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.not_run.push((task, range)),
        }
    }
}

/// Futures of instances that are running, with task and index.
pub(crate) type Running = Vec<(usize, u64, Future<Artifact>)>;

/// Keeps the futures of what is running; what is not yet is given up.
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
