//! A client's thread waits for answers of its rank's reactor.

use crate::call::Value;
use crate::error::TaskError;
use crate::protocol::Blob;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What has become of a task that was waited for.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is done; its value was not asked for.
    Done,
    /// Its encoded value.
    Inline(Blob),
    /// Its value.
    Value(Value),
    /// It has failed.
    Failed(Arc<TaskError>),
    /// The run has ended before.
    Closed(String),
}

#[derive(Debug)]
struct State {
    answers: Vec<Option<Answer>>,
    open: usize,
    taken: bool,
}

/// Looks, with a yield between them, before a waiting thread sleeps: a wake-up costs more than most answers take.
const YIELDS: u32 = 1_000;

/// A number of answers that are waited for together.
#[derive(Debug)]
pub struct Wait {
    state: Mutex<State>,
    done: Condvar,
}

impl Wait {
    /// Waits for `count` answers.
    pub fn new(count: usize) -> Arc<Self> {
        let state =
            Mutex::new(State { answers: (0..count).map(|_| None).collect(), open: count, taken: false });
        Arc::new(Wait { state, done: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the answer number `index`; a second one is ignored.
    pub fn answer(&self, index: u32, answer: Answer) {
        let mut state = self.state();
        let Some(slot @ None) = state.answers.get_mut(index as usize) else { return };
        *slot = Some(answer);
        state.open -= 1;
        if state.open == 0 {
            self.done.notify_all();
        }
    }

    /// Waits until all answers are there; `None` after `limit`.
    pub fn all(&self, limit: Option<Duration>) -> Option<Vec<Answer>> {
        // a limit beyond what a clock can show is none
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        // most answers to a single question come within microseconds, a wake-up costs more
        for _ in 0..YIELDS {
            if self.state().open == 0 {
                break;
            }
            std::thread::yield_now();
        }
        let mut state = self.state();
        while state.open > 0 {
            let Some(deadline) = deadline else {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(std::mem::take(&mut state.answers).into_iter().flatten().collect())
    }

    /// All answers, if they are there.
    pub fn take(&self) -> Option<Vec<Answer>> {
        let mut state = self.state();
        if state.open > 0 || std::mem::replace(&mut state.taken, true) {
            return None;
        }
        Some(std::mem::take(&mut state.answers).into_iter().flatten().collect())
    }

    /// The failures among the answers that are there, each with its number.
    pub fn failures(&self) -> Vec<(usize, Arc<TaskError>)> {
        let state = self.state();
        let failure = |(at, answer): (usize, &Option<Answer>)| match answer {
            Some(Answer::Failed(cause)) => Some((at, cause.clone())),
            _ => None,
        };
        state.answers.iter().enumerate().filter_map(failure).collect()
    }

    /// Which answers are there.
    pub fn answered(&self) -> Vec<bool> {
        self.state().answers.iter().map(Option::is_some).collect()
    }
}
