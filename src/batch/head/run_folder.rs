//! The run folder `NAME.dtask/` beside the script: it has the logs, and a lock against a second run.

use crate::batch::whole_files::make_private;
use crate::script::plan::Plan;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the lock file in the run folder, which a run keeps locked against other runs.
const LOCK: &str = "lock";

/// The run folder, `NAME.dtask` for a script NAME, which has the logs. Only its user can read it, since outputs and
/// logs may be confidential. It is locked against other runs while this value lives, where the file system has locks.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// The open lock file. The kernel releases the lock when the process ends, however it does.
    _lock: File,
}

impl RunFolder {
    /// Creates the run folder of a plan, or takes over the existing one, and removes the logs of the previous run.
    ///
    /// # Errors
    /// When it cannot be made, belongs to another user, or is in use by another run; the text is for the user.
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

    /// The path of a plan's run folder. The folder itself need not exist.
    pub(crate) fn path_of(plan: &Plan) -> PathBuf {
        plan.dir.join(format!("{}.dtask", plan.name))
    }

    /// The path of the run folder, which has the logs.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the run folder if no logs or other files are in it.
    pub(crate) fn remove_if_empty(&self) {
        // the lock stays valid although its file is unlinked; what cannot be removed stays
        let _ = fs::remove_file(self.path.join(LOCK));
        let _ = fs::remove_dir(&self.path);
    }
}

/// Opens and locks the lock file of the run folder. `None` if another process holds the lock.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    loop {
        // opened for writing, since NFS turns the lock into a byte-range lock
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
                // without locks, as on NFS whose server has none, the run goes on
                log::warn!(
                    "`{}` cannot be locked ({error}): start no second run in this folder",
                    path.display()
                );
                return Ok(Some(file));
            }
        }
        // the previous run may have unlinked the file after it was opened here: others would then lock a new file
        let own = file.metadata()?;
        if fs::metadata(&path).is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino())) {
            return Ok(Some(file));
        }
    }
}

fn prepare(path: &Path) -> io::Result<Option<File>> {
    make_private(path)?;
    // a symbolic link may lead to another user's folder
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
    // a write is the most reliable test of whether the folder is writable
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
