//! The worker of a computing rank, a deterministic state machine: it takes events and returns actions.
//!
//! ```text
//!   Run ─► waiting for inputs ─► queue ─► running ─► Finished | Failed
//!               │  │               │
//!               │  └── holder died ┴─ Retract ─► Retracted
//!               └─ Fetch ─► Arrived ─► (a copy is here) ─► Fetched
//! ```
//!
//! Rank 0 keeps a result at its holder until the tasks that use it have ended or been given back. So the worker gives
//! a task back only when its fetches are over. Then no holder is ever asked for a result that it was told to release.
//!
//! A task may be sent ahead of its inputs (prefetch,
//! [`InputSource::Upcoming`](crate::protocol::InputSource::Upcoming)): it waits here for the tasks that make them, and
//! starts without asking rank 0. If one of these fails or is given back, its followers (the tasks that wait here for
//! its result) are given back too. Rank 0 may send a task ahead of one that has just ended here. So the worker
//! remembers ended tasks until rank 0 acknowledges them ([`RankOrder::Seen`]).
//!
//! Like the scheduler, the worker has no clock, threads or network. A task without inputs from the store costs no
//! table look-up. A released result that a task here still uses is dropped when that task has ended.
//!
//! Start at [`Worker::handle`] for the events and [`Worker::start`], which hands tasks to the compute threads.
//! `check` states every invariant as code.

mod check;
mod event;
mod nested;
pub(crate) mod prefetch;
#[cfg(test)]
mod tests;
mod transitions;

pub use event::{WorkerAction, WorkerEvent};

use crate::error::{ProtocolError, TaskError};
use crate::ids::{IdMap, Rank, TaskId};
use crate::protocol::{Blob, RankOrder, RunTask};
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};

/// Expected work, in nanoseconds, that is handed to the compute threads beyond one task per slot. Handing tasks over in
/// advance saves a wake-up per task, but such tasks can no longer be given back to rank 0 for idle ranks.
const HANDOVER: u64 = 100_000;
/// Number of tasks that are handed to the compute threads beyond one per slot, however short they are.
const HANDOVER_MAX: u64 = 256;

/// A result that is in this rank's store or is being fetched into it.
#[derive(Debug, Default)]
struct HeldResult {
    /// The rank that the result is being fetched from; `None` once it is in the store.
    coming: Option<Rank>,
    /// The tasks of this rank that wait for the result to arrive. A task that takes it twice is listed twice.
    waiters: SmallVec<[TaskId; 2]>,
    /// The number of uses of the result as an input, by tasks that are on this rank and have not ended.
    users: u32,
    /// Whether a client or task that waits on this rank needs the value (rank 0 has sent `Bring`), not only a task as
    /// an input.
    brought: bool,
    /// Whether rank 0 has released the result, so that it is dropped after its last use on this rank. A result that is
    /// not released stays, even if no task here uses it.
    released: bool,
}

/// The outcome of a task, as this rank has reported it to rank 0.
#[derive(Debug, Clone)]
enum EndedTask {
    /// The task has this short result, which is kept at rank 0.
    Inline(Blob),
    /// The task has a result, which is in this rank's store.
    Stored,
    /// The task has no result: it failed or was given back to rank 0.
    Without,
}

#[derive(Debug)]
struct Waiting {
    run: RunTask,
    missing: u32,
    /// Whether an input will not come, since its maker failed or its holder died. Then the task is to be given back to
    /// rank 0, and `run` contains only the inputs that are still on their way.
    lost: bool,
    /// The error with which the task fails instead of being given back: an input could not be taken in.
    error: Option<Box<TaskError>>,
}

/// The worker of a computing rank, which queues tasks and tracks their inputs and results. See
/// `docs/architecture.md`.
#[derive(Debug)]
pub struct Worker {
    slots: u32,
    /// Number of tasks handed to the compute threads, including those that wait for other tasks.
    running: u32,
    /// Slots that the running tasks take beyond one for each task.
    extra: u32,
    /// Slots that programs of several processes take, which tasks of this rank or of others have started.
    lent: u32,
    /// Number of slots of each running task that takes more than one.
    wide: IdMap<TaskId, u32>,
    /// Number of slots that a task takes, by definition number. The list ends with the last definition whose tasks take
    /// more than one.
    widths: Vec<u32>,
    /// Running mean of the tasks' durations on this rank, in nanoseconds; 0 before the first task has finished.
    mean: u64,
    /// Slots that are free because the tasks in them wait for other tasks.
    paused: u32,
    /// The value of `paused` in the last report to rank 0, to report it only when it has changed.
    told: u32,
    /// Whether tasks might take more slots than there are, since some have gone on after a wait while others had taken
    /// their slots. Only `check` reads it.
    crowded: bool,
    /// Tasks submitted by the client that can start (all inputs are present), in the order of arrival.
    queue: VecDeque<RunTask>,
    /// Tasks submitted by other tasks that can start, by nesting depth. They come before those in `queue`, the deepest
    /// first.
    nested: BTreeMap<u32, VecDeque<RunTask>>,
    /// Tasks on this rank of which some inputs are missing, so that they cannot start.
    waiting: IdMap<TaskId, Waiting>,
    /// For each running task, its inputs that are in the store, which must stay there until the task has ended.
    in_use: IdMap<TaskId, SmallVec<[TaskId; 4]>>,
    /// Results that are in this rank's store or are being fetched into it.
    held: IdMap<TaskId, HeldResult>,
    /// For each task on this rank whose result other tasks here wait for: these followers, which rank 0 has sent before
    /// the result exists. Each is listed once, even if it takes the result twice.
    followers: IdMap<TaskId, SmallVec<[TaskId; 2]>>,
    /// Tasks that have ended or were given back, the oldest first, until rank 0 acknowledges the report. Until then,
    /// rank 0 may send tasks that take their results as if they were still to end on this rank.
    unseen: VecDeque<(TaskId, EndedTask)>,
    /// A task whose list of inputs is longer than one message, until the rest of the list has come; `None` most of the
    /// time.
    receiving: Option<RunTask>,
    /// Ranks that have died; requests from them that still arrive are ignored.
    dead: SmallVec<[Rank; 4]>,
    /// Whether the run is ending, so that no more tasks start.
    closing: bool,
}

impl Worker {
    /// Makes the worker of a rank that computes `slots` tasks at a time; 0 for a rank that only holds results.
    pub fn new(slots: u32) -> Self {
        Worker {
            slots,
            running: 0,
            extra: 0,
            lent: 0,
            wide: IdMap::default(),
            widths: Vec::new(),
            mean: 0,
            paused: 0,
            told: 0,
            crowded: false,
            nested: BTreeMap::new(),
            queue: VecDeque::new(),
            waiting: IdMap::default(),
            in_use: IdMap::default(),
            held: IdMap::default(),
            followers: IdMap::default(),
            unseen: VecDeque::new(),
            receiving: None,
            dead: SmallVec::new(),
            closing: false,
        }
    }

    /// Handles an event and appends the actions that follow to `out`.
    ///
    /// # Errors
    /// When the event contradicts the state, because of a bug or a damaged message.
    pub fn handle(&mut self, event: WorkerEvent, out: &mut Vec<WorkerAction>) -> Result<(), ProtocolError> {
        match event {
            WorkerEvent::Order(order) => self.on_order(order, out)?,
            WorkerEvent::Arrived(task) => self.on_arrived(task, out)?,
            WorkerEvent::Refused(task, error) => self.on_refused(task, &error, out)?,
            WorkerEvent::Put(task) => {
                self.held.insert(task, HeldResult::default());
            }
            WorkerEvent::Computed { task, attempt, nanos, output } => {
                self.on_computed(task, attempt, nanos, output, out)?;
            }
            WorkerEvent::Paused(task) => self.paused += self.slots_of(task),
            WorkerEvent::Resumed(task) => self.on_resumed(task)?,
            WorkerEvent::Asked { by, task, tag, same_files } => {
                self.on_asked(task, same_files, (by, tag), out)?
            }
        }
        Ok(())
    }

    fn on_order(&mut self, order: RankOrder, out: &mut Vec<WorkerAction>) -> Result<(), ProtocolError> {
        match order {
            RankOrder::Define(definition) => {
                if definition.slots > 1 {
                    let at = definition.def.index();
                    self.widths.resize(self.widths.len().max(at + 1), 1);
                    self.widths[at] = definition.slots;
                }
                out.push(WorkerAction::Learn(definition));
            }
            RankOrder::Run(run) => self.on_run(run, out)?,
            RankOrder::MoreInputs { task, inputs, more } => self.on_more_inputs(task, inputs, more, out)?,
            RankOrder::RunRange { def, first, index, count } => self.on_run_range(def, first, index, count),
            RankOrder::Bring { task, holder, nbytes, layout } => {
                self.on_bring(task, holder, nbytes, layout, out)
            }
            RankOrder::Retract { count } => self.on_retract(count, out),
            RankOrder::Release { task } => self.on_release(task, out),
            RankOrder::Lost { rank } => self.on_lost(rank, out),
            RankOrder::Seen { count } => {
                let count = (count as usize).min(self.unseen.len());
                self.unseen.drain(..count);
            }
            RankOrder::Cancel { task } => self.on_cancel(task, out),
            RankOrder::Lend { slots } => self.lent = slots,
            RankOrder::Nests { def } => out.push(WorkerAction::Nests(def)),
            RankOrder::Shutdown => self.on_shutdown(out),
            // the reactor and the executor handle these
            RankOrder::Leave
            | RankOrder::Team { .. }
            | RankOrder::Answer { .. }
            | RankOrder::Status { .. }
            | RankOrder::Counter { .. }
            | RankOrder::Alive => {}
        }
        Ok(())
    }

    /// Hands queued tasks to the compute threads, as far as slots are free. The caller calls this once per turn, after
    /// it has handled all events of the turn.
    pub fn start(&mut self, out: &mut Vec<WorkerAction>) {
        let extra = match self.nests() {
            // tasks that are handed over start in that order, so a deeper task that arrives next would have to wait for
            // them
            true => 0,
            false => HANDOVER.checked_div(self.mean).map_or(0, |extra| extra.min(HANDOVER_MAX)),
        };
        let most = if self.slots == 0 || self.closing { 0 } else { self.slots.saturating_add(extra as u32) };
        while self.first_queued().is_some_and(|run| self.may_start(run, most))
            && let Some(run) = self.next_queued()
        {
            let inputs = Self::stored_inputs(&run);
            if !inputs.is_empty() {
                self.in_use.insert(run.task, inputs);
            }
            self.running += 1;
            if let Some(&width) = self.widths.get(run.def.index()).filter(|&&width| width > 1) {
                self.extra += width - 1;
                self.wide.insert(run.task, width);
            }
            out.push(WorkerAction::Execute(run));
        }
        self.tell_waits(out);
    }

    /// Whether the first queued task can be handed to the compute threads, at most `most` tasks at a time. A task of
    /// several slots, and any task while such a one or a program of several processes runs, starts only when as many slots
    /// are free as it takes, so that no task behind it overtakes it.
    fn may_start(&self, run: &RunTask, most: u32) -> bool {
        let width = self.widths.get(run.def.index()).copied().unwrap_or(1);
        let taken = (self.running + self.extra + self.lent).saturating_sub(self.paused);
        if width == 1 && self.extra == 0 && self.lent == 0 {
            return taken < most;
        }
        most > 0 && (width <= self.slots.saturating_sub(taken) || taken == 0)
    }

    /// Whether a task computes here, or is to, so that memory of this rank will be freed. A task that waits for others
    /// does not count: it may wait for those that lack memory.
    pub fn will_free(&self) -> bool {
        let computes = self.running + self.extra > self.paused;
        let starts = !self.closing && self.slots > 0 && self.first_queued().is_some();
        computes || starts
    }

    /// The number of results that are in this rank's store or are being fetched into it; 0 at the end of a run.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The number of free slots that waiting tasks of this rank could use if their inputs were present.
    pub fn slots_in_want(&self) -> u32 {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.slots.saturating_sub(self.running).min(waiting)
    }

    /// The number of tasks that were handed to the compute threads and have not ended.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// The number of tasks that are on this rank (queued, waiting or running) and have not ended.
    pub fn unfinished(&self) -> usize {
        let receiving = usize::from(self.receiving.is_some());
        self.queued().count() + self.waiting.len() + self.running as usize + receiving
    }
}
