//! Results of earlier runs, read from the files in which they were saved.

use crate::batch::artifact::Artifact;
use crate::batch::outputs::LARGE;
use crate::commands::outputs::{CommandOutputs, Content, OutputRef};
use crate::commands::{ScratchRoot, is_program};
use crate::error::Failure;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An output of an instance that an earlier run has completed, and the file into which that run saved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedOutput {
    /// The number of the output: 0 for standard output, 1 for standard error, from 2 on for files.
    pub which: u32,
    /// The name of the output file, as the command has written it.
    pub name: String,
    /// The path of the saved file.
    pub path: PathBuf,
}

/// Reads the saved outputs of an instance, in place of running its command. A task function, which the engine runs at
/// the rank of the first task that reads the result.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn load_saved(files: &[SavedOutput]) -> Result<Artifact, Failure> {
    let scratch = ScratchRoot::current()?;
    let mut large = Vec::with_capacity(files.len());
    let mut small = Vec::with_capacity(files.len());
    for file in files {
        let wrong = |error| unreadable(&file.path, &error);
        if file.path.is_dir() {
            large.push(Some(Arc::new(scratch.keep_folder_copy(&file.path).map_err(wrong)?)));
            small.push(Vec::new());
            continue;
        }
        let mut open = File::open(&file.path).map_err(wrong)?;
        let (mut bytes, mut stored) = (Vec::new(), None);
        if open.metadata().map_err(wrong)?.len() < LARGE && !is_program(&file.path) {
            open.read_to_end(&mut bytes).map_err(wrong)?;
        } else {
            // copied, not linked: the user may change a saved file while the run goes on
            stored = Some(Arc::new(scratch.keep_copy(&mut open).map_err(wrong)?));
        }
        large.push(stored);
        small.push(bytes);
    }
    let outputs = files.iter().zip(large.iter().zip(&small)).map(|(file, (large, small))| OutputRef {
        which: file.which,
        name: &file.name,
        content: large.as_ref().map_or(Content::Memory(small), Content::File),
    });
    Ok(CommandOutputs::new(&outputs.collect::<Vec<_>>()).into())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("the saved result `{}` cannot be read: {error}", path.display()))
}
