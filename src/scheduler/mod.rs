//! The state machine of rank 0: facts in, actions out.
//!
//! ```text
//!   submit ─► Blocked{missing} ─► Ready ─► Assigned{rank} ─► Inline | Stored{holders} ─► Released ─► (no record)
//!                  │   ▲            ▲          │  │                       │
//!                  │   └────────────┴──────────┘  └─► Failed{cause}       │ the last holder died, still needed
//!                  └───── an input failed ───────────►     ▲              ▼
//!                                                          └──────── Blocked (made again from its recipe)
//! ```
//!
//! [`Scheduler::handle`] takes facts, [`Scheduler::place`] takes decisions, once per turn of the caller's loop, so that
//! a burst of ten thousand completions is absorbed first and placed once. There is no clock, no randomness, no thread
//! and no network in here, and nothing is iterated in an order that could differ: equal events give equal actions.
//!
//! Three counts decide how long a record lives:
//! * `held`, whether its owner has a future of it: the client, or the rank where a task has submitted it;
//! * `pending`, uses of the result that are still to come: unfinished consumers, a transfer to the owner. With neither
//!   the result is released on every rank that holds it;
//! * `lineage`, consumers that have a record. While there are any, the recipe (function, arguments, inputs) is kept,
//!   since a consumer's result may be lost with its rank and made again. A consumer whose result is kept at rank 0
//!   cannot be lost, so it lets go of its inputs as soon as it is done; in return, that result is kept, since it has no
//!   recipe any more.

mod check;
pub(crate) mod constrained;
mod event;
mod family;
pub(crate) mod host_affinity;
mod loss;
mod nested;
mod placement;
pub(crate) mod prefetch;
pub(crate) mod propagate;
pub(crate) mod ranks;
mod ready;
pub(crate) mod reservations;
mod retry;
mod task;
#[cfg(test)]
mod tests;
mod transitions;

pub use crate::protocol::{COUNTERS_MAX, ResourceRequest};
pub use event::{DefOptions, NewTask, RankInfo, SchedulerAction, SchedulerEvent, Status, TaskOutcome};
pub use task::{ScheduledTask, TaskState};

use crate::error::{ProtocolError, TaskError};
use crate::ids::{DefId, HEAD, Rank, TaskId};
use crate::protocol::{BulkLayout, Definition, RankReport};
use crate::scheduler::constrained::ConstrainedTasks;
use crate::scheduler::host_affinity::Places;
use crate::scheduler::ranks::{HORIZON, RankTable, TASK_OVERHEAD};
use family::Families;
use nested::NestedSubmitters;
use ready::Ready;
use retry::Retries;
use std::sync::Arc;
use task::TaskTable;

/// A definition with what has been learnt of it.
#[derive(Debug)]
struct DefinitionRecord {
    definition: Definition,
    options: DefOptions,
    /// The class of its needs, if it has any.
    class: Option<u32>,
    /// Mean time in the function, in nanoseconds; 0 before the first has ended.
    mean: u32,
    /// How its last stored result is to be read: the next are mostly alike.
    layout: Arc<BulkLayout>,
    /// Tasks of it have submitted tasks.
    nests: bool,
}

impl DefinitionRecord {
    /// Whether another rank may not be as good as the one that its tasks are sent to.
    fn is_bound(&self) -> bool {
        self.options.on.is_some() || self.options.near > 0
    }

    /// What one more task of it is expected to cost its rank, in nanoseconds. One that may wait for others is not queued
    /// in advance, however short: each that waits keeps a thread.
    fn cost(&self) -> u32 {
        let cost = match self.mean {
            0 => HORIZON as u32,
            _ if self.nests => HORIZON as u32,
            mean => mean.saturating_add(TASK_OVERHEAD),
        };
        cost.saturating_mul(self.definition.slots)
    }
}

/// The scheduler; see the module's documentation.
pub struct Scheduler {
    tasks: TaskTable,
    families: Families,
    defs: Vec<DefinitionRecord>,
    submitters: NestedSubmitters,
    workers: RankTable,
    ready: Ready,
    /// What could start and needs more than a slot.
    constrained: ConstrainedTasks,
    /// Where tasks have run that others are to be near to.
    places: Places,
    /// Tasks that have failed and are to start again.
    retries: Retries,
    /// Ranks that may have room for tasks that wait for it; empty between two turns, for its memory.
    changed: Vec<Rank>,
}

impl Scheduler {
    /// A scheduler for ranks 0, 1, … with these properties.
    pub fn new(ranks: &[RankInfo]) -> Self {
        Scheduler {
            tasks: TaskTable::default(),
            families: Families::default(),
            defs: Vec::new(),
            submitters: NestedSubmitters::new(ranks.len()),
            workers: RankTable::new(ranks),
            ready: Ready::default(),
            constrained: ConstrainedTasks::default(),
            places: Places::default(),
            retries: Retries::default(),
            changed: Vec::new(),
        }
    }

    /// Takes a fact and appends what it makes necessary at once to `out`.
    ///
    /// # Errors
    /// When the fact cannot be: a bug, or a damaged message. The scheduler's state is as before the fact.
    pub fn handle(
        &mut self,
        event: SchedulerEvent,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        match event {
            SchedulerEvent::Define(defined) => self.on_define(defined.0, defined.1),
            SchedulerEvent::Counter { counter, total } => self.on_counter(counter, total),
            SchedulerEvent::Submit(mut new) => {
                new.def = self.submitters.def(HEAD, new.def)?;
                self.on_submit(HEAD, new, out)
            }
            SchedulerEvent::SubmitFamily { def, first, count } => {
                self.on_submit_family(self.submitters.def(HEAD, def)?, first, count)
            }
            SchedulerEvent::Scatter { task, key, output } => self.on_scatter(HEAD, task, key, output),
            SchedulerEvent::Release(task) => self.on_release(HEAD, task, out),
            SchedulerEvent::Cancel(task) => self.on_cancel(task, out),
            SchedulerEvent::ReleaseFamily { first, count, except } => {
                self.on_release_family(first, count, except, out)
            }
            SchedulerEvent::Want { task, value } => self.on_want(HEAD, task, value, out),
            SchedulerEvent::Due { task, attempt } => {
                self.on_due(task, attempt);
                Ok(())
            }
            SchedulerEvent::Lost(rank) => self.on_lost(rank, out),
            SchedulerEvent::From(rank, report) => {
                if !self.workers.get(rank).is_some_and(|worker| worker.alive) {
                    return Ok(()); // a message that was under way when its sender died
                }
                if matches!(
                    report,
                    RankReport::Finished { .. } | RankReport::Failed { .. } | RankReport::Retracted { .. }
                ) {
                    self.workers.note_unseen(rank);
                }
                match report {
                    RankReport::Finished { task, attempt, nanos, output } => {
                        self.on_finished(rank, task, attempt, nanos, output, out)
                    }
                    RankReport::Failed { task, attempt, error } => {
                        self.on_failed(rank, task, attempt, *error, out)
                    }
                    RankReport::Fetched { task } => self.on_fetched(rank, task, out),
                    RankReport::Retracted { task, attempt } => self.on_retracted(rank, task, attempt, out),
                    RankReport::RetractDone => self.on_retract_done(rank),
                    RankReport::NotBrought { task } => self.on_not_brought(task, out),
                    RankReport::Bye { .. } => Ok(()),
                    report => self.on_nested(rank, report, out),
                }
            }
        }
    }

    /// What a task is doing.
    pub fn status(&self, task: TaskId) -> Status {
        match self.tasks.get(task).map(|record| &record.state) {
            Some(TaskState::Blocked { .. } | TaskState::Ready) => Status::Pending,
            Some(TaskState::Assigned { .. }) => Status::Assigned,
            Some(TaskState::Inline(_) | TaskState::Stored(_)) => Status::Finished,
            Some(TaskState::Failed(_)) => Status::Failed,
            Some(TaskState::Released) => Status::Released,
            None if self.families.is_waiting(task) => Status::Pending,
            None => Status::Released,
        }
    }

    /// How many records there are: 0 when all futures are dropped and all is released.
    pub fn records(&self) -> usize {
        self.tasks.len()
    }

    /// The number of definitions, those included that stand for others with more memory.
    pub fn definitions(&self) -> usize {
        self.defs.len()
    }

    /// Tasks sent to ranks and not finished.
    pub fn assigned(&self) -> u64 {
        self.workers.total_assigned()
    }

    /// The record of `task`, for tests and messages.
    pub fn task(&self, task: TaskId) -> Option<&ScheduledTask> {
        self.tasks.get(task)
    }

    fn def(&self, def: DefId) -> Result<&DefinitionRecord, ProtocolError> {
        self.defs.get(def.index()).ok_or_else(|| ProtocolError(format!("definition {def:?} is not known")))
    }

    /// What is wrong with a task that no rank has said anything about.
    pub fn error_of(&self, task: TaskId, rank: Rank, message: String) -> TaskError {
        let task = self.tasks.get(task).map(|record| self.key_text(record)).unwrap_or_default();
        TaskError::not_started(message, task, rank)
    }

    /// The key of `task` as users read it: its function's name and a number.
    fn key_text(&self, record: &ScheduledTask) -> String {
        let name = self.defs.get(record.def.index()).map_or("value", |def| def.definition.name.as_str());
        format!("{name}-{:016x}", record.key)
    }
}
