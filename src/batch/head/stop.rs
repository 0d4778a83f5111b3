//! Ending a run before its plan is complete, by `[policy]`, by the job's time limit or by a signal. Running tasks end,
//! and no more are started.

use crate::batch::failure::FailedInstance;
use crate::batch::head::collector::RunCollector;
use crate::batch::head::interrupt;
use crate::batch::head::outcome::RunOutcome;
use crate::batch::head::run_folder::RunFolder;
use crate::batch::head::stopped::{Running, StopReason, Stopped};
use crate::client::Client;
use crate::error::Result;
use std::time::{Duration, Instant};

/// Waits for the tasks `running` until the instant `until` (`None`: until all have ended), and notes those that fail.
/// Returns the number of tasks that have ended.
fn drain(
    client: &Client,
    running: Running,
    until: Option<Instant>,
    outcome: &mut RunOutcome,
    stopped: &mut Stopped,
) -> Result<u64> {
    let watch = client.watch(running.iter().map(|(_, _, future)| future));
    let ended = loop {
        interrupt::stay_if_ending(|| {
            outcome.recorder.flush(interrupt::LAST_WORDS);
            "its last tasks were under way".to_owned()
        });
        outcome.recorder.turn();
        match watch.take() {
            Some(ended) => break ended?,
            None if until.is_none_or(|until| Instant::now() < until) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            None => {
                let ended = watch.ended();
                for ((task, index, _), ended) in running.iter().zip(&ended) {
                    // a task that saves an array fails when the array's own task did
                    if !ended && !stopped.has(*task, *index) {
                        stopped.note(*task, *index..index + 1);
                    }
                }
                stopped.late = true;
                let failed: Vec<usize> = watch.failures().into_iter().map(|(at, _)| at).collect();
                for at in
                    (0..ended.len()).filter(|at| ended[*at] && !watch.is_closed() && !failed.contains(at))
                {
                    outcome.recorder.ended(running[at].0, running[at].1);
                }
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
        match ended {
            Ok(()) => outcome.recorder.ended(*task, *index),
            Err(cause) => outcome.failed.push(FailedInstance { task: *task, index: *index, cause }),
        }
    }
    Ok(running.len() as u64)
}

impl RunCollector<'_> {
    /// Whether the run must stop before its plan is complete; the reason if so: the time limit, a signal, or too many
    /// failures.
    pub(crate) fn is_to_stop(&self) -> Option<StopReason> {
        if self.walltime.is_some_and(|walltime| Instant::now() >= walltime.stop()) {
            return Some(StopReason::Time);
        }
        if interrupt::is_asked() || self.folder.is_some_and(RunFolder::is_lost) {
            return Some(StopReason::Asked);
        }
        let limit = self.plan.policy.limit()?;
        let failures = self.failures();
        (failures >= limit).then_some(StopReason::Failures(failures))
    }

    /// Stops the run early: cancels the tasks that are not running, and waits for those that are.
    pub(crate) fn stop(mut self, why: StopReason) -> Result<RunOutcome> {
        let mut stopped = Stopped { why: Some(why), ..Stopped::default() };
        let running = self.give_up(&mut stopped)?;
        // cancelled only after all statuses are read: dependants of a cancelled task fail with it
        self.client.cancel(std::mem::take(&mut stopped.cancelled));
        let until = self.walltime.map(|walltime| walltime.last());
        let Self { client, outcome, .. } = &mut self;
        let ended = drain(client, running.own, until, outcome, &mut stopped)?;
        drain(client, running.saves, until, outcome, &mut stopped)?;
        self.outcome.ended += ended;
        // wait for tasks that were sent between the reading of statuses and the cancellation
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
