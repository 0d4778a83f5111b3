//! What a thread knows of the task that it computes, and what it does before it waits for another one.

use crate::error::Origin;
use crate::ids::{Attempt, Rank, TaskId};
use crate::runtime::threads::rank_locals::RankLocals;
use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The task of a thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunningTask {
    /// The rank.
    pub rank: Rank,
    /// Its number.
    pub task: TaskId,
    /// The number of the start, from 1.
    pub attempt: Attempt,
    /// Bytes of its host's memory that it may take; 0 without a limit.
    pub memory: u64,
    /// Whether it may wait for other tasks on this thread.
    pub may_wait: bool,
    /// Whether it makes a value of the rank, and must not submit other tasks.
    pub makes_local: bool,
}

/// A thread's place among those that compute.
pub(crate) trait Seat {
    /// The thread will wait for other tasks; `task` is the one that it computes, if that is not a parallel part of
    /// another thread's.
    ///
    /// # Errors
    /// When nobody could compute meanwhile: then it must not wait.
    fn pause(&self, task: Option<TaskId>) -> Result<(), String>;
    /// The thread goes on.
    fn resume(&self, task: Option<TaskId>);
    /// The task of the thread only waits for what does not compute here: its slot may be lent, to some such tasks at a
    /// time. Gives the number of the rank's slots; none where nothing is lent.
    fn lend(&self, _task: TaskId) -> Option<u32> {
        None
    }
    /// The task goes on, or has had its slot for long enough.
    fn take_back(&self, _task: TaskId) {}
    /// In a simulation, lets others go on until this thread is to look whether it can; false if it is to wait for that.
    fn step(&self) -> bool {
        false
    }
}

/// The client that tasks on this rank submit with, of a type that the layer above knows.
pub(crate) type Home = Arc<dyn Any + Send + Sync>;

/// Notes on a task while it runs.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Whether the task has asked for a client.
    pub nests: bool,
    /// Whether the task has to begin anew where it may wait.
    pub moves: bool,
    /// Time in which it has waited for other tasks, in nanoseconds.
    pub waited: u64,
    /// The task's name at the layer above the engine, for its error.
    pub origin: Option<Origin>,
}

thread_local! {
    static RUNNING: Cell<Option<RunningTask>> = const { Cell::new(None) };
    static NOTES: RefCell<Notes> = const { RefCell::new(Notes { nests: false, moves: false, waited: 0, origin: None }) };
    static SEAT: RefCell<Option<Rc<dyn Seat>>> = const { RefCell::new(None) };
    static HOME: RefCell<Option<Home>> = const { RefCell::new(None) };
    static LOCALS: RefCell<Option<Arc<RankLocals>>> = const { RefCell::new(None) };
}

/// Leaves a task that has to begin anew elsewhere.
struct LeaveTask;

/// The task of the calling thread; nothing outside of tasks.
pub(crate) fn running() -> Option<RunningTask> {
    RUNNING.get()
}

/// Does the work of a task, with what was noted of it meanwhile. The thread may be in another task already.
pub(crate) fn within<T>(task: RunningTask, work: impl FnOnce() -> T) -> (T, Notes) {
    let outer = (RUNNING.replace(Some(task)), NOTES.take());
    let outcome = work();
    RUNNING.set(outer.0);
    (outcome, NOTES.replace(outer.1))
}

/// Does the work of a task of a rank that shares its process with others, and has these values.
pub(crate) fn with_locals<T>(locals: &Arc<RankLocals>, work: impl FnOnce() -> T) -> T {
    let outer = LOCALS.replace(Some(locals.clone()));
    let outcome = work();
    LOCALS.set(outer);
    outcome
}

/// The rank's value that an initialiser of type `F` makes; outside of tasks that of the process.
///
/// Where the thread's task must not wait and the value is not there, the task is left here and begins anew elsewhere.
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

/// Makes a task the thread's again when it is dropped.
struct RunningAgain(RunningTask);

impl Drop for RunningAgain {
    fn drop(&mut self) {
        RUNNING.set(Some(self.0));
    }
}

/// Gives the calling thread, which computes, its seat, and its tasks the client that they submit with.
pub(crate) fn take_seat(seat: Option<Rc<dyn Seat>>, home: Option<Home>) {
    SEAT.set(seat);
    HOME.set(home);
}

/// The task of the calling thread, which is going to submit others, and what it does that with; nothing outside of
/// tasks.
///
/// Where it could not wait for them, it is left here and begins anew elsewhere.
pub(crate) fn nest() -> Option<(TaskId, Home)> {
    let running = RUNNING.get().filter(|running| !running.makes_local)?;
    move_unless(running.may_wait);
    NOTES.with_borrow_mut(|notes| notes.nests = true);
    Some((running.task, HOME.with_borrow(Clone::clone)?))
}

/// Names the task of this thread, for its error.
pub(crate) fn name(origin: Origin) {
    if RUNNING.get().is_some() {
        NOTES.with_borrow_mut(|notes| notes.origin = Some(origin));
    }
}

fn move_unless(may_wait: bool) {
    if !may_wait {
        NOTES.with_borrow_mut(|notes| notes.moves = true);
        resume_unwind(Box::new(LeaveTask));
    }
}

/// A slot that may be lent until this is dropped.
pub(crate) struct LentSlot {
    seat: Rc<dyn Seat>,
    task: TaskId,
    /// How many slots the rank has.
    pub slots: u32,
}

/// Lets the slot of the calling thread's task be lent while the task waits for what computes elsewhere; none where
/// nothing is lent.
pub(crate) fn lend() -> Option<LentSlot> {
    let running = RUNNING.get().filter(|running| running.may_wait)?;
    let seat = SEAT.with_borrow(Clone::clone)?;
    let slots = seat.lend(running.task)?;
    Some(LentSlot { seat, task: running.task, slots })
}

impl Drop for LentSlot {
    fn drop(&mut self) {
        self.seat.take_back(self.task);
    }
}

/// A thread that waits; when this is dropped it goes on.
pub(crate) struct PausedThread {
    seat: Rc<dyn Seat>,
    task: Option<TaskId>,
    begin: Instant,
}

/// Gives the slot of the calling thread back until the guard is dropped; nothing to do for one that does not compute.
///
/// # Panics
/// When the rank can start no more threads to compute meanwhile: an error of the task.
pub(crate) fn pause() -> Option<PausedThread> {
    let running = RUNNING.get();
    move_unless(running.is_none_or(|running| running.may_wait));
    let seat = SEAT.with_borrow(Clone::clone)?;
    let task = running.map(|running| running.task);
    if let Err(why) = seat.pause(task) {
        std::panic::panic_any(why);
    }
    Some(PausedThread { seat, task, begin: Instant::now() })
}

impl PausedThread {
    /// See [`Seat::step`].
    pub(crate) fn step(&self) -> bool {
        self.seat.step()
    }
}

impl Drop for PausedThread {
    fn drop(&mut self) {
        let waited = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        NOTES.with_borrow_mut(|notes| notes.waited = notes.waited.saturating_add(waited));
        self.seat.resume(self.task);
    }
}
