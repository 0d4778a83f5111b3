//! The end of a run before that of its plan, because `[policy]` or the time of the job says so: what runs ends, and
//! nothing more is started.

use crate::batch::failure::FailedInstance;
use crate::batch::head::collector::RunCollector;
use crate::batch::head::interrupt;
use crate::batch::head::outcome::RunOutcome;
use crate::batch::head::stopped::{Running, StopReason, Stopped};
use crate::client::Client;
use crate::error::Result;
use std::time::{Duration, Instant};

/// Waits for what is running, and notes what of it fails, or goes on when the time is over; gives how many have ended.
fn drain(
    client: &Client,
    running: Running,
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
        let ended = drain(client, running.own, until, outcome, &mut stopped)?;
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
