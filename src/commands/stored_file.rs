//! Files that commands have left, kept in the rank's scratch directory until the last value that refers to them is
//! dropped.
//!
//! Their content is constant, and they are read-only: they may be hard-linked into the directories of many commands at
//! a time, and of other ranks on the host.

use super::folder;
use super::removal;
use super::scratch::{ON_DISK, ON_DISK_NAME, ScratchRoot};
use crate::error::Failure;
use crate::task::allocation;
use crate::transport::stream::PieceWriter;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The mode of files that are inputs of commands, which must not change them.
pub(crate) const READ_ONLY: u32 = 0o444;

/// The bits of a mode that let a file be run as a program.
pub(crate) const EXECUTABLE: u32 = 0o111;

/// The number of bytes that are written to a file at a time.
const PIECE: usize = 1 << 20;

/// Bytes from which a stored file is put on a disk, if the rank's scratch directory is in memory.
pub(crate) const LARGE: u64 = 16 << 20;

/// An output file of a command, kept in the rank's scratch directory for other tasks. Dropping the value removes the
/// file; hard links to it stay.
#[derive(Debug)]
pub struct StoredFile {
    path: PathBuf,
    number: u64,
    length: u64,
    is_folder: bool,
}

impl StoredFile {
    /// The path of the stored file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the file among those stored on its rank, from which its name is made: see
    /// [`ScratchRoot::stored_path`].
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The directory of the rank's stored files, in which [`ScratchRoot::stored_path`] finds this one.
    pub(crate) fn dir(&self) -> &Path {
        let levels = if self.number & ON_DISK == 0 { 1 } else { 2 };
        self.path.ancestors().nth(levels).unwrap_or(&self.path)
    }

    /// Whether it is a folder. Its length is that of the stream in which it travels.
    pub(crate) fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The length of the stored file, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the stored file is a program that may be run.
    pub(crate) fn is_program(&self) -> bool {
        is_program(&self.path)
    }

    /// Appends the content of the stored file to the buffer `into`.
    ///
    /// # Errors
    /// When the file cannot be read, or its length has changed.
    pub fn read(&self, into: &mut Vec<u8>) -> io::Result<()> {
        if self.is_folder {
            return Err(io::Error::other("it is a folder"));
        }
        let before = into.len();
        // never more than the announced length, even if the file has grown
        let mut file = io::Read::take(File::open(&self.path)?, self.length);
        io::Read::read_to_end(&mut file, into)?;
        if (into.len() - before) as u64 == self.length {
            return Ok(());
        }
        Err(io::Error::other(format!("`{}` has become shorter", self.path.display())))
    }

    /// Writes the content of the stored file to a stream.
    ///
    /// # Errors
    /// When the file cannot be read, or its length has changed.
    pub(crate) fn write_to(&self, into: &mut PieceWriter<'_>) -> io::Result<()> {
        if self.is_folder {
            return folder::write(&self.path, into);
        }
        into.copy_from(&mut File::open(&self.path)?, self.length)
    }

    /// Reads the content of the stored file into memory.
    ///
    /// # Errors
    /// When the file cannot be read; the text is for the user.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = allocation::with_room(usize::try_from(self.length)?)?;
        match self.read(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// Makes the failure that tells the user that the stored file cannot be read.
    pub fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::new(format!("an output kept in `{}` cannot be read: {error}", self.path.display()))
    }

    /// Creates a hard link to the stored file at `path`, or a copy where the file system has no links.
    ///
    /// # Errors
    /// When neither can be created.
    pub fn link(&self, path: &Path) -> io::Result<()> {
        if self.is_folder {
            return folder::link(&self.path, path, true);
        }
        match fs::hard_link(&self.path, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                copy(&mut File::open(&self.path)?, path)
            }
            outcome => outcome,
        }
    }
}

impl Drop for StoredFile {
    fn drop(&mut self) {
        // the file is gone already if the rank has removed its scratch directory
        if self.is_folder {
            let _ = removal::remove(&self.path, Duration::ZERO);
        } else {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A stored file that is still being written. Dropping the value removes the file.
#[derive(Debug)]
pub(crate) struct FileInMaking {
    file: File,
    stored: StoredFile,
}

impl Write for FileInMaking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // a single write of gigabytes takes several times as long as many small ones
        self.file.write(&bytes[..bytes.len().min(PIECE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileInMaking {
    /// The directory in which the file lies.
    pub(crate) fn folder(&self) -> PathBuf {
        let folder = self.stored.path.parent().unwrap_or(&self.stored.path);
        folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
    }

    /// Lets the file be run as a program, as it could be where it was made.
    pub(crate) fn make_program(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(READ_ONLY | EXECUTABLE))
    }

    /// Closes the file, which does not change any more.
    pub(crate) fn finish(mut self) -> io::Result<StoredFile> {
        self.stored.length = self.file.metadata()?.len();
        Ok(self.stored)
    }
}

impl ScratchRoot {
    /// The path of the stored file with this number, in a rank's directory of stored files.
    pub fn stored_path(dir: &Path, number: u64) -> PathBuf {
        match number & ON_DISK {
            0 => dir.join(number.to_string()),
            _ => dir.join(ON_DISK_NAME).join(number.to_string()),
        }
    }

    /// Takes over an output file from the directory of a command that has ended. The file is moved, or copied if it has
    /// other hard links.
    ///
    /// # Errors
    /// When scratch has no room.
    pub fn keep(&self, path: &Path) -> io::Result<StoredFile> {
        let found = fs::symlink_metadata(path)?;
        self.store(found.len() >= LARGE, |to| {
            // a file with other links, as when the command has linked a file of the user's, may be changed through
            // them: it is copied
            let own = found.is_file() && found.nlink() == 1;
            let moved = own
                && fs::set_permissions(path, Permissions::from_mode(read_only(found.mode()))).is_ok()
                && fs::rename(path, to).is_ok();
            if moved { Ok(()) } else { copy(&mut File::open(path)?, to) }
        })
    }

    /// Begins a new file in the rank's scratch directory, to be written piece by piece; on a disk if it may become
    /// `large`.
    ///
    /// # Errors
    /// When scratch has no room.
    pub(crate) fn begin_file(&self, large: bool) -> io::Result<FileInMaking> {
        let (dir, number) = self.next_stored(large)?;
        let path = ScratchRoot::stored_path(&dir, number);
        let file = create(&path, READ_ONLY)?;
        Ok(FileInMaking { file, stored: StoredFile { path, number, length: 0, is_folder: false } })
    }

    /// Stores bytes as a new file in the rank's scratch directory.
    ///
    /// # Errors
    /// When scratch has no room.
    pub fn keep_bytes(&self, bytes: &[u8]) -> io::Result<StoredFile> {
        let mut file = self.begin_file(bytes.len() as u64 >= LARGE)?;
        file.write_all(bytes)?;
        file.finish()
    }

    /// Stores a file of another rank on the same host in this rank's scratch directory, as a hard link.
    ///
    /// # Errors
    /// When it cannot be linked, as when that rank's scratch directory is on another file system.
    pub fn keep_link(&self, path: &Path) -> io::Result<StoredFile> {
        let on_disk = path.parent().is_some_and(|dir| dir.ends_with(ON_DISK_NAME));
        if fs::symlink_metadata(path)?.is_dir() {
            return self.store_folder(on_disk, |to| folder::link(path, to, false));
        }
        self.store(on_disk, |to| fs::hard_link(path, to))
    }

    /// Stores a copy of a file of another rank on the same host in this rank's scratch directory.
    ///
    /// # Errors
    /// When scratch has no room.
    pub fn keep_copy(&self, from: &mut File) -> io::Result<StoredFile> {
        self.store(from.metadata()?.len() >= LARGE, |to| copy(from, to))
    }

    /// Takes over a folder that a command has filled, from its directory. It is moved; what may be changed through other
    /// names is copied.
    ///
    /// # Errors
    /// When something in it cannot be read, or scratch has no room.
    pub(crate) fn keep_folder(&self, path: &Path) -> io::Result<StoredFile> {
        let (bytes, _) = folder::stamp(path)?;
        self.store_folder(bytes >= LARGE, |to| folder::adopt(path, to, true))
    }

    /// Stores a copy of a folder in the rank's scratch directory.
    ///
    /// # Errors
    /// As [`ScratchRoot::keep_folder`].
    pub(crate) fn keep_folder_copy(&self, path: &Path) -> io::Result<StoredFile> {
        let (bytes, _) = folder::stamp(path)?;
        self.store_folder(bytes >= LARGE, |to| folder::adopt(path, to, false))
    }

    /// Stores a folder that `make` makes at the path that it is given.
    ///
    /// # Errors
    /// Those of `make`, and when scratch has no room.
    pub(crate) fn store_folder<E: From<io::Error>>(
        &self,
        large: bool,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<StoredFile, E> {
        let (dir, number) = self.next_stored(large)?;
        let path = ScratchRoot::stored_path(&dir, number);
        let mut stored = StoredFile { path, number, length: 0, is_folder: true };
        make(&stored.path)?;
        stored.length = folder::length(&stored.path)?;
        Ok(stored)
    }

    fn store(&self, large: bool, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<StoredFile> {
        let (dir, number) = self.next_stored(large)?;
        let path = ScratchRoot::stored_path(&dir, number);
        // from here on an error drops this value, which removes the incomplete file
        let mut stored = StoredFile { path, number, length: 0, is_folder: false };
        make(&stored.path)?;
        stored.length = fs::metadata(&stored.path)?.len();
        Ok(stored)
    }
}

/// Whether a path leads to a file that may be run as a program.
pub(crate) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & EXECUTABLE != 0)
}

/// The mode of an input file that was made with `mode`: nobody may change it, and a program stays one.
fn read_only(mode: u32) -> u32 {
    if mode & EXECUTABLE == 0 { READ_ONLY } else { READ_ONLY | EXECUTABLE }
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    if mode & EXECUTABLE != 0 {
        // whatever the umask says: the user has run the original
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

fn copy(from: &mut File, to: &Path) -> io::Result<()> {
    let mode = read_only(from.metadata()?.mode());
    // the kernel copies, and shares the blocks where the file system can
    io::copy(from, &mut create(to, mode)?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn mode(path: &Path) -> io::Result<u32> {
        Ok(fs::metadata(path)?.mode() & 0o7777)
    }

    #[test]
    fn a_file_is_moved_linked_and_removed_with_the_last_use() -> Outcome {
        let root = ScratchRoot::new()?;
        let (maker, reader) = (root.lend()?, root.lend()?);
        let made = maker.path().join("mesh");
        fs::write(&made, [7; 100])?;
        let inode = fs::metadata(&made)?.ino();
        let stored = root.keep(&made)?;
        assert!(!made.exists());
        assert_eq!((stored.length(), fs::metadata(stored.path())?.ino()), (100, inode));
        let input = reader.path().join("input");
        stored.link(&input)?;
        assert_eq!((fs::metadata(&input)?.ino(), mode(&input)?), (inode, 0o444));
        assert!(stored.link(&input).is_err(), "nothing is overwritten");
        let path = stored.path().to_owned();
        drop(stored);
        assert!(!path.exists());
        assert_eq!(fs::read(&input)?, [7; 100]);
        Ok(())
    }

    #[test]
    fn what_has_another_name_is_copied() -> Outcome {
        let root = ScratchRoot::new()?;
        let elsewhere = root.lend()?; // on the same file system
        let own = elsewhere.path().join("own");
        fs::write(&own, "mine")?;
        let before = mode(&own)?;
        for (name, link) in [("soft", true), ("hard", false)] {
            let made = root.lend()?;
            let made = made.path().join(name);
            if link {
                std::os::unix::fs::symlink(&own, &made)?
            } else {
                fs::hard_link(&own, &made)?
            }
            let stored = root.keep(&made)?;
            fs::write(&own, "changed")?;
            let mut bytes = Vec::new();
            stored.read(&mut bytes)?;
            assert_eq!(bytes, b"mine", "{name}");
            assert_eq!((mode(stored.path())?, mode(&own)?), (0o444, before));
            fs::write(&own, "mine")?;
        }
        Ok(())
    }

    #[test]
    fn nothing_is_left_of_a_file_that_cannot_be_made() -> Outcome {
        let root = ScratchRoot::new()?;
        assert!(root.keep(Path::new("/does/not/exist")).is_err());
        assert!(root.keep_link(Path::new("/does/not/exist")).is_err());
        let stored = root.keep_bytes(b"abc")?;
        let dir = stored.path().parent().unwrap_or(stored.path());
        assert_eq!(fs::read_dir(dir)?.count(), 1);
        fs::set_permissions(stored.path(), Permissions::from_mode(0o600))?;
        fs::write(stored.path(), "a")?;
        assert!(stored.read(&mut Vec::new()).is_err(), "it is shorter");
        let dir = dir.to_owned();
        drop(stored);
        assert_eq!(fs::read_dir(dir)?.count(), 0);
        Ok(())
    }
}
