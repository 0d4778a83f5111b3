//! Signal handling. On Ctrl-C, `scancel` or the end of the walltime, the job's commands are ended and its scratch
//! folders removed. On a notice that comes before these, SIGUSR1, SIGUSR2 or SIGXCPU, no more tasks are started.

use super::{STOPPED, launch};
use crate::batch::head::interrupt;
use crate::batch::rank::rank_state;
use crate::commands::{ScratchRoot, end_all, stop_process};
use crate::console;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{exit, signal_name};
use std::time::Duration;

/// The time that running commands have to end after their SIGTERM. It is short, since launchers kill the ranks a few
/// seconds after the signal.
const GRACE: Duration = Duration::from_secs(1);

/// Time for rank 0 to write the outputs that it has to their files, after the commands have ended.
const FILES: Duration = Duration::from_secs(5);

/// Starts a thread that waits for signals. On a signal that warns of the job's end, no more tasks are started. On a
/// signal to end, the process cleans up, says that the run can go on later, and exits.
///
/// Where no thread can be started, a signal ends the process in the default way.
pub(super) fn watch() {
    let Ok(mut signals) = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, libc::SIGXCPU]) else {
        return;
    };
    let watcher = move || {
        for signal in signals.forever() {
            match signal {
                SIGUSR1 | SIGUSR2 | libc::SIGXCPU => interrupt::ask(),
                signal => end(signal),
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("dtask-signals".into()).spawn(watcher) {
        log::warn!("no thread for signals: {error}; commands may outlive the job");
    }
}

fn end(signal: i32) -> ! {
    // printed before the clean-up, during which the launcher may kill this process; it may do so as soon as another rank
    // has ended, before this one knows how far the run has got: only rank 0 does
    if launch::speaks() {
        let signal = signal_name(signal).unwrap_or("a signal");
        interrupt::write_last_words(&format!("dtask: stopped by {signal}; run it again to go on"));
        let done = interrupt::end().map(|done| format!(": {done}")).unwrap_or_default();
        let words = format!("dtask: stopped by {signal}{done}; run it again to go on");
        interrupt::write_last_words(&words);
        console::error(words);
    }
    leave(STOPPED)
}

/// Cleans up and ends this process, whatever tasks it still computes. MPI is not finalised: the launcher ends the other
/// ranks.
pub(super) fn leave(code: u8) -> ! {
    let state = rank_state::current();
    state.deadline.close();
    state.end();
    end_all(GRACE);
    interrupt::wait_for_files(FILES); // before the removal of scratch, in which outputs may be
    ScratchRoot::close();
    rank_state::leave();
    stop_process();
    exit(code.into())
}
