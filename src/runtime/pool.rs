//! The compute threads of a rank.

use super::job::{self, Ended, Job, Place};
use super::mailbox::{Mailbox, Waker};
use crate::call::Value;
use crate::ids::{DefId, Rank};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a compute thread has done.
#[derive(Debug)]
pub enum Done {
    /// A task has ended.
    Ended(Ended),
    /// A value is ready to be sent.
    Encoded {
        /// To whom.
        to: Rank,
        /// On which tag.
        tag: u32,
        /// The value, now encoded.
        value: Value,
    },
}

/// Who computes: threads, or in tests the caller.
pub trait Compute {
    /// Starts a task.
    fn execute(&mut self, job: Job);
    /// Encodes a value for sending.
    fn encode(&mut self, value: Value, to: Rank, tag: u32);
    /// Appends what is done.
    fn collect(&mut self, done: &mut Vec<Done>);
    /// Whether something is done that was not collected.
    fn has_done(&self) -> bool;
    /// Whether there are tasks that the caller is to compute itself, by [`Compute::run_short`].
    fn has_short(&self) -> bool {
        false
    }
    /// Computes some of them.
    fn run_short(&mut self, _done: &mut Vec<Done>) {}
}

/// Tasks in a row that must have been short before their definition's tasks run on the reactor's own thread.
const SHORT_RUNS: u32 = 16;
/// Up to this a task is short: shorter than a hand-over to another thread and back. Nanoseconds.
const SHORT: u64 = 5_000;
/// From this on a task is long, and its definition has to prove itself again. Nanoseconds.
const LONG: u64 = 50_000;
/// Short tasks that the reactor computes before it looks whether others can follow them.
const SHORT_AT_ONCE: usize = 16;

/// What is known of the durations of a definition's tasks.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Short runs in a row.
    short: u32,
    /// Short runs in a row that are needed; doubles with every surprise.
    needed: u32,
}

impl Pace {
    fn note(&mut self, nanos: u64) {
        if nanos <= SHORT {
            self.short = self.short.saturating_add(1);
        } else if nanos >= LONG {
            if self.short >= self.needed {
                self.needed = self.needed.saturating_mul(2);
            }
            self.short = 0;
        }
    }

    fn is_short(&self) -> bool {
        self.short >= self.needed
    }
}

struct Shared {
    queue: Mutex<Queue>,
    done: Arc<Mailbox<Done>>,
    place: Place,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads that take jobs from the queue.
    active: usize,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes jobs until there are none: one hand-over for many tasks.
    fn work(self: &Arc<Self>) {
        // rayon runs this inside a task that waits for its own parallel part: that task must not wait for all others
        let nested = job::current().is_some();
        loop {
            let job = {
                let mut queue = self.queue();
                match queue.jobs.pop_front() {
                    Some(job) => job,
                    None => {
                        queue.active -= 1;
                        return;
                    }
                }
            };
            self.done.push(Done::Ended(job.run(&self.place)));
            if nested {
                let shared = self.clone();
                rayon::spawn_fifo(move || shared.work()); // into the pool that this thread belongs to
                return;
            }
        }
    }
}

/// A rayon pool of our own, so that `par_iter` inside a task shares its threads; and the reactor's own thread for
/// tasks that are shorter than a hand-over.
pub struct Pool {
    shared: Arc<Shared>,
    threads: rayon::ThreadPool,
    /// A thread of its own, since whoever waits for a value must not wait for tasks that compute here.
    encoder: rayon::ThreadPool,
    slots: usize,
    paces: Vec<Pace>,
    short: VecDeque<Job>,
}

impl Pool {
    /// `slots` threads, whose results wake the reactor of `waker`.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(slots: u32, place: Place, waker: Arc<Waker>) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(slots.max(1) as usize)
            .thread_name(|n| format!("dtask-compute-{n}"))
            .start_handler(|_| job::quiet_thread())
            .panic_handler(job::abort)
            .build()?;
        let encoder =
            rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "dtask-encode".into()).build()?;
        let shared = Shared { queue: Mutex::default(), done: Mailbox::new(waker), place };
        Ok(Pool {
            shared: Arc::new(shared),
            threads,
            encoder,
            slots: slots.max(1) as usize,
            paces: Vec::new(),
            short: VecDeque::new(),
        })
    }

    /// Hands a job to the threads.
    fn enqueue(&self, job: Job) {
        let start = {
            let mut queue = self.shared.queue();
            queue.jobs.push_back(job);
            let start = queue.active < self.slots;
            queue.active += usize::from(start);
            start
        };
        if start {
            let shared = self.shared.clone();
            self.threads.spawn_fifo(move || shared.work());
        }
    }

    fn pace(&mut self, def: DefId) -> &mut Pace {
        if self.paces.len() <= def.index() {
            self.paces.resize(def.index() + 1, Pace { short: 0, needed: SHORT_RUNS });
        }
        &mut self.paces[def.index()]
    }
}

impl Compute for Pool {
    fn execute(&mut self, job: Job) {
        if self.pace(job.def).is_short() {
            self.short.push_back(job);
        } else {
            self.enqueue(job);
        }
    }

    fn encode(&mut self, value: Value, to: Rank, tag: u32) {
        let done = self.shared.done.clone();
        self.encoder.spawn_fifo(move || {
            job::quietly(|| value.encode());
            done.push(Done::Encoded { to, tag, value });
        });
    }

    fn collect(&mut self, done: &mut Vec<Done>) {
        self.shared.done.drain(done);
        for done in done.iter() {
            if let Done::Ended(Ended { def, nanos, .. }) = done {
                self.pace(*def).note(*nanos);
            }
        }
    }

    fn has_done(&self) -> bool {
        !self.short.is_empty() || !self.shared.done.is_empty()
    }

    fn has_short(&self) -> bool {
        !self.short.is_empty()
    }

    fn run_short(&mut self, done: &mut Vec<Done>) {
        for _ in 0..SHORT_AT_ONCE {
            let Some(job) = self.short.pop_front() else { return };
            let ended = job.run(&self.shared.place);
            let (def, nanos) = (ended.def, ended.nanos);
            done.push(Done::Ended(ended));
            self.pace(def).note(nanos);
            if nanos >= LONG {
                // not what was expected: the threads compute the rest beside one another
                std::mem::take(&mut self.short).into_iter().for_each(|job| self.enqueue(job));
            }
        }
    }
}

/// Computes on the caller's thread when results are collected, a number of tasks drawn by the caller.
pub struct Inline {
    jobs: VecDeque<Job>,
    encoded: Vec<Done>,
    place: Place,
    /// Tasks to compute at the next [`Compute::collect`].
    pub allowance: usize,
}

impl Inline {
    /// For the rank at `place`.
    pub fn new(place: Place) -> Self {
        Inline { jobs: VecDeque::new(), encoded: Vec::new(), place, allowance: 0 }
    }
}

impl Compute for Inline {
    fn execute(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    fn encode(&mut self, value: Value, to: Rank, tag: u32) {
        job::quietly(|| value.encode());
        self.encoded.push(Done::Encoded { to, tag, value });
    }

    fn collect(&mut self, done: &mut Vec<Done>) {
        done.append(&mut self.encoded);
        for _ in 0..std::mem::take(&mut self.allowance) {
            let Some(job) = self.jobs.pop_front() else { break };
            let mut ended = job.run(&self.place);
            ended.nanos = 1_000; // the clock must not show in a simulation
            done.push(Done::Ended(ended));
        }
    }

    fn has_done(&self) -> bool {
        !self.encoded.is_empty() || !self.jobs.is_empty()
    }
}
