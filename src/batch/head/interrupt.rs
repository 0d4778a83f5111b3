//! What signals ask of a run: to start nothing more, or to end at once.

use crate::batch::rank::rank_state;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// Process-wide: a signal is sent to a process, and its thread belongs to no task.
static ASKED: AtomicBool = AtomicBool::new(false);
static ENDING: AtomicBool = AtomicBool::new(false);
static ANSWER: Mutex<Option<String>> = Mutex::new(None);
static ANSWERED: Condvar = Condvar::new();

/// Asks the run to start nothing more and to end when what runs has ended.
pub(crate) fn ask() {
    rank_state::current().deadline.close();
    ASKED.store(true, Ordering::Release);
}

/// Whether the run is to start nothing more.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Acquire)
}

/// Says that this process ends now, and gives what the run says that it has done: nothing, if it does not say so at
/// once.
pub(crate) fn end() -> Option<String> {
    ENDING.store(true, Ordering::Release);
    let limit = Duration::from_millis(100);
    let mut answer = ANSWER.lock();
    ANSWERED.wait_while_for(&mut answer, |answer| answer.is_none(), limit);
    answer.take()
}

/// Whether this process ends.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Where this process ends, says what was done and stays here: what fails from now on fails because of that.
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
