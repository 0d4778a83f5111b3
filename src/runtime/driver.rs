//! The driver of a rank's reactor (progress engine): lets any thread that waits for the reactor turn it.
//!
//! A *turn* is one pass of the reactor: receive, decide, send. A reactor has a thread of its own. But a thread that
//! waits for an answer, or a compute thread without a task, has nothing better to do than turn the reactor itself: it
//! sees at once what arrives, where a hand-over from thread to thread would cost more than most tasks. The reactor's
//! own thread rests meanwhile, looks from time to time whether it still may, and takes over when nobody else turns, as
//! while all threads compute. A lock admits one thread at a time.
//!
//! Where MPI may only be called by the thread that initialised it (`MPI_THREAD_FUNNELED`), that thread makes all turns.
//!
//! Start with [`Driver`]: [`Driver::run`] is the loop of the reactor's own thread, [`ProgressDriver::drive`] that of
//! other threads.

use super::mailbox::Waker;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::idle::{Backoff, Idle};
use crate::runtime::threads::job;
use crate::transport::Flight;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Length of the first rest of the reactor's own thread while other threads make the turns. The n-th rest in a row is n
/// times as long, up to [`REST_MAX`].
const REST_MIN: Duration = Duration::from_micros(100);
/// Length of the longest rest of the reactor's own thread. When the other threads stop turning the reactor and go off
/// to compute, this is the longest time in which nobody turns it.
const REST_MAX: Duration = Duration::from_micros(400);
/// Number of rests in a row after which the reactor's own thread expects other threads to turn the reactor for long. It
/// then rests without a limit, until the thread that turns wakes it.
const RESTS: u32 = 8;

/// A rank's reactor (the loop that serves MPI), as far as its driver needs to know it.
pub(crate) trait DrivenReactor: Send {
    /// Makes one turn of the reactor: takes the messages that have arrived, decides, and carries the decisions out.
    /// True if anything was received, decided or sent.
    ///
    /// # Errors
    /// When the rank cannot go on.
    fn turn(&mut self) -> Result<bool, ExecutorError>;
    /// Whether the run is over for this rank, so that no further turn is needed.
    fn is_over(&self) -> bool;
    /// The state of the bulk transfers of this rank: none under way, expected from a sender that has not begun, or
    /// moving.
    fn flight(&self) -> Flight;
    /// Whether other threads of this rank have queued requests or results for the reactor.
    fn has_work(&self) -> bool;
    /// Whether short tasks are left that no thread of the compute pool may run, so that the reactor's own thread must
    /// run them.
    fn wants_own(&self) -> bool;
}

/// The outcome of a thread's attempt to make a turn of the reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DriveOutcome {
    /// A turn was made, and something was received, decided or sent in it.
    Moved,
    /// A turn was made, and nothing moved; with the state of the bulk transfers.
    Idle(Flight),
    /// No turn was made, since another thread is making one right now.
    Busy,
    /// The calling thread must not turn any more: the run is over, or the next work is for the reactor's own thread.
    Not,
}

/// The driver of a reactor for threads that wait for the reactor, other than its own thread.
pub(crate) trait ProgressDriver: Send + Sync {
    /// Makes one turn of the reactor, unless another thread is making one.
    fn turn(&self) -> DriveOutcome;
    /// Makes turns of the reactor until `done` returns true, until `deadline`, or, if `looks` is set, after that number
    /// of turns in a row in which nothing moved. Returns at once where another thread already makes turns.
    fn drive(&self, done: &dyn Fn() -> bool, deadline: Option<Instant>, looks: Option<u32>);
    /// The waker that ends the sleep of the thread that turns the reactor, when a message is queued for the reactor.
    fn waker(&self) -> &Arc<Waker>;
    /// Wakes the reactor's own thread if it rests or sleeps. The calling thread stops turning the reactor, and no other
    /// thread would turn it for some time.
    fn hand_back(&self);
}

/// A link to the driver of the rank's reactor, for other threads; empty until [`DriverLink::set`] has published the
/// driver.
#[derive(Default)]
pub(crate) struct DriverLink(OnceLock<Weak<dyn ProgressDriver>>);

impl DriverLink {
    /// Publishes the driver to other threads. Only the first call has an effect.
    pub(crate) fn set(&self, driver: Weak<dyn ProgressDriver>) {
        let _ = self.0.set(driver);
    }

    /// The driver; `None` before it is published, after its end, and where other threads must not turn the reactor.
    pub(crate) fn get(&self) -> Option<Arc<dyn ProgressDriver>> {
        self.0.get()?.upgrade()
    }
}

/// A reactor behind a lock, with the flags by which its own thread and the other threads agree who turns it.
pub(crate) struct Driver<R> {
    reactor: Mutex<Option<R>>,
    /// Set once a turn has panicked: the reactor's state is inconsistent, and no thread but the reactor's own may still
    /// turn it. The flag is needed since a parking_lot lock is not poisoned by a panic.
    broken: AtomicBool,
    own_core: bool,
    /// Number of turns made by threads that are not the reactor's own.
    turns: AtomicU64,
    /// Set while a thread other than the reactor's own drives: makes turns until it has the answer that it waits for.
    driven: AtomicBool,
    /// Whether bulk data (long results sent outside of frames) were under way after the last turn.
    in_flight: AtomicBool,
    /// Whether the last turn has left work that only the reactor's own thread may do.
    wants_own: AtomicBool,
    /// Set when the run is over or the rank cannot go on: the reactor must not be turned again.
    ended: AtomicBool,
    failure: Mutex<Option<ExecutorError>>,
    waker: Arc<Waker>,
    /// Set while the reactor's own thread rests without a limit, until another thread that has turned the reactor wakes
    /// it.
    rests_long: AtomicBool,
    on_panic: fn(),
}

/// A guard that calls `tell` when a turn panics. The panic leaves the rank's state inconsistent, and without the call
/// nobody would notice.
struct OnPanic {
    tell: fn(),
    /// Whether the thread was unwinding for another reason when the guard was made; `tell` is not called then.
    unwinds: bool,
}

impl OnPanic {
    fn new(tell: fn()) -> Self {
        OnPanic { tell, unwinds: thread::panicking() }
    }
}

impl Drop for OnPanic {
    fn drop(&mut self) {
        if thread::panicking() && !self.unwinds {
            (self.tell)();
        }
    }
}

/// A guard that marks the reactor as broken when a turn panics. It is dropped before the reactor's lock is released, so
/// the next thread sees the mark.
struct BrokenOnPanic<'d> {
    broken: &'d AtomicBool,
    /// Whether the thread was unwinding for another reason when the guard was made; nothing is marked then.
    unwinds: bool,
}

impl<'d> BrokenOnPanic<'d> {
    fn new(broken: &'d AtomicBool) -> Self {
        BrokenOnPanic { broken, unwinds: thread::panicking() }
    }
}

impl Drop for BrokenOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() && !self.unwinds {
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

impl<R: DrivenReactor> Driver<R> {
    /// Makes the driver of `reactor`. `waker` is the one that the reactor's mailboxes wake. `own_core` says that each
    /// thread of the rank has a core, so that threads without work may spin. `on_panic` is called when a turn panics,
    /// and is to end the process.
    pub(crate) fn new(reactor: R, waker: Arc<Waker>, own_core: bool, on_panic: fn()) -> Self {
        Driver {
            reactor: Mutex::new(Some(reactor)),
            broken: AtomicBool::new(false),
            own_core,
            turns: AtomicU64::new(0),
            driven: AtomicBool::new(false),
            in_flight: AtomicBool::new(false),
            wants_own: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            failure: Mutex::new(None),
            waker,
            rests_long: AtomicBool::new(false),
            on_panic,
        }
    }

    /// Makes turns on the reactor's own thread until the run is over. The thread backs off when there is nothing to do,
    /// and rests while other threads make the turns. Returns the reactor, which no thread turns from then on.
    ///
    /// # Panics
    /// When called a second time.
    pub(crate) fn run(&self) -> (R, Result<(), ExecutorError>) {
        let _guard = OnPanic::new(self.on_panic);
        let outcome = self.serve();
        let reactor = self.reactor.lock().take();
        (reactor.expect("a reactor runs once"), outcome)
    }

    fn serve(&self) -> Result<(), ExecutorError> {
        let mut backoff = Backoff::new(self.own_core);
        let (mut seen, mut rests) = (0, 0);
        loop {
            if self.is_turned_by_others(&mut seen) {
                if self.rest(rests) {
                    seen = self.turns.load(Ordering::Relaxed);
                }
                rests += 1;
                backoff.reset();
                continue;
            }
            rests = 0;
            let mut guard = self.reactor.lock();
            let _broken = BrokenOnPanic::new(&self.broken);
            let outcome = match (self.failure.lock().take(), guard.as_mut()) {
                (Some(error), _) => Err(error),
                (None, Some(reactor)) if !reactor.is_over() => {
                    reactor.turn().map(|moved| Some((moved, self.note(reactor))))
                }
                _ => Ok(None),
            };
            let Ok(Some((moved, flight))) = outcome else {
                // after an error, or when the run is over, the reactor must not be turned again
                self.ended.store(true, Ordering::SeqCst);
                return outcome.map(|_| ());
            };
            drop(guard);
            if moved {
                backoff.reset();
            } else {
                self.pause(backoff.next(flight), || false);
            }
        }
    }

    /// Records for other threads the state after the last turn: whether transfers are under way, and whether work is
    /// left for the reactor's own thread. Returns the state of the transfers.
    fn note(&self, reactor: &R) -> Flight {
        let flight = reactor.flight();
        self.in_flight.store(flight != Flight::None, Ordering::Relaxed);
        self.wants_own.store(reactor.wants_own(), Ordering::SeqCst);
        flight
    }

    /// Whether other threads have made turns since the count `seen`, or drive now, so that the reactor's own thread can
    /// rest. Always false when the run is over or work waits for the own thread. Turns that others have made do not
    /// count while bulk data are under way, since these need constant polling.
    fn is_turned_by_others(&self, seen: &mut u64) -> bool {
        let turns = self.turns.load(Ordering::Relaxed);
        let turned = std::mem::replace(seen, turns) != turns;
        if self.ended.load(Ordering::SeqCst) || self.wants_own.load(Ordering::SeqCst) {
            return false;
        }
        self.driven.load(Ordering::SeqCst) || (turned && !self.in_flight.load(Ordering::Relaxed))
    }

    /// Lets the reactor's own thread rest; `rests` is the number of rests in a row before this one. True if another
    /// thread has ended the rest, since it stops turning the reactor.
    fn rest(&self, rests: u32) -> bool {
        if rests < RESTS {
            return self.waker.rest(Some((REST_MIN * (rests + 1)).min(REST_MAX)), || false);
        }
        self.rests_long.store(true, Ordering::SeqCst);
        let roused = self.waker.rest(None, || !self.driven.load(Ordering::SeqCst));
        self.rests_long.store(false, Ordering::SeqCst);
        roused
    }

    fn pause(&self, idle: Idle, done: impl Fn() -> bool) {
        match idle {
            Idle::Spin => std::hint::spin_loop(),
            Idle::Yield => thread::yield_now(),
            Idle::Sleep(limit) => {
                // a thread that holds the lock is making a turn, and may leave work behind: then this one does not
                // sleep
                let has_work = || match self.reactor.try_lock() {
                    Some(reactor) if !self.broken.load(Ordering::Relaxed) => {
                        reactor.as_ref().is_none_or(DrivenReactor::has_work)
                    }
                    _ => true,
                };
                self.waker.sleep(limit, || done() || has_work());
            }
        }
    }

    /// Stores the error of a turn that another thread made, for the reactor's own thread, which returns it from
    /// [`Driver::run`].
    fn fail(&self, error: ExecutorError) {
        *self.failure.lock() = Some(error);
        self.ended.store(true, Ordering::SeqCst);
        self.hand_back();
    }
}

impl<R: DrivenReactor> ProgressDriver for Driver<R> {
    fn turn(&self) -> DriveOutcome {
        let Some(mut guard) = self.reactor.try_lock() else { return DriveOutcome::Busy };
        if self.broken.load(Ordering::Relaxed) {
            return DriveOutcome::Not;
        }
        let Some(reactor) = guard.as_mut() else { return DriveOutcome::Not };
        if self.ended.load(Ordering::SeqCst) || reactor.is_over() {
            return DriveOutcome::Not;
        }
        let _guard = OnPanic::new(self.on_panic);
        let _broken = BrokenOnPanic::new(&self.broken);
        let outcome = job::loudly(|| reactor.turn());
        self.turns.fetch_add(1, Ordering::Relaxed);
        let moved = match outcome {
            Ok(moved) => moved,
            Err(error) => {
                self.fail(error);
                return DriveOutcome::Not;
            }
        };
        let flight = self.note(reactor);
        if reactor.wants_own() {
            self.hand_back();
            return DriveOutcome::Not;
        }
        if moved { DriveOutcome::Moved } else { DriveOutcome::Idle(flight) }
    }

    fn drive(&self, done: &dyn Fn() -> bool, deadline: Option<Instant>, looks: Option<u32>) {
        if self.driven.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut backoff = Backoff::new(self.own_core);
        let mut left = looks;
        let is_late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let has_answer = loop {
            if done() {
                break true;
            }
            if is_late() {
                break false;
            }
            match self.turn() {
                DriveOutcome::Not => break false,
                DriveOutcome::Busy => thread::yield_now(),
                DriveOutcome::Moved => {
                    backoff.reset();
                    left = looks;
                }
                DriveOutcome::Idle(flight) => {
                    left = match left {
                        Some(0) => break false,
                        Some(left) => Some(left - 1),
                        None => None,
                    };
                    let mut idle = backoff.next(flight);
                    if let (Idle::Sleep(limit), Some(deadline)) = (&mut idle, deadline) {
                        *limit = deadline.saturating_duration_since(Instant::now()).min(*limit);
                    }
                    self.pause(idle, done);
                }
            }
        };
        self.driven.store(false, Ordering::SeqCst);
        // A thread that has its answer will often wait for another one at once. So it does not wake the reactor's own
        // thread, which ends its rest by itself and sees whether others still turn, unless it rests without a limit.
        if self.rests_long.load(Ordering::SeqCst) || !has_answer {
            self.hand_back();
        }
    }

    fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    fn hand_back(&self) {
        self.waker.wake();
        self.waker.rouse();
    }
}

#[cfg(test)]
mod tests;
