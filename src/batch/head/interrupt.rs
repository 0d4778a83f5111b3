//! Requests by signal: stop starting tasks, or end the process at once.

use crate::batch::rank::rank_state;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// Process-wide: a signal is sent to a process, and its thread belongs to no task.
static ASKED: AtomicBool = AtomicBool::new(false);
static ENDING: AtomicBool = AtomicBool::new(false);
static ANSWER: Mutex<Option<String>> = Mutex::new(None);
static ANSWERED: Condvar = Condvar::new();

/// Requests that the run starts no more tasks, and ends when running tasks have ended.
pub(crate) fn ask() {
    rank_state::current().deadline.close();
    ASKED.store(true, Ordering::Release);
}

/// Whether a signal has requested that no more tasks start.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Acquire)
}

/// Announces that this process is about to exit. Returns the run's account of what was done, or `None` if it is not
/// given within 100 ms.
pub(crate) fn end() -> Option<String> {
    ENDING.store(true, Ordering::Release);
    let limit = Duration::from_millis(100);
    let mut answer = ANSWER.lock();
    ANSWERED.wait_while_for(&mut answer, |answer| answer.is_none(), limit);
    answer.take()
}

/// Whether this process is about to exit, since [`end`] was called.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Hands the account `done` to [`end`] if that was called, and then blocks forever: the exit makes other operations
/// fail, which is no failure of the run.
pub(crate) fn stay_if_ending(done: impl FnOnce() -> String) {
    if !is_ending() {
        return;
    }
    *ANSWER.lock() = Some(done());
    ANSWERED.notify_all();
    loop {
        std::thread::park();
    }
}
