//! Task functions that write the results of instances to checkpoint files, and that read them back in a later run.

use crate::batch::artifact::{Artifact, take_outputs};
use crate::batch::failure::left;
use crate::batch::rank::rank_state;
use crate::batch::stored_artifact;
use crate::console;
use crate::error::Failure;
use crate::journal::checkpoint;
use crate::journal::record::CheckpointRecord;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The place of the checkpoints of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckpointPlace {
    /// The path of the run folder.
    pub folder: String,
    /// The digest of the task's family.
    pub family: u128,
    /// The name of the task, for messages.
    pub task: String,
}

/// A checkpoint that an earlier run has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckpointSource {
    /// The path of the run folder.
    pub folder: String,
    /// The record of the file.
    pub record: CheckpointRecord,
    /// The name of the instance, for messages.
    pub label: String,
}

/// Writes the result of an instance to its checkpoint file. A task function. The run goes on without the checkpoint if
/// the disk is full: the user is told once for each rank. Returns an empty result.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_checkpoint(
    place: &CheckpointPlace,
    index: u64,
    artifact: &Artifact,
) -> Result<Artifact, Failure> {
    if artifact.is_absent() {
        return Ok(Artifact::empty());
    }
    let path = checkpoint::path_of(Path::new(&place.folder), place.family, index);
    let Err(error) = stored_artifact::write(&path, artifact) else { return Ok(Artifact::empty()) };
    if rank_state::current().is_first_lost_checkpoint() {
        let (rank, host, task) = (rank_state::here().0, rank_state::host(), &place.task);
        console::error(format_args!(
            "warning: rank {rank} on {host} cannot write the checkpoint of an instance of `{task}`, {}: {error}; the \
             run goes on, and a later one may have to make the result again",
            path.display()
        ));
    }
    Err(Failure::new(error))
}

/// Reads the outputs with the numbers `wanted` of an instance's result from its checkpoint file. A task function.
///
/// # Errors
/// When the file cannot be read. A damaged one is removed, and what reads it is left for the next run, which makes the
/// result again.
pub(crate) fn load_checkpoint(source: &CheckpointSource, wanted: &[u32]) -> Result<Artifact, Failure> {
    let CheckpointSource { folder, record, label } = source;
    let path = checkpoint::path_of(Path::new(folder), record.family, record.index);
    match stored_artifact::read(&path, record) {
        Ok(artifact) => take_outputs(&artifact, wanted),
        Err(error) if [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof].contains(&error.kind()) => {
            let _ = std::fs::remove_file(&path);
            Err(left(&format!("the checkpoint of {label} is damaged; the next run makes the result again")))
        }
        Err(error) => {
            let path = path.display();
            Err(Failure::new(format!("the checkpoint of {label}, `{path}`, cannot be read: {error}")))
        }
    }
}
