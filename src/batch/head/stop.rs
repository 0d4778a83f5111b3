//! Ending a run before its plan is complete, by `[policy]`, by the job's time limit or by a signal. Running tasks end,
//! and no more are started.

use crate::batch::failure::FailedInstance;
use crate::batch::head::collector::RunCollector;
use crate::batch::head::interrupt;
use crate::batch::head::outcome::note;
use crate::batch::head::stopped::{Running, StopReason, Stopped};
use crate::clock;
use crate::error::{Origin, Result, Retry, TaskError};
use crate::ids::HEAD;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl RunCollector<'_> {
    /// Waits for the tasks `running` until the instant `until` (`None`: until all have ended), notes those that fail,
    /// and reports these to the user. Returns the number of tasks that have ended.
    fn drain(&mut self, running: Running, until: Option<Instant>, stopped: &mut Stopped) -> Result<u64> {
        let watch = self.client.watch(running.iter().map(|(_, _, future)| future));
        let mut reported = 0;
        let ended = loop {
            self.wait_a_little()?;
            match watch.take() {
                Some(ended) => break ended?,
                None if until.is_none_or(|until| clock::now() < until) => {
                    let new = watch.failures_after(reported);
                    reported += new.len();
                    for (at, cause) in new {
                        let (task, index, _) = &running[at];
                        note(&mut self.outcome.failed, *task, *index, Some(cause));
                    }
                }
                None => {
                    let ended = watch.ended();
                    for ((task, index, _), ended) in running.iter().zip(&ended) {
                        // noted once: this function is called for the instances and then for the helper tasks that
                        // save their arrays, and of one instance both may still run
                        if !ended && !stopped.has(*task, *index) {
                            stopped.note(*task, *index..index + 1);
                        }
                    }
                    stopped.late = true;
                    let failures = watch.failures();
                    let failed: HashSet<usize> = failures.iter().map(|(at, _)| *at).collect();
                    let has_result = |at: &usize| ended[*at] && !watch.is_closed() && !failed.contains(at);
                    for at in (0..ended.len()).filter(has_result) {
                        self.outcome.recorder.ended(running[at].0, running[at].1);
                    }
                    // of those that are noted as not run the helper tasks fail too
                    let failures = failures.into_iter().map(|(at, cause)| FailedInstance {
                        task: running[at].0,
                        index: running[at].1,
                        cause,
                    });
                    let failures = failures.filter(|failed| !stopped.has(failed.task, failed.index));
                    self.outcome.failed.extend(failures);
                    return Ok(ended.iter().filter(|ended| **ended).count() as u64);
                }
            }
        };
        for ((task, index, _), ended) in running.iter().zip(ended) {
            match ended {
                Ok(()) => self.outcome.recorder.ended(*task, *index),
                Err(_) if stopped.has(*task, *index) => {}
                Err(cause) => {
                    self.outcome.failed.push(FailedInstance { task: *task, index: *index, cause });
                }
            }
        }
        Ok(running.len() as u64)
    }

    /// Waits for the tasks that [`StreamedTask`](super::outputs::streamed::StreamedTask) follows, and for their
    /// outputs, until the instant `until` (`None`: until all are there).
    fn drain_streamed(&mut self, until: Option<Instant>, stopped: &mut Stopped) -> Result<()> {
        while !self.streamed.is_empty() {
            self.wait_a_little()?;
            if until.is_some_and(|until| clock::now() >= until) {
                stopped.late |= self.streamed.values().any(|task| task.running() > 0);
                self.streamed.values().for_each(|task| task.leave_running(stopped));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Handles outputs that have arrived, or pauses if there are none. Reports the failures so far to the user.
    fn wait_a_little(&mut self) -> Result<()> {
        if !self.turn_streamed()? {
            clock::sleep(Duration::from_millis(2));
        }
        self.look_at_failures();
        self.outcome.recorder.turn();
        self.stay_if_ending(|_| "its last tasks were under way".to_owned());
        Ok(())
    }

    /// Whether the run must stop before its plan is complete; the reason if so: the time limit, a signal, or too many
    /// failures.
    pub(crate) fn is_to_stop(&self) -> Option<StopReason> {
        if self.walltime.is_some_and(|walltime| clock::now() >= walltime.stop()) {
            return Some(StopReason::Time);
        }
        if interrupt::is_asked() || self.folder.is_lost() {
            return Some(StopReason::Asked);
        }
        let limit = self.plan.policy.limit()?;
        let failures = self.failures();
        (failures >= limit).then_some(StopReason::Failures(failures))
    }

    /// Stops a run of which nothing that is left can ever start: `instance` fails, for the reason `why`.
    pub(crate) fn stop_stuck(&mut self, (task, index): (usize, u64), why: String) -> Result<()> {
        let key = self.plan.tasks.get(task).map_or_else(String::new, |task| task.label(index));
        let cause = TaskError::not_started(why, key, HEAD).with_retry(Retry::Never);
        let origin = u32::try_from(task).ok().map(|group| Origin { group, index });
        note(&mut self.outcome.failed, task, index, Some(Arc::new(TaskError { origin, ..cause })));
        self.look_at_failures();
        self.outcome.ended += 1;
        self.submitter.next[task] += 1; // it has failed, so it is not one of those that are given up
        self.stop(StopReason::Stuck)
    }

    /// Stops the run early: cancels the tasks that are not running, and waits for those that are.
    pub(crate) fn stop(&mut self, why: StopReason) -> Result<()> {
        let mut stopped = Stopped { why: Some(why), ..Stopped::default() };
        let running = self.give_up(&mut stopped)?;
        let until = self.walltime.map(|walltime| walltime.last());
        self.outcome.ended += self.drain(running.own, until, &mut stopped)?;
        self.drain(running.saves, until, &mut stopped)?;
        self.drain_streamed(until, &mut stopped)?;
        // wait for tasks that were sent between the reading of statuses and the cancellation
        while !stopped.late && self.client.totals()?.assigned > 0 {
            stopped.late = until.is_some_and(|until| clock::now() >= until);
            clock::sleep(Duration::from_millis(2));
        }
        let cancelled = self.outcome.failed.take_cancelled();
        self.outcome.ended = self.outcome.ended.saturating_sub(stopped.note_cancelled(cancelled));
        stopped.settle(&self.outcome.failed);
        self.outcome.stopped = Some(stopped);
        self.finish()
    }
}
