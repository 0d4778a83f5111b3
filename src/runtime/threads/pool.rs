//! The pool of a rank's compute threads: work-stealing pools (rayon), one thread for each slot.
//!
//! The reactor queues jobs. A thread with a *seat*, the right to take jobs, takes them until there are none, reports
//! their ends by a turn of the reactor that it makes itself, and looks for more for at most 2 ms. While a thread waits
//! inside a task, another one takes jobs in its place ([`super::blocking`]). Tasks shorter than a hand-over run on the
//! thread that turns the reactor ([`super::short_tasks`]). Start with [`Pool`]; `PoolShared::work` is the loop of a
//! thread.

use super::job::{self, Ended, Job, RankLocation};
use crate::ids::{DefId, TaskId};
use crate::runtime::driver::{DriveOutcome, DriverLink, ProgressDriver};
use crate::runtime::mailbox::{Mailbox, Waker};
use crate::runtime::threads::blocking::{BlockingSeats, GrantedSeat, pool_size};
use crate::runtime::threads::calls::{CallJob, CallThreads};
use crate::runtime::threads::compute_event::ComputeEvent;
use crate::runtime::threads::oversubscription::Loans;
use crate::runtime::threads::short_tasks::{DurationEstimate, is_in_a_pool};
use crate::runtime::threads::single_thread;
use crate::runtime::threads::task_context::{self, Home, ThreadSlot};
use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuildError};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A piece of work for a background thread. It returns the event that reports its end.
pub(crate) type BackgroundWork = Box<dyn FnOnce() -> ComputeEvent + Send>;

/// The background threads of a rank, by kind of work. Each kind has a thread of its own, so that a slow disk does not
/// delay values for other ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackgroundThread {
    /// Encodes values for other ranks; values on disk are read back first. Computes checksums.
    Encode,
    /// Writes results to disk.
    Spill,
}

/// The means by which an executor computes tasks: a pool of threads, or in tests the caller's thread.
pub(crate) trait Compute {
    /// Starts a task. Its end is reported later as [`ComputeEvent::Ended`].
    fn execute(&mut self, job: Job);
    /// Calls a function that is no task. Its end is reported later as [`ComputeEvent::Called`].
    fn call(&mut self, call: CallJob);
    /// Hands a piece of work to a background thread. The event that it returns is reported later.
    fn background(&mut self, thread: BackgroundThread, work: BackgroundWork);
    /// Appends to `done` the events that have occurred since the last call.
    fn collect(&mut self, done: &mut Vec<ComputeEvent>);
    /// Whether there are events that [`Compute::collect`] has not taken yet.
    fn has_done(&self) -> bool;
    /// Whether there are short tasks that the calling thread is to compute itself, by [`Compute::run_short`].
    fn has_short(&self) -> bool {
        false
    }
    /// Whether there are short tasks that the calling thread must not compute, so that they are left to the reactor's
    /// own thread.
    fn leaves_short(&self) -> bool {
        false
    }
    /// Computes some of the short tasks on the calling thread and appends their events.
    fn run_short(&mut self, _done: &mut Vec<ComputeEvent>) {}
}

/// Number of turns of the reactor that a thread without a job makes, looking for one, before it sleeps.
const LOOKS: u32 = 500;
/// Longest time for which a thread without a job looks for one before it sleeps.
const LOOKING: Duration = Duration::from_millis(2);
/// Time spent in ended tasks, in nanoseconds, after which a thread reports their ends even though it has more jobs.
const UNREPORTED: u64 = 20_000;
/// Number of short tasks that the reactor computes in a row before it looks whether tasks that depend on them can
/// start.
const SHORT_AT_ONCE: usize = 16;

struct PoolShared {
    queue: Mutex<JobQueue>,
    /// Number of jobs in the queue, kept as an atomic so that threads can read it without the lock.
    waiting: AtomicUsize,
    done: Arc<Mailbox<ComputeEvent>>,
    place: RankLocation,
    home: Option<Home>,
    driver: Arc<DriverLink>,
    /// Size of the stack of each compute thread, in bytes.
    stack: usize,
}

#[derive(Default)]
struct JobQueue {
    jobs: VecDeque<Job>,
    /// Number of threads that have a seat and look for a job: each takes a new job without being woken.
    looking: usize,
    seats: BlockingSeats,
    loans: Loans,
}

impl PoolShared {
    /// Starts the threads of the pool number `pool`, on a rank of `slots` slots; each number belongs to one rayon
    /// pool.
    fn build(self: &Arc<Self>, slots: usize, pool: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
        let (shared, home, cancelled) =
            (Arc::downgrade(self), self.home.clone(), self.place.cancelled.clone());
        rayon::ThreadPoolBuilder::new()
            .num_threads(pool_size(pool, slots))
            .stack_size(self.stack)
            .thread_name(move |n| format!("dtask-compute-{}", pool * slots + n))
            .start_handler(move |_| {
                job::quiet_thread();
                let own = PoolThreadSlot { shared: shared.clone(), slots, pool };
                task_context::become_compute_thread(Rc::new(own), home.clone(), cancelled.clone());
            })
            .panic_handler(job::abort)
            .build()
    }

    /// Lets one more thread take jobs, if jobs are queued and a seat (the right to take jobs) is free. Prefers other
    /// pools to the pool number `except`, whose threads might take a job while they are within another task.
    fn begin(self: &Arc<Self>, except: Option<usize>) {
        let taken = {
            let mut queue = self.queue.lock();
            if queue.jobs.is_empty() { None } else { queue.seats.take(except) }
        };
        let Some(GrantedSeat { threads, gate, pool }) = taken else { return };
        match gate {
            None => {
                let shared = self.clone();
                threads.spawn_fifo(move || shared.work(pool));
            }
            Some(gate) if !gate.open() => {
                let shared = Arc::downgrade(self);
                threads.spawn_fifo(move || {
                    while gate.pass()
                        && let Some(shared) = shared.upgrade()
                    {
                        shared.work(pool);
                    }
                });
            }
            Some(_) => {}
        }
    }

    /// Lends the slots that waiting tasks have offered, so that other tasks can start, as long as fewer than `slots`
    /// slots are lent.
    fn lend(self: &Arc<Self>, slots: usize) {
        loop {
            let lent = {
                let JobQueue { seats, loans, .. } = &mut *self.queue.lock();
                let Some((task, pool)) = loans.next(slots) else { return };
                let lent = seats.pause(pool, true, |pool| self.build(slots, pool)).is_ok();
                if lent {
                    loans.lent(task);
                }
                lent.then_some(task)
            };
            let Some(task) = lent else { return }; // no more threads can be started: the task keeps its slot
            self.done.push(ComputeEvent::Paused(Some(task)));
            self.begin(None);
        }
    }

    /// The loop of a thread: takes jobs and runs them until there are none, so that many tasks cost one hand-over.
    fn work(self: &Arc<Self>, pool: usize) {
        // rayon may run this loop on top of a task that waits for its own parallel part, and which goes on only when
        // the loop has returned: it must neither run all other jobs first nor a job that waits
        if job::current().is_some() {
            return self.work_inside(pool);
        }
        let driver = self.driver.get();
        let mut unreported = 0;
        while let Some(job) = self.next(pool, driver.as_deref()) {
            let ended = job.run(&self.place);
            unreported += ended.nanos;
            self.done.push(ComputeEvent::Ended(ended));
            if unreported > UNREPORTED || self.waiting.load(Ordering::Relaxed) == 0 {
                unreported = 0;
                self.report(driver.as_deref());
            }
        }
    }

    /// Makes the reactor handle the events of ended tasks soon: by a turn that this thread makes, if it may turn the
    /// reactor, or else by waking the reactor's own thread.
    fn report(&self, driver: Option<&dyn ProgressDriver>) {
        if driver.is_none_or(|driver| matches!(driver.turn(), DriveOutcome::Not | DriveOutcome::Busy)) {
            self.done.wake();
        }
    }

    /// The next job for a thread of the pool number `pool`, for which it looks for up to 2 ms. `None` if no job has
    /// come, or if more threads compute than there are slots; the thread's seat is given back then.
    fn next(self: &Arc<Self>, pool: usize, driver: Option<&dyn ProgressDriver>) -> Option<Job> {
        let mut queue = self.queue.lock();
        if !queue.seats.is_crowded() {
            if let Some(job) = self.pop(&mut queue) {
                return Some(job);
            }
            if let Some(driver) = driver {
                queue.looking += 1;
                drop(queue);
                self.look(driver);
                queue = self.queue.lock();
                queue.looking -= 1;
                if !queue.seats.is_crowded()
                    && let Some(job) = self.pop(&mut queue)
                {
                    return Some(job);
                }
            }
        }
        queue.seats.leave(pool);
        drop(queue);
        if let Some(driver) = driver {
            driver.hand_back();
        }
        None
    }

    fn pop(&self, queue: &mut JobQueue) -> Option<Job> {
        let job = queue.jobs.pop_front()?;
        self.waiting.store(queue.jobs.len(), Ordering::Relaxed);
        Some(job)
    }

    /// Makes turns of the reactor until there is a job, for at most 2 ms: afterwards this thread must be free for
    /// parallel parts of other threads' tasks.
    fn look(&self, driver: &dyn ProgressDriver) {
        let begin = Instant::now();
        for _ in 0..LOOKS {
            if self.waiting.load(Ordering::Relaxed) > 0 || begin.elapsed() > LOOKING {
                return;
            }
            match driver.turn() {
                DriveOutcome::Moved => {}
                DriveOutcome::Idle(_) | DriveOutcome::Busy => std::thread::yield_now(),
                DriveOutcome::Not => return,
            }
        }
    }

    /// Runs one job on a thread that is within another task, which waits for its own parallel part (rayon): only one,
    /// so that the outer task soon goes on.
    fn work_inside(self: &Arc<Self>, pool: usize) {
        let job = {
            let mut queue = self.queue.lock();
            let job = if queue.seats.is_crowded() { None } else { self.pop(&mut queue) };
            match job {
                Some(job) => job,
                None => return queue.seats.leave(pool),
            }
        };
        match if job.nests() { Err(job) } else { job.run_here(&self.place, &mut Instant::now()) } {
            Ok(ended) => {
                self.done.push(ComputeEvent::Ended(ended));
                let shared = self.clone();
                rayon::spawn_fifo(move || shared.work(pool)); // into the pool that this thread belongs to
            }
            Err(job) => {
                let mut queue = self.queue.lock();
                queue.jobs.push_front(job);
                self.waiting.store(queue.jobs.len(), Ordering::Relaxed);
                queue.seats.leave(pool);
                drop(queue);
                self.begin(Some(pool));
            }
        }
    }
}

/// The slot of a pool's thread, which the task on the thread gives up while it waits.
struct PoolThreadSlot {
    shared: Weak<PoolShared>,
    slots: usize,
    pool: usize,
}

impl ThreadSlot for PoolThreadSlot {
    fn pause(&self, task: Option<TaskId>) -> Result<(), String> {
        let Some(shared) = self.shared.upgrade() else { return Ok(()) };
        let build = |pool| shared.build(self.slots, pool);
        shared.queue.lock().seats.pause(self.pool, task.is_some(), build).map_err(|error| {
            format!(
                "rank {} can start no more threads for tasks that wait for others: {error}",
                shared.place.rank
            )
        })?;
        shared.done.push(ComputeEvent::Paused(task));
        shared.begin(None);
        Ok(())
    }

    fn resume(&self, task: Option<TaskId>) {
        let Some(shared) = self.shared.upgrade() else { return };
        shared.queue.lock().seats.resume(self.pool, task.is_some());
        shared.done.push(ComputeEvent::Resumed(task));
    }

    fn lend(&self, task: TaskId) -> Option<u32> {
        let shared = self.shared.upgrade()?;
        shared.queue.lock().loans.offer(task, self.pool);
        shared.lend(self.slots);
        u32::try_from(self.slots).ok()
    }

    fn take_back(&self, task: TaskId) {
        let Some(shared) = self.shared.upgrade() else { return };
        let was_lent = {
            let JobQueue { seats, loans, .. } = &mut *shared.queue.lock();
            let was_lent = loans.end(task);
            if was_lent {
                seats.resume(self.pool, true);
            }
            was_lent
        };
        if was_lent {
            shared.done.push(ComputeEvent::Resumed(Some(task)));
            shared.lend(self.slots);
        }
    }
}

/// The compute threads of a rank: rayon pools of our own, so that `par_iter` inside a task shares their threads, and
/// for short tasks the thread that turns the reactor.
pub(crate) struct Pool {
    shared: Arc<PoolShared>,
    /// A thread that only encodes values for other ranks: a rank that waits for a value must not wait until this rank's
    /// tasks have ended.
    encoder: rayon::ThreadPool,
    calls: CallThreads,
    /// A thread that only writes results to disk, made when the first one is.
    spiller: Option<rayon::ThreadPool>,
    paces: Vec<DurationEstimate>,
    short: VecDeque<Job>,
}

impl Pool {
    /// Starts `slots` compute threads. Their events wake the reactor through `waker`, their tasks submit others through
    /// `home`, and a thread without a task turns the reactor through `driver`. Each has a stack of `stack` bytes.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub(crate) fn new(
        slots: u32,
        place: RankLocation,
        waker: Arc<Waker>,
        home: Option<Home>,
        driver: Arc<DriverLink>,
        stack: usize,
    ) -> Result<Self, ThreadPoolBuildError> {
        let slots = slots.max(1) as usize;
        let encoder = single_thread("dtask-encode", stack)?;
        let (queue, waiting) = (Mutex::default(), AtomicUsize::new(0));
        let done = Mailbox::new(waker);
        let calls = CallThreads::new(slots, place.clone(), done.clone(), home.clone(), driver.clone(), stack);
        let shared = Arc::new(PoolShared { queue, waiting, done, place, home, driver, stack });
        let seats = BlockingSeats::new(slots, |pool| shared.build(slots, pool))?;
        shared.queue.lock().seats = seats;
        Ok(Pool { shared, encoder, spiller: None, calls, paces: Vec::new(), short: VecDeque::new() })
    }

    /// Queues a job for the compute threads.
    fn enqueue(&self, job: Job) {
        let is_seen = {
            let mut queue = self.shared.queue.lock();
            queue.jobs.push_back(job);
            self.shared.waiting.store(queue.jobs.len(), Ordering::Relaxed);
            queue.jobs.len() <= queue.looking
        };
        if !is_seen {
            self.shared.begin(None);
        }
    }

    fn pace(&mut self, def: DefId) -> &mut DurationEstimate {
        if self.paces.len() <= def.index() {
            self.paces.resize(def.index() + 1, DurationEstimate::default());
        }
        &mut self.paces[def.index()]
    }
}

impl Compute for Pool {
    fn execute(&mut self, job: Job) {
        if self.pace(job.def).is_short() && !job.nests() {
            self.short.push_back(job);
        } else {
            self.enqueue(job);
        }
    }

    fn background(&mut self, thread: BackgroundThread, work: BackgroundWork) {
        let shared = self.shared.clone();
        let thread = match thread {
            BackgroundThread::Encode => &self.encoder,
            BackgroundThread::Spill => {
                if self.spiller.is_none() {
                    self.spiller = single_thread("dtask-spill", self.shared.stack).ok();
                }
                self.spiller.as_ref().unwrap_or(&self.encoder)
            }
        };
        thread.spawn_fifo(move || {
            let event = job::quietly(work);
            let driver = shared.driver.get();
            shared.done.push_quietly(event);
            shared.report(driver.as_deref());
        });
    }

    fn call(&mut self, call: CallJob) {
        self.calls.push(call);
    }

    fn collect(&mut self, done: &mut Vec<ComputeEvent>) {
        self.shared.done.drain(done);
        for done in done.iter() {
            if let ComputeEvent::Ended(Ended { def, nanos, .. }) = done {
                self.pace(*def).note(*nanos);
            }
        }
    }

    fn has_done(&self) -> bool {
        !self.short.is_empty() || !self.shared.done.is_empty()
    }

    fn has_short(&self) -> bool {
        !self.short.is_empty() && !is_in_a_pool()
    }

    fn leaves_short(&self) -> bool {
        !self.short.is_empty() && is_in_a_pool()
    }

    fn run_short(&mut self, done: &mut Vec<ComputeEvent>) {
        let mut now = Instant::now();
        for _ in 0..SHORT_AT_ONCE {
            let Some(job) = self.short.pop_front() else { return };
            let ended = match job.run_here(&self.shared.place, &mut now) {
                Ok(ended) => ended,
                Err(job) => {
                    self.enqueue(job);
                    continue;
                }
            };
            let (def, nanos) = (ended.def, ended.nanos);
            done.push(ComputeEvent::Ended(ended));
            self.pace(def).note(nanos);
            if !self.pace(def).is_short() {
                // longer than expected: the threads compute the rest in parallel
                std::mem::take(&mut self.short).into_iter().for_each(|job| self.enqueue(job));
            }
        }
    }
}
