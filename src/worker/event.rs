//! The events that the worker handles and the actions that it answers with.

use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{BulkLayout, Definition, RankOrder, RankReport, ReportedResult, RunTask};

/// An event that the worker handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// An order has come from rank 0.
    Order(RankOrder),
    /// The fetched result of this task has arrived in the store.
    Arrived(TaskId),
    /// A value of the client, or of a task here, was put into the store under this task number.
    Put(TaskId),
    /// A task has ended. A result that is not inline is in the store.
    Computed {
        /// The task that has ended.
        task: TaskId,
        /// The number of the start that has ended, from 1.
        attempt: Attempt,
        /// Time spent in the task's function, in nanoseconds.
        nanos: u32,
        /// The result, or the error of the task.
        output: Result<ReportedResult, TaskError>,
    },
    /// A thread begins to wait for other tasks. The value is the task that it computes, or `None` if it computes a
    /// parallel part of another thread's task.
    Paused(Option<TaskId>),
    /// A thread has ended its wait. The value is that of the earlier `Paused`.
    Resumed(Option<TaskId>),
    /// Another rank asks for a result.
    Asked {
        /// The rank that asks.
        by: Rank,
        /// The task whose result is wanted.
        task: TaskId,
        /// The message tag to send the result with.
        tag: u32,
        /// Whether that rank sees the same files as this one.
        same_files: bool,
    },
}

/// An action that the caller of the worker has to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerAction {
    /// Learn a task definition.
    Learn(Definition),
    /// Learn that tasks of a definition may wait for others.
    Nests(DefId),
    /// Compute a task, whose inputs are all inline or in the store.
    Execute(RunTask),
    /// Post a receive and ask another rank for a result.
    Fetch {
        /// The task whose result is fetched.
        task: TaskId,
        /// The rank to ask.
        holder: Rank,
        /// The exact size of the result in bytes.
        nbytes: u64,
        /// The layout of the result, from which the receive buffer is made.
        layout: BulkLayout,
    },
    /// Send a result from the store to another rank.
    Give {
        /// The receiver.
        to: Rank,
        /// The task whose result is sent.
        task: TaskId,
        /// The message tag of the receive that the receiver has posted.
        tag: u32,
        /// Whether the receiver sees the same files as this rank.
        same_files: bool,
    },
    /// Send a report to rank 0.
    Report(RankReport),
    /// Drop a result from the store.
    Drop(TaskId),
}
