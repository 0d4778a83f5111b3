//! Files that are written whole or not at all, and private folders.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;

/// A file under a temporary name in the folder of `path`, which is made if it is missing.
///
/// # Errors
/// When the folder or the file cannot be made.
pub(crate) fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // of the mode that any new file has; tempfile's own would keep colleagues out
    let mode = fs::Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".dtask-").suffix(".part").permissions(mode).tempfile_in(folder)
}

/// Gives a temporary file its name, once its bytes are on the disk.
///
/// # Errors
/// When the disk is full, or the name is taken by a folder.
pub(crate) fn rename(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Makes the folder if it is missing.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
