//! What a computing rank is told and what it answers.

use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{BulkLayout, Definition, RankOrder, RankReport, ReportedResult, RunTask};

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// From rank 0.
    Order(RankOrder),
    /// The result of this task, which was fetched, is in the store.
    Arrived(TaskId),
    /// A value of the client was put into the store under this number.
    Put(TaskId),
    /// A task has been computed; a result that is not inline is in the store.
    Computed {
        /// Which.
        task: TaskId,
        /// Which start of it.
        attempt: Attempt,
        /// Time in its function, in nanoseconds.
        nanos: u32,
        /// What came out.
        output: Result<ReportedResult, TaskError>,
    },
    /// A thread waits for other tasks from now on; with the task that it computes, if that is no parallel part of
    /// another thread's.
    Paused(Option<TaskId>),
    /// A thread that has waited goes on.
    Resumed(Option<TaskId>),
    /// Another rank wants the result of a task on `tag`.
    Asked {
        /// Who asks.
        by: Rank,
        /// Whose result.
        task: TaskId,
        /// Where to send it.
        tag: u32,
        /// Whether it sees the same files.
        same_files: bool,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerAction {
    /// Learn a definition.
    Learn(Definition),
    /// Learn that tasks of a definition may wait for others.
    Nests(DefId),
    /// Compute a task: its inputs are inline or in the store.
    Execute(RunTask),
    /// Post a receive and ask for a result.
    Fetch {
        /// Whose result.
        task: TaskId,
        /// The rank to ask.
        holder: Rank,
        /// Exact size in bytes.
        nbytes: u64,
        /// How to read it.
        layout: BulkLayout,
    },
    /// Send a result from the store.
    Give {
        /// To whom.
        to: Rank,
        /// Whose result.
        task: TaskId,
        /// The tag that the receiver has posted.
        tag: u32,
        /// Whether the receiver sees the same files.
        same_files: bool,
    },
    /// Tell rank 0.
    Report(RankReport),
    /// Take a result out of the store.
    Drop(TaskId),
}
