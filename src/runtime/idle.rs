//! Exponential back-off of an idle reactor: it polls again at once, then yields between polls, then sleeps for longer
//! and longer.

use crate::transport::Flight;
use std::time::Duration;

/// Number of polls in a row without a pause, before an idle reactor that has a core of its own begins to yield.
const SPINS: u32 = 200;
/// Number of polls with a yield between them, before an idle reactor begins to sleep: some hundred microseconds, in
/// which most answers arrive.
const YIELDS: u32 = 300;
/// Length of an idle reactor's first sleep; each further sleep is twice as long, up to a limit.
const SLEEP_MIN: Duration = Duration::from_micros(20);
/// Longest sleep of an idle reactor until [`SLEEPS_LONG`] sleeps have had this length.
const SLEEP_MAX: Duration = Duration::from_millis(1);
/// Number of sleeps of [`SLEEP_MAX`] after which the limit rises to [`SLEEP_LONG`], since the rank is evidently idle
/// for long.
const SLEEPS_LONG: u32 = 100;
/// Longest sleep of an idle reactor at all. A wake-up costs some 40 µs on a virtual machine, so sleeps of one
/// millisecond would cost 4 % of a core.
const SLEEP_LONG: Duration = Duration::from_millis(5);

/// Number of polls, with a yield between them, before the first sleep while data are awaited whose sender has not
/// begun to send: about a millisecond.
const YIELDS_EXPECTED: u32 = 2_000;
/// Length of a sleep while such expected data have not come after [`YIELDS_EXPECTED`] polls.
const SLEEP_EXPECTED: Duration = Duration::from_micros(50);

/// The next step of an idle thread before it polls again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Poll again at once.
    Spin,
    /// Let other threads run, then poll.
    Yield,
    /// Sleep for this time, unless woken.
    Sleep(Duration),
}

/// A counter of polls that found nothing. It tells an idle thread how to wait before the next poll.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    spins: u32,
    looks: u32,
    sleep: Duration,
    long: u32,
}

impl Backoff {
    /// Makes a counter. Without `own_core` the thread never spins (it yields between polls), since spinning would keep
    /// other threads from the core.
    pub(crate) fn new(own_core: bool) -> Self {
        Backoff { spins: if own_core { SPINS } else { 0 }, looks: 0, sleep: SLEEP_MIN, long: 0 }
    }

    /// Sets the counter to 0 after a poll that found something.
    pub(crate) fn reset(&mut self) {
        self.looks = 0;
        self.sleep = SLEEP_MIN;
        self.long = 0;
    }

    /// The way to wait after a poll that found nothing. Never a sleep while a transfer needs calls of MPI to progress,
    /// and only a short one while a transfer is expected.
    pub(crate) fn next(&mut self, flight: Flight) -> Idle {
        if self.looks < self.spins {
            self.looks += 1;
            return Idle::Spin;
        }
        match flight {
            Flight::Moving => return Idle::Yield,
            Flight::Expected if self.looks >= self.spins + YIELDS_EXPECTED => {
                return Idle::Sleep(SLEEP_EXPECTED);
            }
            Flight::Expected => {
                self.looks += 1;
                return Idle::Yield;
            }
            Flight::None => {}
        }
        if self.looks < self.spins + YIELDS {
            self.looks += 1;
            return Idle::Yield;
        }
        let sleep = self.sleep;
        let most = if self.long >= SLEEPS_LONG { SLEEP_LONG } else { SLEEP_MAX };
        self.long += u32::from(sleep >= SLEEP_MAX && self.long < SLEEPS_LONG);
        self.sleep = (sleep * 2).min(most);
        Idle::Sleep(sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_spins_yields_and_sleeps_longer_up_to_the_limits() {
        let mut backoff = Backoff::new(true);
        let steps: Vec<Idle> = (0..SPINS + YIELDS + 200).map(|_| backoff.next(Flight::None)).collect();
        assert_eq!(steps.iter().filter(|step| **step == Idle::Spin).count(), SPINS as usize);
        assert_eq!(steps.iter().filter(|step| **step == Idle::Yield).count(), YIELDS as usize);
        assert_eq!(steps[(SPINS + YIELDS) as usize], Idle::Sleep(SLEEP_MIN));
        assert_eq!(steps[(SPINS + YIELDS + 50) as usize], Idle::Sleep(SLEEP_MAX));
        assert_eq!(steps.last(), Some(&Idle::Sleep(SLEEP_LONG)));
        backoff.reset();
        assert_eq!(backoff.next(Flight::None), Idle::Spin);
    }

    #[test]
    fn a_transfer_under_way_never_sleeps_and_a_shared_core_is_not_spun_on() {
        let mut backoff = Backoff::new(false);
        assert!((0..10_000).all(|_| backoff.next(Flight::Moving) == Idle::Yield));
    }

    #[test]
    fn a_transfer_that_has_not_begun_is_waited_for_with_short_sleeps() {
        let mut backoff = Backoff::new(false);
        assert!((0..YIELDS_EXPECTED).all(|_| backoff.next(Flight::Expected) == Idle::Yield));
        assert!((0..10_000).all(|_| backoff.next(Flight::Expected) == Idle::Sleep(SLEEP_EXPECTED)));
        // as soon as it moves, there is no more sleep
        assert_eq!(backoff.next(Flight::Moving), Idle::Yield);
        backoff.reset();
        assert_eq!(backoff.next(Flight::Expected), Idle::Yield);
    }
}
