//! The run folder `NAME.dtask/` beside the script.

use crate::batch::whole_files::make_private;
use crate::script::plan::Plan;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Locked while a run uses the folder.
const LOCK: &str = "lock";

/// The run folder, for this user only: outputs and logs may be confidential. No other run uses it as long as this value
/// lives, unless the file system knows no locks.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Holds the lock, which goes with the process, however that ends.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder of a plan, or takes it over; the logs of the run before are removed.
    ///
    /// # Errors
    /// When it cannot be made, is not this user's own, or another run is using it; in words for the user.
    pub(crate) fn prepare(plan: &Plan) -> Result<RunFolder, String> {
        let path = RunFolder::path_of(plan);
        match prepare(&path) {
            Ok(Some(lock)) => Ok(RunFolder { path, _lock: lock }),
            Ok(None) => Err(format!(
                "another run of `{}` is using the run folder `{}`: wait for its end, or give this script another `name`",
                plan.name,
                path.display()
            )),
            Err(error) => Err(format!(
                "the run folder `{}` cannot be used: {error}; dtask keeps its logs there: run a copy of the script in a \
                 folder that you may write, or give the script another `name`",
                path.display()
            )),
        }
    }

    /// Where the folder of a plan is, whether it is there or not.
    pub(crate) fn path_of(plan: &Plan) -> PathBuf {
        plan.dir.join(format!("{}.dtask", plan.name))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder if there is nothing in it.
    pub(crate) fn remove_if_empty(&self) {
        // the lock holds although its file has no name any more; what cannot be removed may stay
        let _ = fs::remove_file(self.path.join(LOCK));
        let _ = fs::remove_dir(&self.path);
    }
}

/// The lock of the folder; none if another process has it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    loop {
        // for writing, since NFS makes a lock of bytes of it
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(folder)?; // the run before has just removed it
                continue;
            }
            opened => opened?,
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(Errno::INTR) => continue,
            Err(error) => {
                // a file system without locks, such as NFS whose server has none, is no reason not to run
                log::warn!(
                    "`{}` cannot be locked ({error}): start no second run in this folder",
                    path.display()
                );
                return Ok(Some(file));
            }
        }
        // the run before may have removed the file after it was opened here: then others will open another one
        let own = file.metadata()?;
        if fs::metadata(&path).is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino())) {
            return Ok(Some(file));
        }
    }
}

fn prepare(path: &Path) -> io::Result<Option<File>> {
    make_private(path)?;
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
    let Some(lock) = lock(path)? else { return Ok(None) };
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("rank-") && (name.ends_with(".log") || name.ends_with(".index")) {
            fs::remove_file(entry.path())?;
        }
    }
    // whether it can be written shows best by writing
    tempfile::tempfile_in(path)?;
    Ok(Some(lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lock_at_a_time_and_the_next_one_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.dtask");
        let first = prepare(&path).unwrap();
        assert!(first.is_some());
        fs::write(path.join("rank-0001.log"), "of the first run").unwrap();
        assert!(prepare(&path).unwrap().is_none());
        assert!(path.join("rank-0001.log").exists(), "the log of a run under way was removed");
        drop(first);
        assert!(prepare(&path).unwrap().is_some());
        assert!(!path.join("rank-0001.log").exists());
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.dtask");
        let folder = RunFolder { path: path.clone(), _lock: prepare(&path).unwrap().unwrap() };
        folder.remove_if_empty();
        assert!(!path.exists());
        let next = prepare(&path).unwrap();
        drop(folder);
        assert!(next.is_some() && prepare(&path).unwrap().is_none());
    }
}
