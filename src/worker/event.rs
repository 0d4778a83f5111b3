//! The events that the worker handles and the actions that it answers with.

use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{BulkLayout, Definition, RankOrder, RankReport, ReportedResult, RunTask};

/// An event that a rank's worker (the state machine that queues tasks and tracks their inputs) handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// An order from rank 0 has arrived.
    Order(RankOrder),
    /// The result of this task, which the worker had fetched from another rank, has arrived in the store.
    Arrived(TaskId),
    /// The result of this task, which the worker has asked to be fetched, cannot be taken in: this rank has no memory
    /// for it. The error is that of the tasks that take the result.
    Refused(TaskId, Box<TaskError>),
    /// A value that the client, or a task on this rank, has scattered was put into this rank's store, as the result of
    /// a task of this number.
    Put(TaskId),
    /// A task of this rank has ended. Its result is in this rank's store, unless it travels inline in `output`.
    Computed {
        /// The task that has ended.
        task: TaskId,
        /// The number of the start of the task that has ended, from 1.
        attempt: Attempt,
        /// Time spent in the task's function, in nanoseconds.
        nanos: u32,
        /// The result of the task, or its error.
        output: Result<ReportedResult, TaskError>,
    },
    /// A thread of this rank begins to wait for other tasks. The value is the task that the thread computes, or `None`
    /// if it computes a parallel part of another thread's task.
    Paused(Option<TaskId>),
    /// A thread of this rank has ended its wait. The value is that of the earlier `Paused`.
    Resumed(Option<TaskId>),
    /// Another rank asks for a result that this rank stores.
    Asked {
        /// The rank that asks for the result.
        by: Rank,
        /// The task whose result is wanted.
        task: TaskId,
        /// The message tag to send the result with.
        tag: u32,
        /// Whether the asking rank sees the same files as this one, so that paths can be sent in place of files.
        same_files: bool,
    },
}

/// An action that the caller of the worker has to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerAction {
    /// Store a task definition, which later tasks name by its number.
    Learn(Definition),
    /// Note that tasks of a definition may wait for others, so that they start only on threads where they can.
    Nests(DefId),
    /// Hand a task to the compute threads. Its inputs are all inline or in the store.
    Execute(RunTask),
    /// Fetch a result: post a receive for it and ask the rank that holds it.
    Fetch {
        /// The task whose result is fetched.
        task: TaskId,
        /// The rank that stores the result, to ask for it.
        holder: Rank,
        /// The size of the result in bytes, as the rank that made it has reported it.
        nbytes: u64,
        /// The layout of the result, from which the receive buffer is made.
        layout: BulkLayout,
    },
    /// Send a result from the store to the rank that has asked for it.
    Give {
        /// The rank that has asked for the result.
        to: Rank,
        /// The task whose result is sent.
        task: TaskId,
        /// The message tag of the receive that the asking rank has posted.
        tag: u32,
        /// Whether the asking rank sees the same files as this rank, so that paths can be sent in place of files.
        same_files: bool,
    },
    /// Send a report to rank 0.
    Report(RankReport),
    /// Drop the result of this task from the store.
    Drop(TaskId),
    /// Tell this task, which was handed to the compute threads, that its result is no longer wanted.
    Cancel(TaskId),
}
