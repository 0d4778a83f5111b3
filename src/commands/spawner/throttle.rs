//! A limit on the number of a rank's commands that run at a time. A rank whose commands are short lends the slot of a
//! running one to the next task, so that it can have more commands started than it has slots.

use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// The longest time that a command waits until fewer commands run. Afterwards it starts anyway, and commands share the
/// cores.
const LONGEST: Duration = Duration::from_millis(20);

/// The number of running commands of a rank, and the queue of commands that wait until fewer run.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    running: Mutex<u32>,
    ended: Condvar,
}

/// The permit to run of a started command. Dropping it lets a waiting command start.
pub(crate) struct RunningPermit<'g>(&'g Throttle);

impl Throttle {
    /// Waits until fewer than `room` commands of the rank run, but not longer than [`LONGEST`], and counts one more as
    /// running. `None` means no limit.
    pub(crate) fn enter(&self, room: Option<u32>) -> RunningPermit<'_> {
        let mut running = self.running.lock();
        if let Some(room) = room.filter(|room| *running >= *room) {
            let until = Instant::now() + LONGEST;
            while *running >= room {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                self.ended.wait_for(&mut running, left);
            }
        }
        *running += 1;
        RunningPermit(self)
    }
}

impl Drop for RunningPermit<'_> {
    fn drop(&mut self) {
        *self.0.running.lock() -= 1;
        self.0.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn one_that_waits_goes_when_another_ends_or_after_a_while() {
        let gate = Throttle::default();
        let (first, second) = (gate.enter(None), gate.enter(Some(2)));
        assert_eq!(*gate.running.lock(), 2);
        std::thread::scope(|scope| {
            let (went, goes) = mpsc::channel();
            let gate = &gate;
            scope.spawn(move || {
                let _third = gate.enter(Some(2));
                let _ = went.send(*gate.running.lock());
            });
            drop(first);
            assert!(goes.recv().unwrap() <= 3);
        });
        let third = gate.enter(Some(1)); // after a while
        assert_eq!(*gate.running.lock(), 2);
        drop((second, third));
        assert_eq!(*gate.running.lock(), 0);
    }
}
