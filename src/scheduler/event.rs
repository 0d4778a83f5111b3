//! The events that the scheduler handles and the actions that it answers with.

use crate::compact::Ranges;
use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
pub use crate::protocol::Status;
use crate::protocol::{
    Blob, BulkLayout, Definition, HandleTicket, RankList, RankOrder, RankReport, RegistryRequest,
    ReportedResult, ResourceRequest,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// The properties of a rank, given to the scheduler at the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RankInfo {
    /// Number of tasks that the rank computes at a time; 0 for a rank that only holds results.
    pub slots: u32,
    /// Bytes of stored results above which the rank gets no more tasks without inputs: these only add results, while
    /// tasks with inputs let others be released.
    pub memory_limit: u64,
    /// The number of the rank's host: 0, 1, …
    pub host: u32,
    /// Memory of the rank's host, in bytes, from which tasks that declare their memory take their share.
    pub memory: u64,
    /// Number of GPUs of the rank.
    pub gpus: u32,
}

impl Default for RankInfo {
    /// The properties of a rank without slots on host 0, with unlimited memory.
    fn default() -> Self {
        RankInfo { slots: 0, memory_limit: u64::MAX, host: 0, memory: u64::MAX, gpus: 0 }
    }
}

/// The scheduling options that all tasks of a definition share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DefOptions {
    /// The user's priority: tasks with a larger one start first, before every other criterion.
    pub priority: i32,
    /// The number of times that a failed task is started again.
    pub retries: u16,
    /// Milliseconds between the first failure of a task and its next start. The pause doubles with each further
    /// failure.
    pub retry_delay: u32,
    /// Milliseconds that each task may take; 0 for no limit.
    pub timeout: u32,
    /// The only rank that is allowed to run the tasks; `None` if any rank is.
    pub on: Option<Rank>,
    /// The ranks that are allowed to run the tasks; `None` if any rank is.
    pub among: Option<RankList>,
    /// The rank that runs the tasks while it has room for them; `None` if no rank is preferred.
    pub prefer: Option<Rank>,
    /// The resources that each task takes while it runs.
    pub needs: ResourceRequest,
    /// The number under which the scheduler records on which rank these tasks run, so that other definitions can ask
    /// for the same host (`same_host_as`); 0 for none.
    pub host_group: u32,
    /// The `host_group` by which these tasks find their host: each runs on a host where one of its inputs has run
    /// whose definition has this `host_group`. 0 for no affinity.
    pub same_host_as: u32,
}

impl DefOptions {
    /// Whether `rank` is allowed to run the tasks.
    pub fn allows(&self, rank: Rank) -> bool {
        self.on.is_none_or(|on| on == rank) && self.among.is_none_or(|among| among.contains(&rank))
    }
}

/// A task, as the client or another task submits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// The number of the task, never used before.
    pub task: TaskId,
    /// The number of the task's definition, which the scheduler knows already.
    pub def: DefId,
    /// The number that users see behind the function's name, to tell tasks apart (`mean-00000000000000ff`): half of the
    /// hash of the call, or the index in a family.
    pub key: u64,
    /// The task's own arguments, encoded; results of other tasks are in `inputs`.
    pub args: Blob,
    /// The tasks whose results this task takes, in the order of the parameters. A task may appear twice.
    pub inputs: SmallVec<[TaskId; 2]>,
    /// The task that submits this one; `None` for a task of the client.
    pub parent: Option<TaskId>,
}

/// An event that the scheduler of rank 0 handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchedulerEvent {
    /// Introduces a task definition; made by [`SchedulerEvent::define`].
    Define(Box<(Definition, DefOptions)>),
    /// Sets how much the job has of a counter, a limited quantity from which tasks take, such as licences.
    Counter {
        /// The number of the counter, from 0 and below [`COUNTERS_MAX`](super::COUNTERS_MAX).
        counter: usize,
        /// The amount that all running tasks together can take.
        total: u32,
    },
    /// Submits a task. The client holds one future of it, so its result is kept.
    Submit(NewTask),
    /// Submits a family: `count` tasks without inputs, numbered from `first`. The client holds a future of each.
    SubmitFamily {
        /// The number of the definition of all tasks of the family.
        def: DefId,
        /// The number of the family's first task; the others have the next numbers.
        first: TaskId,
        /// The number of tasks in the family.
        count: u64,
    },
    /// Stores a value of the client as a result at rank 0. The client holds a future of it.
    Scatter {
        /// The number of the new result, as if a task had made it; never used before.
        task: TaskId,
        /// The number that users see behind the result's name, to tell values apart: half of the hash of the value.
        key: u64,
        /// The encoded value if it is short. Otherwise its size and layout: the value is in rank 0's store already.
        output: ReportedResult,
    },
    /// Announces a result that rank 0 will get without a task, such as that of an actor's call. The client holds a
    /// future of it.
    Promise {
        /// The number of the new result, as if a task had made it; never used before.
        task: TaskId,
        /// The number that users see behind the result's name, to tell values apart.
        key: u64,
    },
    /// Brings a promised result, or the error in its place.
    Keep {
        /// The number of the result.
        task: TaskId,
        /// The encoded value if it is short, else its size and layout: the value is in rank 0's store already.
        output: Result<ReportedResult, Box<TaskError>>,
    },
    /// Asks for something about results as a whole. The client holds a future of the answer.
    Registry {
        /// The number of the answer, as if a task had made it; never used before.
        task: TaskId,
        /// The request.
        request: RegistryRequest,
    },
    /// Notes that the client has dropped its last future of a task, so that its result can be released.
    Release(TaskId),
    /// Cancels a task of the client that has not ended, even if futures of it exist. The task fails, and so does every
    /// task that takes its result. A rank that has any of them is told so.
    Cancel(TaskId),
    /// Cancels a task of the client like [`SchedulerEvent::Cancel`] if it was not sent to a rank yet, and else has no
    /// effect.
    CancelUnsent(TaskId),
    /// Starts a failed task of the client again, and the failed tasks that it depends on. No effect on a task that has
    /// not failed or was cancelled.
    Retry(TaskId),
    /// Gives a task of the client a name, by which errors call it.
    Name(TaskId, Box<str>),
    /// Notes that the client has dropped its futures of a family, all but those of the tasks `except`.
    ReleaseFamily {
        /// The number of the family's first task.
        first: TaskId,
        /// The number of tasks in the family.
        count: u64,
        /// The indexes of the tasks whose futures the client still holds or has dropped before.
        except: Ranges,
    },
    /// Notes that the client waits for a task. One final [`SchedulerAction::Resolve`] answers. If the value has to be
    /// brought to rank 0, a [`TaskOutcome::Done`] precedes it, and another one for each holder that dies meanwhile.
    Want {
        /// The task that the client waits for.
        task: TaskId,
        /// Whether the value is needed at rank 0; if false, only that the task is done.
        value: bool,
    },
    /// Ends the pause before a failed task's next start; the caller sends it when the time of
    /// [`SchedulerAction::Delay`] is over.
    Due {
        /// The task whose pause ends.
        task: TaskId,
        /// The number of the attempt that has failed.
        attempt: Attempt,
    },
    /// Lets a task of the client run to its end even if the client drops its future.
    Detach(TaskId),
    /// Begins the end of the run: the client's closure has returned. Tasks whose futures are still held run to their
    /// end; see [`Scheduler::awaited`](super::Scheduler::awaited).
    Closing,
    /// A report has come from a rank, such as that a task has ended.
    From(Rank, RankReport),
    /// A rank has died: its tasks and its copies of results are lost.
    Lost(Rank),
}

/// Bounds the size of an event in bytes: millions of events pass through the queue from the client, so large variants
/// are boxed.
const _: () = assert!(size_of::<SchedulerEvent>() <= 96);

impl SchedulerEvent {
    /// Makes the event that introduces a task definition.
    pub fn define(definition: Definition, options: DefOptions) -> SchedulerEvent {
        SchedulerEvent::Define(Box::new((definition, options)))
    }
}

/// An action that the scheduler asks for and its caller (the head of rank 0) carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchedulerAction {
    /// Send an order to a rank; to rank 0 itself without the network.
    Send(Rank, RankOrder),
    /// Tell the client the outcome of a task.
    Resolve(TaskId, TaskOutcome),
    /// Tell the user that tasks of a definition never run, since their futures were dropped before.
    Abandoned(DefId),
    /// Tell the homes of objects that nobody will read these copies of handles: the task that was to read them has failed
    /// or never runs.
    Void(Vec<HandleTicket>),
    /// Tell the user the failure of a task whose future nobody holds and that ran all the same.
    Unheard(Arc<TaskError>),
    /// Handle [`SchedulerEvent::Due`] after a pause of `millis`, before a failed task starts again.
    Delay {
        /// The task that has failed.
        task: TaskId,
        /// The number of the attempt that has failed.
        attempt: Attempt,
        /// The length of the pause in milliseconds.
        millis: u64,
    },
}

/// The outcome of a task, for its owner: the client, or the rank whose task submitted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// The task is done. Its value was not asked for, or is on its way to the owner's rank.
    Done,
    /// The task is done, with this encoded value.
    Inline(Blob),
    /// The task is done, and its value is in the store of the owner's rank, with this layout.
    Here(BulkLayout),
    /// The task has failed.
    Failed(Arc<TaskError>),
}
