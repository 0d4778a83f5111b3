//! The end of a run that `[policy]` stops: what runs ends, and nothing more is started.

use super::collect::{Collector, Outcome};
use super::failure::Failed;
use crate::client::{Client, Future};
use crate::error::Result;
use crate::scheduler::Status;
use std::ops::Range;
use std::time::Duration;

/// What a stopped run has left undone.
#[derive(Default)]
pub struct Stopped {
    /// How many failures there were when it was stopped.
    pub failures: u64,
    /// Their futures, until they are cancelled.
    cancelled: Vec<Future<()>>,
    /// Instances that were not started, by task.
    pub not_run: Vec<(usize, Range<u64>)>,
}

impl Stopped {
    /// For each of so many tasks how many instances were not started.
    pub fn counts(&self, tasks: usize) -> Vec<u64> {
        let mut counts = vec![0; tasks];
        for (task, range) in &self.not_run {
            if let Some(count) = counts.get_mut(*task) {
                *count += range.end - range.start;
            }
        }
        counts
    }

    /// Whether an instance was not started.
    pub fn has(&self, task: usize, index: u64) -> bool {
        self.not_run.iter().any(|(other, range)| *other == task && range.contains(&index))
    }

    pub(super) fn note(&mut self, task: usize, range: Range<u64>) {
        match self.not_run.last_mut() {
            Some((other, last)) if *other == task && last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.not_run.push((task, range)),
        }
    }
}

/// Keeps the futures of what is running; what is not yet is given up.
pub(super) fn give_up<T>(
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

/// Waits for what is running, and notes what of it fails.
pub(super) fn drain<T>(
    client: &Client,
    running: Vec<(usize, u64, Future<T>)>,
    outcome: &mut Outcome,
) -> Result<()> {
    let watch = client.watch(running.iter().map(|(_, _, future)| future));
    let ended = loop {
        match watch.take() {
            Some(ended) => break ended?,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    for ((task, index, _), ended) in running.iter().zip(ended) {
        if let Err(cause) = ended {
            outcome.failed.push(Failed { task: *task, index: *index, cause });
        }
    }
    Ok(())
}

impl Collector<'_> {
    /// Ends the run after so many failures.
    pub(super) fn stop(mut self, failures: u64) -> Result<Outcome> {
        let mut stopped = Stopped { failures, ..Stopped::default() };
        let running = self.give_up(&mut stopped)?;
        // not before all have been looked at: what depends on them fails with them
        self.client.cancel(std::mem::take(&mut stopped.cancelled));
        let own = (running.packs.len() + running.arrays.len()) as u64;
        drain(self.client, running.packs, &mut self.outcome)?;
        drain(self.client, running.arrays, &mut self.outcome)?;
        drain(self.client, running.saves, &mut self.outcome)?;
        self.outcome.ended += own;
        // tasks that were sent between the look at them and the end of their futures
        while self.client.totals()?.assigned > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.outcome.sinks.give_up();
        self.outcome.stopped = Some(stopped);
        self.finish()?;
        Ok(self.outcome)
    }
}
