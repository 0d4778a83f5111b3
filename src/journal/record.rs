//! The kinds of records in a journal, with their encoding.

use crate::codec;
use crate::error::CodecError;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A record of the journal. New kinds are added at the end: the position of a variant is its number in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JournalRecord {
    /// A run has begun.
    Begin(RunStart),
    /// The key plan of a script: what the keys of its instances are computed from.
    Keys(KeyRecord),
    /// Instances of a family are done.
    Done(DoneRecord),
    /// An instance has failed for good.
    Failed(FailedRecord),
    /// A file that several instances write is complete.
    Shared(FileStamp),
    /// A run has ended by itself (was not killed).
    End {
        /// The time of the end, in seconds since 1970.
        at: u64,
        /// The number of instances that are done, by this run or earlier ones.
        done: u64,
        /// The number of instances that are not done.
        left: u64,
    },
}

/// The beginning of a run: when, where, by which program and for which script.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunStart {
    /// The time of the start, in seconds since 1970.
    pub at: u64,
    /// The version of dtask that ran.
    pub version: String,
    /// The name of the host of rank 0.
    pub host: String,
    /// The process number of rank 0.
    pub pid: u32,
    /// The number of the batch job; `None` outside of batch jobs.
    pub job: Option<String>,
    /// The number of ranks of the MPI job.
    pub ranks: u32,
    /// The digests of the script's families, each with the name of its task and the number of its instances.
    pub families: Vec<(u128, String, u64)>,
}

/// The key plan of a script (all that instance keys are computed from), encoded. The journal stores it without decoding
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    /// The digests of the script's families, in the order of the plan.
    pub families: Vec<u128>,
    /// The encoded key plan.
    pub plan: Vec<u8>,
}

/// Instances of one family that are done, as ranges of indices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DoneRecord {
    /// The digest of the family that the instances belong to.
    pub family: u128,
    /// The ranges of indices, each as its first index and its length.
    pub ranges: Vec<(u64, u64)>,
    /// The files that instances have saved, by index in ascending order; only of instances that save files.
    pub saved: Vec<(u64, Vec<FileStamp>)>,
}

/// An instance that has failed for good: no attempt is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedRecord {
    /// The digest of the family that the instance belongs to.
    pub family: u128,
    /// The index of the instance.
    pub index: u64,
    /// The number of attempts that were made.
    pub attempts: u32,
    /// The error message of the last attempt.
    pub message: String,
}

/// A file as it was when it was recorded. An equal stamp later means that nobody has written the file since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileStamp {
    /// The path of the file: relative to the script's folder if the file lies below it, else absolute.
    pub path: String,
    /// The length in bytes and the time of modification in nanoseconds since 1970; `None` if it is no regular file.
    pub stamp: Option<(u64, i128)>,
}

impl FileStamp {
    /// Makes the stamp of the file `path`, relative to the folder `here`. `None` if there is no such file.
    pub(crate) fn of(here: &Path, path: &str) -> Option<FileStamp> {
        let found = fs::metadata(here.join(path)).ok()?;
        let nanos = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        let stamp = if found.is_file() { Some((found.len(), nanos(found.modified().ok()?))) } else { None };
        Some(FileStamp { path: path.to_owned(), stamp })
    }
}

impl JournalRecord {
    /// Encodes the record as the content of a frame.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(self)
    }

    /// Decodes the content of a frame; `None` for a kind of record that this version does not know.
    pub(crate) fn decode(content: &[u8]) -> Option<JournalRecord> {
        codec::decode(content).ok()
    }
}

/// The present time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
