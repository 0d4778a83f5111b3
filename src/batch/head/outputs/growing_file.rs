//! Files that grow while a run goes on, by whole outputs.
//!
//! What an earlier run has left at the path stays until there is something to put in its place: the first bytes are
//! written beside it and renamed to its name. From then on outputs are appended. A write that fails is taken back to
//! the end of the last whole output, and may be tried again.

use crate::batch::whole_files::{Destination, block, open_special, rename, temporary};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The number of bytes that are copied from file to file at a time.
const CHUNK: usize = 1 << 20;
/// The length up to which outputs are collected in memory, so that many of them are written at once.
pub(crate) const SMALL: u64 = 64 << 10;

/// Bytes that are to be written: in memory, or a part of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BytesSource<'a> {
    Memory(&'a [u8]),
    /// `length` bytes of `file` from `offset` on.
    File {
        file: &'a File,
        offset: u64,
        length: u64,
    },
}

impl BytesSource<'_> {
    /// The number of the bytes.
    pub(crate) fn length(self) -> u64 {
        match self {
            BytesSource::Memory(bytes) => bytes.len() as u64,
            BytesSource::File { length, .. } => length,
        }
    }

    /// Writes the bytes to `to`. Of a file at most [`CHUNK`] bytes are in memory at a time.
    ///
    /// # Errors
    /// When the bytes cannot be read or written, or the file has become shorter.
    pub(crate) fn copy(self, to: &mut impl Write) -> io::Result<()> {
        let (file, mut offset, length) = match self {
            BytesSource::Memory(bytes) => return to.write_all(bytes),
            BytesSource::File { file, offset, length } => (file, offset, length),
        };
        let end = offset + length;
        let mut chunk = vec![0; CHUNK.min(usize::try_from(length).unwrap_or(CHUNK))];
        while offset < end {
            let most = chunk.len().min(usize::try_from(end - offset).unwrap_or(CHUNK));
            file.read_exact_at(&mut chunk[..most], offset)?;
            to.write_all(&chunk[..most])?;
            offset += most as u64;
        }
        Ok(())
    }
}

/// A file to which whole outputs are appended, at a path that the script names.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    path: PathBuf,
    /// Whole outputs that are not written yet.
    buffer: Vec<u8>,
    place: GrowthPlace,
}

/// Where the outputs of a growing file are put.
#[derive(Debug)]
enum GrowthPlace {
    /// No file has been made yet, since nothing has been written.
    Unborn,
    /// A regular file, which this run has made.
    Made {
        path: PathBuf,
        /// The device and inode of the file, by which it is noticed that another file has taken its place.
        identity: (u64, u64),
        /// The length of the file in bytes, which is the end of a whole output.
        length: u64,
        /// Whether all bytes have been synced to the disk.
        synced: bool,
    },
    /// A pipe or a device at the path.
    Special(SpecialFile),
    /// The null device: all output is dropped.
    Thrown,
}

/// A pipe or a device, into which bytes are written as far as it takes them without waiting.
#[derive(Debug)]
struct SpecialFile {
    path: PathBuf,
    open: Option<File>,
    /// An unnamed file with the bytes that the pipe or device did not take at once. Those before the offset `read` have
    /// been written since.
    backlog: File,
    read: u64,
    end: u64,
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|found| (found.dev(), found.ino()))
}

impl GrowingFile {
    /// Makes a growing file. Nothing at the path changes before the first bytes are flushed.
    pub(crate) fn new(path: &Path) -> Self {
        GrowingFile { path: path.to_owned(), buffer: Vec::new(), place: GrowthPlace::Unborn }
    }

    /// Opens a file that an earlier run has begun, to append to it. Cuts it back to `length` bytes first.
    ///
    /// # Errors
    /// When there is no regular file at the path, or it is shorter than `length`.
    pub(crate) fn resumed(path: &Path, length: u64) -> io::Result<Self> {
        let Destination::File(end) = Destination::of(path)? else {
            return Err(io::Error::other("it is no regular file any more"));
        };
        let file = OpenOptions::new().write(true).open(&end)?;
        if file.metadata()?.len() < length {
            return Err(io::Error::other("it has become shorter"));
        }
        file.set_len(length)?;
        let place = GrowthPlace::Made { path: end, identity: identity(&file)?, length, synced: false };
        Ok(GrowingFile { path: path.to_owned(), buffer: Vec::new(), place })
    }

    /// Writes the file once more with pieces inserted at their offsets, which ascend. No output may be buffered.
    ///
    /// # Errors
    /// When the new file cannot be written; the old one is then unchanged.
    pub(crate) fn insert(&mut self, pieces: &[(u64, BytesSource<'_>)]) -> io::Result<()> {
        let GrowthPlace::Made { path, identity: own, length, synced } = &mut self.place else {
            return Err(io::Error::other("it is no regular file"));
        };
        reopen(path, *own, *length)?;
        let old = File::open(&*path)?;
        let mut new = temporary(path)?;
        let (mut at, mut all) = (0, *length);
        for (offset, piece) in pieces {
            let part = BytesSource::File { file: &old, offset: at, length: offset.saturating_sub(at) };
            part.copy(new.as_file_mut())?;
            piece.copy(new.as_file_mut())?;
            at = at.max(*offset);
            all += piece.length();
        }
        BytesSource::File { file: &old, offset: at, length: *length - at }.copy(new.as_file_mut())?;
        new.as_file().sync_all()?;
        let identity = identity(new.as_file())?;
        rename(new, path)?;
        (*own, *length, *synced) = (identity, all, true);
        Ok(())
    }

    /// Whether this is a regular file that is not empty.
    pub(crate) fn is_regular(&self) -> bool {
        matches!(self.place, GrowthPlace::Made { .. })
    }

    /// The number of bytes in memory that are not written yet.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Appends an output. A small one is only buffered, until the next [`GrowingFile::flush`].
    ///
    /// # Errors
    /// When the output cannot be written completely; the file then has nothing of it.
    pub(crate) fn append(&mut self, output: BytesSource<'_>) -> io::Result<()> {
        if output.length() <= SMALL {
            let before = self.buffer.len();
            return output.copy(&mut self.buffer).inspect_err(|_| self.buffer.truncate(before));
        }
        self.flush()?;
        self.write(output)
    }

    /// Writes the buffered outputs.
    ///
    /// # Errors
    /// When they cannot be written; they stay in the buffer, and the next call tries again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let GrowthPlace::Special(special) = &mut self.place {
            special.push(false)?;
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.write(BytesSource::Memory(&buffer));
        if written.is_ok() {
            buffer.clear();
        }
        self.buffer = buffer;
        written
    }

    /// Writes the buffered outputs, and waits until everything is on the disk or has been taken by the pipe. Makes an
    /// empty file if nothing was ever appended.
    ///
    /// # Errors
    /// When the outputs cannot be written.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if matches!(self.place, GrowthPlace::Unborn) && self.buffer.is_empty() {
            return self.write(BytesSource::Memory(&[]));
        }
        self.flush()?;
        match &mut self.place {
            GrowthPlace::Made { path, identity: own, length, synced: synced @ false } => {
                reopen(path, *own, *length)?.sync_all()?;
                *synced = true;
                Ok(())
            }
            GrowthPlace::Special(special) => special.push(true),
            _ => Ok(()),
        }
    }

    /// Continues in a new file at `path`, which gets all outputs that are not written yet and all later ones.
    pub(crate) fn redirect(&mut self, path: &Path) {
        self.path = path.to_owned();
        if let GrowthPlace::Special(old) = std::mem::replace(&mut self.place, GrowthPlace::Unborn)
            && old.read < old.end
        {
            let (offset, length) = (old.read, old.end - old.read);
            // an error here will occur again when the file is finished
            let _ = self.write(BytesSource::File { file: &old.backlog, offset, length });
        }
    }

    /// Whether a file, pipe or device has been opened at the path and written to.
    pub(crate) fn is_made(&self) -> bool {
        !matches!(self.place, GrowthPlace::Unborn)
    }

    fn write(&mut self, output: BytesSource<'_>) -> io::Result<()> {
        if let GrowthPlace::Unborn = self.place {
            return self.make(output);
        }
        match &mut self.place {
            GrowthPlace::Made { path, identity, length, synced } => {
                let mut file = reopen(path, *identity, *length)?;
                if let Err(error) = output.copy(&mut file) {
                    // the partial output is cut off, since readers are to see whole outputs only
                    let _ = file.set_len(*length);
                    return Err(error);
                }
                *length += output.length();
                *synced = false;
                Ok(())
            }
            GrowthPlace::Special(special) => special.write(output),
            GrowthPlace::Unborn | GrowthPlace::Thrown => Ok(()),
        }
    }

    /// Writes the first bytes beside what lies at the path, and puts them in its place.
    fn make(&mut self, output: BytesSource<'_>) -> io::Result<()> {
        self.place = match Destination::of(&self.path)? {
            Destination::File(path) => {
                let mut file = temporary(&path)?;
                output.copy(file.as_file_mut())?;
                let identity = identity(file.as_file())?;
                rename(file, &path)?;
                GrowthPlace::Made { path, identity, length: output.length(), synced: true }
            }
            Destination::Special(path) => {
                let backlog = tempfile::tempfile()?;
                let mut special = SpecialFile { path, open: None, backlog, read: 0, end: 0 };
                special.write(output)?;
                GrowthPlace::Special(special)
            }
            Destination::Null => GrowthPlace::Thrown,
        };
        Ok(())
    }
}

/// Opens a file of this run at its end. It is not kept open: there may be more such files than a process may have open,
/// and on a network file system others see what was written when it is closed.
fn reopen(path: &Path, own: (u64, u64), length: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let found = file.metadata()?;
    if (found.dev(), found.ino()) != own {
        return Err(io::Error::other("another file has taken its place while the run goes on"));
    }
    if found.len() != length {
        return Err(io::Error::other("another program has written to it while the run goes on"));
    }
    file.seek(SeekFrom::Start(length))?;
    Ok(file)
}

impl SpecialFile {
    fn write(&mut self, output: BytesSource<'_>) -> io::Result<()> {
        self.backlog.seek(SeekFrom::Start(self.end))?;
        output.copy(&mut self.backlog)?;
        self.end += output.length();
        self.push(false)
    }

    /// Writes the backlog into the pipe or the device: all of it if `wait`, else as much as it takes at once. A pipe
    /// that no program reads yet is only an error if `wait`.
    fn push(&mut self, wait: bool) -> io::Result<()> {
        if self.read == self.end {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match open_special(&self.path) {
                Err(_) if !wait => return Ok(()),
                opened => opened?,
            },
        };
        if wait {
            block(&open)?;
        }
        let mut chunk = vec![0; CHUNK.min(usize::try_from(self.end - self.read).unwrap_or(CHUNK))];
        while self.read < self.end {
            let most = chunk.len().min(usize::try_from(self.end - self.read).unwrap_or(CHUNK));
            self.backlog.read_exact_at(&mut chunk[..most], self.read)?;
            match open.write(&chunk[..most]) {
                Ok(taken) => self.read += taken as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !wait => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.read == self.end {
            // the backlog has been written, and gives its space on the disk back
            (self.read, self.end) = (0, 0);
            self.backlog.set_len(0)?;
        }
        self.open = Some(open);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    fn names(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn what_was_there_stays_until_the_first_output_and_then_the_file_grows() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("logs/1.txt"), dir.path().join("latest"));
        fs::create_dir(dir.path().join("logs")).unwrap();
        symlink("logs/1.txt", &link).unwrap();
        fs::write(&path, "of an earlier run").unwrap();
        let mut file = GrowingFile::new(&link);
        file.append(BytesSource::Memory(b"one\n")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"of an earlier run");
        file.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
        // a reader that has the file open sees what is appended later
        let mut reader = File::open(&path).unwrap();
        let long = vec![b'x'; 3 << 20];
        fs::write(dir.path().join("long"), &long).unwrap();
        let from = File::open(dir.path().join("long")).unwrap();
        file.append(BytesSource::Memory(b"two\n")).unwrap();
        file.append(BytesSource::File { file: &from, offset: 1, length: (3 << 20) - 1 }).unwrap();
        file.append(BytesSource::Memory(b"end")).unwrap();
        assert_eq!(file.buffered(), 3);
        file.finish().unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, [b"one\ntwo\n", &long[1..], b"end"].concat());
        assert!(link.is_symlink() && names(&dir.path().join("logs")) == 1, "nothing is left beside it");
    }

    #[test]
    fn a_write_that_fails_is_taken_back_and_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("o.txt");
        let mut file = GrowingFile::new(&path);
        file.append(BytesSource::Memory(b"one\n")).unwrap();
        file.flush().unwrap();
        fs::write(&path, "one\nby another\n").unwrap();
        file.append(BytesSource::Memory(b"two\n")).unwrap();
        assert!(file.flush().unwrap_err().to_string().contains("another program has written"));
        OpenOptions::new().write(true).open(&path).unwrap().set_len(4).unwrap();
        file.flush().unwrap();
        // a source that is shorter than it should be fails in the middle
        let (short, from) = (dir.path().join("short"), 2 << 20);
        fs::write(&short, vec![0; from]).unwrap();
        let from = File::open(&short).unwrap();
        assert!(file.append(BytesSource::File { file: &from, offset: 0, length: 3 << 20 }).is_err());
        assert!(file.append(BytesSource::File { file: &from, offset: 2 << 20, length: 8 }).is_err());
        file.append(BytesSource::Memory(b"three\n")).unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        fs::rename(&path, dir.path().join("moved")).unwrap();
        file.append(BytesSource::Memory(b"four\n")).unwrap();
        assert!(file.flush().is_err());
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert!(file.flush().unwrap_err().to_string().contains("another file has taken its place"));
    }

    #[test]
    fn a_file_without_outputs_is_made_at_the_end_and_a_device_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/o.txt");
        let mut file = GrowingFile::new(&path);
        file.flush().unwrap();
        assert!(!path.exists() && !file.is_made());
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        let mut null = GrowingFile::new(Path::new("/dev/null"));
        null.append(BytesSource::Memory(b"lost")).unwrap();
        null.finish().unwrap();
        let mut full = GrowingFile::new(Path::new("/dev/full"));
        full.append(BytesSource::Memory(b"lost")).unwrap();
        assert!(full.finish().unwrap_err().to_string().contains("No space left"));
    }

    #[test]
    fn a_pipe_gets_the_outputs_as_it_takes_them_and_nobody_waits_for_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let mut file = GrowingFile::new(&path);
        let long = vec![b'x'; 1 << 20]; // more than a pipe holds
        file.append(BytesSource::Memory(b"begin\n")).unwrap();
        file.append(BytesSource::Memory(&long)).unwrap(); // nobody reads
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
        let mut reader = File::from(rustix::fs::open(&path, flags, mode).unwrap());
        file.flush().unwrap(); // now somebody does, slowly
        let mut begin = [0; 6];
        reader.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"begin\n");
        rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::empty()).unwrap();
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        file.append(BytesSource::Memory(b"end\n")).unwrap();
        file.finish().unwrap();
        drop(file);
        assert_eq!(reading.join().unwrap(), [&long, &b"end\n"[..]].concat());
    }
}
