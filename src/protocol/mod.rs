//! The protocol between ranks: every message, with its encoding. This module is the specification.
//!
//! ```text
//!   any rank ── Hello ──► rank 0 ── Welcome ──► all           start-up, once
//!   rank 0   ── Order ──► a rank                               run, bring, release, …
//!   a rank   ── Report ─► rank 0                               one batch a loop turn
//!   any rank ── Peer ───► any rank, then raw bytes on a tag    results move rank to rank
//! ```
//!
//! Messages travel in *frames* of at most [`FRAME_MAX`] bytes: one byte for the kind, then messages of that kind one
//! after the other. Frames between two ranks arrive in the order of sending. Longer content is bulk data and follows
//! a rendezvous protocol: the receiver posts its buffer before it asks ([`Peer::Fetch`]), so no bulk message arrives
//! unexpectedly. Short results travel inside the messages instead (the eager protocol).
//!
//! Start at [`RankOrder`], [`RankReport`] and [`Peer`]. Any change of a message raises [`VERSION`].

mod arguments;
mod blob;
mod frame;
pub(crate) mod handshake;
mod nested;
mod objects;
mod peer;
mod rank_list;
mod registry;
pub(crate) mod resources;

pub use crate::protocol::handshake::{Hello, Spent, Welcome};
pub use crate::protocol::resources::{COUNTERS_MAX, ResourceRequest};
pub use arguments::{
    ARGUMENT_CONTAINER, ARGUMENT_INLINE, ARGUMENT_INPUT, ARGUMENT_INPUTS, ARGUMENT_NEVER, ARGUMENT_REFUSED,
    ARGUMENT_TICKETS, behind_tickets, index_argument, push_argument, push_length, push_never, push_refusal,
    push_tickets, take_length, tickets_in,
};
pub use blob::Blob;
pub use frame::{Frame, FrameKind, Message, append, decode};
pub use nested::{NestedAnswer, NestedDefinition, NestedTask, Status};
pub use objects::{
    FunctionCall, HandleSide, HandleTicket, ObjectCall, ObjectId, ObjectKind, ObjectOp, PART_MAX, ReplyKind,
    decode_error, encode_error,
};
pub use peer::Peer;
pub use rank_list::RankList;
pub use registry::{PublishAnswer, RegistryRequest};

use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// The version of the protocol, raised whenever a message changes. Ranks with different versions refuse to start.
pub const VERSION: u32 = 14;
/// The longest frame (batch of messages to one rank), in bytes.
pub const FRAME_MAX: usize = 64 * 1024;
/// The longest encoding of all arguments of a task together, in bytes. A single argument that is longer than a
/// sixteenth of this is stored as a result of its own, which the task takes as an input.
pub const ARGS_MAX: usize = 16 * 1024;
/// The longest encoded result, in bytes, that travels inside messages. Rank 0 keeps such a result, not the rank that
/// made it.
pub const INLINE_MAX: usize = 128;
/// The longest stored result, in bytes, that a rank is sent inside a message when it fetches it, without a transfer of
/// its own: many of them come in one frame.
pub const FETCH_INLINE_MAX: u64 = 16 * 1024;
/// The tag of [`Peer::Fetch`] that asks for the result inside a message ([`Peer::Value`]).
pub const TAG_INLINE: u32 = 0;
/// The highest number of a task's inputs in one message; further inputs follow in [`RankOrder::MoreInputs`].
pub const INPUTS_MAX: usize = 256;

/// A task definition: the part that many tasks share. A rank gets it once, before the first of its tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The number of the definition, by which the messages for its tasks name it.
    pub def: DefId,
    /// The task function, as the offset of its record from the base address of the executable's image. All ranks run
    /// the same executable, so the offset means the same function on every rank.
    pub function: u64,
    /// The last segment of the function's path, which task keys and error messages show.
    pub name: String,
    /// The encoded arguments that all instances of a family share, placed before the own arguments of each.
    pub shared: Blob,
    /// Number of slots that each task of the definition takes on its rank.
    pub slots: u32,
    /// Bytes of host memory that rank 0 sets aside for each task of the definition; 0 means that none are set aside and
    /// the task has no limit.
    pub memory: u64,
    /// Number of GPUs that each task of the definition takes on its rank.
    pub gpus: u32,
    /// Milliseconds that each task of the definition may take; 0 for no limit.
    pub timeout: u32,
}

/// The layout of a stored result: how the rank that receives it has to read its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BulkLayout {
    /// The bytes are the serde encoding of the value.
    Encoded,
    /// The bytes are the raw memory of a vector or an array of numbers.
    Bulk {
        /// The number of the container type (vector, array, …), as `task::bulk` numbers them.
        container: u8,
        /// The number of the type of the elements, as `task::bulk` numbers them.
        element: u8,
        /// The length of the array along each axis.
        #[serde(deserialize_with = "crate::codec::short_list")]
        shape: SmallVec<[u64; 2]>,
    },
    /// The value of a command together with its output files, in a format that the batch tool registers.
    Pack {
        /// Length in bytes of the message to a rank that sees the same files: it contains the paths of the files in
        /// place of their contents. 0 if there are no files.
        same_files: u64,
    },
}

/// The location of a task's input, as seen by the rank that gets the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputSource {
    /// The input's encoded value is inside the message.
    Inline(Blob),
    /// The input is in the store of the rank that gets the task.
    Here,
    /// The input does not exist yet. A task that rank 0 has sent to the same rank earlier will make it there.
    Upcoming,
    /// The input is in the store of another rank, and the rank that gets the task has to fetch it.
    At {
        /// The rank that stores the input.
        holder: Rank,
        /// The size of the result in bytes: of its encoding, or of its memory if it is bulk data. With
        /// [`BulkLayout::Encoded`] one byte more is sent, which says whether the holder could encode the value.
        nbytes: u64,
        /// The layout of the result, from which the receive buffer is made.
        layout: BulkLayout,
    },
}

/// An input of a task: the result of another task, and where to find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInput {
    /// The task whose result the input is.
    pub task: TaskId,
    /// The place where the receiver of the task finds that result.
    pub source: InputSource,
}

/// A task to compute, as rank 0 sends it to a rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTask {
    /// The number of the task.
    pub task: TaskId,
    /// The number of this start of the task: 1 for the first, higher after failures and losses.
    pub attempt: Attempt,
    /// The number of the task's definition.
    pub def: DefId,
    /// The number that users see behind the function's name: half of the hash of the call, or the index in a family.
    pub key: u64,
    /// The task's arguments as [`push_argument`] encodes them. An argument that is another task's result is only marked
    /// here; `inputs` says where to find it.
    pub args: Blob,
    /// The first inputs, at most [`INPUTS_MAX`], in the order of the parameters.
    pub inputs: Vec<TaskInput>,
    /// The number of the task's further inputs, which follow in [`RankOrder::MoreInputs`].
    pub more: u32,
    /// The nesting depth: 0 for a task of the client, else above that of the submitting task. Deeper tasks start first.
    pub depth: u32,
}

/// A message from rank 0 to a rank, with one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RankOrder {
    /// Introduces a task definition, before the first task that names it.
    Define(Definition),
    /// Sends a task to compute, with all that is needed to fetch its inputs.
    Run(RunTask),
    /// Sends more inputs of the task of the last [`RankOrder::Run`], until all have come.
    MoreInputs {
        /// The number of the task that takes the inputs.
        task: TaskId,
        /// The next inputs of the task, behind those that were sent before.
        inputs: Vec<TaskInput>,
        /// The number of the task's inputs that follow in further messages.
        more: u32,
    },
    /// Sends `count` instances of a family to compute: the tasks `first + k` with the arguments `index + k`.
    RunRange {
        /// The definition of the family's tasks.
        def: DefId,
        /// The number of the first of the sent tasks; the others have the next numbers.
        first: TaskId,
        /// The index in its family of the first of the sent tasks.
        index: u64,
        /// The number of sent tasks.
        count: u32,
    },
    /// Asks the receiver to fetch a result, for the client or a task on the receiver that waits for its value.
    Bring {
        /// The task whose result is to be fetched.
        task: TaskId,
        /// The rank that stores the result, to fetch it from.
        holder: Rank,
        /// The size of the result in bytes, as in [`InputSource::At`].
        nbytes: u64,
        /// The layout of the result: how to read its bytes.
        layout: BulkLayout,
    },
    /// Asks the receiver to return up to `count` tasks that have not started, so that rank 0 can give them to idle
    /// ranks (work stealing). The receiver returns the tasks that would start last.
    Retract {
        /// The highest number of tasks to return.
        count: u32,
    },
    /// Tells the receiver that a result in its store is no longer needed, so that it can be dropped.
    Release {
        /// The task whose result is no longer needed.
        task: TaskId,
    },
    /// Announces the death of a rank. The receiver no longer waits for results that were to come from that rank.
    Lost {
        /// The dead rank.
        rank: Rank,
    },
    /// Acknowledges `count` more of the tasks that the receiver has reported as ended or returned, in the order of the
    /// reports. Later orders name none of their results as [`InputSource::Upcoming`], so the receiver can forget them.
    Seen {
        /// The number of tasks acknowledged since the last `Seen`.
        count: u32,
    },
    /// Announces that no more tasks come. The receiver finishes its fetches, answers [`RankReport::Bye`], and goes on
    /// serving results to others.
    Shutdown,
    /// Announces that every rank has said [`RankReport::Bye`]. The receiver leaves the run once its messages are sent.
    Leave,
    /// Announces that tasks of a known definition submit tasks themselves and may wait for them, so that the receiver
    /// starts them only on threads where they can wait.
    Nests {
        /// The number of the definition whose tasks submit others.
        def: DefId,
    },
    /// Tells the outcome of a task that a task on the receiver has submitted and waits for.
    Answer {
        /// The task that has ended.
        task: TaskId,
        /// The outcome of the task.
        answer: NestedAnswer,
    },
    /// Answers [`RankReport::Ask`], by which the receiver has asked for the state of a task.
    Status {
        /// The task that was asked about.
        task: TaskId,
        /// The state of that task at the time of the answer.
        status: Status,
    },
    /// Says nothing but that rank 0 is alive, where nothing else was to be said for some time.
    Alive,
    /// Tells the receiver that the result of a task that it has is no longer wanted. A task that has not started is
    /// returned; one that runs is told, goes on, and is reported as always.
    Cancel {
        /// The task that is cancelled.
        task: TaskId,
    },
    /// Tells the name of a counter of the job, by which tasks on the receiver ask for it.
    Counter {
        /// The number of the counter.
        counter: u32,
        /// The name of the counter.
        name: Box<str>,
    },
    /// Tells how many slots of the receiver are taken by programs that tasks have started, of this rank or another one,
    /// and that run in several processes. As many slots fewer are left for tasks, until the next such order.
    Lend {
        /// The number of slots, in place of the one that was told before.
        slots: u32,
    },
    /// Tells on which ranks' slots the processes of a program may run that the task of the next [`RankOrder::Run`]
    /// starts.
    Team {
        /// The task that starts the program.
        task: TaskId,
        /// The ranks, each with the number of its slots, the receiver first.
        members: Vec<(Rank, u32)>,
    },
}

/// A result, as the rank that made it reports it to rank 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportedResult {
    /// The encoded value itself, which rank 0 keeps. The rank that made it keeps no copy.
    Inline(Blob),
    /// A result in the store of the rank that made it.
    Stored {
        /// The size of the result in bytes, as in [`InputSource::At`].
        nbytes: u64,
        /// The layout of the result: how to read its bytes.
        layout: BulkLayout,
    },
}

/// A message from a rank to rank 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RankReport {
    /// Reports that a task has ended with a result.
    Finished {
        /// The task that has ended.
        task: TaskId,
        /// The number of the task's start that has finished, from 1.
        attempt: Attempt,
        /// Time spent in the task's function, in nanoseconds, at most `u32::MAX` (4.3 s).
        nanos: u32,
        /// The result, or its size if the sender stores it.
        output: ReportedResult,
    },
    /// Reports that a task has failed.
    Failed {
        /// The task whose start has failed.
        task: TaskId,
        /// The number of the task's start that has failed, from 1.
        attempt: Attempt,
        /// The error of the task, with the retry policy that it asks for.
        error: Box<TaskError>,
    },
    /// Reports that the sender now has a copy of a result in its store, fetched from another rank.
    Fetched {
        /// The task whose result was fetched.
        task: TaskId,
    },
    /// Returns a task that has not started: rank 0 has asked for it, or an input of the task will not come.
    Retracted {
        /// The task that is returned.
        task: TaskId,
        /// The number of the task's start that is given up, from 1.
        attempt: Attempt,
    },
    /// Ends the answer to [`RankOrder::Retract`], after the tasks that are returned.
    RetractDone,
    /// Reports that a result which [`RankOrder::Bring`] asked for cannot come, since the rank that held it has died.
    NotBrought {
        /// The task whose result cannot come.
        task: TaskId,
    },
    /// Answers [`RankOrder::Shutdown`]: the sender computes and fetches nothing any more.
    Bye {
        /// How the sender spent its time; `None` unless rank 0 asked for a profile.
        spent: Option<Box<Spent>>,
    },
    /// Reports how many of the sender's slots are free because the tasks in them wait for other tasks. Rank 0 can use
    /// them.
    Waits {
        /// The number of such slots at this moment.
        slots: u32,
    },
    /// Introduces a task definition for tasks that the sender's own tasks submit. Its number is the sender's own.
    Define(Box<NestedDefinition>),
    /// Submits a task on behalf of a task that runs at the sender. The sender holds a future of the new task, so its
    /// result is kept.
    Submit(Box<NestedTask>),
    /// Sends more inputs of the task of the last [`RankReport::Submit`], until all have come.
    MoreInputs {
        /// The number of the task that takes the inputs.
        task: TaskId,
        /// The next inputs of the task, behind those that were sent before.
        inputs: Vec<TaskId>,
        /// The number of the task's inputs that follow in further messages.
        more: u32,
    },
    /// Stores a value of a task that runs at the sender as a result. The sender holds a future of it.
    Scatter {
        /// The number of the new result, as if a task had made it.
        task: TaskId,
        /// The number that users see behind the result's name, to tell values apart: half of the hash of the value.
        key: u64,
        /// The encoded value if it is short. Otherwise its size and layout: the value is in the sender's store already.
        output: ReportedResult,
    },
    /// Reports that the sender has dropped its future of a task, so that the task's result can be released.
    Drop {
        /// The task whose future was dropped.
        task: TaskId,
    },
    /// Asks to be told when a task has ended, by [`RankOrder::Answer`].
    Want {
        /// The task that the sender waits for.
        task: TaskId,
        /// Whether the sender needs the task's value; if false, it needs to know only that the task has ended.
        value: bool,
    },
    /// Asks for the state of a task that the sender has submitted. [`RankOrder::Status`] answers.
    Ask {
        /// The task that is asked about.
        task: TaskId,
    },
    /// Asks that a task of the sender runs to its end even if the sender drops its future of it.
    Detach {
        /// The task that is to run.
        task: TaskId,
    },
    /// Reports that a result which [`RankOrder::Bring`] asked for cannot be taken in, since the sender has no memory
    /// for it.
    Refused {
        /// The task whose result cannot be taken in.
        task: TaskId,
        /// The reason.
        error: Box<TaskError>,
    },
    /// Says nothing but that the sender is alive, where nothing else was to be said for some time.
    Alive,
    /// Reports that nothing has come from a rank for some time although a result was to come, or that something has
    /// come again.
    Silent {
        /// The rank that is silent, or that was.
        rank: Rank,
        /// Seconds for which nothing has come.
        seconds: u32,
        /// Whether messages have come again from the rank that was silent.
        is_back: bool,
    },
    /// Reports how many bytes of the sender's results have been moved to disk, because its memory was short.
    OnDisk {
        /// The number of bytes of results that are on disk and not in memory at this moment.
        bytes: u64,
        /// The number of bytes that were moved to disk since the start of the run.
        moved: u64,
    },
    /// Announces a result that the sender will get from another rank and not from a task, such as that of an actor's
    /// call. The sender holds a future of it.
    Promise {
        /// The number of the new result, as if a task had made it.
        task: TaskId,
        /// The number that users see behind the result's name, to tell values apart.
        key: u64,
    },
    /// Brings a result that was announced by [`RankReport::Promise`].
    Keep {
        /// The number of the result.
        task: TaskId,
        /// The encoded value if it is short. Otherwise its size and layout: the value is in the sender's store already.
        output: ReportedResult,
    },
    /// Reports that a result which was announced by [`RankReport::Promise`] will not come.
    Break {
        /// The number of the result.
        task: TaskId,
        /// The reason.
        error: Box<TaskError>,
    },
    /// Cancels a task that a task on the sender has submitted.
    Cancel {
        /// The task that is cancelled.
        task: TaskId,
    },
    /// Starts a failed task of the sender again, with the failed tasks that it depends on.
    Retry {
        /// The task that has failed.
        task: TaskId,
    },
    /// Gives a task of the sender a name, by which errors call it.
    Name {
        /// The task that gets the name.
        task: TaskId,
        /// The name.
        name: Box<str>,
    },
    /// Reports that a task has taken longer than it may. It runs on, and its end is reported as always.
    TimedOut {
        /// The task that takes too long.
        task: TaskId,
        /// The number of the task's start that takes too long, from 1.
        attempt: Attempt,
        /// The error of the task, with the time that it may take.
        error: Box<TaskError>,
    },
    /// Asks rank 0 for something about results as a whole. The answer is a result of the sender, of which it holds a
    /// future.
    Registry {
        /// The number of the answer, as if a task had made it.
        task: TaskId,
        /// The request.
        request: RegistryRequest,
    },
}
