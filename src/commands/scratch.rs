//! Scratch directories on the local disk or in the memory of a host: one for each rank (see `rank_scratch`), in which
//! each task gets a private one.

use super::dead_scratch::{self, OwnerLock};
use super::removal;
use crate::clock;
use crate::error::Failure;
use crate::runtime::host::scratch_place::{self, ScratchPlaces};
use parking_lot::Mutex;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::{Builder, TempDir};

/// The bit in the number of a stored file that tells that it is on the disk, and not in the memory, of its rank.
pub(crate) const ON_DISK: u64 = 1 << 63;
/// The name of the link in a directory of stored files that leads to those on the disk.
pub(crate) const ON_DISK_NAME: &str = "disk";

/// Time for which the removal of a rank's directory is tried again, as long as something in it cannot be removed: a
/// process that is being killed may still make files.
const PATIENCE: Duration = Duration::from_secs(2);

/// The error of creating a scratch directory (node-local, for temporary files) or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// No place where a scratch directory could be created is usable.
    #[error("no place for node-local scratch files: {}; choose a local directory that you may write, by `--scratch` or TMPDIR", .tried.join("; "))]
    NoPlace {
        /// The places where a directory was tried, each with the reason why it failed.
        tried: Vec<String>,
    },
    /// The rank is about to end, so that no more scratch directories are made.
    #[error("the run is being ended")]
    Ending,
    /// A directory could not be created in `parent`, or its permissions would let other users in.
    #[error("scratch directory in `{}`: {source}", .parent.display())]
    Directory {
        /// The path of the directory in which it was to be created.
        parent: PathBuf,
        /// The error of the operating system when the directory was created.
        source: io::Error,
    },
    /// The name of an input file is absolute or contains `..`, so it leads out of the command's directory.
    #[error("`{name}` cannot be the name of an input file: it must be a relative path without `..`")]
    Name {
        /// The name of the input file, as the command was to see it.
        name: String,
    },
    /// An input file could not be written into a command's directory.
    #[error("input file `{}` could not be written: {source}; if scratch is full, choose a larger place by `--scratch` or TMPDIR", .path.display())]
    Write {
        /// The path at which the input file was to be.
        path: PathBuf,
        /// The error of the operating system when the file was written.
        source: io::Error,
    },
}

/// The beginning of the names of this user's scratch directories, of whatever job.
pub(super) fn user_prefix() -> String {
    format!("dtask-{}-", rustix::process::getuid().as_raw())
}

/// Creates the rank's scratch directory for temporary files, `dtask-UID-JOBID-RANDOM`, mode 0700, in the first of
/// `places` that can be used.
fn root_in(places: &[PathBuf]) -> Result<(PathBuf, OwnerLock), ScratchError> {
    let prefix = format!("{}{}-", user_prefix(), job());
    let mut tried = Vec::new();
    for place in places {
        // A relative TMPDIR would mean another directory after each change of the working directory.
        let made = if place.is_absolute() {
            make(place, &prefix).and_then(|root| Ok((dead_scratch::claim(root.path())?, root)))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not an absolute path"))
        };
        match made {
            Ok((owner, root)) => {
                if !clock::is_simulated() {
                    crate::commands::spawner::remove_at_end(root.path());
                }
                return Ok((root.keep(), owner));
            }
            Err(error) => tried.push(format!("`{}`: {error}", place.display())),
        }
    }
    Err(ScratchError::NoPlace { tried })
}

/// The rank's scratch directory, in which each task gets a private directory. Dropping the value removes everything in
/// it.
#[derive(Debug)]
pub struct ScratchRoot {
    dir: PathBuf,
    /// The record by which other runs know that the rank lives.
    _owner: OwnerLock,
    /// Private directories that tasks left empty, for the next tasks. Most commands leave theirs empty, and creating
    /// and removing one takes a fifth of the time of a short command.
    free: Mutex<Vec<PathBuf>>,
    /// The directory of large output files that commands have left for other tasks; `None` before the first.
    stored: Mutex<Option<PathBuf>>,
    /// A directory on a disk for what is large, if the rank's own is in memory. The outer `None`: not looked for yet;
    /// `Some(None)`: there is no such disk.
    disk: Mutex<Option<Option<DiskScratch>>>,
    /// The disks on which `disk` may be made, in the order in which they are tried.
    disks: Vec<PathBuf>,
    /// The number of output files stored so far. Each file gets its name from its number.
    count: AtomicU64,
}

/// The part of a rank's scratch that is on a disk, and the record by which other runs know that the rank lives.
#[derive(Debug)]
struct DiskScratch {
    dir: PathBuf,
    _owner: OwnerLock,
}

impl ScratchRoot {
    /// Creates a scratch directory for temporary files: `dtask-UID-JOBID-RANDOM`, mode 0700, in the first usable place
    /// of `$SLURM_TMPDIR`, `$TMPDIR`, `/dev/shm`, `/tmp`.
    ///
    /// # Errors
    /// When none of these places is usable.
    pub fn new() -> Result<Arc<ScratchRoot>, ScratchError> {
        ScratchRoot::new_in(&ScratchPlaces::new(None))
    }

    /// Creates a scratch directory in the first usable one of `places`.
    pub(super) fn new_in(places: &ScratchPlaces) -> Result<Arc<ScratchRoot>, ScratchError> {
        let (free, stored, count, disk) =
            (Mutex::default(), Mutex::default(), AtomicU64::new(0), Mutex::default());
        let (dir, _owner) = root_in(&places.first)?;
        let disks = if scratch_place::is_memory(&dir) { places.disks.clone() } else { Vec::new() };
        Ok(Arc::new(ScratchRoot { dir, _owner, free, stored, disk, disks, count }))
    }

    /// The directory on a disk for what is large. `None` if the rank's own directory is on one, or the host has none
    /// with room.
    fn disk(&self) -> Option<PathBuf> {
        let make = || {
            let roomy: Vec<PathBuf> =
                self.disks.iter().filter(|disk| scratch_place::is_roomy_disk(disk)).cloned().collect();
            root_in(&roomy).ok().map(|(dir, _owner)| DiskScratch { dir, _owner })
        };
        let mut disk = self.disk.lock();
        disk.get_or_insert_with(make).as_ref().map(|disk| disk.dir.clone())
    }

    /// The path of the rank's scratch directory.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Makes the failure that tells the user that something could not be written to scratch. `what` is the beginning of
    /// the sentence.
    pub(crate) fn full(&self, what: &str, error: &io::Error) -> Failure {
        let folder = self.dir.display();
        Failure::new(format!(
            "{what} in scratch, `{folder}`: {error}; if it is full, choose a larger place by `--scratch` or TMPDIR"
        ))
    }

    /// Removes the scratch directory, on the disk too. What cannot be removed is logged.
    pub(super) fn remove(&self) {
        let disk = self.disk.lock().take().flatten();
        for dir in [Some(&self.dir), disk.as_ref().map(|disk| &disk.dir)].into_iter().flatten() {
            if let Err(error) = removal::remove(dir, PATIENCE) {
                log::warn!("the scratch directory `{}` cannot be removed: {error}", dir.display());
            }
        }
    }

    /// Provides a private, empty directory in which one attempt of a task runs its command.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn lend(self: &Arc<Self>) -> Result<Scratch, ScratchError> {
        let path = match self.free.lock().pop() {
            Some(path) => path,
            None => private_dir(&self.dir)?.keep(),
        };
        Ok(Scratch { path, root: Arc::downgrade(self) })
    }

    /// Provides a private, empty directory for files that may be large: on a disk, if the host has one with room.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn lend_large(self: &Arc<Self>) -> Result<Scratch, ScratchError> {
        match self.disk() {
            Some(disk) => Ok(Scratch { path: private_dir(&disk)?.keep(), root: Weak::new() }),
            None => self.lend(),
        }
    }

    /// The directory of stored output files, and the number that the next file gets. One that is `large` is on a disk,
    /// if the host has one with room.
    pub(crate) fn next_stored(&self, large: bool) -> io::Result<(PathBuf, u64)> {
        let disk = if large { self.disk() } else { None };
        let mut stored = self.stored.lock();
        let dir = match &*stored {
            Some(dir) => dir.clone(),
            None => stored.insert(make(&self.dir, "stored-")?.keep()).clone(),
        };
        let mut number = self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(disk) = disk {
            // other ranks find the files of both places in one directory
            match symlink(&disk, dir.join(ON_DISK_NAME)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => number |= ON_DISK,
            }
        }
        Ok((dir, number))
    }
}

impl Drop for ScratchRoot {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The private directory of one attempt of a task. Dropping the value keeps an empty directory for the next task, and
/// removes it otherwise.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// The rank's scratch directory. A weak reference, so that it can be removed at the end of a run while tasks still
    /// have private directories in it.
    root: Weak<ScratchRoot>,
}

impl Scratch {
    /// Makes a private directory in `parent`, a directory that all hosts see, for a command whose processes run on
    /// several hosts.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn shared(parent: &Path) -> Result<Scratch, ScratchError> {
        Ok(Scratch { path: private_dir(parent)?.keep(), root: Weak::new() })
    }

    /// The path of the task's private directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match self.root.upgrade() {
            Some(root) if is_as_new(&self.path) => root.free.lock().push(std::mem::take(&mut self.path)),
            // Remains of the directory are removed with the root.
            _ => drop(removal::remove(&self.path, Duration::ZERO)),
        }
    }
}

fn is_as_new(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.mode() & 0o7777 == 0o700)
        && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Creates a directory in the rank's scratch directory that only its user can enter. Dropping the value removes it.
fn private_dir(root: &Path) -> Result<TempDir, ScratchError> {
    make(root, "t-").map_err(|source| ScratchError::Directory { parent: root.to_owned(), source })
}

fn make(parent: &Path, prefix: &str) -> io::Result<TempDir> {
    let made = Builder::new()
        .prefix(prefix)
        .rand_bytes(8)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    // Some file systems have no modes, or assign owners by their own rules. No scratch directory is better than one
    // that other users can read.
    let metadata = fs::symlink_metadata(made.path())?;
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_dir() || mode & 0o777 != 0o700 || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "made with mode {mode:o} for user {}, not private",
            metadata.uid()
        )));
    }
    Ok(made)
}

/// The batch system's number or name for this job, from its environment variables, reduced to characters that are safe
/// in file names.
fn job() -> String {
    let names = ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "FLUX_JOB_ID"];
    let job = names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    let job: String = job.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(32).collect();
    if job.is_empty() { "nojob".to_owned() } else { job }
}

/// Whether the path of an output is that of a folder, which ends with a slash.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Whether a relative path has neither `..` nor a root, so that it stays below the directory to which it is joined.
pub(crate) fn stays_below(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn the_root_is_private_and_named_after_user_and_job() -> Outcome {
        let root = ScratchRoot::new()?;
        let path = root.path().to_owned();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        assert!(name.starts_with(&format!("dtask-{}-", rustix::process::getuid().as_raw())), "{name}");
        assert_eq!(fs::metadata(&path)?.mode() & 0o7777, 0o700);
        let (one, two) = (private_dir(&path)?, private_dir(&path)?);
        assert_ne!(one.path(), two.path());
        assert_eq!(fs::metadata(one.path())?.mode() & 0o7777, 0o700);
        drop((one, two, root));
        assert!(!path.exists());
        Ok(())
    }

    #[test]
    fn the_first_place_that_can_be_used_is_used() -> Outcome {
        let good = tempfile::tempdir()?;
        let file = tempfile::NamedTempFile::new()?;
        let places =
            ["relative".into(), "/does/not/exist".into(), file.path().to_owned(), good.path().to_owned()];
        let places = ScratchPlaces { first: places.to_vec(), disks: vec![] };
        assert_eq!(ScratchRoot::new_in(&places)?.path().parent(), Some(good.path()));
        assert_eq!(fs::read_dir(good.path())?.count(), 0);
        let error = root_in(&["/does/not/exist".into(), "here".into()]).map(drop).map_err(|e| e.to_string());
        let error = error.err().unwrap_or_default();
        assert!(
            error.contains("`/does/not/exist`: ") && error.contains("`here`: not an absolute path"),
            "{error}"
        );
        assert!(error.contains("by `--scratch` or TMPDIR"));
        Ok(())
    }

    #[test]
    fn what_is_large_is_on_a_disk_if_there_is_one() -> Outcome {
        let disk = tempfile::tempdir()?;
        let memory = Path::new(scratch_place::MEMORY);
        if !scratch_place::is_memory(memory) || !scratch_place::is_roomy_disk(disk.path()) {
            return Ok(());
        }
        let places = ScratchPlaces { first: vec![memory.into()], disks: vec![disk.path().into()] };
        let (root, other) = (ScratchRoot::new_in(&places)?, ScratchRoot::new_in(&places)?);
        assert_eq!(fs::read_dir(disk.path())?.count(), 0);
        let (small, large) = (root.keep_bytes(&[1; 10])?, root.keep_bytes(&vec![2; 20 << 20])?);
        let real = large.path().canonicalize()?;
        assert!(small.path().starts_with(memory) && real.starts_with(disk.path().canonicalize()?));
        assert!(
            root.lend()?.path().starts_with(memory) && root.lend_large()?.path().starts_with(disk.path())
        );
        // both are found by the directory and their numbers
        for file in [&small, &large] {
            assert_eq!(ScratchRoot::stored_path(file.dir(), file.number()), file.path());
            let linked = other.keep_link(file.path())?;
            assert_eq!(fs::metadata(linked.path())?.ino(), fs::metadata(file.path())?.ino());
        }
        let made = root.lend()?;
        fs::write(made.path().join("out"), vec![3; 20 << 20])?;
        let moved = root.keep(&made.path().join("out"))?;
        assert_eq!((moved.length(), moved.number() & ON_DISK), (20 << 20, ON_DISK));
        drop((small, large, moved, made, root, other));
        assert_eq!(fs::read_dir(disk.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn what_is_lent_is_empty_and_private_and_goes_with_the_root() -> Outcome {
        let root = ScratchRoot::new()?;
        let first = root.lend()?;
        let (path, second) = (first.path().to_owned(), root.lend()?);
        assert_ne!(path, second.path());
        drop(first);
        let again = root.lend()?;
        assert_eq!(again.path(), path, "an empty one is used again");
        fs::write(again.path().join("x"), "")?;
        drop(again);
        assert!(!path.exists());
        let third = root.lend()?;
        let path = third.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        drop(third);
        assert!(!path.exists(), "one that others may read is not used again");
        fs::write(second.path().join("x"), "")?;
        drop(root);
        assert!(!second.path().exists());
        Ok(())
    }
}
