//! Atomic writing of files (temporary name, then rename), and private folders.
//!
//! [`Destination::of`] is the one decision on how a path may be written, whichever key names it: a file is replaced by
//! an atomic rename, a link is followed, a pipe or a device takes bytes and is never replaced.

use crate::script::values::links;
use rustix::fs::{Mode, OFlags, major, minor};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// The place to which a path leads when symbolic links are followed. Its kind decides how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A regular file or a path at which nothing is yet; written under a temporary name, which is then renamed.
    File(PathBuf),
    /// A pipe or a device. Bytes are written into it, since it must not be replaced.
    Special(PathBuf),
    /// The null device (`/dev/null`), for which nothing needs to be written.
    Null,
}

impl Destination {
    /// Follows the symbolic links of a path, and looks at what lies there.
    ///
    /// # Errors
    /// When a folder is there, links lead in a circle, or the path cannot be looked at.
    pub(crate) fn of(path: &Path) -> io::Result<Destination> {
        let Some(end) = links::end(path)? else { return Ok(Destination::Special(path.to_owned())) };
        let found = match fs::metadata(&end) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Destination::File(end)),
            Err(error) => return Err(error),
        };
        let device = (major(found.rdev()), minor(found.rdev()));
        match found.file_type() {
            kind if kind.is_file() => Ok(Destination::File(end)),
            kind if kind.is_dir() => Err(Errno::ISDIR.into()),
            kind if kind.is_char_device() && device == (1, 3) => Ok(Destination::Null),
            _ => Ok(Destination::Special(end)),
        }
    }
}

/// The beginning of the names of files and folders that are not whole yet.
pub(crate) const PREFIX: &str = ".dtask-";
/// The end of these names.
pub(crate) const SUFFIX: &str = ".part";

/// Makes a temporary file in the folder in which `path` lies. The folder is made too if it is missing.
///
/// # Errors
/// When the folder or the file cannot be made.
pub(crate) fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // the mode that any new file has; tempfile's own mode, 0600, would keep colleagues out
    let mode = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).permissions(mode).tempfile_in(folder)
}

/// Renames a temporary file to `path`, which must be no symbolic link, after its bytes are on the disk (`fsync`). If a
/// file is replaced, the new one gets its mode. A program stays one.
///
/// # Errors
/// When the disk is full, or `path` is a folder.
pub(crate) fn rename(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let (file, temporary) = file.into_parts();
    put(&file, temporary, path)
}

/// The bits of a mode that let a file be run as a program.
const EXECUTABLE: u32 = 0o111;

/// The mode by which those may run a file who may read it.
fn runnable(mode: u32) -> u32 {
    mode & 0o777 | (mode & 0o444) >> 2
}

fn put(file: &File, temporary: TempPath, path: &Path) -> io::Result<()> {
    if let Ok(old) = fs::symlink_metadata(path)
        && old.is_file()
    {
        let mode = old.mode() & 0o777;
        let is_program = file.metadata()?.mode() & EXECUTABLE != 0;
        file.set_permissions(Permissions::from_mode(if is_program { runnable(mode) } else { mode }))?;
    }
    file.sync_all()?;
    temporary.persist(path).map_err(|error| error.error)
}

/// A file that is being written to a path. The path has all bytes after [`NewFile::finish`] and none of them before.
#[derive(Debug)]
pub(crate) struct NewFile(PendingFile);

#[derive(Debug)]
enum PendingFile {
    /// A temporary file in the folder of `path`, which will be renamed to it.
    Beside { file: File, temporary: TempPath, path: PathBuf },
    /// A file without a name, which collects the bytes. Once all are there, they are copied into the pipe or the
    /// device at `path`.
    Copied { file: File, path: PathBuf },
    /// No file: the bytes are dropped, since the destination is the null device.
    Thrown,
}

impl NewFile {
    /// Begins to write a file that will be at `path`; what lies there stays as it is until [`NewFile::finish`].
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub(crate) fn create(path: &Path) -> io::Result<NewFile> {
        Ok(NewFile(match Destination::of(path)? {
            Destination::File(path) => {
                let (file, temporary) = temporary(&path)?.into_parts();
                PendingFile::Beside { file, temporary, path }
            }
            Destination::Special(path) => PendingFile::Copied { file: tempfile::tempfile()?, path },
            Destination::Null => PendingFile::Thrown,
        }))
    }

    /// Renames the file `from` to be the new file, in place of the bytes written so far. Returns `false` where that
    /// cannot be done, as between file systems.
    ///
    /// # Errors
    /// When the file cannot be changed.
    pub(crate) fn take(&mut self, from: &Path) -> io::Result<bool> {
        let PendingFile::Beside { file, temporary, .. } = &mut self.0 else { return Ok(false) };
        fs::set_permissions(from, file.metadata()?.permissions())?;
        if fs::rename(from, &temporary).is_err() {
            return Ok(false);
        }
        *file = File::open(&temporary)?;
        Ok(true)
    }

    /// Appends the bytes of the file `from`. The kernel copies them, without a copy of the blocks where the file system
    /// can share these.
    ///
    /// # Errors
    /// When it cannot be read, or the disk is full.
    pub(crate) fn copy(&mut self, from: &Path) -> io::Result<()> {
        match &mut self.0 {
            PendingFile::Beside { file, .. } | PendingFile::Copied { file, .. } => {
                io::copy(&mut File::open(from)?, file).map(drop)
            }
            PendingFile::Thrown => Ok(()),
        }
    }

    /// Lets all who may read the file run it as a program.
    ///
    /// # Errors
    /// When the mode cannot be changed.
    pub(crate) fn make_program(&self) -> io::Result<()> {
        let PendingFile::Beside { file, .. } = &self.0 else { return Ok(()) };
        let mode = file.metadata()?.mode();
        file.set_permissions(Permissions::from_mode(runnable(mode)))
    }

    /// Gives the written bytes their place: renames the file to its path, or copies the bytes into the pipe or the
    /// device.
    ///
    /// # Errors
    /// When the disk is full, or no program reads the pipe.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.0 {
            PendingFile::Beside { file, temporary, path } => put(&file, temporary, &path),
            PendingFile::Copied { mut file, path } => {
                io::Seek::rewind(&mut file)?;
                let mut special = open_special(&path)?;
                block(&special)?;
                io::copy(&mut file, &mut special)?;
                special.flush()
            }
            PendingFile::Thrown => Ok(()),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            PendingFile::Beside { file, .. } | PendingFile::Copied { file, .. } => file.write(bytes),
            PendingFile::Thrown => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a pipe or a device for appending, so that a write does not wait where the pipe is full. A pipe that no program
/// reads is an error, since to wait for a reader would stop all that the rank does.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open_special(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NXIO) => Err(io::Error::other("no program reads this pipe")),
        opened => Ok(File::from(opened?)),
    }
}

/// Lets writes into an open pipe or device wait until there is room.
///
/// # Errors
/// When the system refuses.
pub(crate) fn block(special: &File) -> io::Result<()> {
    Ok(rustix::fs::fcntl_setfl(special, OFlags::APPEND)?)
}

/// Creates a folder that only its user can enter (mode 0700), unless it exists.
///
/// # Errors
/// When the folder cannot be made.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = NewFile::create(path)?;
        file.write_all(bytes)?;
        file.finish()
    }

    fn fifo(path: &Path) {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::from(0o600), 0).unwrap();
    }

    #[test]
    fn a_path_is_written_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("logs")).unwrap();
        fs::write(path("logs/1.txt"), "old").unwrap();
        for (link, target) in
            [("latest", "logs/1.txt"), ("twice", "latest"), ("new", "deep/new.txt"), ("round", "round")]
        {
            symlink(target, path(link)).unwrap();
        }
        assert_eq!(Destination::of(&path("twice")).unwrap(), Destination::File(path("logs/1.txt")));
        save(&path("twice"), b"new").unwrap();
        save(&path("new"), b"made").unwrap();
        assert_eq!(fs::read(path("logs/1.txt")).unwrap(), b"new");
        assert_eq!(fs::read(path("deep/new.txt")).unwrap(), b"made");
        assert!(["twice", "latest", "new"].iter().all(|name| path(name).is_symlink()));
        assert!(save(&path("round"), b"").is_err());
        assert!(save(&path("logs"), b"").unwrap_err().to_string().contains("directory"));
        assert_eq!(fs::read_dir(path("logs")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_special_file_is_written_into_and_stays() {
        assert_eq!(Destination::of(Path::new("/dev/null")).unwrap(), Destination::Null);
        assert!(matches!(Destination::of(Path::new("/dev/zero")).unwrap(), Destination::Special(_)));
        assert!(matches!(Destination::of(Path::new("/dev/stdout")).unwrap(), Destination::Special(_)));
        let dir = tempfile::tempdir().unwrap();
        let (pipe, null) = (dir.path().join("pipe"), dir.path().join("null"));
        symlink("/dev/null", &null).unwrap();
        assert_eq!(Destination::of(&null).unwrap(), Destination::Null);
        fifo(&pipe);
        assert!(save(&pipe, b"lost").unwrap_err().to_string().contains("no program reads"));
        let from = pipe.clone();
        let reader = std::thread::spawn(move || fs::read(from).unwrap());
        // the reader may not have opened it yet
        while save(&pipe, b"bytes").is_err() {
            std::thread::yield_now();
        }
        assert_eq!(reader.join().unwrap(), b"bytes");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_is_replaced_hands_down_its_mode_and_no_other_name_of_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("secret"), dir.path().join("other"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(&path, &other).unwrap();
        save(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read(&other).unwrap(), b"old");
    }
}
