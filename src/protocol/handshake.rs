//! The start: every rank presents itself, rank 0 answers. And the end, where each says what its time went into.

use crate::ids::Rank;
use serde::{Deserialize, Serialize};

/// A rank presents itself to rank 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`super::VERSION`] of the sender.
    pub version: u32,
    /// Hash of the loaded code: ranks with another one run another executable.
    pub code_hash: u64,
    /// Host name.
    pub host: String,
    /// The cores that the rank may run on, ascending.
    pub cores: Vec<u32>,
    /// Bytes of memory of the host.
    pub memory: u64,
    /// The devices that it may use, as they are named in `CUDA_VISIBLE_DEVICES`.
    pub gpus: Vec<String>,
    /// Which files its paths lead to: ranks with equal numbers see the same ones. 0 is not known, and equal to none.
    pub files: u64,
    /// Path of the executable, for the message when codes differ.
    pub program: String,
}

/// Rank 0's answer to every `Hello`, once all have come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    /// Begin, with this many slots for tasks.
    Start {
        /// Tasks that the receiver may compute at a time.
        slots: u32,
        /// Whether it is to measure what its time goes into, for its `Bye`.
        profile: bool,
        /// The cores that are the receiver's alone, ascending; none where there are fewer than slots.
        cores: Vec<u32>,
        /// The devices that are the receiver's alone.
        gpus: Vec<String>,
        /// The ranks that see the same files as the receiver, ascending.
        same_files: Vec<Rank>,
    },
    /// The ranks do not fit together; leave with exit code 3. Rank 0 has said why.
    Refused,
}

/// What a rank's time went into, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Its reactor's, by `runtime::profile::Phase`.
    pub reactor: [u64; 8],
    /// That of its slots together: computing, waiting for data, idle.
    pub slots: [u64; 3],
}
