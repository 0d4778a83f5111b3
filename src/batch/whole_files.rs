//! Atomic writing of files (temporary name, then rename), and private folders.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;

/// Makes a temporary file in the folder of `path`, and the folder if it is missing.
///
/// # Errors
/// When the folder or the file cannot be made.
pub(crate) fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // the mode of any new file; tempfile's default would exclude colleagues
    let mode = fs::Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".dtask-").suffix(".part").permissions(mode).tempfile_in(folder)
}

/// Renames a temporary file to its final path, after its bytes are on the disk (`fsync`).
///
/// # Errors
/// When the disk is full, or `path` is a folder.
pub(crate) fn rename(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Creates a folder that only its user may enter (mode 0700), unless it exists.
///
/// # Errors
/// When the folder cannot be made.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
