//! Instances that are left undone when a run is stopped before its plan is complete.

use crate::batch::artifact::Artifact;
use crate::batch::failure::FailedInstance;
use crate::batch::head::outcome::FailureList;
use crate::client::Client;
use crate::client::future::Future;
use crate::compact::Ranges;
use crate::scheduler::Status;
use std::collections::BTreeMap;
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
    /// Instances that had not started when the engine was asked. They are not run, unless they start before they are
    /// cancelled ([`Stopped::cancel`]).
    pub(crate) pending: Running,
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

    /// Cancels all instances that [`give_up`] has found not started, and notes those that are not run. Returns those that
    /// have started meanwhile.
    pub(crate) fn cancel(&mut self, client: &Client) -> Running {
        let pending = std::mem::take(&mut self.pending);
        client.cancel_unsent(pending.iter().map(|(_, _, future)| future));
        let statuses = client.statuses(pending.iter().map(|(_, _, future)| future));
        let mut started = Vec::new();
        for (instance, status) in pending.into_iter().zip(statuses) {
            match status {
                Status::Pending | Status::Cancelled | Status::Released => {
                    self.note(instance.0, instance.1..instance.1 + 1);
                }
                _ => started.push(instance),
            }
        }
        started
    }

    /// Notes instances that were sent to a rank, and came back since what they read was cancelled. Returns the number
    /// of those that were not noted before.
    pub(crate) fn note_cancelled(&mut self, cancelled: Vec<(usize, u64)>) -> u64 {
        let new: Vec<_> = cancelled.into_iter().filter(|(task, index)| !self.has(*task, *index)).collect();
        new.iter().for_each(|(task, index)| self.note(*task, *index..index + 1));
        new.len() as u64
    }

    /// Takes those instances out of the ones that were not started that have failed, and counts each once: an instance
    /// and the helper tasks that save its array end one by one, some of them when the job's time is over already.
    pub(crate) fn settle(&mut self, failed: &FailureList) {
        let mut by_task: BTreeMap<usize, Ranges> = BTreeMap::new();
        for (task, range) in self.not_run.drain(..) {
            by_task.entry(task).or_default().insert_range(range);
        }
        for FailedInstance { task, index, .. } in failed.as_slice() {
            if let Some(own) = by_task.get_mut(task) {
                own.remove(*index);
            }
        }
        let ranges = by_task.iter().flat_map(|(task, own)| own.iter().map(|range| (*task, range)));
        self.not_run = ranges.collect();
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
/// `stopped` as to be cancelled. That is done when all are sorted: dependants of a cancelled task fail with it, and
/// would be counted as failures instead of as not run.
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
            Status::Pending | Status::Released => stopped.pending.push((task, index, future)),
            _ => running.push((task, index, future)),
        }
    }
    running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::failure::left;
    use crate::error::Origin;
    use crate::ids::Rank;
    use std::sync::Arc;

    #[test]
    fn an_instance_that_is_noted_twice_or_has_failed_counts_once() {
        let mut stopped = Stopped::default();
        for (task, range) in [(1, 0..3), (0, 5..9), (1, 2..4), (0, 7..8)] {
            stopped.note(task, range);
        }
        let mut failed = FailureList::default();
        for (task, index) in [(0, 6), (1, 0), (2, 0)] {
            let origin = Some(Origin { group: task as u32, index });
            let cause = Arc::new(left("late").into_error(Rank(1), "h", 1, origin));
            failed.push(FailedInstance { task, index, cause });
        }
        stopped.settle(&failed);
        assert_eq!(stopped.not_run, [(0, 5..6), (0, 7..9), (1, 1..4)]);
        assert_eq!(stopped.counts(2), [3, 3]);
    }
}
