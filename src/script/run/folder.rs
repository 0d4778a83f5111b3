//! The run folder `NAME.dtask/` beside the script.

use crate::script::Plan;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The run folder, for this user only: outputs and logs may be confidential.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a plan, or takes it over; the logs of the run before are removed.
    ///
    /// # Errors
    /// When it cannot be made, or is not this user's own; in words for the user.
    pub fn prepare(plan: &Plan) -> Result<RunFolder, String> {
        let path = plan.dir.join(format!("{}.dtask", plan.name));
        prepare(&path).map_err(|error| {
            format!(
                "the run folder `{}` cannot be used: {error}; dtask keeps its logs there: run a copy of the script in a \
                 folder that you may write, or give the script another `name`",
                path.display()
            )
        })?;
        Ok(RunFolder { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder if there is nothing in it.
    pub fn remove_if_empty(&self) {
        // an error means that it is not empty
        let _ = fs::remove_dir(&self.path);
    }
}

fn prepare(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    // not through a link that someone else may have put there
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no folder"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("rank-") && name.ends_with(".log") {
            fs::remove_file(entry.path())?;
        }
    }
    // whether it can be written shows best by writing
    tempfile::tempfile_in(path).map(drop)
}
