//! The threads for functions that are no tasks: functions of actors, and functions that a program calls on every rank.
//!
//! They have threads of their own, so that a rank whose slots are busy answers all the same; as many as it has slots
//! run at a time. A thread that has ended a call makes the reactor's turn itself and looks for the next call, as
//! compute threads do (see [`super::pool`]): in a dialogue no thread has to be woken. A call that waits lets another
//! one run.

use super::compute_event::ComputeEvent;
use super::job::{self, RankLocation};
use crate::error::{CodecError, Failure, TaskError};
use crate::ids::NO_TASK;
use crate::objects::ObjectCaller;
use crate::protocol::{Blob, FunctionCall, ObjectId, ReportedResult};
use crate::runtime::driver::{DriveOutcome, DriverLink};
use crate::runtime::mailbox::Mailbox;
use crate::runtime::threads::task_context::{self, Home, RunningTask, ThreadSlot};
use crate::task::arguments::{Arguments, SharedArguments};
use crate::task::function::{self, ActorValue, Record};
use crate::task::value::AnyValue;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Number of turns of the reactor that a thread without a call makes before it sleeps.
const LOOKS: u32 = 500;
/// Longest time for which a thread without a call looks for one before it sleeps.
const LOOKING: Duration = Duration::from_millis(2);
/// Time after which a thread without a call ends.
const IDLE: Duration = Duration::from_secs(10);

/// The value of an actor; empty until its constructor has returned.
#[derive(Default)]
pub(crate) struct ActorCell(Mutex<Option<Box<ActorValue>>>);

impl std::fmt::Debug for ActorCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActorCell")
    }
}

/// The role of a called function.
#[derive(Debug)]
pub(crate) enum CallRole {
    /// A function of no object.
    Plain,
    /// The constructor of an actor, whose value is put into this cell.
    Make(Arc<ActorCell>),
    /// A function of the actor with this value.
    Method(Arc<ActorCell>),
    /// No function: the value of the actor is dropped.
    Discard(Arc<ActorCell>),
}

/// A function that is to be called on a thread of this rank.
#[derive(Debug)]
pub(crate) struct CallJob {
    /// The actor, or the object that stands for none.
    pub object: ObjectId,
    /// The caller, who gets the result.
    pub to: ObjectCaller,
    /// The role of the function.
    pub role: CallRole,
    /// The function with its arguments, encoded.
    pub payload: Blob,
}

/// The end of a call.
#[derive(Debug)]
pub(crate) struct CallEnded {
    /// The actor, or the object that stands for none.
    pub object: ObjectId,
    /// The caller, who gets the result.
    pub to: ObjectCaller,
    /// Whether the function was an actor's constructor.
    pub made: bool,
    /// The encoded result, or the error.
    pub result: Result<Vec<u8>, Box<TaskError>>,
}

impl CallJob {
    /// Calls the function. A panic becomes its error.
    pub(crate) fn run(self, place: &RankLocation) -> CallEnded {
        let CallJob { object, to, role, payload } = self;
        let made = matches!(role, CallRole::Make(_));
        let found =
            FunctionCall::decode(&payload).and_then(|call| Ok((function::find(call.function)?, call)));
        let name = match (&role, &found) {
            (CallRole::Discard(_), _) | (_, Err(_)) => "drop",
            (_, Ok((record, _))) => job::interned(&record.name()),
        };
        let (rank, memory) = (place.rank, 0);
        let running = RunningTask {
            rank,
            task: NO_TASK,
            attempt: 1,
            key: 0,
            memory,
            slots: 1,
            gpus: 0,
            may_wait: true,
            name,
            makes_local: false,
        };
        let work = || match (&role, found) {
            (CallRole::Discard(cell), _) => job::caught("the drop of the actor", || {
                let value = cell.0.lock().take();
                drop(value);
                Ok(Vec::new())
            }),
            (_, Err(error)) => Err(Failure::new(error)),
            (role, Ok((record, call))) => job::caught("the function", || invoke(role, record, &call)),
        };
        let (outcome, notes) = task_context::within(running, || match &place.locals {
            Some(locals) => task_context::with_locals(locals, work),
            None => work(),
        });
        let result = outcome.map_err(|failure| {
            let mut error = failure.unwrapping(notes.told).into_error(rank, &place.host, 1, notes.origin);
            if error.task.is_empty() {
                error.task = name.to_owned();
            }
            Box::new(error)
        });
        CallEnded { object, to, made, result }
    }
}

fn invoke(role: &CallRole, record: &Record, call: &FunctionCall) -> Result<Vec<u8>, Failure> {
    let shared = SharedArguments::default();
    let inputs: Vec<AnyValue> = call.inputs.iter().map(|bytes| AnyValue::from_encoded(bytes)).collect();
    let mut arguments = Arguments::new(&shared, &call.args, &inputs);
    let (output, value) = match role {
        CallRole::Make(cell) => {
            let value = record.make(&mut arguments)?;
            *cell.0.lock() = Some(value);
            return Ok(Vec::new());
        }
        CallRole::Method(cell) => {
            // an actor runs one call at a time, so the lock is free
            let mut value = cell.0.lock();
            let value = value.as_mut().ok_or_else(|| Failure::new("the actor has no value"))?;
            record.invoke(&mut **value, &mut arguments)?
        }
        CallRole::Plain | CallRole::Discard(_) => record.call(&mut arguments)?,
    };
    match (output, value) {
        (ReportedResult::Inline(bytes), _) => Ok(bytes.0.into_vec()),
        (ReportedResult::Stored { .. }, Some(value)) => Ok(value.to_encoded()?),
        (ReportedResult::Stored { .. }, None) => Err(CodecError::encode("the result is missing").into()),
    }
}

#[derive(Default)]
struct CallQueue {
    jobs: VecDeque<CallJob>,
    /// The number of threads that sleep until there is a call, including those that were just woken.
    idle: usize,
    /// The number of idle threads that have been woken and do not run yet.
    woken: usize,
    /// Number of threads that call or look for a call, without those whose call waits.
    active: usize,
    /// Number of active threads that look for a call.
    looking: usize,
    is_over: bool,
}

struct CallShared {
    queue: Mutex<CallQueue>,
    /// Number of calls in the queue, for threads that look without the lock.
    waiting: AtomicUsize,
    come: Condvar,
    done: Arc<Mailbox<ComputeEvent>>,
    place: RankLocation,
    home: Option<Home>,
    driver: Arc<DriverLink>,
    stack: usize,
    limit: usize,
}

/// The threads for functions that are no tasks.
pub(crate) struct CallThreads(Arc<CallShared>);

impl CallThreads {
    /// Makes the state that the threads share. Threads are started when they are needed; at most `limit` run calls at a
    /// time.
    pub(crate) fn new(
        limit: usize,
        place: RankLocation,
        done: Arc<Mailbox<ComputeEvent>>,
        home: Option<Home>,
        driver: Arc<DriverLink>,
        stack: usize,
    ) -> Self {
        let (queue, waiting, come) = (Mutex::default(), AtomicUsize::new(0), Condvar::new());
        CallThreads(Arc::new(CallShared { queue, waiting, come, done, place, home, driver, stack, limit }))
    }

    /// Queues a call.
    pub(crate) fn push(&self, job: CallJob) {
        let mut queue = self.0.queue.lock();
        queue.jobs.push_back(job);
        self.0.waiting.store(queue.jobs.len(), Ordering::Relaxed);
        self.0.staff(&mut queue);
    }
}

impl Drop for CallThreads {
    fn drop(&mut self) {
        self.0.queue.lock().is_over = true;
        self.0.come.notify_all();
    }
}

impl CallShared {
    /// Wakes or starts a thread if calls are queued that no active thread will take soon.
    fn staff(self: &Arc<Self>, queue: &mut CallQueue) {
        if queue.jobs.len() <= queue.looking || queue.active >= self.limit {
            return;
        }
        if queue.idle > queue.woken {
            queue.woken += 1;
            queue.active += 1;
            self.come.notify_one();
            return;
        }
        let shared = self.clone();
        let thread = thread::Builder::new().name("dtask-call".into()).stack_size(self.stack);
        // if no thread can be started, an existing one takes the call later
        if thread.spawn(move || shared.work()).is_ok() {
            queue.active += 1;
        }
    }

    fn work(self: Arc<Self>) {
        job::quiet_thread();
        task_context::become_compute_thread(
            Rc::new(CallSlot(Arc::downgrade(&self))),
            self.home.clone(),
            self.place.cancelled.clone(),
        );
        while let Some(job) = self.next() {
            let ended = job.run(&self.place);
            self.done.push_quietly(ComputeEvent::Called(ended));
            let driver = self.driver.get();
            let turned = driver.as_deref().map(|driver| driver.turn());
            if matches!(turned, None | Some(DriveOutcome::Not | DriveOutcome::Busy)) {
                self.done.wake();
            }
        }
    }

    /// The next call for this thread; `None` when the run is over or none has come for some time.
    fn next(self: &Arc<Self>) -> Option<CallJob> {
        let mut queue = self.queue.lock();
        loop {
            if queue.active <= self.limit
                && let Some(job) = self.pop(&mut queue)
            {
                return Some(job);
            }
            if queue.active <= self.limit && !queue.is_over {
                queue.looking += 1;
                drop(queue);
                self.look();
                queue = self.queue.lock();
                queue.looking -= 1;
                if let Some(job) = self.pop(&mut queue) {
                    return Some(job);
                }
            }
            queue.active -= 1;
            queue.idle += 1;
            while queue.woken == 0 && !queue.is_over {
                if self.come.wait_for(&mut queue, IDLE).timed_out() && queue.woken == 0 {
                    break;
                }
            }
            queue.idle -= 1;
            if queue.woken == 0 {
                return None;
            }
            queue.woken -= 1;
        }
    }

    fn pop(&self, queue: &mut CallQueue) -> Option<CallJob> {
        let job = queue.jobs.pop_front()?;
        self.waiting.store(queue.jobs.len(), Ordering::Relaxed);
        Some(job)
    }

    /// Makes turns of the reactor until there is a call, for at most 2 ms.
    fn look(&self) {
        let Some(driver) = self.driver.get() else { return };
        let begin = Instant::now();
        for _ in 0..LOOKS {
            if self.waiting.load(Ordering::Relaxed) > 0 || begin.elapsed() > LOOKING {
                return;
            }
            match driver.turn() {
                DriveOutcome::Moved => {}
                DriveOutcome::Idle(_) | DriveOutcome::Busy => thread::yield_now(),
                DriveOutcome::Not => break,
            }
        }
        driver.hand_back();
    }
}

/// The slot of a thread that calls functions: another thread may call while this one waits.
struct CallSlot(Weak<CallShared>);

impl ThreadSlot for CallSlot {
    fn pause(&self, _: Option<crate::ids::TaskId>) -> Result<(), String> {
        if let Some(shared) = self.0.upgrade() {
            let mut queue = shared.queue.lock();
            queue.active -= 1;
            shared.staff(&mut queue);
        }
        Ok(())
    }

    fn resume(&self, _: Option<crate::ids::TaskId>) {
        if let Some(shared) = self.0.upgrade() {
            shared.queue.lock().active += 1;
        }
    }
}
