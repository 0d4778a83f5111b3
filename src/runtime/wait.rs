//! The wait of a client's thread for answers of its rank's reactor.

use super::mailbox::Waker;
use crate::clock;
use crate::compact::Bytes;
use crate::error::{Error, Result, TaskError};
use crate::runtime::driver::ProgressDriver;
use crate::runtime::threads::task_context;
use crate::task::value::AnyValue;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::RefUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The answer of rank 0 for a task that a thread waits for.
#[derive(Debug, Clone)]
pub(crate) enum WaitAnswer {
    /// The task is done, and its value was not asked for.
    Done,
    /// The task's value in its encoded form, as small values are sent.
    Inline(Bytes),
    /// The task's value, as it is in this rank's store.
    Value(AnyValue),
    /// The task has failed, for this reason.
    Failed(Arc<TaskError>),
}

const _: () = assert!(size_of::<Option<WaitAnswer>>() == 16); // `Client::gather` holds one for each task

/// The answers for the tasks that a thread waits for together.
#[derive(Debug, Default)]
pub(crate) struct WaitAnswers {
    /// The answer for each awaited task, if the thread asked for values; `None` until the answer has come. Empty if it
    /// asked only for ends.
    pub values: Vec<Option<WaitAnswer>>,
    /// Whether each awaited task has ended, if the thread asked only for ends. Empty if it asked for values.
    pub ended: Vec<bool>,
    /// The failed tasks, each as its index among the awaited tasks, with the reason, in the order of their failures.
    /// Not kept where ends are taken one by one.
    pub failed: Vec<(usize, Arc<TaskError>)>,
    /// The encoded values of those tasks that have ended with at most [`TINY`] bytes, each with the index of its task,
    /// if the thread asked only for ends: they say more than that the task has ended.
    pub tiny: Vec<(usize, Bytes)>,
    /// The reason why the run has ended and no more answers will come; `None` while it goes on.
    pub closed: Option<Arc<str>>,
}

impl WaitAnswers {
    /// Checks that all tasks have ended, where only ends were asked for.
    ///
    /// # Errors
    /// When the run has ended before all tasks have.
    pub(crate) fn all_ended(&self) -> Result<()> {
        match &self.closed {
            Some(why) if self.ended.contains(&false) => Err(Error::Closed(why.to_string())),
            _ => Ok(()),
        }
    }
}

/// The condition at which a waiting thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitUntil {
    /// All answers are there.
    All,
    /// Any of the tasks has ended.
    Any,
    /// Any of the tasks has failed, or all have ended.
    FirstError,
    /// There is an end that the thread has not taken yet (as completed). Tasks may be added meanwhile.
    Next,
}

#[derive(Debug)]
struct WaitState {
    answers: WaitAnswers,
    /// Number of tasks whose answers are still to come.
    open: usize,
    taken: bool,
    until: WaitUntil,
    /// The indexes of ended tasks in the order of their ends, until they are taken. Only for [`WaitUntil::Next`].
    queue: VecDeque<u32>,
}

impl WaitState {
    fn is_complete(&self) -> bool {
        self.open == 0 || self.taken || self.answers.closed.is_some()
    }

    /// Whether the waiting thread is to go on.
    fn is_ready(&self) -> bool {
        match self.until {
            WaitUntil::Next => !self.queue.is_empty() || self.answers.closed.is_some(),
            _ if self.is_complete() => true,
            WaitUntil::All => false,
            WaitUntil::Any => self.open < self.answers.ended.len(),
            WaitUntil::FirstError => !self.answers.failed.is_empty(),
        }
    }
}

/// The outcome of a wait for the next end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextEnd {
    /// The task of this index has ended.
    Ended(u32),
    /// The run has ended, and no more ends will come.
    Closed,
    /// The time limit has passed.
    TimedOut,
}

/// The most bytes of a value that is told to a thread which asks for the end of the task only.
pub(crate) const TINY: usize = 8;
/// Number of times that a waiting thread looks for its answers, with a yield in between, before it sleeps: a wake-up
/// costs more than most answers take.
const YIELDS: u32 = 1_000;
/// Number of turns of the reactor without progress, in a row, before a task's thread stops making turns and sleeps.
const LOOKS: u32 = 300;
/// Time for which a task that polls gives its slot back.
const REST: Duration = Duration::from_millis(1);

/// A wait of a thread for the answers to a number of tasks, shared with the reactor, which enters the answers.
#[derive(Debug)]
pub(crate) struct Wait {
    state: Mutex<WaitState>,
    done: Condvar,
    values: bool,
    /// The waker of the waiting thread while it drives the reactor itself.
    waker: OnceLock<Arc<Waker>>,
}

/// Sound although the lock of parking_lot does not implement the trait itself: answers are entered one by one, so a
/// panic leaves no state half changed.
impl RefUnwindSafe for Wait {}

impl Wait {
    /// Makes a wait for the values of `count` tasks.
    pub(crate) fn for_values(count: usize) -> Arc<Self> {
        let values = (0..count).map(|_| None).collect();
        Self::new(count, true, WaitUntil::All, WaitAnswers { values, ..WaitAnswers::default() })
    }

    /// Makes a wait for the ends of `count` tasks.
    pub(crate) fn for_ends(count: usize) -> Arc<Self> {
        Self::for_ends_until(WaitUntil::All, count)
    }

    /// Makes a wait for the ends of `count` tasks whose thread goes on under the condition `until`.
    pub(crate) fn for_ends_until(until: WaitUntil, count: usize) -> Arc<Self> {
        Self::new(count, false, until, WaitAnswers { ended: vec![false; count], ..WaitAnswers::default() })
    }

    fn new(count: usize, values: bool, until: WaitUntil, answers: WaitAnswers) -> Arc<Self> {
        let state =
            Mutex::new(WaitState { answers, open: count, taken: false, until, queue: VecDeque::new() });
        Arc::new(Wait { state, done: Condvar::new(), values, waker: OnceLock::new() })
    }

    /// Whether the waiting thread asks for the values of the tasks, not only for their ends.
    pub(crate) fn wants_values(&self) -> bool {
        self.values
    }

    /// Enters answers, each with the index of its task in the wait. A second answer for the same task is ignored, and
    /// so is `Done` where a value is to come.
    pub(crate) fn answer(&self, answers: impl Iterator<Item = (u32, WaitAnswer)>) {
        let mut state = self.state.lock();
        let WaitState { answers: known, open, until, queue, .. } = &mut *state;
        for (place, answer) in answers {
            let place = place as usize;
            if self.values {
                let Some(slot @ None) = known.values.get_mut(place) else { continue };
                if matches!(answer, WaitAnswer::Done) {
                    continue;
                }
                if let WaitAnswer::Failed(cause) = &answer {
                    known.failed.push((place, cause.clone()));
                }
                *slot = Some(answer);
            } else {
                let Some(ended @ false) = known.ended.get_mut(place) else { continue };
                *ended = true;
                match answer {
                    _ if *until == WaitUntil::Next => queue.push_back(place as u32),
                    WaitAnswer::Failed(cause) => known.failed.push((place, cause)),
                    WaitAnswer::Inline(bytes) if bytes.len() <= TINY => known.tiny.push((place, bytes)),
                    WaitAnswer::Inline(_) | WaitAnswer::Done | WaitAnswer::Value(_) => {}
                }
            }
            *open -= 1;
        }
        if state.is_ready() {
            self.wake();
        }
    }

    /// Adds a task to a wait for the next end, under the index `place`, which no task has that is still to end.
    pub(crate) fn add(&self, place: u32) {
        let mut state = self.state.lock();
        let place = place as usize;
        if state.answers.ended.len() <= place {
            state.answers.ended.resize(place + 1, false);
        }
        state.answers.ended[place] = false;
        state.open += 1;
    }

    /// Blocks until a task has ended whose end was not taken yet, at most for `limit`, and takes that end.
    pub(crate) fn next(&self, limit: Option<Duration>, driver: Option<&dyn ProgressDriver>) -> NextEnd {
        let in_time = self.block(limit, driver);
        match self.state.lock().queue.pop_front() {
            Some(place) => NextEnd::Ended(place),
            None if in_time => NextEnd::Closed,
            None => NextEnd::TimedOut,
        }
    }

    fn wake(&self) {
        self.done.notify_all();
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Notes that the run has ended, with the reason `why`, and wakes the threads that wait for these answers.
    pub(crate) fn close(&self, why: &str) {
        self.state.lock().answers.closed = Some(why.into());
        self.wake();
    }

    /// Blocks until all answers are there or the run has ended; returns `None` if `limit` has passed before. Makes
    /// turns of the reactor meanwhile if there is a `driver`.
    pub(crate) fn all(
        &self,
        limit: Option<Duration>,
        driver: Option<&dyn ProgressDriver>,
    ) -> Option<WaitAnswers> {
        self.block(limit, driver).then(|| std::mem::take(&mut self.state.lock().answers))
    }

    /// Lets the slot of a task that looks again and again for these answers compute something else for a moment, which
    /// may be the task that it looks for. Does nothing at the first looks, and on a thread that runs no task.
    pub(crate) fn rest(&self, driver: Option<&dyn ProgressDriver>) {
        if !self.is_complete() && task_context::looked_in_vain() {
            self.block(Some(REST), driver);
        }
    }

    /// Blocks until the condition of the wait holds, and leaves the answers where they are. Returns false if `limit`
    /// has passed before.
    pub(crate) fn block(&self, limit: Option<Duration>, driver: Option<&dyn ProgressDriver>) -> bool {
        // a limit beyond the clock's range is none
        let deadline = limit.and_then(|limit| clock::now().checked_add(limit));
        while clock::is_simulated() && !self.state.lock().is_ready() {
            if deadline.is_some_and(|deadline| deadline <= clock::now()) {
                return false;
            }
            clock::sleep(Duration::from_micros(100));
        }
        // asked again and again before the thread sleeps: most answers come within microseconds, and a wake-up costs
        // more
        let open = || !self.state.lock().is_ready();
        // a task gives its slot back at once: the tasks that it waits for may need it
        let paused = if open() { task_context::pause() } else { None };
        while paused.as_ref().is_some_and(|paused| open() && paused.step()) {}
        if let Some(driver) = driver {
            let _ = self.waker.set(driver.waker().clone());
            // a task's thread stops making turns after some without progress: it may wait for hours, and so may many
            // tasks at once
            driver.drive(&|| !open(), deadline, paused.as_ref().map(|_| LOOKS));
        }
        let yields = if paused.is_some() || driver.is_some() { 0 } else { YIELDS };
        for _ in 0..yields {
            if !open() {
                break;
            }
            std::thread::yield_now();
        }
        let mut state = self.state.lock();
        while !state.is_ready() {
            let Some(deadline) = deadline else {
                self.done.wait(&mut state);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.done.wait_for(&mut state, left);
        }
        true
    }

    /// Takes all answers, once they are complete or the run has ended; `None` before that, and when they were taken
    /// already.
    pub(crate) fn take(&self) -> Option<WaitAnswers> {
        let mut state = self.state.lock();
        if !state.is_complete() || std::mem::replace(&mut state.taken, true) {
            return None;
        }
        Some(std::mem::take(&mut state.answers))
    }

    /// Whether the run has ended, so that no more answers will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().answers.closed.is_some()
    }

    /// Whether all answers are there, or the run has ended and no more will come.
    pub(crate) fn is_complete(&self) -> bool {
        self.state.lock().is_complete()
    }

    /// Number of tasks whose answers are still to come; 0 when the run has ended.
    pub(crate) fn open(&self) -> usize {
        let state = self.state.lock();
        if state.answers.closed.is_some() { 0 } else { state.open }
    }

    /// The failures so far: for each failed task its index among the awaited tasks, ascending, and the error.
    pub(crate) fn failures(&self) -> Vec<(usize, Arc<TaskError>)> {
        let mut failures = self.state.lock().answers.failed.clone();
        failures.sort_unstable_by_key(|(place, _)| *place);
        failures
    }

    /// The failures after the first `seen` ones, in the order in which they came.
    pub(crate) fn failures_after(&self, seen: usize) -> Vec<(usize, Arc<TaskError>)> {
        self.state.lock().answers.failed.get(seen..).unwrap_or_default().to_vec()
    }

    /// The encoded values of at most eight bytes of tasks that have ended, each with the index of its task.
    pub(crate) fn tiny(&self) -> Vec<(usize, Bytes)> {
        self.state.lock().answers.tiny.clone()
    }

    /// The reason why the run has ended; `None` while it goes on.
    pub(crate) fn closed(&self) -> Option<Arc<str>> {
        self.state.lock().answers.closed.clone()
    }

    /// Whether each awaited task has ended, if the thread asked only for ends; empty otherwise. All true when the run
    /// has ended.
    pub(crate) fn ended(&self) -> Vec<bool> {
        let state = self.state.lock();
        let closed = state.answers.closed.is_some();
        state.answers.ended.iter().map(|&ended| ended || closed).collect()
    }
}
