//! A job: one task on a compute thread, with its panics caught and its duration measured.

use crate::console;
use crate::error::{CodecError, Failure, TaskError, TaskErrorKind};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{Blob, ReportedResult};
use crate::runtime::threads::cancelled_tasks::CancelledTasks;
use crate::runtime::threads::rank_locals::RankLocals;
use crate::runtime::threads::task_context::{self, RunningTask};
use crate::runtime::threads::task_teams::TaskTeams;
use crate::task::arguments::{Arguments, SharedArguments};
use crate::task::function::Record;
use crate::task::value::AnyValue;
use crate::task::value::panic_text;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, ThreadId};
use std::time::Instant;

/// A task definition that rank 0 has sent to this rank, with its function looked up.
#[derive(Debug)]
pub(crate) struct KnownDefinition {
    /// The task function, or the reason why it cannot be called, such as an unknown offset in the executable.
    pub function: Result<&'static Record, CodecError>,
    /// The name of the function.
    pub name: &'static str,
    /// The arguments that all tasks of a family share, placed before the own arguments of each.
    pub shared: SharedArguments,
    /// Memory of the host that each task may take, in bytes; 0 means no limit.
    pub memory: u64,
    /// Number of slots that each task takes on its rank.
    pub slots: u32,
    /// Number of GPUs that each task takes on its rank.
    pub gpus: u32,
    /// Milliseconds that each task may take; 0 for no limit.
    pub timeout: u32,
    /// Whether tasks of the definition submit others: such tasks start only on threads where they can wait for them.
    pub nests: AtomicBool,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({})", self.name())
    }
}

/// The rank and host where tasks run, as their errors name them.
#[derive(Debug, Clone)]
pub(crate) struct RankLocation {
    /// The rank that runs the task.
    pub rank: Rank,
    /// The name of the rank's host.
    pub host: Arc<str>,
    /// The rank's own shared values, where several ranks share a process (in a simulation); `None` where the process is
    /// one rank and its values are used.
    pub locals: Option<Arc<RankLocals>>,
    /// The tasks that are with the compute threads and whose results nobody wants.
    pub cancelled: Arc<CancelledTasks>,
    /// The ranks whose slots the programs of tasks have that run in several processes.
    pub teams: Arc<TaskTeams>,
}

/// A task with everything that it needs to run.
#[derive(Debug)]
pub(crate) struct Job {
    /// The number of the task.
    pub task: TaskId,
    /// The number of this attempt to run the task, from 1: higher after failures and losses.
    pub attempt: Attempt,
    /// The number of the task's definition.
    pub def: DefId,
    /// The number that users see behind the function's name.
    pub key: u64,
    /// The task's definition.
    pub learnt: Arc<KnownDefinition>,
    /// The arguments of this task, encoded.
    pub args: Blob,
    /// The results of other tasks that the task takes.
    pub inputs: SmallVec<[AnyValue; 2]>,
}

/// The outcome of a task: its result, with the value if the rank's store is to keep it, or its error.
pub(crate) type Outcome = Result<(ReportedResult, Option<AnyValue>), TaskError>;

/// A task's end, as its compute thread reports it.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The number of the task.
    pub task: TaskId,
    /// The number of the attempt that has ended.
    pub attempt: Attempt,
    /// The number of the task's definition.
    pub def: DefId,
    /// Time spent in the task's function, without the time in which it waited for other tasks, in nanoseconds.
    pub nanos: u64,
    /// The result, or the error.
    pub result: Outcome,
}

impl Job {
    /// Whether tasks of the job's definition submit others and so might wait for them.
    pub(crate) fn nests(&self) -> bool {
        self.learnt.nests.load(Ordering::Relaxed)
    }

    /// Runs the task on a thread where it may wait for other tasks. A panic in its function becomes its error.
    pub(crate) fn run(self, place: &RankLocation) -> Ended {
        self.compute(place, true, &mut Instant::now()).0
    }

    /// Runs the task on a thread where it must not wait for other tasks. `now` is the time of its start, and of its end
    /// afterwards.
    ///
    /// # Errors
    /// The job, unchanged, when the task wants to submit tasks: then it could have to wait, which would block this
    /// thread. The task has to be run again from its start on another thread.
    pub(crate) fn run_here(self, place: &RankLocation, now: &mut Instant) -> Result<Ended, Job> {
        match self.compute(place, false, now) {
            (_, true) => Err(self),
            (ended, false) => Ok(ended),
        }
    }

    /// Runs the task; returns its end, and whether that end is void: the task wanted to wait for others, must not on
    /// this thread, and has to be run again on another thread.
    fn compute(&self, place: &RankLocation, may_wait: bool, now: &mut Instant) -> (Ended, bool) {
        let KnownDefinition { memory, name, slots, gpus, .. } = *self.learnt;
        let (task, attempt, key) = (self.task, self.attempt, self.key);
        let (rank, makes_local) = (place.rank, false);
        let running =
            RunningTask { rank, task, attempt, key, memory, slots, gpus, may_wait, name, makes_local };
        let work = || match &self.learnt.function {
            // it was cancelled before a thread took it
            _ if place.cancelled.contains(task) => Err(Failure::new("it was cancelled")),
            Ok(record) => call(record, &self.learnt.shared, &self.args, &self.inputs),
            Err(error) => Err(Failure::new(error)),
        };
        let team = place.teams.get(task);
        let (outcome, notes) = task_context::within(running, || {
            task_context::note_team(team);
            match &place.locals {
                Some(locals) => task_context::with_locals(locals, work),
                None => work(),
            }
        });
        notes.belongings.give_back();
        if notes.nests || notes.moves {
            self.learnt.nests.store(true, Ordering::Relaxed);
        }
        let begin = std::mem::replace(now, Instant::now());
        let nanos = (*now - begin).as_nanos().saturating_sub(u128::from(notes.waited));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        let error = |failure: Failure| {
            let failure = failure.unwrapping(notes.told);
            failure.into_error(place.rank, &place.host, self.attempt, notes.origin)
        };
        let result = outcome.map_err(error);
        (Ended { task: self.task, attempt: self.attempt, def: self.def, nanos, result }, notes.moves)
    }
}

/// The name as a text that lives as long as the process, as handlers of signals need it. Equal names share one.
pub(crate) fn interned(name: &str) -> &'static str {
    // process-wide, as the texts are; a program has few functions
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock();
    if let Some(known) = names.get(name) {
        return known;
    }
    let new: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(new);
    new
}

/// Whether the calling thread computes tasks, or parallel parts of tasks.
pub(crate) fn is_quiet() -> bool {
    QUIET.get()
}

thread_local! {
    /// Set while this thread runs code of a task: a panic then becomes the task's error and is not printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The last panics: thread, message and place in the source, for the errors of the tasks that panicked. One list for
/// all threads: a parallel part of a task may panic on another thread than the task's own, which catches the panic and
/// looks here for its place.
static PANICS: Mutex<VecDeque<(ThreadId, String, String)>> = Mutex::new(VecDeque::new());
/// Number of panics that the list remembers. Panics that a task catches itself are never looked up, and would fill a
/// list without a limit.
const PANICS_MAX: usize = 64;

/// The rank that computes the calling thread's task, and the number of the task's attempt; `None` outside of tasks.
pub fn current() -> Option<(Rank, Attempt)> {
    task_context::running().map(|running| (running.rank, running.attempt))
}

/// Memory that rank 0 has set aside for the calling thread's task, in bytes; 0 where its definition sets no memory,
/// `None` outside of tasks.
pub(crate) fn memory() -> Option<u64> {
    task_context::running().map(|running| running.memory)
}

fn call(
    record: &Record,
    shared: &SharedArguments,
    args: &Blob,
    inputs: &[AnyValue],
) -> Result<(ReportedResult, Option<AnyValue>), Failure> {
    caught("the task", || record.call(&mut Arguments::new(shared, args, inputs)))
}

/// Runs a function of the user; a panic in it becomes its failure, in which `what` names the function's role.
///
/// # Errors
/// The failure of the function.
pub(crate) fn caught<T>(what: &str, call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let outcome = quietly(|| catch_unwind(AssertUnwindSafe(call)));
    outcome.unwrap_or_else(|payload| {
        let failure = Failure::new(format!("{what} panicked: {}", with_place(&*payload)));
        Err(failure.of_kind(TaskErrorKind::Panicked))
    })
}

/// The message of a panic with its place in the source, if that is remembered.
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

/// Runs `work`, which belongs to a task: panics in it are not printed, since they become the task's error.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    quiet_panics();
    let outer = QUIET.replace(true);
    let outcome = work();
    QUIET.set(outer);
    outcome
}

/// Runs `work`, which belongs to no task, on a thread that may be within a task: panics in it are printed.
pub(crate) fn loudly<T>(work: impl FnOnce() -> T) -> T {
    let outer = QUIET.replace(false);
    let outcome = work();
    QUIET.set(outer);
    outcome
}

/// Stops the printing of panics on the calling thread, for a thread that runs only tasks and their parallel parts.
pub(crate) fn quiet_thread() {
    quiet_panics();
    QUIET.set(true);
}

/// Ends the process after a panic in work that a task has spawned into the pool: nobody waits for that work, so no task
/// could fail with the panic.
pub(crate) fn abort(payload: Box<dyn Any + Send>) {
    console::error(format_args!("dtask: a task has spawned work that panicked: {}", with_place(&*payload)));
    std::process::abort()
}

/// Installs a panic hook that remembers the place of a task's panic for its error, instead of printing it on some
/// rank's terminal.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // a rayon thread that is not one of dtask's compute threads may run a part of a task too, or of the
            // program's closure
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
