//! The scheduler of rank 0, a deterministic state machine: it takes events and returns actions.
//!
//! ```text
//!   submit ─► Blocked{missing} ─► Ready ─► Assigned{rank} ─► Inline | Stored{holders} ─► Released ─► (no record)
//!                  │   ▲            ▲          │  │                       │
//!                  │   └────────────┴──────────┘  └─► Failed{cause}       │ the last holder died, still needed
//!                  └───── an input failed ───────────►     ▲              ▼
//!                                                          └──────── Blocked (made again from its recipe)
//! ```
//!
//! The caller reports events with [`Scheduler::handle`] and calls [`Scheduler::place`] once per turn of its loop, so
//! that a burst of ten thousand completions is handled first and placed once. The scheduler has no clock, random
//! numbers, threads or network, and iterates over nothing in an order that could differ: equal events give equal
//! actions.
//!
//! Three reference counts decide how long a task's record lives:
//! * `held`: whether the owner has a future of the task. The owner is the client, or the rank where a task submitted
//!   it.
//! * `pending`: uses of the result that are still to come, by unfinished consumers or by a transfer to the owner. If
//!   this is zero and `held` is false, the result is released on every rank that holds it.
//! * `lineage`: consumers that have a record. While there are any, the recipe of the result (function, arguments,
//!   inputs) is kept, since a consumer's result may be lost with its rank and have to be computed again. A result that
//!   is kept at rank 0 cannot be lost, so its task lets go of its inputs as soon as it is done. From then on it could
//!   not be computed again, so the result itself stays as long as a consumer of it might have to be.
//!
//! Start at [`Scheduler::handle`] for the events, `transitions` for what each does to a task, and `placement` for the
//! decisions. `check` states every invariant as code.

mod check;
pub(crate) mod constrained;
mod detached;
mod event;
mod family;
pub(crate) mod host_affinity;
mod inventory;
mod leaving;
mod loss;
mod nested;
mod placement;
pub(crate) mod prefetch;
pub(crate) mod promises;
mod propagate;
mod published;
mod quarantine;
pub(crate) mod ranks;
mod ready;
mod rebalance;
pub(crate) mod reservations;
mod retry;
mod revival;
mod task;
pub(crate) mod teams;
#[cfg(test)]
mod tests;
mod transitions;
mod work_stealing;

pub use crate::protocol::{COUNTERS_MAX, ResourceRequest};
pub use event::{DefOptions, NewTask, RankInfo, SchedulerAction, SchedulerEvent, Status, TaskOutcome};
pub use published::TAKES_PUBLISHED;
pub use task::{ScheduledTask, TaskState};

use crate::error::{ProtocolError, TaskError, TaskErrorKind};
use crate::ids::{DefId, HEAD, Rank, TaskId};
use crate::protocol::{BulkLayout, Definition, RankReport};
use crate::scheduler::constrained::ConstrainedTasks;
use crate::scheduler::detached::DetachedTasks;
use crate::scheduler::host_affinity::HostGroups;
use crate::scheduler::ranks::{HORIZON, RankTable, TASK_OVERHEAD};
use family::Families;
use leaving::LeavingTasks;
use nested::NestedSubmitters;
use published::PublishedResults;
use quarantine::Deaths;
use ready::Ready;
use rebalance::ResultMoves;
use retry::Retries;
use std::collections::BTreeMap;
use std::sync::Arc;
use task::TaskTable;
use teams::Teams;

/// A task definition (function and options), with the statistics of its tasks.
#[derive(Debug)]
struct DefinitionRecord {
    definition: Definition,
    options: DefOptions,
    /// The class (queue of tasks with equal needs) of the definition's tasks; `None` if a task takes one slot and
    /// nothing else.
    class: Option<u32>,
    /// Running mean of the time in the definition's function, in nanoseconds; 0 before the first task has finished.
    mean: u32,
    /// The layout of the definition's last stored result (how to read its bytes), shared with later results of the same
    /// layout.
    layout: Arc<BulkLayout>,
    /// Whether tasks of this definition have submitted tasks, so that they may wait for them.
    nests: bool,
}

impl DefinitionRecord {
    /// Whether the definition's tasks are tied to a rank or a host, so that not every rank can take them.
    fn is_bound(&self) -> bool {
        self.options.on.is_some() || self.options.among.is_some() || self.options.same_host_as > 0
    }

    /// The load that one more task is expected to put on its rank: its duration in nanoseconds times its slots. Before
    /// the first task has ended, and for tasks that submit others, the duration counts as [`HORIZON`], so that they are
    /// not queued in advance: a task that waits for others keeps a thread.
    fn cost(&self) -> u32 {
        let cost = match self.mean {
            0 => HORIZON as u32,
            _ if self.nests => HORIZON as u32,
            mean => mean.saturating_add(TASK_OVERHEAD),
        };
        cost.saturating_mul(self.definition.slots)
    }
}

/// The scheduler of rank 0, with a record of every task that has not been released. See `docs/architecture.md`.
pub struct Scheduler {
    tasks: TaskTable,
    families: Families,
    defs: Vec<DefinitionRecord>,
    submitters: NestedSubmitters,
    workers: RankTable,
    ready: Ready,
    /// Ready tasks that need anything beyond one slot: several slots, GPUs, host memory or counters of the job.
    constrained: ConstrainedTasks,
    /// The ranks where tasks have run, if other tasks may ask for the same host.
    host_groups: HostGroups,
    /// Failed tasks that are to start again, now or after a pause.
    retries: Retries,
    /// Tasks that run to their end whoever holds their futures.
    detached: DetachedTasks,
    /// Tasks that have failed here (cancelled, too slow), and that a rank still has.
    leaving: LeavingTasks,
    /// The slots that programs of several processes take, by the task that has started each.
    teams: Teams,
    /// The tasks that ranks have died with.
    deaths: Deaths,
    /// The names that tasks were given, by which errors call them.
    names: BTreeMap<TaskId, Box<str>>,
    /// Results that everybody finds by a name.
    published: PublishedResults,
    /// Results that move to another rank, so that ranks hold about as many bytes each.
    moves: ResultMoves,
    /// Ranks that have got room and for which certain tasks wait: pinned tasks and followers. Empty between turns; kept
    /// to reuse its memory.
    changed: Vec<Rank>,
}

impl Scheduler {
    /// Makes the scheduler of rank 0 for ranks 0, 1, … with these properties.
    pub fn new(ranks: &[RankInfo]) -> Self {
        Scheduler {
            tasks: TaskTable::default(),
            families: Families::default(),
            defs: Vec::new(),
            submitters: NestedSubmitters::new(ranks.len()),
            workers: RankTable::new(ranks),
            ready: Ready::default(),
            constrained: ConstrainedTasks::default(),
            host_groups: HostGroups::default(),
            retries: Retries::default(),
            detached: DetachedTasks::default(),
            leaving: LeavingTasks::default(),
            teams: Teams::default(),
            deaths: Deaths::default(),
            names: BTreeMap::new(),
            published: PublishedResults::default(),
            moves: ResultMoves::default(),
            changed: Vec::new(),
        }
    }

    /// Handles an event and appends the actions that follow at once to `out`, for the caller to carry out.
    ///
    /// # Errors
    /// When the event contradicts the state, because of a bug or a damaged message. A part of it may have had its
    /// effect by then, so the run cannot go on.
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
            SchedulerEvent::Promise { task, key } => self.on_promise(HEAD, task, key),
            SchedulerEvent::Keep { task, output } => {
                self.on_keep(HEAD, task, output.map_err(|error| *error), out)
            }
            SchedulerEvent::Registry { task, request } => self.on_registry(HEAD, task, request, out),
            SchedulerEvent::Release(task) => self.on_release(HEAD, task, out),
            SchedulerEvent::Cancel(task) => self.on_cancel(HEAD, task, true, out),
            SchedulerEvent::CancelUnsent(task) => self.on_cancel(HEAD, task, false, out),
            SchedulerEvent::Retry(task) => self.on_retry(HEAD, task, out),
            SchedulerEvent::Name(task, name) => self.on_name(HEAD, task, name),
            SchedulerEvent::ReleaseFamily { first, count, except } => {
                self.on_release_family(first, count, except, out)
            }
            SchedulerEvent::Want { task, value } => self.on_want(HEAD, task, value, out),
            SchedulerEvent::Due { task, attempt } => {
                self.on_due(task, attempt);
                Ok(())
            }
            SchedulerEvent::Lost(rank) => self.on_lost(rank, out),
            SchedulerEvent::Detach(task) => self.on_detach(HEAD, task),
            SchedulerEvent::Closing => {
                self.on_closing();
                Ok(())
            }
            SchedulerEvent::From(rank, report) => {
                if !self.workers.get(rank).is_some_and(|worker| worker.alive) {
                    return Ok(()); // the sender died while the message was under way
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
                    RankReport::TimedOut { task, attempt, error } => {
                        self.on_timed_out(rank, task, attempt, *error, out)
                    }
                    RankReport::RetractDone => self.on_retract_done(rank),
                    RankReport::NotBrought { task } => self.on_not_brought(rank, task, out),
                    RankReport::Refused { task, error } => self.on_refused(rank, task, *error, out),
                    // the head has handled these reports itself
                    RankReport::Bye { .. } | RankReport::Alive | RankReport::Silent { .. } => Ok(()),
                    report => self.on_nested(rank, report, out),
                }
            }
        }
    }

    /// The state of a task, as its future prints it.
    pub fn status(&self, task: TaskId) -> Status {
        match self.tasks.get(task).map(|record| &record.state) {
            Some(TaskState::Blocked { .. } | TaskState::Ready) => Status::Pending,
            Some(TaskState::Assigned { .. }) => Status::Assigned,
            Some(TaskState::Inline(_) | TaskState::Stored(_)) => Status::Finished,
            Some(TaskState::Failed(cause)) if cause.kind == TaskErrorKind::Cancelled => Status::Cancelled,
            Some(TaskState::Failed(_)) => Status::Failed,
            Some(TaskState::Released) => Status::Released,
            None if self.families.is_waiting(task) => Status::Pending,
            None => Status::Released,
        }
    }

    /// The encoded result of a task that has ended with one of at most `most` bytes.
    pub fn tiny_result(&self, task: TaskId, most: usize) -> Option<&[u8]> {
        match &self.tasks.get(task)?.state {
            TaskState::Inline(bytes) if bytes.len() <= most => Some(bytes),
            _ => None,
        }
    }

    /// The number of task records; 0 at the end, when all futures are dropped and all results released.
    pub fn records(&self) -> usize {
        self.tasks.len()
    }

    /// The number of task definitions, including variants made for retries with more memory.
    pub fn definitions(&self) -> usize {
        self.defs.len()
    }

    /// The number of tasks that were sent to ranks and have not ended.
    pub fn assigned(&self) -> u64 {
        self.workers.total_assigned()
    }

    /// The record of `task`, read by tests and for messages; `None` if the task is unknown or was released.
    pub fn task(&self, task: TaskId) -> Option<&ScheduledTask> {
        self.tasks.get(task)
    }

    fn def(&self, def: DefId) -> Result<&DefinitionRecord, ProtocolError> {
        self.defs.get(def.index()).ok_or_else(|| ProtocolError(format!("definition {def:?} is not known")))
    }

    /// Makes the error of a task that fails at rank 0 and not in its function: no rank can run it, or its value is
    /// lost. `rank` is the rank that should have run it or should have the value.
    pub fn error_of(&self, task: TaskId, rank: Rank, message: String) -> TaskError {
        let task = self.key_text(task);
        TaskError::not_started(message, task, rank)
    }

    /// The key of a task as users read it: the name that it was given; else the function's name and a number in
    /// hexadecimal, with `value` in place of the function for a scattered value. Empty for a task without a record.
    fn key_text(&self, task: TaskId) -> String {
        if let Some(name) = self.names.get(&task) {
            return name.to_string();
        }
        let Some(record) = self.tasks.get(task) else { return String::new() };
        let name = self.defs.get(record.def.index()).map_or("value", |def| def.definition.name.as_str());
        format!("{name}-{:016x}", record.key)
    }
}
