//! Compensating threads, which take over while some compute threads wait inside tasks, and the seats that say how many
//! threads of each pool may take jobs.
//!
//! A task that waits keeps its thread, for its stack, but not its slot. So there are several rayon pools. The first few
//! have as many threads as the rank has slots: the second is started when a thread of the first waits, and so on.
//! Further ones, for deep nesting, have one thread each, which waits at a [`Gate`] between its jobs: a thread that
//! rayon lets look for work scans all threads of the process now and then. A *seat* is the right of a thread of some
//! pool to take jobs.
//!
//! Invariant: at any time as many threads compute as there are slots; more only for a moment, when a thread that has
//! waited goes on.

use parking_lot::{Condvar, Mutex};
use rayon::{ThreadPool, ThreadPoolBuildError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Number of pools that have as many threads as the rank has slots. A task with a parallel part computes it on all
/// threads of its pool, so tasks that are nested deeper than these pools go compute theirs on one thread.
const WIDE_POOLS: usize = 8;

/// Number of threads of the pool number `pool`, on a rank of `slots` slots.
pub(crate) fn pool_size(pool: usize, slots: usize) -> usize {
    if pool < WIDE_POOLS { slots } else { 1 }
}

/// The place where the only thread of a narrow pool waits until it may take jobs again.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    /// Whether the thread has come to the gate, or is about to.
    is_used: bool,
    is_open: bool,
    is_closed: bool,
}

impl Gate {
    /// Lets the thread pass once. Returns false at the first call: the thread has to be sent to the gate.
    pub(crate) fn open(&self) -> bool {
        let mut state = self.state.lock();
        state.is_open = true;
        self.changed.notify_one();
        std::mem::replace(&mut state.is_used, true)
    }

    /// Waits until the gate is opened and passes it; false when it never will be, since the pool has ended.
    pub(crate) fn pass(&self) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| !state.is_open && !state.is_closed);
        !state.is_closed && std::mem::take(&mut state.is_open)
    }

    fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_one();
    }
}

struct SeatPool {
    threads: Arc<ThreadPool>,
    /// The gate of a narrow pool; `None` for a pool whose threads rayon lets look for work.
    gate: Option<Arc<Gate>>,
    /// Number of the pool's threads.
    size: usize,
    /// Number of this pool's threads that take jobs or are about to, including threads that wait inside a task.
    taken: usize,
}

impl Drop for SeatPool {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.close();
        }
    }
}

/// The seats of all thread pools of a rank. A seat is the right of a pool's thread to take jobs.
#[derive(Default)]
pub(crate) struct BlockingSeats {
    pools: Vec<SeatPool>,
    /// The pools that have a seat left, by number.
    open: BTreeSet<usize>,
    /// Number of threads that take jobs or are about to, and do not wait inside a task. Below zero for a moment when
    /// parallel parts of tasks wait, since such threads are not counted before.
    active: isize,
    slots: usize,
}

/// A seat that was given to a pool: one of its threads may begin to take jobs.
pub(crate) struct GrantedSeat {
    /// The pool that was given the seat.
    pub threads: Arc<ThreadPool>,
    /// The place where the thread of a narrow pool (one that has a single thread) waits until it may take jobs again;
    /// `None` for a wide pool, whose threads rayon lets look for work.
    pub gate: Option<Arc<Gate>>,
    /// The number of the pool, from 0.
    pub pool: usize,
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
        let mut seats = BlockingSeats { pools: Vec::new(), open: BTreeSet::new(), active: 0, slots };
        seats.grow(build)?;
        Ok(seats)
    }

    fn grow(
        &mut self,
        build: impl FnOnce(usize) -> Result<ThreadPool, ThreadPoolBuildError>,
    ) -> Result<(), ThreadPoolBuildError> {
        let pool = self.pools.len();
        let (threads, size) = (Arc::new(build(pool)?), pool_size(pool, self.slots));
        let gate = (pool >= WIDE_POOLS).then(Arc::default);
        self.pools.push(SeatPool { threads, gate, size, taken: 0 });
        self.open.insert(pool);
        Ok(())
    }

    /// Changes the number of taken seats of the pool number `pool`.
    fn set_taken(&mut self, pool: usize, taken: usize) {
        self.pools[pool].taken = taken;
        if taken < self.pools[pool].size {
            self.open.insert(pool);
        } else {
            self.open.remove(&pool);
        }
    }

    fn missing(&self) -> isize {
        self.slots as isize - self.active
    }

    /// Takes a seat if fewer threads compute than there are slots. Takes it in the pool `except` only if no other has
    /// one.
    pub(crate) fn take(&mut self, except: Option<usize>) -> Option<GrantedSeat> {
        if self.missing() <= 0 {
            return None;
        }
        let mut open = self.open.iter().copied();
        let first = open.next()?;
        let pool = if Some(first) == except { open.next().unwrap_or(first) } else { first };
        self.set_taken(pool, self.pools[pool].taken + 1);
        self.active += 1;
        let SeatPool { threads, gate, .. } = &self.pools[pool];
        Some(GrantedSeat { threads: threads.clone(), gate: gate.clone(), pool })
    }

    /// Whether more threads compute than there are slots.
    pub(crate) fn is_crowded(&self) -> bool {
        self.missing() < 0
    }

    /// Gives a seat of the pool number `pool` back: its thread takes no more jobs.
    pub(crate) fn leave(&mut self, pool: usize) {
        self.active -= 1;
        self.set_taken(pool, self.pools[pool].taken - 1);
    }

    /// Notes that a thread of the pool number `pool` waits inside a task, so that another may compute.
    /// `in_task` says whether the thread was counted as one that takes jobs; a thread that computes a parallel part of
    /// another's task is not. Starts a further pool if no seat is free.
    ///
    /// # Errors
    /// When no threads can be started: then nothing has changed.
    pub(crate) fn pause(
        &mut self,
        pool: usize,
        in_task: bool,
        build: impl FnOnce(usize) -> Result<ThreadPool, ThreadPoolBuildError>,
    ) -> Result<(), ThreadPoolBuildError> {
        self.active -= 1;
        self.set_taken(pool, self.pools[pool].taken + usize::from(!in_task));
        let missing = self.missing();
        let mut free = 0;
        for open in self.open.iter().map(|&pool| &self.pools[pool]) {
            if free >= missing {
                break;
            }
            free += (open.size - open.taken) as isize;
        }
        if free < missing
            && let Err(error) = self.grow(build)
        {
            self.resume(pool, in_task);
            return Err(error);
        }
        Ok(())
    }

    /// Notes that a thread of the pool number `pool`, which has waited inside a task, goes on.
    pub(crate) fn resume(&mut self, pool: usize, in_task: bool) {
        self.active += 1;
        self.set_taken(pool, self.pools[pool].taken - usize::from(!in_task));
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
        let pools: Vec<usize> = (0..2).filter_map(|_| seats.take(None)).map(|taken| taken.pool).collect();
        assert_eq!(pools, [0, 0]);
        assert!(seats.take(None).is_none());
        seats.pause(0, true, build).unwrap();
        assert_eq!(seats.take(None).map(|taken| taken.pool), Some(1), "the first pool has no seat left");
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
                    seats.pause(taken.pool, true, build).unwrap();
                    taken.pool
                })
                .collect();
            for pool in nested.into_iter().rev() {
                seats.resume(pool, true);
                seats.leave(pool);
            }
        }
        assert_eq!(seats.pools.len(), 6);
    }

    #[test]
    fn a_gate_lets_its_thread_pass_as_often_as_it_was_opened() {
        let gate = Gate::default();
        assert!(!gate.open() && gate.pass());
        std::thread::scope(|scope| {
            let passes = scope.spawn(|| (gate.pass(), gate.pass()));
            assert!(gate.open());
            while gate.state.lock().is_open {
                std::thread::yield_now();
            }
            gate.close();
            assert_eq!(passes.join().unwrap(), (true, false));
        });
    }

    #[test]
    fn deep_nesting_takes_one_thread_at_a_time() {
        let mut seats = BlockingSeats::new(4, build).unwrap();
        for _ in 0..200 {
            let taken = seats.take(None).expect("a seat");
            seats.pause(taken.pool, true, build).unwrap();
        }
        let threads: usize = seats.pools.iter().map(|pool| pool.size).sum();
        assert!((200..=208).contains(&threads), "{threads}");
    }

    #[test]
    fn a_parallel_part_that_waits_takes_a_seat_of_its_pool() {
        let mut seats = BlockingSeats::new(2, build).unwrap();
        assert_eq!(seats.take(None).map(|taken| taken.pool), Some(0));
        seats.pause(0, false, build).unwrap();
        assert_eq!(seats.take(None).map(|taken| taken.pool), Some(1));
        assert_eq!(seats.take(Some(0)).map(|taken| taken.pool), Some(1));
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
        assert!(seats.pause(taken.pool, true, too_many).is_err());
        assert!(seats.take(None).is_none() && !seats.is_crowded());
    }
}
