//! What tasks submit themselves, on any rank: the parts of the messages for it.

use super::{Blob, Definition, ResourceRequest};
use crate::error::TaskError;
use crate::ids::{DefId, Rank, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A definition with its options, as a rank has numbered it for the tasks that are submitted there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedDefinition {
    /// Its `def` is the sender's own number: 0 for its first definition, 1 for the next.
    pub definition: Definition,
    /// Larger first.
    pub priority: i32,
    /// How often a failed task is started again.
    pub retries: u16,
    /// Milliseconds between its first failure and its next start; twice as many after each one more.
    pub retry_delay: u32,
    /// The only rank that may run it.
    pub on: Option<Rank>,
    /// What each of its tasks takes.
    pub needs: ResourceRequest,
}

/// A task that another one submits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedTask {
    /// Its number: the next one of the sender's own numbers.
    pub task: TaskId,
    /// The task that submits it.
    pub parent: TaskId,
    /// Its definition, by the sender's number.
    pub def: DefId,
    /// The number in its key.
    pub key: u64,
    /// Its own arguments, encoded.
    pub args: Blob,
    /// The first of the tasks whose results it takes, in the order of its parameters.
    pub inputs: Vec<TaskId>,
    /// How many inputs follow in `MoreInputs`.
    pub more: u32,
}

/// How a task that a rank waits for has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NestedAnswer {
    /// It is done. If its value was asked for, that is on its way.
    Done,
    /// Its encoded value.
    Inline(Blob),
    /// Its value lies in the store of the receiver.
    Here,
    /// It has failed.
    Failed(TaskError),
}

/// What a task is doing, as its future prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Waits for inputs or for a rank.
    Pending,
    /// Sent to a rank.
    Assigned,
    /// Has a result.
    Finished,
    /// Has failed.
    Failed,
    /// Not known (any more).
    Released,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Pending => "pending",
            Status::Assigned => "running",
            Status::Finished => "finished",
            Status::Failed => "error",
            Status::Released => "released",
        })
    }
}
