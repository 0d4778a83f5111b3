//! The run folder `NAME.dtask/` beside the script: it has the journal, the logs, the table of failures, a record of the
//! run, and a lock against a second run. Logs of the runs before lie in folders in it, `run.1` (the last one before) to
//! `run.4`.

use crate::batch::head::failures::failures_file::FAILURES;
use crate::batch::head::run_record::{RECORD, RunRecord};
use crate::batch::whole_files::make_private;
use crate::console;
use crate::journal::lock::{LockError, LockTimes, RunLock};
use crate::script::plan::Plan;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the file with the last line of a run that was ended by a signal.
pub(crate) const LAST_WORDS: &str = "last-words.txt";

/// The number of earlier runs whose logs are kept.
pub(crate) const EARLIER: u32 = 4;

/// The run folder, `NAME.dtask` for a script NAME, which has the logs. Only its user can read it, since outputs and
/// logs may be confidential. It is locked against other runs while this value lives.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    lock: RunLock,
}

impl RunFolder {
    /// Creates the run folder of a plan, or takes over the existing one.
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

    /// The path of the run folder, which has the logs.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the run folder if no logs or other files are in it, since no run has begun.
    pub(crate) fn remove_if_empty(&self) {
        self.lock.release();
        let _ = fs::remove_dir(&self.path); // what cannot be removed stays
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
    // a write is the most reliable test of whether the folder is writable
    tempfile::tempfile_in(path)?;
    Ok(lock)
}

/// Whether a file in the run folder is of a run, and is kept with its logs.
fn is_of_a_run(name: &str) -> bool {
    let is_log = name.starts_with("rank-") && (name.ends_with(".log") || name.ends_with(".index"));
    is_log || [FAILURES, RECORD, LAST_WORDS].contains(&name)
}

/// Moves the files of the last run into a folder of their own, and renumbers the folders of earlier runs. The oldest is
/// removed.
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
    // folders are renumbered up to the first number that is free
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
    fn one_run_at_a_time_and_the_next_one_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.dtask");
        let first = prepare(&path).unwrap();
        assert!(matches!(prepare(&path), Err(LockError::Held(_))));
        drop(first);
        assert!(prepare(&path).is_ok());
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
        // an earlier run that the user has removed leaves a free number
        fs::remove_dir_all(path.join("run.2")).unwrap();
        make_room(&path).unwrap();
        let logs: Vec<String> = (1..=EARLIER).map(|run| log(run).unwrap()).collect();
        assert_eq!(logs, ["7", "6", "4", "3"]);
        assert!(!path.join("rank-0001.log").exists());
    }
}
