//! Compute threads of a simulation: tasks run on the caller's thread, or step by step where they wait for other tasks.

use super::calls::CallJob;
use super::compute_event::ComputeEvent;
use super::job::{self, Ended, Job, RankLocation};
use super::pool::{BackgroundThread, BackgroundWork, Compute};
#[cfg(test)]
use crate::clock;
use crate::ids::TaskId;
use crate::runtime::threads::cancelled_tasks::CancelledTasks;
use crate::runtime::threads::task_context::{self, Home, ThreadSlot};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Compute threads of a simulation: tasks run on the caller's thread when it collects results, at most `allowance` of
/// them at a time. A task that submits others has a thread of its own, which goes on only while the caller waits for
/// it, so equal seeds give equal runs.
pub(crate) struct Inline {
    jobs: VecDeque<Job>,
    calls: VecDeque<CallJob>,
    stepped: Vec<Stepped>,
    done: Arc<Mutex<Vec<ComputeEvent>>>,
    place: RankLocation,
    home: Home,
    /// Number of tasks that the next [`Compute::collect`] may compute; set by the simulation.
    pub allowance: usize,
}

impl Inline {
    /// Makes the simulated compute threads of the rank at `place`. Their tasks submit others through `home`.
    pub(crate) fn new(place: RankLocation, home: Home) -> Self {
        let (jobs, calls, stepped, done) = Default::default();
        Inline { jobs, calls, stepped, done, place, home, allowance: 0 }
    }

    /// Runs `work` on a thread of its own until it waits for the first time or ends. `takes_slot` says whether it is a
    /// task, whose waits give a slot back.
    fn begin(&mut self, takes_slot: bool, work: impl FnOnce() -> ComputeEvent + Send + 'static) {
        let stepped = Stepped::new(
            takes_slot,
            work,
            self.home.clone(),
            self.done.clone(),
            self.place.cancelled.clone(),
        );
        if !stepped.baton.hand_over() {
            self.stepped.push(stepped);
        }
    }

    /// Lets every task that waits for others check whether it can go on.
    fn step(&mut self) {
        self.stepped.retain_mut(|stepped| !stepped.baton.hand_over());
    }
}

impl Compute for Inline {
    fn execute(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    fn background(&mut self, _: BackgroundThread, work: BackgroundWork) {
        let event = job::quietly(work);
        self.done.lock().push(event);
    }

    fn call(&mut self, call: CallJob) {
        self.calls.push_back(call);
    }

    fn collect(&mut self, done: &mut Vec<ComputeEvent>) {
        if self.allowance > 0 {
            self.step();
            if let Some(call) = self.calls.pop_front() {
                let place = self.place.clone();
                self.begin(false, move || ComputeEvent::Called(call.run(&place)));
            }
        }
        for _ in 0..std::mem::take(&mut self.allowance) {
            let Some(job) = self.jobs.pop_front() else { break };
            let outcome = if job.nests() {
                Err(job)
            } else {
                task_context::with_home(&self.home, || job.run_here(&self.place, &mut Instant::now()))
            };
            match outcome {
                Ok(ended) => self.done.lock().push(ComputeEvent::Ended(timeless(ended))),
                Err(job) => {
                    let place = self.place.clone();
                    self.begin(true, move || ComputeEvent::Ended(timeless(job.run(&place))));
                }
            }
        }
        done.append(&mut self.done.lock());
    }

    fn has_done(&self) -> bool {
        !self.done.lock().is_empty()
            || !self.jobs.is_empty()
            || !self.calls.is_empty()
            || !self.stepped.is_empty()
    }
}

/// Replaces the duration by 1 µs, since the clock must not influence a simulation.
fn timeless(ended: Ended) -> Ended {
    Ended { nanos: 1_000, ..ended }
}

/// The holder of a baton: the caller or the task. The holder runs, the other one waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatonHolder {
    Caller,
    Task,
    /// The task has ended, so that the baton is passed no more.
    Ended,
    /// The task's rank has died in the simulation, so that the task must not go on.
    Dead,
}

/// A baton between the simulation's thread and a task's thread: only its holder runs.
struct Baton {
    turn: Mutex<BatonHolder>,
    changed: Condvar,
}

impl Baton {
    /// Passes the baton to `to` and waits until it comes back; returns the state in which it comes back.
    fn pass(&self, to: BatonHolder) -> BatonHolder {
        let mut turn = self.turn.lock();
        if *turn != BatonHolder::Dead {
            *turn = to;
        }
        self.changed.notify_all();
        self.changed.wait_while(&mut turn, |turn| *turn == to);
        *turn
    }

    /// Lets the task run until it waits or has ended; true if it has ended.
    fn hand_over(&self) -> bool {
        self.pass(BatonHolder::Task) == BatonHolder::Ended
    }

    /// Ends the exchange between the simulation and the task for good, as `Ended` or `Dead`.
    fn end(&self, turn: BatonHolder) {
        *self.turn.lock() = turn;
        self.changed.notify_all();
    }
}

/// A task on a thread of its own that runs only while it holds the baton.
struct Stepped {
    baton: Arc<Baton>,
    thread: Option<JoinHandle<()>>,
}

impl Stepped {
    fn new(
        takes_slot: bool,
        work: impl FnOnce() -> ComputeEvent + Send + 'static,
        home: Home,
        done: Arc<Mutex<Vec<ComputeEvent>>>,
        cancelled: Arc<CancelledTasks>,
    ) -> Self {
        let baton = Arc::new(Baton { turn: Mutex::new(BatonHolder::Caller), changed: Condvar::new() });
        let own = baton.clone();
        #[cfg(test)]
        let time = clock::current();
        #[cfg(test)]
        let work = move || clock::simulate(time, work);
        let thread = thread::spawn(move || {
            job::quiet_thread();
            if own.pass_on_start() {
                let slot = SteppedSlot { baton: own.clone(), done: takes_slot.then(|| done.clone()) };
                task_context::become_compute_thread(Rc::new(slot), Some(home), cancelled);
                let ended = work();
                if *own.turn.lock() == BatonHolder::Task {
                    done.lock().push(ended);
                    own.end(BatonHolder::Ended);
                }
            }
        });
        Stepped { baton, thread: Some(thread) }
    }
}

impl Baton {
    /// Waits, on the task's thread, for the baton for the first time; false if the rank has died before.
    fn pass_on_start(&self) -> bool {
        let mut turn = self.turn.lock();
        self.changed.wait_while(&mut turn, |turn| *turn == BatonHolder::Caller);
        *turn == BatonHolder::Task
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        if *self.baton.turn.lock() != BatonHolder::Ended {
            self.baton.end(BatonHolder::Dead);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a task's panic is its error already
        }
    }
}

/// The slot of a task's thread in a simulation, where the task runs step by step.
struct SteppedSlot {
    baton: Arc<Baton>,
    /// The events of the rank, for the waits of a task; `None` for what takes no slot.
    done: Option<Arc<Mutex<Vec<ComputeEvent>>>>,
}

impl SteppedSlot {
    fn note(&self, event: ComputeEvent) {
        if let Some(done) = &self.done {
            done.lock().push(event);
        }
    }
}

impl ThreadSlot for SteppedSlot {
    fn pause(&self, task: Option<TaskId>) -> Result<(), String> {
        self.note(ComputeEvent::Paused(task));
        Ok(())
    }

    fn resume(&self, task: Option<TaskId>) {
        self.note(ComputeEvent::Resumed(task));
    }

    fn step(&self) -> bool {
        if self.baton.pass(BatonHolder::Caller) != BatonHolder::Task {
            std::panic::resume_unwind(Box::new("the rank has died"));
        }
        true
    }
}
