//! The messages for nested tasks: tasks that other tasks submit, on any rank.

use super::{Blob, Definition, RankList, ResourceRequest};
use crate::error::TaskError;
use crate::ids::{DefId, Rank, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A task definition with its options, as a rank other than 0 introduces it for tasks that its own tasks submit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedDefinition {
    /// The definition. Its number is the sender's own: 0 for the first definition, 1 for the next.
    pub definition: Definition,
    /// The user's priority: tasks with a larger one start first.
    pub priority: i32,
    /// The number of times that a failed task is started again.
    pub retries: u16,
    /// Milliseconds between the first failure of a task and its next start. The pause doubles with each further
    /// failure.
    pub retry_delay: u32,
    /// The only rank that is allowed to run the tasks; `None` if any rank is.
    pub on: Option<Rank>,
    /// The ranks that are allowed to run the tasks; `None` if any rank is.
    pub among: Option<RankList>,
    /// The rank that runs the tasks while it has room for them; `None` if no rank is preferred.
    pub prefer: Option<Rank>,
    /// The resources that each task of the definition takes while it runs.
    pub needs: ResourceRequest,
}

/// A nested task (one that another task submits), as its owner, the rank of the submitting task, sends it to rank 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedTask {
    /// The number of the task: the next number of the rank that submits it.
    pub task: TaskId,
    /// The task that submits this one, running on the sender.
    pub parent: TaskId,
    /// The number of the definition, as the sender numbers its definitions.
    pub def: DefId,
    /// The number that users see behind the function's name, to tell tasks apart (`mean-00000000000000ff`): half of the
    /// hash of the call, or the index in a family.
    pub key: u64,
    /// The task's own arguments, encoded; results of other tasks are in `inputs`.
    pub args: Blob,
    /// The tasks whose results this one takes, in the order of the parameters: the first [`super::INPUTS_MAX`] of them.
    pub inputs: Vec<TaskId>,
    /// The number of further inputs, which follow in [`super::RankReport::MoreInputs`].
    pub more: u32,
}

/// The outcome of a task that a rank waits for, as rank 0 tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NestedAnswer {
    /// The task is done. If its value was asked for, the value is being fetched to the receiver.
    Done,
    /// The task is done, with this encoded value.
    Inline(Blob),
    /// The task is done, and its value is in the receiver's store.
    Here,
    /// The task has failed.
    Failed(TaskError),
}

/// The state of a task, as a client asks for it and as the `Debug` output of a future prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The task was not sent to a rank yet: it waits for inputs or for a rank.
    Pending,
    /// The task was sent to a rank, where it waits or runs.
    Assigned,
    /// The task has a result.
    Finished,
    /// The task has failed.
    Failed,
    /// The task was cancelled, or one that it depends on was.
    Cancelled,
    /// The task is not known to rank 0: its result was released, or its number was never used.
    Released,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Pending => "pending",
            Status::Assigned => "running",
            Status::Finished => "finished",
            Status::Failed => "error",
            Status::Cancelled => "cancelled",
            Status::Released => "released",
        })
    }
}
