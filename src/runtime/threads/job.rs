//! A task on a compute thread.

use crate::console;
use crate::error::{CodecError, Failure, TaskError, TaskErrorKind};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{Blob, ReportedResult};
use crate::runtime::threads::rank_locals::RankLocals;
use crate::runtime::threads::task_context::{self, RunningTask};
use crate::task::arguments::Arguments;
use crate::task::function::Record;
use crate::task::value::AnyValue;
use crate::task::value::panic_text;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, ThreadId};
use std::time::Instant;

/// A definition as a rank has learnt it.
#[derive(Debug)]
pub(crate) struct KnownDefinition {
    /// The function, or why it cannot be called.
    pub function: Result<&'static Record, CodecError>,
    /// Arguments that all instances share.
    pub shared: Blob,
    /// Bytes of its host's memory that each of its tasks may take; 0 without a limit.
    pub memory: u64,
    /// Its tasks submit others and may wait for them: they run where they may.
    pub nests: AtomicBool,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({})", self.name())
    }
}

/// Where tasks run, as their errors say.
#[derive(Debug, Clone)]
pub(crate) struct RankLocation {
    /// The rank.
    pub rank: Rank,
    /// Its host.
    pub host: Arc<str>,
    /// The rank's own values, where several ranks share a process; those of the process where there are none.
    pub locals: Option<Arc<RankLocals>>,
}

/// A task with all that it needs.
#[derive(Debug)]
pub(crate) struct Job {
    /// Its number.
    pub task: TaskId,
    /// The number of the start, from 1.
    pub attempt: Attempt,
    /// Its definition's number.
    pub def: DefId,
    /// Its definition.
    pub learnt: Arc<KnownDefinition>,
    /// Its own arguments.
    pub args: Blob,
    /// The results that it takes.
    pub inputs: SmallVec<[AnyValue; 2]>,
}

/// A result with its value, where that is kept in the store.
pub(crate) type Outcome = Result<(ReportedResult, Option<AnyValue>), TaskError>;

/// A task that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its number.
    pub task: TaskId,
    /// The number of its start.
    pub attempt: Attempt,
    /// Its definition's number.
    pub def: DefId,
    /// Time in its function, in nanoseconds.
    pub nanos: u64,
    /// The result, or the error.
    pub result: Outcome,
}

impl Job {
    /// Whether tasks of its definition may wait for others.
    pub(crate) fn nests(&self) -> bool {
        self.learnt.nests.load(Ordering::Relaxed)
    }

    /// Computes the task, on a thread where it may wait for others. A panic in its function is its error.
    pub(crate) fn run(self, place: &RankLocation) -> Ended {
        self.compute(place, true, &mut Instant::now()).0
    }

    /// Computes the task where it must not wait for others, from `now` on, which is the time of its end afterwards;
    /// gives it back if it wants to submit any.
    ///
    /// # Errors
    /// The task, which has to begin anew elsewhere.
    pub(crate) fn run_here(self, place: &RankLocation, now: &mut Instant) -> Result<Ended, Job> {
        match self.compute(place, false, now) {
            (_, true) => Err(self),
            (ended, false) => Ok(ended),
        }
    }

    /// How the task has ended, and whether that counts for nothing since it has to begin anew elsewhere.
    fn compute(&self, place: &RankLocation, may_wait: bool, now: &mut Instant) -> (Ended, bool) {
        let (task, attempt, memory) = (self.task, self.attempt, self.learnt.memory);
        let running = RunningTask { rank: place.rank, task, attempt, memory, may_wait, makes_local: false };
        let work = || match &self.learnt.function {
            Ok(record) => call(record, &self.learnt.shared, &self.args, &self.inputs),
            Err(error) => Err(Failure::new(error)),
        };
        let (outcome, notes) = task_context::within(running, || match &place.locals {
            Some(locals) => task_context::with_locals(locals, work),
            None => work(),
        });
        if notes.nests || notes.moves {
            self.learnt.nests.store(true, Ordering::Relaxed);
        }
        let begin = std::mem::replace(now, Instant::now());
        let nanos = (*now - begin).as_nanos().saturating_sub(u128::from(notes.waited));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        let error =
            |failure: Failure| failure.into_error(place.rank, &place.host, self.attempt, notes.origin);
        let result = outcome.map_err(error);
        (Ended { task: self.task, attempt: self.attempt, def: self.def, nanos, result }, notes.moves)
    }
}

thread_local! {
    /// Whether the thread works for a task, whose panics are not printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Where threads have panicked, and what they said: the last ones. For all threads together, since a panic in a
/// parallel part of a task goes on in the thread of the task; process-wide, as the panic hook is.
static PANICS: Mutex<VecDeque<(ThreadId, String, String)>> = Mutex::new(VecDeque::new());
/// Panics that are remembered. Those that a task catches itself are never asked for.
const PANICS_MAX: usize = 64;

/// The rank that computes the task of the calling thread, and which start of the task this is; nothing outside of
/// tasks.
pub fn current() -> Option<(Rank, Attempt)> {
    task_context::running().map(|running| (running.rank, running.attempt))
}

/// The bytes of memory that rank 0 has set aside for the task of the calling thread, 0 where it says nothing of memory;
/// nothing outside of tasks.
pub(crate) fn memory() -> Option<u64> {
    task_context::running().map(|running| running.memory)
}

fn call(
    record: &Record,
    shared: &Blob,
    args: &Blob,
    inputs: &[AnyValue],
) -> Result<(ReportedResult, Option<AnyValue>), Failure> {
    let call = || record.call(&mut Arguments::new(shared, args, inputs));
    let outcome = quietly(|| catch_unwind(AssertUnwindSafe(call)));
    outcome.unwrap_or_else(|payload| {
        let failure = Failure::new(format!("the task panicked: {}", with_place(&*payload)));
        Err(failure.of_kind(TaskErrorKind::Panicked))
    })
}

/// The message of a panic, with its place.
fn with_place(payload: &(dyn Any + Send)) -> String {
    let text = panic_text(payload);
    let mut panics = PANICS.lock();
    let own = thread::current().id();
    let found = panics.iter().position(|(thread, said, _)| *thread == own && said == text);
    let found = found.or_else(|| panics.iter().position(|(_, said, _)| said == text));
    match found.and_then(|at| panics.remove(at)) {
        Some((.., place)) => format!("{text}, at {place}"),
        None => text.to_owned(),
    }
}

/// Runs `work`, which belongs to a task: a panic in it is not printed.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    quiet_panics();
    let outer = QUIET.replace(true);
    let outcome = work();
    QUIET.set(outer);
    outcome
}

/// Runs `work`, which belongs to no task, on a thread that may be a task's: a panic in it is printed.
pub(crate) fn loudly<T>(work: impl FnOnce() -> T) -> T {
    let outer = QUIET.replace(false);
    let outcome = work();
    QUIET.set(outer);
    outcome
}

/// Marks the calling thread as working for tasks only, their parallel parts included: its panics are not printed.
pub(crate) fn quiet_thread() {
    quiet_panics();
    QUIET.set(true);
}

/// Ends the process because of a panic that nobody waits for: in what a task has left to the pool.
pub(crate) fn abort(payload: Box<dyn Any + Send>) {
    console::error(format_args!("dtask: a task has spawned work that panicked: {}", with_place(&*payload)));
    std::process::abort()
}

/// Notes where a task panics, for its error, instead of printing it on some rank's terminal.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // a rayon thread outside of our pools may belong to a task too, or to the program's own closure
            if (QUIET.get() || rayon::current_thread_index().is_some())
                && let Some(at) = info.location()
            {
                let said = panic_text(info.payload()).to_owned();
                let place = format!("{}:{}", at.file(), at.line());
                let mut panics = PANICS.lock();
                panics.truncate(PANICS_MAX - 1);
                panics.push_front((thread::current().id(), said, place));
            }
            if !QUIET.get() {
                before(info);
            }
        }));
    });
}
