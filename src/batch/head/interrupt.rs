//! Requests by signal: stop starting tasks, or end the process at once.

use crate::batch::rank::rank_state;
use parking_lot::{Condvar, Mutex};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// Process-wide, since a signal is sent to a process and not to a rank: the request to start no more tasks, the notice
// that the process exits, and how far the run has got, which the run tells the thread that handles signals.
static ASKED: AtomicBool = AtomicBool::new(false);
static ENDING: AtomicBool = AtomicBool::new(false);
static ANSWER: Mutex<Option<String>> = Mutex::new(None);
/// Whether the run has written what there is to its files; `None` before it has begun to.
static KEPT: Mutex<Option<bool>> = Mutex::new(None);
static ANSWERED: Condvar = Condvar::new();
/// The file for the last words of this process; `None` before the run has begun.
static WORDS_FILE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// How long a run that is about to be ended by a signal may take to put its journal on disk.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// Requests that the run starts no more tasks, and ends when the running tasks have ended. Called when a signal has
/// come.
pub(crate) fn ask() {
    rank_state::current().notice();
    ASKED.store(true, Ordering::Release);
}

#[cfg(test)]
thread_local! {
    /// The request for the simulated run of this thread.
    pub(crate) static ASKED_HERE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether a signal to this process has requested that the run starts no more tasks.
pub(crate) fn is_asked() -> bool {
    #[cfg(test)]
    if ASKED_HERE.get() {
        return true;
    }
    ASKED.load(Ordering::Acquire)
}

/// Announces that this process is about to exit. Returns the run's text for the user on how far it got, or `None` if
/// the run does not give it within a second, in which it also puts its journal on disk.
pub(crate) fn end() -> Option<String> {
    ENDING.store(true, Ordering::Release);
    let mut answer = ANSWER.lock();
    ANSWERED.wait_while_for(&mut answer, |answer| answer.is_none(), LAST_WORDS);
    answer.take()
}

/// Whether this process is about to exit, since [`end`] was called by the thread that handles signals.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Hands the text `done` (how far the run got) to [`end`], calls `keep`, which writes what there is to its files, and
/// then blocks forever: the exit makes other operations fail, and the run must not report these as failures.
pub(crate) fn stay(done: String, keep: impl FnOnce()) -> ! {
    *KEPT.lock() = Some(false);
    *ANSWER.lock() = Some(done);
    ANSWERED.notify_all();
    keep();
    *KEPT.lock() = Some(true);
    ANSWERED.notify_all();
    loop {
        std::thread::park();
    }
}

/// Sets the file into which [`write_last_words`] writes, in the run folder.
pub(crate) fn set_last_words(file: &Path) {
    *WORDS_FILE.lock() = Some(file.to_owned());
}

/// Writes the last line of a process that a signal ends into the run folder, if the run has begun: a launcher that was
/// told to end drops what its ranks still print.
pub(crate) fn write_last_words(line: &str) {
    if let Some(file) = &*WORDS_FILE.lock() {
        // nobody is left to be told of an error
        let _ = std::fs::write(file, format!("{line}\n"));
    }
}

/// Waits until a run that has answered [`end`] has written what there is to its files, for at most `limit`.
pub(crate) fn wait_for_files(limit: Duration) {
    let mut kept = KEPT.lock();
    ANSWERED.wait_while_for(&mut kept, |kept| *kept == Some(false), limit);
}
