//! Files that commands have left, in the rank's scratch directory: until the last value that has them is dropped.
//!
//! Nobody changes them: they may be linked into the directories of many commands at a time, and of other ranks of the host.
//! Therefore they are read-only, for those who read them too.

use super::scratch::ScratchRoot;
use crate::error::Failure;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Of files that are input of commands.
pub(crate) const READ_ONLY: u32 = 0o444;

/// Written at a time.
const PIECE: usize = 1 << 20;

/// A file in the rank's scratch directory, removed when this is dropped. Links to it stay.
#[derive(Debug)]
pub struct StoredFile {
    path: PathBuf,
    number: u64,
    length: u64,
}

impl StoredFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number in the directory of its rank: see [`ScratchRoot::stored_path`].
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends its content; an error when it is not as long as it was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, into: &mut Vec<u8>) -> io::Result<()> {
        let before = into.len();
        // not more than was announced, whatever somebody has appended
        let mut file = io::Read::take(File::open(&self.path)?, self.length);
        io::Read::read_to_end(&mut file, into)?;
        if (into.len() - before) as u64 == self.length {
            return Ok(());
        }
        Err(io::Error::other(format!("`{}` has become shorter", self.path.display())))
    }

    /// Its content.
    ///
    /// # Errors
    /// When it cannot be read, in words.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.length)?);
        match self.read(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// That it cannot be read, in words.
    pub fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::new(format!("an output kept in `{}` cannot be read: {error}", self.path.display()))
    }

    /// Makes it appear at `path` too: by a link, or, where the file system has none, as a copy.
    ///
    /// # Errors
    /// When neither can be made.
    pub fn link(&self, path: &Path) -> io::Result<()> {
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
        // gone already where the rank has left the run
        let _ = fs::remove_file(&self.path);
    }
}

impl ScratchRoot {
    /// Where a file with this number is, in the directory of stored files of any rank.
    pub fn stored_path(dir: &Path, number: u64) -> PathBuf {
        dir.join(number.to_string())
    }

    /// Takes a file over from a command that has ended: moves it, or copies it where it belongs to others too.
    ///
    /// # Errors
    /// When there is no room.
    pub fn keep(&self, path: &Path) -> io::Result<StoredFile> {
        self.store(|to| {
            let found = fs::symlink_metadata(path)?;
            // what has another name as well may be changed by that: the command has linked a file of the user's
            let own = found.is_file() && found.nlink() == 1;
            let moved = own
                && fs::set_permissions(path, Permissions::from_mode(READ_ONLY)).is_ok()
                && fs::rename(path, to).is_ok();
            if moved { Ok(()) } else { copy(&mut File::open(path)?, to) }
        })
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When there is no room.
    pub fn keep_bytes(&self, bytes: &[u8]) -> io::Result<StoredFile> {
        self.store(|to| {
            let mut file = create(to)?;
            // one write of gigabytes takes several times as long as many
            bytes.chunks(PIECE).try_for_each(|piece| file.write_all(piece))
        })
    }

    /// Links a file of another rank of this host.
    ///
    /// # Errors
    /// When that cannot be done: its scratch directory may be on another file system.
    pub fn keep_link(&self, path: &Path) -> io::Result<StoredFile> {
        self.store(|to| fs::hard_link(path, to))
    }

    /// Copies a file of another rank of this host.
    ///
    /// # Errors
    /// When there is no room.
    pub fn keep_copy(&self, from: &mut File) -> io::Result<StoredFile> {
        self.store(|to| copy(from, to))
    }

    fn store(&self, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<StoredFile> {
        let (dir, number) = self.next_stored()?;
        let path = ScratchRoot::stored_path(&dir, number);
        // from here on it is removed, a half of it too
        let mut stored = StoredFile { path, number, length: 0 };
        make(&stored.path)?;
        stored.length = fs::metadata(&stored.path)?.len();
        Ok(stored)
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(READ_ONLY).open(path)
}

fn copy(from: &mut File, to: &Path) -> io::Result<()> {
    // within the kernel, and without a copy of the blocks where the file system can do that
    io::copy(from, &mut create(to)?).map(drop)
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
