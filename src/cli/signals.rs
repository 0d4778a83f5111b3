//! Ctrl-C, `scancel`, the end of the walltime: the job's commands and scratch folders go with it.

use crate::call::command::{end_all, stop_process};
use crate::script::run::rank;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::time::Duration;

/// For commands that want to end in order. Launchers follow their SIGTERM with a SIGKILL after a few seconds.
const GRACE: Duration = Duration::from_secs(1);

/// Starts a thread that waits for a signal to end, cleans up, and ends this process as the signal would have.
///
/// Without it (no more threads) a signal ends the process as ever.
pub fn watch() {
    let Ok(mut signals) = Signals::new([SIGTERM, SIGINT, SIGHUP]) else { return };
    let watcher = move || {
        if let Some(signal) = signals.forever().next() {
            end_all(GRACE);
            rank::leave();
            stop_process();
            let _ = emulate_default_handler(signal);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("dtask-signals".into()).spawn(watcher) {
        log::warn!("no thread for signals: {error}; commands may outlive the job");
    }
}
