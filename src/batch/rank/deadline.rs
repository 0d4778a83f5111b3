//! The job's time limit at a rank: which tasks may still start, and when commands are ended.
//!
//! Rank 0 tells each rank once, before the plan, how long tasks may run from then on. The message has a duration, not a
//! time of day, because the clocks of hosts differ. Each rank then enforces the limit by itself, so no message is
//! needed at the end.

use crate::clock;
use crate::commands::CommandSpec;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The time limit of the job, as rank 0 sends it to each rank that runs tasks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeadlineNotice {
    /// Time for which tasks are allowed to run, counted from the receipt of the message, since the clocks of hosts
    /// differ.
    pub left: Duration,
    /// Time between SIGTERM and SIGKILL for commands that are still running when `left` is over.
    pub grace: Duration,
    /// The expected run times (`time` in the script) by task number, of the tasks that state one.
    pub times: Vec<(u32, Duration)>,
}

/// The time limit of the job as a rank knows it, and the run times of tasks, as the script states them or as this rank
/// has measured them.
struct RankDeadline {
    /// The instant at which running commands of the rank are ended.
    stop: Instant,
    grace: Duration,
    /// The run time of an instance as the script states it, by task number.
    times: HashMap<u32, Duration>,
    /// For each task without a stated time, the number of instances measured on this rank and the sum of their times.
    /// Their mean is the expected time.
    learnt: HashMap<u32, (u32, Duration)>,
}

/// The time limit of a rank; empty unless rank 0 has sent one.
#[derive(Default)]
pub(crate) struct JobDeadline {
    limit: Mutex<Option<RankDeadline>>,
    /// Whether there is a time limit. Read without a lock, so that runs without a limit take none.
    limited: AtomicBool,
    /// Whether this rank must not start any more tasks, because the run is ending.
    closed: AtomicBool,
}

/// The reason, as the user reads it, why an instance was not started.
pub(crate) const TOO_LATE: &str = "the job ends before it could";
/// The reason, as the user reads it, why an instance was not started, or was ended by the signal itself.
pub(crate) const NOTICED: &str = "a signal asked to stop";
/// The reason, as the user reads it, why a running command was ended.
pub(crate) const OVER: &str = "the job's time was over";

/// The reason, as the user reads it, why an instance was ended with its rank.
pub(crate) const STOPPED: &str = "a signal has stopped the job";

impl RankDeadline {
    fn expected(&self, task: u32) -> Duration {
        let learnt = || self.learnt.get(&task).map(|(count, all)| *all / (*count).max(1));
        self.times.get(&task).copied().or_else(learnt).unwrap_or_default()
    }

    fn admits(&self, now: Instant, pause: Duration, task: u32) -> bool {
        now + pause + self.expected(task) < self.stop
    }

    fn learn(&mut self, task: u32, took: Duration) {
        if !self.times.contains_key(&task) {
            let (count, all) = self.learnt.entry(task).or_default();
            // a mean of 4 billion times needs no further ones
            if *count < u32::MAX {
                (*count, *all) = (*count + 1, *all + took);
            }
        }
    }

    /// Shortens the timeout of a command to the time that the job has left. Returns whether the job's time ends first,
    /// before the command's own timeout.
    fn bound(&self, now: Instant, spec: &mut CommandSpec) -> bool {
        let left = self.stop.saturating_duration_since(now);
        let own = spec.timeout.filter(|own| *own <= left);
        spec.timeout = Some(own.unwrap_or(left));
        spec.grace = spec.grace.min(left + self.grace - own.unwrap_or(left));
        own.is_none()
    }
}

impl JobDeadline {
    /// Starts the time limit of this rank, counted from now. `told` is the message of rank 0.
    pub(crate) fn begin(&self, told: DeadlineNotice) {
        let DeadlineNotice { left, grace, times } = told;
        let times = times.into_iter().collect();
        let limit = RankDeadline { stop: clock::now() + left, grace, times, learnt: HashMap::new() };
        *self.limit.lock() = Some(limit);
        self.limited.store(true, Ordering::Release);
    }

    /// Forbids this rank to start any more tasks, because the run ends.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Removes the time limit of this rank at the end of a run.
    pub(crate) fn forget(&self) {
        self.limited.store(false, Ordering::Release);
        *self.limit.lock() = None;
    }

    /// Whether enough time is left to start an instance of a task after a pause of length `pause`: its expected run
    /// time fits into it. If not, the instance is left for the next run of the script ([`TOO_LATE`]).
    pub(crate) fn admits(&self, task: u32, pause: Duration) -> bool {
        let fits = || self.limit.lock().as_ref().is_none_or(|limit| limit.admits(clock::now(), pause, task));
        !self.closed.load(Ordering::Acquire) && (!self.limited.load(Ordering::Acquire) || fits())
    }

    /// The reason, as the user reads it, why [`JobDeadline::admits`] has refused an instance.
    pub(crate) fn why_not(&self) -> &'static str {
        if self.closed.load(Ordering::Acquire) { NOTICED } else { TOO_LATE }
    }

    /// Adds the run time of an instance to the mean of its task, from which later run times are expected.
    pub(crate) fn learn(&self, task: u32, took: Duration) {
        if self.limited.load(Ordering::Acquire)
            && let Some(limit) = &mut *self.limit.lock()
        {
            limit.learn(task, took);
        }
    }

    /// Shortens the timeout of a command to the job's remaining time. Returns whether the job's end comes first, before
    /// the command's own timeout.
    pub(crate) fn bound(&self, spec: &mut CommandSpec) -> bool {
        self.limited.load(Ordering::Acquire)
            && self.limit.lock().as_ref().is_some_and(|limit| limit.bound(clock::now(), spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(now: Instant) -> RankDeadline {
        RankDeadline {
            stop: now + 10 * SECOND,
            grace: SECOND,
            times: HashMap::from([(1, 6 * SECOND)]),
            learnt: HashMap::new(),
        }
    }

    #[test]
    fn what_does_not_fit_is_not_started() {
        let now = Instant::now();
        let mut limit = limit(now);
        assert!(limit.admits(now, Duration::ZERO, 1) && limit.admits(now + 3 * SECOND, Duration::ZERO, 1));
        assert!(!limit.admits(now + 5 * SECOND, Duration::ZERO, 1));
        assert!(!limit.admits(now, 5 * SECOND, 1));
        // a task of unknown run time is admitted until others have ended
        assert!(limit.admits(now + 9 * SECOND, Duration::ZERO, 2));
        limit.learn(2, SECOND);
        limit.learn(2, 3 * SECOND);
        assert_eq!(limit.expected(2), 2 * SECOND);
        assert!(!limit.admits(now + 9 * SECOND, Duration::ZERO, 2));
        // a time that the script states takes precedence over measured ones
        limit.learn(1, SECOND);
        assert_eq!(limit.expected(1), 6 * SECOND);
        assert!(!limit.admits(now + 10 * SECOND, Duration::ZERO, 3));
    }

    #[test]
    fn commands_end_with_the_job_or_before() {
        let now = Instant::now();
        let limit = limit(now);
        let spec = |timeout: Option<u32>| CommandSpec {
            timeout: timeout.map(|seconds| seconds * SECOND),
            ..CommandSpec::new(["true"], "/", "/")
        };
        let ends = |timeout| {
            let mut spec = spec(timeout);
            let first = limit.bound(now + 2 * SECOND, &mut spec);
            (first, spec.timeout.expect("a limit").as_secs(), spec.grace.as_secs())
        };
        assert_eq!(ends(None), (true, 8, 1));
        assert_eq!(ends(Some(9)), (true, 8, 1));
        assert_eq!(ends(Some(7)), (false, 7, 2));
        assert_eq!(ends(Some(1)), (false, 1, 5));
    }
}
