//! What the scheduler is told and what it answers.

use crate::compact::Ranges;
use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
pub use crate::protocol::Status;
use crate::protocol::{Blob, BulkLayout, Definition, RankOrder, RankReport, ReportedResult, ResourceRequest};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// What the scheduler knows of a rank from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RankInfo {
    /// Tasks that it computes at a time; 0 for a rank that only holds results.
    pub slots: u32,
    /// Bytes of results above which it gets no more tasks without inputs.
    pub memory_limit: u64,
    /// The number of its host: 0, 1, …
    pub host: u32,
    /// Bytes of memory of that host, for tasks that say what they take.
    pub memory: u64,
    /// Devices of its own.
    pub gpus: u32,
}

impl Default for RankInfo {
    /// A rank that only holds results, on the first host, with memory without end.
    fn default() -> Self {
        RankInfo { slots: 0, memory_limit: u64::MAX, host: 0, memory: u64::MAX, gpus: 0 }
    }
}

/// What all tasks of a definition share at the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DefOptions {
    /// Larger first; before every other criterion.
    pub priority: i32,
    /// How often a failed task is started again.
    pub retries: u16,
    /// Milliseconds between a task's first failure and its next start; twice as many after each one more.
    pub retry_delay: u32,
    /// The only rank that may run it.
    pub on: Option<Rank>,
    /// What each of them takes while it runs.
    pub needs: ResourceRequest,
    /// Where its tasks have run is noted under this number, for definitions that are near it; 0 for none.
    pub place: u32,
    /// Its tasks run on the host where those of their inputs have run whose definitions have this place; 0 for none.
    pub near: u32,
}

/// A task as it is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// Its number, never used before.
    pub task: TaskId,
    /// Its definition, known already.
    pub def: DefId,
    /// The number in its key.
    pub key: u64,
    /// Its own arguments, encoded.
    pub args: Blob,
    /// The tasks whose results it takes, in the order of its parameters; one may stand there twice.
    pub inputs: SmallVec<[TaskId; 2]>,
    /// The task that submits it, if that is one.
    pub parent: Option<TaskId>,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchedulerEvent {
    /// A definition that tasks will name; see [`SchedulerEvent::define`].
    Define(Box<(Definition, DefOptions)>),
    /// There is so much of a counter of the job.
    Counter {
        /// Its number.
        counter: usize,
        /// How much there is.
        total: u32,
    },
    /// A task; the client holds one future of it.
    Submit(NewTask),
    /// `count` tasks without inputs, numbered from `first`, as one family; the client holds a future of each.
    SubmitFamily {
        /// Their definition.
        def: DefId,
        /// The number of the first.
        first: TaskId,
        /// How many.
        count: u64,
    },
    /// A value of the client, now a result at rank 0 with this number; the client holds a future of it.
    Scatter {
        /// Its number, never used before.
        task: TaskId,
        /// The number in its key.
        key: u64,
        /// What and how large it is.
        output: ReportedResult,
    },
    /// The client has dropped its future.
    Release(TaskId),
    /// The client gives a task up, futures or not: it fails, and what depends on it, unless it is with a rank already.
    Cancel(TaskId),
    /// The client has dropped a family, all its futures but `except`.
    ReleaseFamily {
        /// The number of its first task.
        first: TaskId,
        /// How many tasks it has.
        count: u64,
        /// Indexes of tasks of which the client still holds a future, or has dropped it already.
        except: Ranges,
    },
    /// The client waits for this task; answered by one [`SchedulerAction::Resolve`]. Before a value that has to be brought to
    /// rank 0 comes [`TaskOutcome::Done`], once more for each holder that dies meanwhile.
    Want {
        /// Which.
        task: TaskId,
        /// Whether its value is needed at rank 0, or only that it is done.
        value: bool,
    },
    /// The pause of a failed task is over; answers [`SchedulerAction::Delay`].
    Due {
        /// The task.
        task: TaskId,
        /// The attempt that has failed.
        attempt: Attempt,
    },
    /// A message from a rank.
    From(Rank, RankReport),
    /// A rank has died.
    Lost(Rank),
}

/// Millions are on their way from the client: what is rare must not make them longer.
const _: () = assert!(size_of::<SchedulerEvent>() <= 96);

impl SchedulerEvent {
    /// A definition that tasks will name.
    pub fn define(definition: Definition, options: DefOptions) -> SchedulerEvent {
        SchedulerEvent::Define(Box::new((definition, options)))
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchedulerAction {
    /// Send an order (to rank 0 itself without the network).
    Send(Rank, RankOrder),
    /// Tell the client.
    Resolve(TaskId, TaskOutcome),
    /// Say [`SchedulerEvent::Due`] after a pause.
    Delay {
        /// The task that has failed.
        task: TaskId,
        /// The attempt that has failed.
        attempt: Attempt,
        /// The length of the pause.
        pause: Duration,
    },
}

/// How a task that the client waits for has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It is done and its value was not asked for.
    Done,
    /// Its encoded value.
    Inline(Blob),
    /// Its value lies in the store of rank 0.
    Here(BulkLayout),
    /// It has failed.
    Failed(Arc<TaskError>),
}
