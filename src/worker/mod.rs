//! The state machine of a computing rank: facts in, actions out.
//!
//! ```text
//!   Run ─► waiting for inputs ─► queue ─► running ─► Finished | Failed
//!               │  │               │
//!               │  └── holder died ┴─ Retract ─► Retracted
//!               └─ Fetch ─► Arrived ─► (a copy is here) ─► Fetched
//! ```
//!
//! Rank 0 keeps a result at its holder until the tasks that use it have ended or been given back. So a task is given
//! back only when its fetches are over: then no holder is ever asked for what it was told to release.
//!
//! A task may be sent ahead of its inputs (`Source::Soon`): it waits here for the tasks that make them, and starts without
//! asking rank 0. When one of these fails or is given back, what follows it is given back too. Rank 0 may take a task to be
//! here that has just ended: until it says (`Seen`) that it knows, the last results are remembered.
//!
//! Like the scheduler it knows no clock, no thread and no network. A task without inputs from the store costs no
//! table look-up. A result that is released while a task here still uses it goes when that task has ended.

mod check;
mod event;
mod nested;
pub(crate) mod prefetch;
#[cfg(test)]
mod tests;
mod transitions;

pub use event::{WorkerAction, WorkerEvent};

use crate::error::ProtocolError;
use crate::ids::{IdMap, Rank, TaskId};
use crate::protocol::{Blob, RankOrder, RunTask};
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};

/// Work handed to the compute threads beyond one task each, in nanoseconds: it saves a hand-over per task, but can no
/// longer be given back.
const HANDOVER: u64 = 100_000;
/// Tasks handed over beyond one per slot, however short they are.
const HANDOVER_MAX: u64 = 256;

/// A result that is here or on its way.
#[derive(Debug, Default)]
struct HeldResult {
    /// The rank that it comes from, until it is here.
    coming: Option<Rank>,
    /// Tasks that wait for it, one that takes it twice twice.
    waiters: SmallVec<[TaskId; 2]>,
    /// Inputs of tasks here that it is.
    users: u32,
    /// Rank 0 wants it here for the client.
    brought: bool,
    /// To be dropped after its last use.
    released: bool,
}

/// What has become of a task, as reported to rank 0.
#[derive(Debug, Clone)]
enum EndedTask {
    /// It has this result, which is kept at rank 0.
    Inline(Blob),
    /// It has a result, which is here.
    Stored,
    /// It has failed, or was given back.
    Without,
}

#[derive(Debug)]
struct Waiting {
    run: RunTask,
    missing: u32,
    /// An input will not come: to be given back, with only the inputs that are still on their way left in `run`.
    lost: bool,
}

/// The state machine; see the module's documentation.
#[derive(Debug)]
pub struct Worker {
    slots: u32,
    /// Handed to the compute threads, those that wait for other tasks included.
    running: u32,
    /// Slots that they take beyond one each.
    extra: u32,
    /// Slots that each of the tasks takes that take more than one.
    wide: IdMap<TaskId, u32>,
    /// Slots that a task of each definition takes, up to the last that takes more than one.
    widths: Vec<u32>,
    /// Mean time of a task, in nanoseconds; 0 before the first has ended.
    mean: u64,
    /// Slots that tasks have given back, since they wait for other tasks.
    paused: u32,
    /// The same as rank 0 was told.
    told: u32,
    /// Whether tasks that went on after a wait may take more slots than there are.
    crowded: bool,
    /// Could start, in the order of arrival.
    queue: VecDeque<RunTask>,
    /// The same of tasks that tasks have submitted: they come before the others, the deepest first.
    nested: BTreeMap<u32, VecDeque<RunTask>>,
    /// Miss inputs.
    waiting: IdMap<TaskId, Waiting>,
    /// Inputs from the store of running tasks that have any.
    in_use: IdMap<TaskId, SmallVec<[TaskId; 4]>>,
    /// Results.
    held: IdMap<TaskId, HeldResult>,
    /// Tasks that were sent ahead of an input, by the task here that makes it; each once.
    followers: IdMap<TaskId, SmallVec<[TaskId; 2]>>,
    /// Tasks that have ended or were given back, oldest first, of which rank 0 has not been seen to know: it may take
    /// them to be still here.
    unseen: VecDeque<(TaskId, EndedTask)>,
    /// A task whose inputs have not all been told yet.
    receiving: Option<RunTask>,
    /// Ranks that have died.
    dead: SmallVec<[Rank; 4]>,
}

impl Worker {
    /// A rank that computes `slots` tasks at a time; 0 for one that only holds results.
    pub fn new(slots: u32) -> Self {
        Worker {
            slots,
            running: 0,
            extra: 0,
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
        }
    }

    /// Takes a fact and appends what it makes necessary to `out`.
    ///
    /// # Errors
    /// When the fact cannot be: a bug, or a damaged message.
    pub fn handle(&mut self, event: WorkerEvent, out: &mut Vec<WorkerAction>) -> Result<(), ProtocolError> {
        match event {
            WorkerEvent::Order(order) => self.on_order(order, out)?,
            WorkerEvent::Arrived(task) => self.on_arrived(task, out)?,
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
            RankOrder::Nests { def } => out.push(WorkerAction::Nests(def)),
            // those are the reactor's
            RankOrder::Shutdown | RankOrder::Leave | RankOrder::Answer { .. } | RankOrder::Status { .. } => {}
        }
        Ok(())
    }

    /// Starts tasks that can start: to be called once per turn, after all facts of the turn.
    pub fn start(&mut self, out: &mut Vec<WorkerAction>) {
        let extra = match self.nests() {
            // what is handed over keeps its order, and a deeper task may come
            true => 0,
            false => HANDOVER.checked_div(self.mean).map_or(0, |extra| extra.min(HANDOVER_MAX)),
        };
        let most = if self.slots == 0 { 0 } else { self.slots.saturating_add(extra as u32) };
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

    /// Whether the first task of the queue can be handed over: where any takes several slots, only when as many are free,
    /// so that what comes behind it does not pass it.
    fn may_start(&self, run: &RunTask, most: u32) -> bool {
        let width = self.widths.get(run.def.index()).copied().unwrap_or(1);
        let taken = (self.running + self.extra).saturating_sub(self.paused);
        if width == 1 && self.extra == 0 {
            return taken < most;
        }
        most > 0 && (width <= self.slots.saturating_sub(taken) || taken == 0)
    }

    /// Results that are here or on their way; 0 at the end of a run.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Slots that are free, at most as many as there are tasks that wait for inputs.
    pub fn slots_in_want(&self) -> u32 {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.slots.saturating_sub(self.running).min(waiting)
    }

    /// Tasks that are here and have not ended.
    pub fn unfinished(&self) -> usize {
        let receiving = usize::from(self.receiving.is_some());
        self.queued().count() + self.waiting.len() + self.running as usize + receiving
    }
}
