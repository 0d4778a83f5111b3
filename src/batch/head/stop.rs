//! The end of a run before that of its plan, because `[policy]` or the time of the job says so: what runs ends, and nothing
//! more is started.

use super::interrupt;
use crate::batch::failure::FailedInstance;
use crate::batch::head::collector::{RunCollector, RunOutcome};
use crate::client::Client;
use crate::client::future::Future;
use crate::error::Result;
use crate::scheduler::Status;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Why a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// As `[policy]` says, after so many failures.
    Failures(u64),
    /// The time of the job is over.
    Time,
    /// A signal asked for it.
    Asked,
}

/// What a stopped run has left undone.
#[derive(Default)]
pub(crate) struct Stopped {
    /// Why it was stopped.
    pub why: Option<StopReason>,
    /// Whether the time was over before all that was running had ended.
    pub late: bool,
    /// Futures of what is given up, until it is cancelled.
    cancelled: Vec<Future<()>>,
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

    pub(crate) fn note(&mut self, task: usize, range: Range<u64>) {
        match self.not_run.last_mut() {
            Some((other, last)) if *other == task && last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.not_run.push((task, range)),
        }
    }
}

/// Keeps the futures of what is running; what is not yet is given up.
pub(crate) fn give_up<T>(
    client: &Client,
    task: usize,
    futures: impl IntoIterator<Item = (u64, Future<T>)>,
    stopped: &mut Stopped,
) -> Vec<(usize, u64, Future<T>)> {
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

/// Waits for what is running, and notes what of it fails, or goes on when the time is over; gives how many have ended.
fn drain<T>(
    client: &Client,
    running: Vec<(usize, u64, Future<T>)>,
    until: Option<Instant>,
    outcome: &mut RunOutcome,
    stopped: &mut Stopped,
) -> Result<u64> {
    let watch = client.watch(running.iter().map(|(_, _, future)| future));
    let ended = loop {
        interrupt::stay_if_ending(|| "its last tasks were under way".to_owned());
        match watch.take() {
            Some(ended) => break ended?,
            None if until.is_none_or(|until| Instant::now() < until) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            None => {
                let ended = watch.ended();
                for ((task, index, _), ended) in running.iter().zip(&ended) {
                    // what saves an array is not there when the array is not
                    if !ended && !stopped.has(*task, *index) {
                        stopped.note(*task, *index..index + 1);
                    }
                }
                stopped.late = true;
                let failures = watch.failures().into_iter();
                outcome.failed.extend(failures.map(|(at, cause)| FailedInstance {
                    task: running[at].0,
                    index: running[at].1,
                    cause,
                }));
                return Ok(ended.iter().filter(|ended| **ended).count() as u64);
            }
        }
    };
    for ((task, index, _), ended) in running.iter().zip(ended) {
        if let Err(cause) = ended {
            outcome.failed.push(FailedInstance { task: *task, index: *index, cause });
        }
    }
    Ok(running.len() as u64)
}

impl RunCollector<'_> {
    /// Whether the run is to end now, and why.
    pub(crate) fn is_to_stop(&self) -> Option<StopReason> {
        if self.walltime.is_some_and(|walltime| Instant::now() >= walltime.stop()) {
            return Some(StopReason::Time);
        }
        if interrupt::is_asked() {
            return Some(StopReason::Asked);
        }
        let limit = self.plan.policy.limit()?;
        let failures = self.failures();
        (failures >= limit).then_some(StopReason::Failures(failures))
    }

    /// Ends the run.
    pub(crate) fn stop(mut self, why: StopReason) -> Result<RunOutcome> {
        let mut stopped = Stopped { why: Some(why), ..Stopped::default() };
        let running = self.give_up(&mut stopped)?;
        // not before all have been looked at: what depends on them fails with them
        self.client.cancel(std::mem::take(&mut stopped.cancelled));
        let until = self.walltime.map(|walltime| walltime.last());
        let Self { client, outcome, .. } = &mut self;
        let mut ended = drain(client, running.packs, until, outcome, &mut stopped)?;
        ended += drain(client, running.arrays, until, outcome, &mut stopped)?;
        drain(client, running.saves, until, outcome, &mut stopped)?;
        self.outcome.ended += ended;
        // tasks that were sent between the look at them and the end of their futures
        while !stopped.late && self.client.totals()?.assigned > 0 {
            stopped.late = until.is_some_and(|until| Instant::now() >= until);
            std::thread::sleep(Duration::from_millis(2));
        }
        self.outcome.sinks.give_up(stopped.is_resumable());
        self.outcome.stopped = Some(stopped);
        self.finish()?;
        Ok(self.outcome)
    }
}
