//! Every message between ranks: this file is the specification.
//!
//! ```text
//!   any rank ── Hello ──► rank 0 ── Welcome ──► all           start-up, once
//!   rank 0   ── Order ──► a rank                               run, bring, release, …
//!   a rank   ── Report ─► rank 0                               one batch a loop turn
//!   any rank ── Peer ───► any rank, then raw bytes on a tag    results move rank to rank
//! ```
//!
//! Messages travel in *frames* of at most [`FRAME_MAX`] bytes: one byte that says the kind, then messages of that kind
//! one after the other. Frames of one pair of ranks arrive in the order they were sent. What is longer than a frame
//! is bulk data: its receiver has posted the buffer before it asks (`Peer::Fetch`), so no bulk message arrives
//! unexpected.

mod arguments;
mod frame;
pub(crate) mod handshake;
mod nested;
pub(crate) mod resources;

pub use crate::protocol::handshake::{Hello, Spent, Welcome};
pub use crate::protocol::resources::{COUNTERS_MAX, ResourceRequest};
pub use arguments::{
    ARGUMENT_INLINE, ARGUMENT_INPUT, ARGUMENT_INPUTS, ARGUMENT_REFUSED, index_argument, push_argument,
    push_length, push_refusal, take_length,
};
pub use frame::{Frame, FrameKind, Message, append, decode};
pub use nested::{NestedAnswer, NestedDefinition, NestedTask, Status};

use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;
use std::fmt;

/// Raised whenever a message changes; ranks with different versions do not meet.
pub const VERSION: u32 = 7;
/// The longest control frame, in bytes.
pub const FRAME_MAX: usize = 64 * 1024;
/// The longest encoding of a task's own arguments, in bytes; a longer argument becomes a result owned by rank 0.
pub const ARGS_MAX: usize = 16 * 1024;
/// Results of up to this many encoded bytes travel inside messages and live at rank 0.
pub const INLINE_MAX: usize = 128;
/// Inputs in one message; a task with more gets the rest in `RankOrder::MoreInputs`.
pub const INPUTS_MAX: usize = 256;

/// A few bytes, without an allocation up to 16.
#[derive(Default, PartialEq, Eq, Hash)]
pub struct Blob(pub SmallVec<[u8; 16]>);

impl Blob {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        Blob(SmallVec::from_slice(bytes))
    }
}

impl Clone for Blob {
    fn clone(&self) -> Self {
        Blob::new(self) // at once, where the vector's own goes byte by byte
    }
}

impl std::ops::Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0..=16 => write!(f, "{:02x?}", &self.0[..]),
            n => write!(f, "{n} bytes"),
        }
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlobVisitor;
        impl de::Visitor<'_> for BlobVisitor {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob::new(bytes))
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(SmallVec::from_vec(bytes)))
            }
        }
        deserializer.deserialize_bytes(BlobVisitor)
    }
}

/// What many instances share; sent to a rank before the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The number that instances name it by.
    pub def: DefId,
    /// The function, as the offset of its record from the image's base.
    pub function: u64,
    /// The function's last name, for keys and messages.
    pub name: String,
    /// Arguments that all instances of a family share, put before each instance's own.
    pub shared: Blob,
    /// Slots that each instance takes.
    pub slots: u32,
    /// Bytes of its host's memory that each instance may take; 0 without a limit.
    pub memory: u64,
}

/// How the bytes of a result are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BulkLayout {
    /// Encoded by serde.
    Encoded,
    /// The memory of a vector or an array of numbers.
    Bulk {
        /// Which container: see `task::bulk`.
        container: u8,
        /// Which element type: see `task::bulk`.
        element: u8,
        /// Length along each axis.
        #[serde(deserialize_with = "crate::codec::short_list")]
        shape: SmallVec<[u64; 2]>,
    },
    /// A value with files, of a kind that the tool registers: outputs of a command.
    Pack {
        /// Bytes of the message for a rank that sees the same files, with their paths instead of what is in them; 0 where
        /// there are no files.
        same_files: u64,
    },
}

/// Where an input of a task comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputSource {
    /// The encoded value itself.
    Inline(Blob),
    /// It lies at the receiver of the order.
    Here,
    /// A task that was sent to the receiver before makes it there.
    Soon,
    /// It lies at another rank, and is to be fetched from there.
    At {
        /// The rank to ask.
        holder: Rank,
        /// Exact size in bytes.
        nbytes: u64,
        /// How to read it; what the receive buffer is made from.
        layout: BulkLayout,
    },
}

/// One input of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInput {
    /// The task whose result it is.
    pub task: TaskId,
    /// Where that result is.
    pub source: InputSource,
}

/// One task to compute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTask {
    /// Its number.
    pub task: TaskId,
    /// Which start of it this is, from 1.
    pub attempt: Attempt,
    /// Its definition.
    pub def: DefId,
    /// Its own arguments, encoded; see `call::args`.
    pub args: Blob,
    /// The first of its inputs, in the order of its parameters.
    pub inputs: Vec<TaskInput>,
    /// How many inputs follow in `MoreInputs`.
    pub more: u32,
    /// 0 for a task of the client; of one that a task has submitted, a number that is greater than its submitter's.
    pub depth: u32,
}

/// Rank 0 to a rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RankOrder {
    /// Learn a definition.
    Define(Definition),
    /// Compute a task. Everything needed to fetch its inputs is inside.
    Run(RunTask),
    /// The rest of the inputs of the task of the last `Run`.
    MoreInputs {
        /// The task.
        task: TaskId,
        /// Its next inputs.
        inputs: Vec<TaskInput>,
        /// How many inputs follow after these.
        more: u32,
    },
    /// Compute `count` instances of a family: task `first + k` with the argument `index + k`.
    RunRange {
        /// The family's definition.
        def: DefId,
        /// The task of the first instance.
        first: TaskId,
        /// The index of the first instance.
        index: u64,
        /// How many.
        count: u32,
    },
    /// Fetch a result without computing anything (the client asked for it).
    Bring {
        /// Whose result.
        task: TaskId,
        /// The rank to ask.
        holder: Rank,
        /// Exact size in bytes.
        nbytes: u64,
        /// How to read it.
        layout: BulkLayout,
    },
    /// Give back up to `count` tasks that have not started, the last ones first.
    Retract {
        /// How many at most.
        count: u32,
    },
    /// Forget this result.
    Release {
        /// Whose result.
        task: TaskId,
    },
    /// A rank has died: give up what was to come from it.
    Lost {
        /// The dead rank.
        rank: Rank,
    },
    /// Rank 0 has taken note of so many more of the receiver's tasks that ended or were given back, in the order in which
    /// they were reported: an order that follows calls none of their results [`InputSource::Soon`].
    Seen {
        /// How many, since the last `Seen`.
        count: u32,
    },
    /// No more tasks: finish fetches, answer `Bye`, go on answering others.
    Shutdown,
    /// Every rank has said `Bye`, so nobody will ask for anything: leave when all is sent.
    Leave,
    /// Tasks of this definition, which is known to the receiver, submit tasks themselves and may wait for them.
    Nests {
        /// The definition.
        def: DefId,
    },
    /// What has become of a task that the receiver has submitted and waits for.
    Answer {
        /// Which.
        task: TaskId,
        /// How it has ended.
        answer: NestedAnswer,
    },
    /// The answer to `RankReport::Ask`.
    Status {
        /// Which task.
        task: TaskId,
        /// What it is doing.
        status: Status,
    },
}

/// A result as its maker reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportedResult {
    /// The encoded value itself; the maker keeps nothing.
    Inline(Blob),
    /// It lies at the maker.
    Stored {
        /// Exact size in bytes.
        nbytes: u64,
        /// How to read it.
        layout: BulkLayout,
    },
}

/// A rank to rank 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RankReport {
    /// A task has a result.
    Finished {
        /// Which.
        task: TaskId,
        /// Which start of it.
        attempt: Attempt,
        /// Time in the task's function, in nanoseconds, at most `u32::MAX` (4.3 s).
        nanos: u32,
        /// The result.
        output: ReportedResult,
    },
    /// A task has failed.
    Failed {
        /// Which.
        task: TaskId,
        /// Which start of it.
        attempt: Attempt,
        /// The error, with what it says of another attempt.
        error: Box<TaskError>,
    },
    /// A copy of this result is now here too.
    Fetched {
        /// Whose result.
        task: TaskId,
    },
    /// This task has not started and is given back.
    Retracted {
        /// Which.
        task: TaskId,
        /// Which start of it.
        attempt: Attempt,
    },
    /// The answer to `Retract` is complete.
    RetractDone,
    /// A result that `Bring` asked for cannot come: its holder has died.
    NotBrought {
        /// Whose result.
        task: TaskId,
    },
    /// The answer to `Shutdown`: nothing is computed nor fetched here any more.
    Bye {
        /// What the rank's time went into, if rank 0 has asked for that.
        spent: Option<Box<Spent>>,
    },
    /// Tasks that wait for other tasks have given so many slots back.
    Waits {
        /// How many.
        slots: u32,
    },
    /// A definition that tasks of the sender name by a number of the sender's own.
    Define(Box<NestedDefinition>),
    /// A task has submitted another; the sender holds a future of it.
    Submit(Box<NestedTask>),
    /// The rest of the inputs of the task of the last `Submit`.
    MoreInputs {
        /// The task.
        task: TaskId,
        /// Its next inputs.
        inputs: Vec<TaskId>,
        /// How many inputs follow after these.
        more: u32,
    },
    /// A value of a task that runs at the sender, now a result there; the sender holds a future of it.
    Scatter {
        /// Its number.
        task: TaskId,
        /// The number in its key.
        key: u64,
        /// What and how large it is.
        output: ReportedResult,
    },
    /// The sender has dropped its future.
    Drop {
        /// Of which task.
        task: TaskId,
    },
    /// The sender waits for this task; answered by `RankOrder::Answer`.
    Want {
        /// Which.
        task: TaskId,
        /// Whether its value is needed at the sender, or only that it is done.
        value: bool,
    },
    /// What is this task doing? Answered by `RankOrder::Status`.
    Ask {
        /// Which.
        task: TaskId,
    },
}

/// Any rank to any rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// Send me this result on `tag`; my receive is posted.
    Fetch {
        /// Whose result.
        task: TaskId,
        /// Chosen by the asker, unique among its transfers in flight.
        tag: u32,
        /// I see the same files as you, and my receive is for [`BulkLayout::Pack::same_files`].
        same_files: bool,
    },
}
