//! How an idle reactor waits: it looks again at once, then lets others run, then sleeps, longer and longer.

use crate::transport::Flight;
use std::time::Duration;

/// Looks at once before yielding, where the reactor has a core of its own.
const SPINS: u32 = 200;
/// Looks with a yield between them: some hundred microseconds, in which most answers come.
const YIELDS: u32 = 300;
/// The first sleep.
const SLEEP_MIN: Duration = Duration::from_micros(20);
/// The longest sleep while something is expected.
const SLEEP_MAX: Duration = Duration::from_millis(1);
/// Sleeps at the limit before the limit is raised: an idle rank of a long run.
const SLEEPS_LONG: u32 = 100;
/// The longest sleep of all. A wake-up costs some 40 µs on a virtual machine: every millisecond that would be 4 % of a core.
const SLEEP_LONG: Duration = Duration::from_millis(5);

/// Looks with a yield between them for data whose sender has not begun: about a millisecond.
const YIELDS_EXPECTED: u32 = 2_000;
/// The sleep after that.
const SLEEP_EXPECTED: Duration = Duration::from_micros(50);

/// What to do before the next look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Look again at once.
    Spin,
    /// Let other threads run, then look.
    Yield,
    /// Sleep so long, unless woken.
    Sleep(Duration),
}

/// Counts looks that found nothing.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    spins: u32,
    looks: u32,
    sleep: Duration,
    long: u32,
}

impl Backoff {
    /// A counter; without `own_core` there is no spinning, since it would keep others from the core.
    pub(crate) fn new(own_core: bool) -> Self {
        Backoff { spins: if own_core { SPINS } else { 0 }, looks: 0, sleep: SLEEP_MIN, long: 0 }
    }

    /// Something was found.
    pub(crate) fn reset(&mut self) {
        self.looks = 0;
        self.sleep = SLEEP_MIN;
        self.long = 0;
    }

    /// Nothing was found. It never sleeps while a transfer needs our calls to get on, and only briefly while one is
    /// expected.
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
