//! The clock of a run: the present time, pauses, and waits for an answer of the reactor.
//!
//! In a run of the simulated cluster (unit tests of `batch`) all ranks share one thread. There time is virtual, and who
//! pauses or waits lets the ranks go on meanwhile, so that equal seeds give equal runs.

use std::sync::mpsc::{Receiver, RecvError, TryRecvError};
use std::time::{Duration, Instant};

#[cfg(test)]
pub(crate) use simulated::{SimulatedTime, current, simulate};

/// The present time.
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    if let Some(time) = simulated::current() {
        return time.now();
    }
    Instant::now()
}

/// The time that has passed since `earlier`.
pub(crate) fn since(earlier: Instant) -> Duration {
    now().saturating_duration_since(earlier)
}

/// Pauses the thread.
pub(crate) fn sleep(time: Duration) {
    #[cfg(test)]
    if let Some(virtual_time) = simulated::current() {
        return virtual_time.pass(time);
    }
    std::thread::sleep(time);
}

/// Waits for an answer.
///
/// # Errors
/// When no answer can come any more.
pub(crate) fn receive<T>(answer: &Receiver<T>) -> Result<T, RecvError> {
    while is_simulated() {
        match answer.try_recv() {
            Ok(answer) => return Ok(answer),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) => sleep(Duration::from_micros(100)),
        }
    }
    answer.recv()
}

/// Whether the thread belongs to a simulation with virtual time: nothing of the run may then be left to other threads.
pub(crate) fn is_simulated() -> bool {
    #[cfg(test)]
    return simulated::current().is_some();
    #[cfg(not(test))]
    false
}

#[cfg(test)]
mod simulated {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// The virtual time of a simulation.
    pub(crate) trait SimulatedTime: Send + Sync {
        /// The present virtual time.
        fn now(&self) -> Instant;
        /// Lets `time` pass, in which the simulated ranks go on.
        fn pass(&self, time: Duration);
    }

    thread_local! {
        static TIME: RefCell<Option<Arc<dyn SimulatedTime>>> = const { RefCell::new(None) };
    }

    /// The virtual time of this thread; `None` outside of a simulation.
    pub(crate) fn current() -> Option<Arc<dyn SimulatedTime>> {
        TIME.try_with(|time| time.borrow().clone()).ok().flatten()
    }

    /// Replaces the clock of this thread, if `time` is given, while `run` runs, also if that panics.
    pub(crate) fn simulate<T>(time: Option<Arc<dyn SimulatedTime>>, run: impl FnOnce() -> T) -> T {
        struct RestoreClock(Option<Arc<dyn SimulatedTime>>);
        impl Drop for RestoreClock {
            fn drop(&mut self) {
                let before = self.0.take();
                TIME.with(|time| time.replace(before));
            }
        }
        let _restore = RestoreClock(TIME.with(|own| own.replace(time)));
        run()
    }
}
