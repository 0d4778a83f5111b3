//! Seats for compute threads, and compensating threads, which take over while some threads wait inside tasks.
//!
//! A task that waits keeps its thread, for its stack, but not its slot. So there are several rayon pools, each with as
//! many threads as the rank has slots: the second is started when a thread of the first waits, and so on. A *seat* is
//! the right of a thread of some pool to take jobs.
//!
//! Invariant: at any time as many threads compute as there are slots; more only for a moment, when a thread that has
//! waited goes on.

use rayon::{ThreadPool, ThreadPoolBuildError};
use std::sync::Arc;

struct SeatPool {
    threads: Arc<ThreadPool>,
    /// Number of this pool's threads that cannot begin to take jobs, since they take them already, are about to, or
    /// wait inside a task.
    taken: usize,
}

/// The seats of all thread pools of a rank. A seat is the right of a pool's thread to take jobs.
#[derive(Default)]
pub(crate) struct BlockingSeats {
    pools: Vec<SeatPool>,
    /// Number of threads that take jobs or are about to, and do not wait inside a task. A thread that runs a parallel
    /// part of another thread's task is not counted, but is taken off when it waits: so this may be below zero for a
    /// moment.
    active: isize,
    slots: usize,
}

/// A seat that was given to a pool: one of its threads may begin to take jobs.
pub(crate) struct Taken {
    /// The pool that was given the seat.
    pub threads: Arc<ThreadPool>,
    /// The number of the pool, from 0.
    pub seat: usize,
}

impl BlockingSeats {
    /// Makes the seats of a rank where `slots` threads compute at a time. `build` starts the pool of the given number.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub(crate) fn new(
        slots: usize,
        build: impl FnOnce(usize) -> Result<ThreadPool, ThreadPoolBuildError>,
    ) -> Result<Self, ThreadPoolBuildError> {
        let mut seats = BlockingSeats { pools: Vec::new(), active: 0, slots };
        seats.grow(build)?;
        Ok(seats)
    }

    fn grow(
        &mut self,
        build: impl FnOnce(usize) -> Result<ThreadPool, ThreadPoolBuildError>,
    ) -> Result<(), ThreadPoolBuildError> {
        let threads = Arc::new(build(self.pools.len())?);
        self.pools.push(SeatPool { threads, taken: 0 });
        Ok(())
    }

    fn missing(&self) -> isize {
        self.slots as isize - self.active
    }

    /// Takes a seat if fewer threads compute than there are slots. Takes it in the pool `except` only if no other has
    /// one.
    pub(crate) fn take(&mut self, except: Option<usize>) -> Option<Taken> {
        if self.missing() <= 0 {
            return None;
        }
        let free = |seat: &usize| self.pools[*seat].taken < self.slots;
        let seat = (0..self.pools.len()).filter(free).find(|seat| Some(*seat) != except);
        let seat = seat.or(except.filter(free))?;
        self.pools[seat].taken += 1;
        self.active += 1;
        Some(Taken { threads: self.pools[seat].threads.clone(), seat })
    }

    /// Whether more threads compute than there are slots.
    pub(crate) fn is_crowded(&self) -> bool {
        self.missing() < 0
    }

    /// Gives a seat of the pool number `seat` back: its thread takes no more jobs.
    pub(crate) fn leave(&mut self, seat: usize) {
        self.active -= 1;
        self.pools[seat].taken -= 1;
    }

    /// Notes that a thread of the pool number `seat` waits inside a task, so that another may compute.
    /// `in_task` says whether the thread was counted as one that takes jobs; a thread that computes a parallel part of
    /// another's task is not. Starts a further pool if no seat is free.
    ///
    /// # Errors
    /// When no threads can be started: then nothing has changed.
    pub(crate) fn pause(
        &mut self,
        seat: usize,
        in_task: bool,
        build: impl FnOnce(usize) -> Result<ThreadPool, ThreadPoolBuildError>,
    ) -> Result<(), ThreadPoolBuildError> {
        self.active -= 1;
        self.pools[seat].taken += usize::from(!in_task);
        let free: isize =
            self.pools.iter().map(|pool| (self.slots as isize - pool.taken as isize).max(0)).sum();
        if free < self.missing()
            && let Err(error) = self.grow(build)
        {
            self.resume(seat, in_task);
            return Err(error);
        }
        Ok(())
    }

    /// Notes that a thread of the pool number `seat`, which has waited inside a task, goes on.
    pub(crate) fn resume(&mut self, seat: usize, in_task: bool) {
        self.active += 1;
        self.pools[seat].taken -= usize::from(!in_task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(_: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
        rayon::ThreadPoolBuilder::new().num_threads(1).build()
    }

    #[test]
    fn whoever_waits_makes_room_for_another_one() {
        let mut seats = BlockingSeats::new(2, build).unwrap();
        let pools: Vec<usize> = (0..2).filter_map(|_| seats.take(None)).map(|taken| taken.seat).collect();
        assert_eq!(pools, [0, 0]);
        assert!(seats.take(None).is_none());
        seats.pause(0, true, build).unwrap();
        assert_eq!(seats.take(None).map(|taken| taken.seat), Some(1), "the first pool has no seat left");
        seats.resume(0, true);
        assert!(seats.is_crowded() && seats.take(None).is_none());
        seats.leave(1);
        assert!(!seats.is_crowded());
        assert_eq!(seats.pools.len(), 2);
    }

    #[test]
    fn as_many_pools_as_wait_at_a_time_are_kept() {
        let mut seats = BlockingSeats::new(1, build).unwrap();
        for _ in 0..3 {
            let nested: Vec<usize> = (0..5)
                .map(|_| {
                    let taken = seats.take(None).expect("a seat");
                    seats.pause(taken.seat, true, build).unwrap();
                    taken.seat
                })
                .collect();
            for seat in nested.into_iter().rev() {
                seats.resume(seat, true);
                seats.leave(seat);
            }
        }
        assert_eq!(seats.pools.len(), 6);
    }

    #[test]
    fn a_parallel_part_that_waits_takes_a_seat_of_its_pool() {
        let mut seats = BlockingSeats::new(2, build).unwrap();
        assert_eq!(seats.take(None).map(|taken| taken.seat), Some(0));
        seats.pause(0, false, build).unwrap();
        assert_eq!(seats.take(None).map(|taken| taken.seat), Some(1));
        assert_eq!(seats.take(Some(0)).map(|taken| taken.seat), Some(1));
        assert!(seats.take(None).is_none());
    }

    #[test]
    fn where_no_thread_can_be_started_nobody_waits() {
        let mut seats = BlockingSeats::new(1, build).unwrap();
        let taken = seats.take(None).expect("a seat");
        let too_many = |_: usize| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .spawn_handler(|_| Err(std::io::Error::other("too many")))
                .build()
        };
        assert!(seats.pause(taken.seat, true, too_many).is_err());
        assert!(seats.take(None).is_none() && !seats.is_crowded());
    }
}
