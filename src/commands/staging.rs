//! Input files of commands, staged into their directories.

use super::scratch::{ScratchError, stays_below};
use crate::commands::stored_file::{READ_ONLY, StoredFile};
use crate::error::Failure;
use std::borrow::Cow;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The content of a file that a command gets as input: bytes, or a file of the rank.
#[derive(Debug, Clone)]
pub(crate) enum StagedInput<'a> {
    /// Bytes that are written into a new file.
    Bytes(Cow<'a, [u8]>),
    /// A file in this rank's scratch directory, to which the input file becomes a hard link.
    File(&'a StoredFile),
}

impl<'a> StagedInput<'a> {
    /// The bytes that the input file has. A file in the scratch directory is read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn bytes(self) -> Result<Cow<'a, [u8]>, Failure> {
        match self {
            StagedInput::Bytes(bytes) => Ok(bytes),
            StagedInput::File(file) => file.bytes().map(Cow::Owned),
        }
    }
}

/// Puts input files into a command's directory, written or as hard links, read-only, and returns their paths. If a name
/// contains directories, these are created.
///
/// # Errors
/// When a name leads out of the directory, or a file cannot be written.
pub(crate) fn stage_inputs<'a, N: AsRef<str>>(
    scratch: &Path,
    inputs: impl IntoIterator<Item = (N, StagedInput<'a>)>,
) -> Result<Vec<PathBuf>, ScratchError> {
    inputs.into_iter().map(|(name, input)| stage(scratch, name.as_ref(), &input)).collect()
}

fn stage(scratch: &Path, name: &str, input: &StagedInput<'_>) -> Result<PathBuf, ScratchError> {
    if !stays_below(Path::new(name)) {
        return Err(ScratchError::Name { name: name.to_owned() });
    }
    let path = scratch.join(name);
    let written = || -> io::Result<()> {
        if let Some(parent) = path.parent().filter(|parent| *parent != scratch) {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        // Fails if the name exists: never writes through a link, nor over another input of the same name.
        match input {
            StagedInput::Bytes(bytes) => {
                let mut new = OpenOptions::new();
                new.write(true).create_new(true).mode(READ_ONLY).open(&path)?.write_all(bytes)
            }
            StagedInput::File(file) => file.link(&path),
        }
    };
    written().map_err(|source| ScratchError::Write { path: path.clone(), source })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn inputs_are_read_only_files() -> Outcome {
        let scratch = tempfile::tempdir()?;
        let input = |bytes: &'static [u8]| StagedInput::Bytes(bytes.into());
        let inputs = [("a.bin", input(&[0, 255])), ("sub/b.txt", input(b"text"))];
        let paths = stage_inputs(scratch.path(), inputs)?;
        assert_eq!(fs::read(&paths[0])?, [0, 255]);
        assert_eq!(fs::read(scratch.path().join("sub/b.txt"))?, b"text");
        assert!(paths.iter().all(|path| fs::metadata(path).is_ok_and(|m| m.mode() & 0o7777 == 0o444)));
        for name in ["", "/etc/passwd", "../x", "a/../../x", "."] {
            assert!(
                matches!(stage_inputs(scratch.path(), [(name, input(b""))]), Err(ScratchError::Name { .. })),
                "{name}"
            );
        }
        assert!(matches!(
            stage_inputs(scratch.path(), [("a.bin", input(b""))]),
            Err(ScratchError::Write { .. })
        ));
        std::os::unix::fs::symlink("/tmp/never-written", scratch.path().join("link"))?;
        assert!(stage_inputs(scratch.path(), [("link", input(b""))]).is_err());
        Ok(())
    }
}
