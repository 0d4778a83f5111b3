//! Scratch directories on the local disk or in the memory of a host: one for each rank, in which each task gets a
//! private one.

use crate::client::local::local;
use parking_lot::Mutex;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tempfile::{Builder, TempDir};

/// The error of creating a scratch directory (node-local, for temporary files) or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// No place where a scratch directory could be created is usable.
    #[error("no place for node-local scratch files: {}; set TMPDIR to a local directory that you may write", .tried.join("; "))]
    NoPlace {
        /// The places where a directory was tried, each with the reason why it failed.
        tried: Vec<String>,
    },
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
    #[error("input file `{}` could not be written: {source}; if the node's scratch is full, set TMPDIR to a larger place", .path.display())]
    Write {
        /// The path at which the input file was to be.
        path: PathBuf,
        /// The error of the operating system when the file was written.
        source: io::Error,
    },
}

/// Creates the rank's scratch directory for temporary files: `dtask-UID-JOBID-RANDOM`, mode 0700, in the first usable
/// place of `$SLURM_TMPDIR`, `$TMPDIR`, `/dev/shm`, `/tmp`. Dropping the value removes it with its contents.
fn scratch_root() -> Result<TempDir, ScratchError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let places = [set("SLURM_TMPDIR"), set("TMPDIR"), Some("/dev/shm".into()), Some("/tmp".into())];
    root_in(places.into_iter().flatten())
}

fn root_in(places: impl IntoIterator<Item = PathBuf>) -> Result<TempDir, ScratchError> {
    let prefix = format!("dtask-{}-{}-", rustix::process::getuid().as_raw(), job());
    let mut tried = Vec::new();
    for place in places {
        // A relative TMPDIR would mean another directory after each change of the working directory.
        let made = if place.is_absolute() {
            make(&place, &prefix)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not an absolute path"))
        };
        match made {
            Ok(root) => {
                crate::commands::spawner::remove_at_end(root.path());
                return Ok(root);
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
    dir: TempDir,
    /// Private directories that tasks left empty, for the next tasks. Most commands leave theirs empty, and creating
    /// and removing one takes a fifth of the time of a short command.
    free: Mutex<Vec<PathBuf>>,
    /// The directory of large output files that commands have left for other tasks; `None` before the first.
    stored: Mutex<Option<PathBuf>>,
    /// The number of output files stored so far. Each file gets its name from its number.
    count: AtomicU64,
}

/// The scratch directory of a rank; `None` before the first use. All tasks of the rank share it.
#[derive(Debug, Default)]
struct OwnScratch(Mutex<Option<Arc<ScratchRoot>>>);

impl ScratchRoot {
    /// The scratch directory of this rank for temporary files. The first call creates it.
    ///
    /// # Errors
    /// As for [`ScratchRoot::new`].
    pub fn current() -> Result<Arc<ScratchRoot>, ScratchError> {
        let own = local(OwnScratch::default);
        let mut current = own.0.lock();
        match &*current {
            Some(root) => Ok(root.clone()),
            None => Ok(current.insert(ScratchRoot::new()?).clone()),
        }
    }

    /// Gives up this rank's reference to its scratch directory. The directory is removed when no task or stored file
    /// needs it.
    pub fn leave() {
        let left = local(OwnScratch::default).0.lock().take();
        drop(left); // not under the lock: there may be much to remove
    }

    /// Creates a scratch directory for temporary files: `dtask-UID-JOBID-RANDOM`, mode 0700, in the first usable place
    /// of `$SLURM_TMPDIR`, `$TMPDIR`, `/dev/shm`, `/tmp`.
    ///
    /// # Errors
    /// When none of these places is usable.
    pub fn new() -> Result<Arc<ScratchRoot>, ScratchError> {
        let (free, stored, count) = (Mutex::default(), Mutex::default(), AtomicU64::new(0));
        Ok(Arc::new(ScratchRoot { dir: scratch_root()?, free, stored, count }))
    }

    /// Provides a private, empty directory in which one attempt of a task runs its command.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn lend(self: &Arc<Self>) -> Result<Scratch, ScratchError> {
        let path = match self.free.lock().pop() {
            Some(path) => path,
            None => private_dir(self.dir.path())?.keep(),
        };
        Ok(Scratch { path, root: Arc::downgrade(self) })
    }

    /// The directory of stored output files, and the number that the next file gets.
    pub(crate) fn next_stored(&self) -> io::Result<(PathBuf, u64)> {
        let mut stored = self.stored.lock();
        let dir = match &*stored {
            Some(dir) => dir.clone(),
            None => stored.insert(make(self.dir.path(), "stored-")?.keep()).clone(),
        };
        Ok((dir, self.count.fetch_add(1, Ordering::Relaxed)))
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
    /// The path of the task's private directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match self.root.upgrade() {
            Some(root) if is_as_new(&self.path) => root.free.lock().push(std::mem::take(&mut self.path)),
            // What cannot be removed here is removed with the rank's scratch directory.
            _ => drop(fs::remove_dir_all(&self.path)),
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
        let root = scratch_root()?;
        let name =
            root.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        assert!(name.starts_with(&format!("dtask-{}-", rustix::process::getuid().as_raw())), "{name}");
        assert_eq!(fs::metadata(root.path())?.mode() & 0o7777, 0o700);
        let (one, two) = (private_dir(root.path())?, private_dir(root.path())?);
        assert_ne!(one.path(), two.path());
        assert_eq!(fs::metadata(one.path())?.mode() & 0o7777, 0o700);
        let path = root.path().to_owned();
        drop(root);
        assert!(!path.exists());
        Ok(())
    }

    #[test]
    fn the_first_place_that_can_be_used_is_used() -> Outcome {
        let good = tempfile::tempdir()?;
        let file = tempfile::NamedTempFile::new()?;
        let places =
            ["relative".into(), "/does/not/exist".into(), file.path().to_owned(), good.path().to_owned()];
        assert_eq!(root_in(places)?.path().parent(), Some(good.path()));
        let error = root_in(["/does/not/exist".into(), "here".into()]).map(drop).map_err(|e| e.to_string());
        let error = error.err().unwrap_or_default();
        assert!(
            error.contains("`/does/not/exist`: ") && error.contains("`here`: not an absolute path"),
            "{error}"
        );
        assert!(error.contains("set TMPDIR"));
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
