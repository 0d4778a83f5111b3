//! The driver of a rank's reactor (progress engine): whoever waits for it turns it.
//!
//! A reactor has a thread of its own. But a thread that waits for an answer, or a compute thread without a task, has
//! nothing better to do than turn it itself: it sees what comes at once, where a hand-over from thread to thread would
//! cost more than most tasks. The reactor's own thread rests meanwhile, looks from time to time whether it still may,
//! and takes over when nobody else turns, as while all compute. One thread turns at a time.
//!
//! Where MPI may be called by the thread that began it alone, that one does all of it.

use super::mailbox::Waker;
use crate::runtime::executor::ExecutorError;
use crate::runtime::idle::{Backoff, Idle};
use crate::runtime::threads::job;
use crate::transport::Flight;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The first rest of a reactor's own thread while others turn.
const REST_MIN: Duration = Duration::from_micros(100);
/// The longest one: so long a reactor may be turned by nobody when the others go off to compute.
const REST_MAX: Duration = Duration::from_micros(400);
/// Rests after which a thread that drives is believed to do so for long: then it says when it has ended.
const RESTS: u32 = 8;

/// A reactor as its driver sees it.
pub(crate) trait DrivenReactor: Send {
    /// Takes what has come, decides, carries out; true if anything moved.
    ///
    /// # Errors
    /// When the rank cannot go on.
    fn turn(&mut self) -> Result<bool, ExecutorError>;
    /// Whether there is nothing more to come.
    fn is_over(&self) -> bool;
    /// Bulk data under way.
    fn flight(&self) -> Flight;
    /// Whether other threads of this rank have left something to do.
    fn has_work(&self) -> bool;
    /// Whether there is something that only a thread outside of the compute threads may do.
    fn wants_own(&self) -> bool;
}

/// The outcome of an attempt to turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DriveOutcome {
    /// Something moved.
    Moved,
    /// Nothing did.
    Idle(Flight),
    /// Another thread is at it.
    Busy,
    /// The calling thread must not, or not any more: the run is over, or what is next is for the reactor's own thread.
    Not,
}

/// A reactor for threads that are not its own.
pub(crate) trait ProgressDriver: Send + Sync {
    /// Turns once, unless another thread does.
    fn turn(&self) -> DriveOutcome;
    /// Turns until `done`, until `deadline`, or, with `looks`, after so many turns in a row in which nothing moved.
    /// Returns at once where another thread drives already.
    fn drive(&self, done: &dyn Fn() -> bool, deadline: Option<Instant>, looks: Option<u32>);
    /// The waker of a thread that sleeps while it drives.
    fn waker(&self) -> &Arc<Waker>;
    /// Wakes the reactor's own thread if it rests or sleeps: nobody else will turn for some time.
    fn hand_back(&self);
}

/// A link by which other threads find the driver, once there is one.
#[derive(Default)]
pub(crate) struct DriverLink(OnceLock<Weak<dyn ProgressDriver>>);

impl DriverLink {
    /// Publishes the driver to other threads. Only the first call has an effect.
    pub(crate) fn set(&self, driver: Weak<dyn ProgressDriver>) {
        let _ = self.0.set(driver);
    }

    /// The driver, if there is one that others may take.
    pub(crate) fn get(&self) -> Option<Arc<dyn ProgressDriver>> {
        self.0.get()?.upgrade()
    }
}

/// A reactor, and who turns it.
pub(crate) struct Driver<R> {
    reactor: Mutex<Option<R>>,
    /// A turn has panicked: the reactor is in pieces, and nobody but its own thread may turn it. The lock knows no
    /// poisoning.
    broken: AtomicBool,
    own_core: bool,
    /// Turns of threads that are not the reactor's own.
    turns: AtomicU64,
    /// Set while one of them turns until it has what it waits for.
    driven: AtomicBool,
    /// Bulk data were under way after the last turn.
    in_flight: AtomicBool,
    /// The last turn has left something for the reactor's own thread.
    wants_own: AtomicBool,
    /// The run is over, or cannot go on.
    ended: AtomicBool,
    failure: Mutex<Option<ExecutorError>>,
    waker: Arc<Waker>,
    /// The reactor's own thread rests until it is told that nobody drives any more.
    rests_long: AtomicBool,
    on_panic: fn(),
}

/// Calls `tell` on a panic within a turn, which leaves the rank's state in pieces and cannot be told otherwise.
struct OnPanic {
    tell: fn(),
    /// The thread waits while it unwinds already, for a reason of its own.
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

/// Marks a reactor as broken when a turn panics: dropped before the lock is free.
struct BrokenOnPanic<'d> {
    broken: &'d AtomicBool,
    /// The thread turns while it unwinds already.
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
    /// The driver of `reactor`, whose mailboxes wake `waker`; threads at it spin if there is a core for each thread.
    /// `on_panic` is called when a turn panics, and is to end the process.
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

    /// Turns until the run is over, politely when there is nothing to do, and rests while others turn. For the
    /// reactor's own thread. Gives the reactor back: from then on nobody turns it.
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
                // nobody may turn what is over, or in pieces
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

    /// Notes what the last turn has left.
    fn note(&self, reactor: &R) -> Flight {
        let flight = reactor.flight();
        self.in_flight.store(flight != Flight::None, Ordering::Relaxed);
        self.wants_own.store(reactor.wants_own(), Ordering::SeqCst);
        flight
    }

    /// Whether others have turned since `seen`, or go on to; not when data that need constant calls depend on them, nor
    /// when they must leave something to this thread.
    fn is_turned_by_others(&self, seen: &mut u64) -> bool {
        let turns = self.turns.load(Ordering::Relaxed);
        let turned = std::mem::replace(seen, turns) != turns;
        if self.ended.load(Ordering::SeqCst) || self.wants_own.load(Ordering::SeqCst) {
            return false;
        }
        self.driven.load(Ordering::SeqCst) || (turned && !self.in_flight.load(Ordering::Relaxed))
    }

    /// Rests; true if the thread was told that nobody else turns.
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
                // where another thread turns, it may be about to leave something
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

    /// Keeps the failure for the reactor's own thread.
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
        // who goes off after a short time with an answer will often be back: the reactor's own thread soon sees whether
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
