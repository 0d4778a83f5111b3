//! The kinds of records in a journal, with their encoding.

use crate::codec;
use crate::commands::folder;
use crate::error::CodecError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

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
    /// A file that several instances share has grown.
    Grown(GrownFile),
    /// An instance is not started again, since several ranks have died with it.
    Quarantined(QuarantineRecord),
    /// The result of an instance was written to a file of its own in the run folder.
    Checkpoint(CheckpointRecord),
    /// What is known of the instances of a family after many of them have run.
    Learnt(LearntRecord),
    /// A rank has died with an instance, and with the rank its run.
    Died(DeathRecord),
    /// Instances of a family have no result although nothing has failed, or are the last ones that are needed.
    Absent(AbsentRecord),
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

/// Instances of one family that were skipped, and those at which loops have stopped, as ranges of indices: each as its
/// first index and its length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AbsentRecord {
    /// The digest of the family that the instances belong to.
    pub family: u128,
    /// Instances that were skipped by `when`.
    pub skipped: Vec<(u64, u64)>,
    /// Instances that are not needed, since they read one behind the end of a loop.
    pub not_needed: Vec<(u64, u64)>,
    /// Instances that have met `until`. Such an instance counts only if it is done, too.
    pub met: Vec<(u64, u64)>,
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

/// An instance that several ranks have died with. Later runs do not start it either, unless they are told to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuarantineRecord {
    /// The digest of the family that the instance belongs to.
    pub family: u128,
    /// The index of the instance.
    pub index: u64,
    /// The reason for the user, with the ranks and their hosts.
    pub message: String,
}

/// A rank that has died with an instance. If there are too many, later runs do not start the instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeathRecord {
    /// The digest of the family that the instance belongs to.
    pub family: u128,
    /// The index of the instance.
    pub index: u64,
    /// The rank with its host, as messages name it.
    pub rank: String,
}

/// The file with the result of an instance in the folder of checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckpointRecord {
    /// The digest of the family that the instance belongs to.
    pub family: u128,
    /// The index of the instance.
    pub index: u64,
    /// The length of the file in bytes.
    pub length: u64,
    /// The time of its modification, in nanoseconds since 1970. A file with another time has its checksum compared.
    pub modified: i128,
    /// The checksum of the file's content.
    pub checksum: u64,
    /// The numbers of the outputs that the file has.
    pub outputs: Vec<u32>,
}

/// The run times and the memory of the instances of a family, over all runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LearntRecord {
    /// The digest of the family.
    pub family: u128,
    /// The number of instances that were measured.
    pub instances: u64,
    /// The sum of their run times, in microseconds.
    pub micros: u64,
    /// The largest memory of one of them, in bytes; 0 if none was measured.
    pub memory: u64,
}

/// A file that several instances share, as far as it has come: all bytes up to its length are on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrownFile {
    /// The path, relative to the script's folder where it is below that.
    pub path: String,
    /// The length in bytes, which is the end of a whole output. The file may be longer: the rest is to be cut off.
    pub length: u64,
    /// The checksum of the last bytes before that length.
    pub tail: u64,
    /// The outputs that it has of each family, in the order in which they follow one another.
    pub parts: Vec<GrownPart>,
}

/// The outputs of one family in a file that several instances share. The number of an output is twice the index of its
/// instance, and one more for standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrownPart {
    /// The digest of the family.
    pub family: u128,
    /// The number from which on the file has no output of the family.
    pub next: u64,
    /// The outputs before that which it lacks, in ascending order.
    pub gaps: Vec<OutputGap>,
}

/// Outputs that follow one another and that a shared file lacks, although it has later ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputGap {
    /// The number of the first of them.
    pub first: u64,
    /// The number of the last of them.
    pub last: u64,
    /// The place in the file at which they would stand.
    pub offset: u64,
}

/// The number of bytes before the end of a file that its checksum is about.
const TAIL: u64 = 4096;

impl GrownFile {
    /// Computes the checksum of the last bytes before `length` of a file.
    ///
    /// # Errors
    /// When it is shorter, or cannot be read.
    pub(crate) fn tail_of(file: &File, length: u64) -> io::Result<u64> {
        let start = length.saturating_sub(TAIL);
        let mut bytes = vec![0; (length - start) as usize];
        file.read_exact_at(&mut bytes, start)?;
        Ok(xxh3_64(&bytes))
    }

    /// Whether the file below the folder `here` still has what was recorded.
    pub(crate) fn is_there(&self, here: &Path) -> bool {
        let file = File::open(here.join(&self.path));
        let is_regular = |file: &File| file.metadata().is_ok_and(|found| found.is_file());
        let tail = file.ok().filter(is_regular).and_then(|file| GrownFile::tail_of(&file, self.length).ok());
        tail == Some(self.tail)
    }
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
    /// Makes the stamp of the file `path`, relative to the folder `here`. `None` if there is no such file. With a slash at
    /// its end, `path` may be a folder, and the stamp is one of all that is in it.
    pub(crate) fn of(here: &Path, path: &str) -> Option<FileStamp> {
        let found = fs::metadata(here.join(path)).ok()?;
        let stamp = match found.is_dir() && path.ends_with('/') {
            true => Some(folder::stamp(&here.join(path)).ok()?),
            false if found.is_file() => Some((found.len(), nanos(found.modified().ok()?))),
            false => None,
        };
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

/// A time in nanoseconds since 1970.
pub(crate) fn nanos(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

/// The present time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
