//! The messages of start-up and shutdown. At start-up every rank sends [`Hello`] and rank 0 answers with [`Welcome`];
//! at the end each rank reports how it spent its time.

use crate::ids::Rank;
use serde::{Deserialize, Serialize};

/// The introduction that each rank sends to rank 0 at start-up, with its version, host and resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol version of the sender, [`super::VERSION`].
    pub version: u32,
    /// A hash of the loaded code. Ranks with different hashes run different executables.
    pub code_hash: u64,
    /// The host name of the sender.
    pub host: String,
    /// The cores that the sender may run on (its affinity mask), in ascending order.
    pub cores: Vec<u32>,
    /// The number of the host's cores that the batch system has granted to the job; 0 where that is not known.
    pub granted: u32,
    /// Memory of the sender's host, in bytes.
    pub memory: u64,
    /// The GPUs that the sender may use, by their names in `CUDA_VISIBLE_DEVICES`.
    pub gpus: Vec<String>,
    /// A number for the file systems that the sender sees: ranks with equal numbers see the same files. 0 means
    /// unknown, and a rank with 0 counts as seeing the files of no other rank.
    pub files: u64,
    /// The path of the executable, for the message that reports different executables.
    pub program: String,
}

/// The answer of rank 0 to every [`Hello`], sent once all ranks have introduced themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    /// All ranks fit together and the run begins, with these settings for the receiver.
    Start {
        /// Number of tasks that the receiver is to compute at a time.
        slots: u32,
        /// Whether the receiver is to measure how it spends its time, for its final report.
        profile: bool,
        /// The cores reserved for the receiver, in ascending order, one for each slot. Empty where the ranks that share
        /// an affinity mask have more slots together than the mask has cores.
        cores: Vec<u32>,
        /// The GPUs reserved for the receiver, by their names in `CUDA_VISIBLE_DEVICES`.
        gpus: Vec<String>,
        /// The ranks that see the same files as the receiver, in ascending order.
        same_files: Vec<Rank>,
        /// Milliseconds without a sign of life from a rank after which the user is warned; 0 for never.
        silence: u32,
        /// The receiver's memory limit for results, in bytes; beyond it, the receiver moves some to disk.
        memory_limit: u64,
        /// Whether the receiver, at the end of the run, waits for the tasks that it computes.
        awaits: bool,
        /// Whether ranks compare checksums of the results that they send each other.
        checksums: bool,
    },
    /// The ranks do not fit together. The receiver leaves with exit code 3; rank 0 has printed the reason.
    Refused,
}

/// The time that a rank has spent in each activity during the run, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The time of the reactor, whichever thread has turned it, indexed by `runtime::profile::ProfilePhase`.
    pub reactor: [u64; 8],
    /// The time of all slots together, in this order: computing, free only because inputs are still being fetched,
    /// idle.
    pub slots: [u64; 3],
}
