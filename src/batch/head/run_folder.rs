//! The run folder `NAME.dtask/` beside the script: it has the journal, the logs, and a lock against a second run.

use crate::batch::whole_files::make_private;
use crate::console;
use crate::journal::lock::{LockError, LockTimes, RunLock};
use crate::script::plan::Plan;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The run folder, `NAME.dtask` for a script NAME, which has the logs. Only its user can read it, since outputs and
/// logs may be confidential. It is locked against other runs while this value lives.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    lock: RunLock,
}

impl RunFolder {
    /// Creates the run folder of a plan, or takes over the existing one, and removes the logs of the previous run.
    ///
    /// # Errors
    /// When it cannot be made, belongs to another user, or is in use by another run; the text is for the user.
    pub(crate) fn prepare(plan: &Plan) -> Result<RunFolder, String> {
        let path = RunFolder::path_of(plan);
        match prepare(&path) {
            Ok(lock) => Ok(RunFolder { path, lock }),
            Err(LockError::Held(holder)) => Err(format!(
                "another run of `{}` ({holder}) is using the run folder `{}`: wait for its end, or give this script \
                 another `name`",
                plan.name,
                path.display()
            )),
            Err(LockError::Io(error)) => Err(format!(
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

    /// Lets the next run begin. For a process that is about to exit without dropping anything.
    pub(crate) fn release(&self) {
        self.lock.release();
    }

    /// Whether another run has taken the folder meanwhile, since this process did not run for long.
    pub(crate) fn is_lost(&self) -> bool {
        self.lock.is_lost()
    }
}

fn prepare(path: &Path) -> Result<RunLock, LockError> {
    make_private(path)?;
    // a symbolic link may lead to another user's folder
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no folder").into());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user").into());
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    let lock = RunLock::take(path, LockTimes::default(), console::error)?;
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
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_and_the_next_one_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.dtask");
        let first = prepare(&path).unwrap();
        fs::write(path.join("rank-0001.log"), "of the first run").unwrap();
        assert!(matches!(prepare(&path), Err(LockError::Held(_))));
        assert!(path.join("rank-0001.log").exists(), "the log of a run under way was removed");
        drop(first);
        assert!(prepare(&path).is_ok());
        assert!(!path.join("rank-0001.log").exists());
    }
}
