//! The run folder `NAME.dtask/` beside the script: it has the logs, the table of failures, a record of the run, and a
//! lock against a second run. Those of the runs before lie in folders in it, `run.1` (the last one before) to `run.4`.

use crate::batch::head::failures_file::FAILURES;
use crate::batch::head::run_record::{RECORD, RunRecord};
use crate::batch::whole_files::make_private;
use crate::script::plan::Plan;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the lock file in the run folder, which a run keeps locked against other runs.
const LOCK: &str = "lock";

/// The number of earlier runs whose logs are kept.
pub(crate) const EARLIER: u32 = 4;

/// The run folder, `NAME.dtask` for a script NAME, which has the logs. Only its user can read it, since outputs and
/// logs may be confidential. It is locked against other runs while this value lives, where the file system has locks.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// The open lock file. The kernel releases the lock when the process ends, however it does.
    _lock: File,
}

impl RunFolder {
    /// Creates the run folder of a plan, or takes over the existing one.
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

    /// The path of the folder with the logs of an earlier run, in the run folder `folder`: 1 for the last one before
    /// the newest; 0 for the newest.
    pub(crate) fn path_of_run(folder: &Path, run: u32) -> PathBuf {
        if run == 0 { folder.to_owned() } else { folder.join(format!("run.{run}")) }
    }

    /// Begins a run: moves the logs of the run before out of the way, and notes that this run has begun.
    ///
    /// # Errors
    /// When the folder cannot be written; the text is for the user.
    pub(crate) fn begin(&self, plan: &Plan) -> Result<(), String> {
        let begun = make_room(&self.path).and_then(|()| self.record(&RunRecord::begun(plan)));
        begun.map_err(|error| format!("the run folder `{}` cannot be written: {error}", self.path.display()))
    }

    /// Notes how far the run is, for `dtask log`.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(crate) fn record(&self, record: &RunRecord) -> io::Result<()> {
        // the folder may have been removed while the run went on
        make_private(&self.path)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(record.text().as_bytes())?;
        file.persist(self.path.join(RECORD)).map(drop).map_err(|error| error.error)
    }

    /// Whether a run uses the folder now; `None` where the file system has no locks.
    pub(crate) fn is_used(folder: &Path) -> Option<bool> {
        let file = match File::open(folder.join(LOCK)) {
            Ok(file) => file,
            Err(error) => return (error.kind() == io::ErrorKind::NotFound).then_some(false),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Some(false),
            Err(Errno::WOULDBLOCK) => Some(true),
            Err(_) => None,
        }
    }

    /// The path of the run folder, which has the logs.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the run folder if no logs or other files are in it, since no run has begun.
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
    // a write is the most reliable test of whether the folder is writable
    tempfile::tempfile_in(path)?;
    Ok(Some(lock))
}

/// Whether a file in the run folder is of a run, and is kept with its logs.
fn is_of_a_run(name: &str) -> bool {
    let is_log = name.starts_with("rank-") && (name.ends_with(".log") || name.ends_with(".index"));
    is_log || name == FAILURES || name == RECORD
}

/// Moves the files of the last run into a folder of their own, and counts the runs before it on. The oldest is removed.
fn make_room(path: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        files.extend(name.to_str().is_some_and(is_of_a_run).then_some(name));
    }
    if files.is_empty() {
        return Ok(());
    }
    let at = |run| RunFolder::path_of_run(path, run);
    let is_there = |run: &u32| fs::symlink_metadata(at(*run)).is_ok();
    // up to the first number that is free
    let last = (1..=EARLIER).find(|run| !is_there(run)).unwrap_or(EARLIER);
    if is_there(&last) {
        fs::remove_dir_all(at(last))?;
    }
    for run in (1..last).rev() {
        fs::rename(at(run), at(run + 1))?;
    }
    make_private(&at(1))?;
    files.iter().try_for_each(|name| fs::rename(path.join(name), at(1).join(name)))
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
        assert!(prepare(&path).unwrap().is_none());
        drop(first);
        assert!(prepare(&path).unwrap().is_some());
    }

    #[test]
    fn the_logs_of_the_runs_before_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.dtask");
        let _lock = prepare(&path).unwrap();
        let write = |name: &str, text: &str| fs::write(path.join(name), text).unwrap();
        make_room(&path).unwrap();
        assert!(!path.join("run.1").exists(), "there was no run");
        write("mine.txt", "of the user");
        for run in 1..=7 {
            make_room(&path).unwrap();
            write("rank-0001.log", &format!("{run}"));
            write("rank-0001.index", "");
            write(FAILURES, "");
        }
        let log = |run| fs::read_to_string(RunFolder::path_of_run(&path, run).join("rank-0001.log"));
        let logs: Vec<String> = (0..=EARLIER).map(|run| log(run).unwrap()).collect();
        assert_eq!(logs, ["7", "6", "5", "4", "3"]);
        assert!(log(EARLIER + 1).is_err() && path.join("mine.txt").exists());
        // one that was removed by hand makes room
        fs::remove_dir_all(path.join("run.2")).unwrap();
        make_room(&path).unwrap();
        let logs: Vec<String> = (1..=EARLIER).map(|run| log(run).unwrap()).collect();
        assert_eq!(logs, ["7", "6", "4", "3"]);
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
