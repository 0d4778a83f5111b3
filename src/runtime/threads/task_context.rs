//! The context of a running task, in thread-local variables: its rank, number and attempt, and the means to wait for
//! other tasks or to submit them.

use crate::error::{Origin, TaskError};
use crate::ids::{Attempt, Rank, TaskId};
use crate::runtime::threads::cancelled_tasks::CancelledTasks;
use crate::runtime::threads::rank_locals::RankLocals;
use crate::runtime::threads::task_belongings::TaskBelongings;
use parking_lot::Mutex;
use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The task that the calling thread runs, with the limits that hold for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunningTask {
    /// The rank that runs the task.
    pub rank: Rank,
    /// The number of the task.
    pub task: TaskId,
    /// The number of this attempt to run the task, from 1.
    pub attempt: Attempt,
    /// The number that users see behind the function's name.
    pub key: u64,
    /// Memory of the host that the task may take, in bytes; 0 means no limit.
    pub memory: u64,
    /// Number of slots that the task takes.
    pub slots: u32,
    /// Number of GPUs that the task takes.
    pub gpus: u32,
    /// Whether the task is allowed to wait for other tasks on this thread.
    pub may_wait: bool,
    /// The name of the task's function.
    pub name: &'static str,
    /// Whether the task is making a shared value of the rank (`dtask::local`), and must not submit other tasks
    /// meanwhile.
    pub makes_local: bool,
}

/// The slot of a compute thread. A task gives it up through this trait before it waits, and takes it again afterwards.
pub(crate) trait ThreadSlot {
    /// Gives up the thread's slot, since it is going to wait for other tasks. `task` is the task that it computes;
    /// `None` for a parallel part of another thread's task.
    ///
    /// # Errors
    /// When no other thread could compute meanwhile: then the thread must not wait.
    fn pause(&self, task: Option<TaskId>) -> Result<(), String>;
    /// Takes the thread's slot again after [`ThreadSlot::pause`]. More threads than slots may compute for a moment.
    fn resume(&self, task: Option<TaskId>);
    /// Offers the slot of `task`, which only waits for work elsewhere (such as a command), so that another task can
    /// start. Only some offered slots are lent at a time. Returns the number of the rank's slots; `None` where slots
    /// are never lent.
    fn lend(&self, _task: TaskId) -> Option<u32> {
        None
    }
    /// Ends the offer or the loan of the slot of `task`, since the task computes again or ends.
    fn take_back(&self, _task: TaskId) {}
    /// Lets other threads of a simulation run until this one is to check again whether it can go on. False outside of a
    /// simulation, where the thread has to wait in the usual way.
    fn step(&self) -> bool {
        false
    }
}

/// The means by which this rank's tasks submit others: the client, whose type this layer does not know.
pub(crate) type Home = Arc<dyn Any + Send + Sync>;

/// Facts about a task that are noted while it runs and read after it has ended.
#[derive(Debug)]
pub(crate) struct Notes {
    /// Whether the task has asked for a client, by which it can submit tasks.
    pub nests: bool,
    /// Whether the task has to be run again, from its start, on a thread where it can wait for other tasks.
    pub moves: bool,
    /// Time in which the task has waited for other tasks, in nanoseconds.
    pub waited: u64,
    /// The task's name in the batch tool or another layer above, for its error message.
    pub origin: Option<Origin>,
    /// The last failure of another task that the task has seen; if the task panics over it, it is the task's cause.
    pub told: Option<Arc<TaskError>>,
    /// Number of times that the task has looked in vain for the end of other tasks.
    pub looks: u32,
    /// Devices and folder that the task has asked for, which go back when it ends.
    pub belongings: TaskBelongings,
    /// The ranks on whose slots the program of the task runs, each with the number of slots; `None` for a task that
    /// takes slots of its own rank only.
    pub team: Option<Arc<[(Rank, u32)]>>,
}

impl Notes {
    /// The notes of a task that has not begun.
    const NONE: Notes = Notes {
        nests: false,
        moves: false,
        waited: 0,
        origin: None,
        told: None,
        looks: 0,
        belongings: TaskBelongings::NONE,
        team: None,
    };
}

impl Default for Notes {
    fn default() -> Self {
        Notes::NONE
    }
}

thread_local! {
    static RUNNING: Cell<Option<RunningTask>> = const { Cell::new(None) };
    static NOTES: RefCell<Notes> = const { RefCell::new(Notes::NONE) };
    static SLOT: RefCell<Option<Rc<dyn ThreadSlot>>> = const { RefCell::new(None) };
    static HOME: RefCell<Option<Home>> = const { RefCell::new(None) };
    static LOCALS: RefCell<Option<Arc<RankLocals>>> = const { RefCell::new(None) };
    static CANCELLED: RefCell<Option<Arc<CancelledTasks>>> = const { RefCell::new(None) };
}

/// The panic payload that unwinds the stack of a task which must be run again on another thread, where it can wait.
struct LeaveTask;

/// The task that the calling thread runs; `None` on a thread that runs no task.
pub(crate) fn running() -> Option<RunningTask> {
    RUNNING.get()
}

/// Runs `work` as the given task of the calling thread; returns its outcome, with the notes taken meanwhile. The thread
/// may be within another task already, which is the thread's task again afterwards.
pub(crate) fn within<T>(task: RunningTask, work: impl FnOnce() -> T) -> (T, Notes) {
    let outer = (RUNNING.replace(Some(task)), NOTES.take());
    let outcome = work();
    RUNNING.set(outer.0);
    (outcome, NOTES.replace(outer.1))
}

/// Notes the ranks on whose slots the program of the calling thread's task runs.
pub(crate) fn note_team(team: Option<Arc<[(Rank, u32)]>>) {
    if team.is_some() {
        NOTES.with_borrow_mut(|notes| notes.team = team);
    }
}

/// The ranks on whose slots the program of the calling thread's task runs, this rank first, each with the number of
/// slots. `None` for a task that takes slots of its own rank only.
pub(crate) fn team() -> Option<Arc<[(Rank, u32)]>> {
    NOTES.with_borrow(|notes| notes.team.clone())
}

/// Runs `work`, the code of a task, with `locals` as its rank's shared values: for ranks that share one process.
pub(crate) fn with_locals<T>(locals: &Arc<RankLocals>, work: impl FnOnce() -> T) -> T {
    let outer = LOCALS.replace(Some(locals.clone()));
    let outcome = work();
    LOCALS.set(outer);
    outcome
}

/// The shared value of the rank that an initialiser of type `F` makes; outside of tasks that of the process.
///
/// If the value is not made yet and the task is not allowed to wait on this thread, its stack is unwound and the task
/// is run again on another thread.
///
/// # Panics
/// As [`RankLocals::get`].
pub(crate) fn local<F: FnOnce() -> T + 'static, T: Send + Sync + 'static>(make: F) -> Arc<T> {
    let Ok(value) = local_of(TypeId::of::<(F, T)>(), || Ok::<T, Infallible>(make()));
    value
}

/// As [`local`], for an initialiser that can fail.
///
/// # Errors
/// Those of `make`.
///
/// # Panics
/// As [`RankLocals::get`].
pub(crate) fn try_local<F, T, E>(make: F) -> Result<Arc<T>, E>
where
    F: FnOnce() -> Result<T, E> + 'static,
    T: Send + Sync + 'static,
{
    local_of(TypeId::of::<(F, T)>(), make)
}

fn local_of<T: Send + Sync + 'static, E>(
    key: TypeId,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<Arc<T>, E> {
    let before = || move_unless(RUNNING.get().is_none_or(|running| running.may_wait));
    let make = || {
        let _making = RUNNING.get().map(|running| {
            RUNNING.set(Some(RunningTask { makes_local: true, ..running }));
            RunningAgain(running)
        });
        make()
    };
    let own = LOCALS.with_borrow(Clone::clone);
    own.as_deref().unwrap_or(RankLocals::of_process()).get(key, before, make)
}

/// A guard that makes the given task the thread's task again when it is dropped.
struct RunningAgain(RunningTask);

impl Drop for RunningAgain {
    fn drop(&mut self) {
        RUNNING.set(Some(self.0));
    }
}

/// Makes the calling thread a compute thread. `slot` is its slot of the rank, which it gives up while its
/// task waits. `home` is the client by which its tasks submit others; `None` where they cannot.
pub(crate) fn become_compute_thread(
    slot: Rc<dyn ThreadSlot>,
    home: Option<Home>,
    cancelled: Arc<CancelledTasks>,
) {
    SLOT.set(Some(slot));
    HOME.set(home);
    CANCELLED.set(Some(cancelled));
}

/// The list by which the calling thread's task learns that nobody wants its result; `None` on a thread that serves MPI,
/// where only tasks run that end before they could be cancelled.
pub(crate) fn cancelled_tasks() -> Option<Arc<CancelledTasks>> {
    CANCELLED.with_borrow(Clone::clone)
}

/// Whether nobody wants the result of the calling thread's task any more; false outside of tasks.
pub(crate) fn is_cancelled() -> bool {
    let Some(running) = RUNNING.get() else { return false };
    CANCELLED.with_borrow(|list| list.as_ref().is_some_and(|list| list.contains(running.task)))
}

/// Reads or changes what the calling thread's task has asked for; `None` outside of tasks.
pub(crate) fn belongings<T>(work: impl FnOnce(&RunningTask, &mut TaskBelongings) -> T) -> Option<T> {
    let running = RUNNING.get()?;
    NOTES.with_borrow_mut(|notes| Some(work(&running, &mut notes.belongings)))
}

/// The client of the process, for threads of the program's own: under MPI a process is one rank.
static HOME_OF_PROCESS: Mutex<Option<Home>> = Mutex::new(None);

/// Sets the client for threads that have none of their own; `None` removes it.
pub(crate) fn set_home_of_process(home: Option<Home>) {
    let before = std::mem::replace(&mut *HOME_OF_PROCESS.lock(), home);
    drop(before); // after the lock is free, since dropping a client may take locks
}

/// The client of the calling thread's rank. Handles that were read out of values reach their objects through it.
pub(crate) fn home() -> Option<Home> {
    HOME.with_borrow(Clone::clone).or_else(|| HOME_OF_PROCESS.lock().clone())
}

/// Makes `home` the client of the calling thread from now on.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn take_home(home: Home) {
    HOME.set(Some(home));
}

/// Runs `work` with `home` as the client of the calling thread.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn with_home<T>(home: &Home, work: impl FnOnce() -> T) -> T {
    let outer = HOME.replace(Some(home.clone()));
    let outcome = work();
    HOME.set(outer);
    outcome
}

/// Moves the calling thread's task to a thread where it may wait, unless it is on one: there it runs again from its
/// start, and later tasks of its definition start there. To be called before the task does anything with an effect
/// beyond it.
///
/// If the task is not allowed to wait on this thread, its stack is unwound.
pub(crate) fn settle() {
    if let Some(running) = RUNNING.get() {
        move_unless(running.may_wait);
    }
}

/// The number of the calling thread's task, and the means by which the task submits others. `None` outside of tasks,
/// and while the task makes a shared value of its rank.
///
/// If the task is not allowed to wait on this thread, its stack is unwound and it is run again on another thread.
pub(crate) fn nest() -> Option<(TaskId, Home)> {
    let running = RUNNING.get().filter(|running| !running.makes_local)?;
    move_unless(running.may_wait);
    NOTES.with_borrow_mut(|notes| notes.nests = true);
    Some((running.task, HOME.with_borrow(Clone::clone)?))
}

/// Number of looks in vain after which a task that polls gives its slot back for a moment at each further look.
const LOOKS_IN_VAIN: u32 = 8;

/// Notes that the calling thread's task has looked in vain for the end of other tasks. True if it has done so often:
/// then it should give its slot back for a moment, since they may need it.
pub(crate) fn looked_in_vain() -> bool {
    RUNNING.get().is_some_and(|running| running.may_wait)
        && NOTES.with_borrow_mut(|notes| {
            notes.looks = notes.looks.saturating_add(1);
            notes.looks > LOOKS_IN_VAIN
        })
}

/// Sets the name of the calling thread's task, which its error message shows.
pub(crate) fn name(origin: Origin) {
    if RUNNING.get().is_some() {
        NOTES.with_borrow_mut(|notes| notes.origin = Some(origin));
    }
}

/// The name of the calling thread's task that [`name`] has set. Safe in a handler of a signal: it takes no lock.
pub(crate) fn origin() -> Option<Origin> {
    NOTES.try_with(|notes| notes.try_borrow().ok()?.origin).ok().flatten()
}

/// Notes that the calling thread's task has been told of the failure of another one. If it panics over that, its error
/// names that cause.
pub(crate) fn note_told(cause: &Arc<TaskError>) {
    if RUNNING.get().is_some() {
        NOTES.with_borrow_mut(|notes| notes.told = Some(cause.clone()));
    }
}

fn move_unless(may_wait: bool) {
    if !may_wait {
        NOTES.with_borrow_mut(|notes| notes.moves = true);
        resume_unwind(Box::new(LeaveTask));
    }
}

/// A guard of a slot that a waiting task has offered to others; the slot is taken back when the guard is dropped.
pub(crate) struct LentSlot {
    slot: Rc<dyn ThreadSlot>,
    task: TaskId,
    /// Number of slots of the rank, the most that are lent at a time.
    pub slots: u32,
}

/// Offers the slot of the calling thread's task to other tasks, while it waits for work elsewhere, such as a command.
/// `None` where slots are never lent.
pub(crate) fn lend() -> Option<LentSlot> {
    let running = RUNNING.get().filter(|running| running.may_wait)?;
    let slot = SLOT.with_borrow(Clone::clone)?;
    let slots = slot.lend(running.task)?;
    Some(LentSlot { slot, task: running.task, slots })
}

impl Drop for LentSlot {
    fn drop(&mut self) {
        self.slot.take_back(self.task);
    }
}

/// A guard of a thread that waits without its slot; it takes the slot again when the guard is dropped.
pub(crate) struct PausedThread {
    slot: Rc<dyn ThreadSlot>,
    task: Option<TaskId>,
    begin: Instant,
}

/// Gives the slot of the calling thread back until the guard is dropped; `None` for a thread that is no compute thread.
///
/// # Panics
/// When the rank can start no more threads to compute meanwhile, which fails the task.
pub(crate) fn pause() -> Option<PausedThread> {
    let running = RUNNING.get();
    move_unless(running.is_none_or(|running| running.may_wait));
    let slot = SLOT.with_borrow(Clone::clone)?;
    let task = running.map(|running| running.task);
    if let Err(why) = slot.pause(task) {
        std::panic::panic_any(why);
    }
    Some(PausedThread { slot, task, begin: Instant::now() })
}

impl PausedThread {
    /// Lets other threads of a simulation go on; see [`ThreadSlot::step`].
    pub(crate) fn step(&self) -> bool {
        self.slot.step()
    }
}

impl Drop for PausedThread {
    fn drop(&mut self) {
        let waited = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        NOTES.with_borrow_mut(|notes| notes.waited = notes.waited.saturating_add(waited));
        self.slot.resume(self.task);
    }
}
