//! Checkpoint files: each has the result of one instance, written whole or not at all, with a checksum of its content.
//!
//! A file begins with a mark and the checksum (xxh3) of all that follows. The journal records its length, time and
//! checksum once it has its name, so that a file which another run has begun is never taken for one that is recorded.

use super::record::{CheckpointRecord, nanos};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::Xxh3;

/// The first bytes of a checkpoint file, with the version of its form.
const MARK: [u8; 8] = *b"dtaskck1";
/// The length of the mark and the checksum, before the content.
const HEAD: u64 = 16;
/// The number of bytes that are copied at a time.
const PIECE: usize = 1 << 18;

/// The path of the folder of checkpoints in a run folder.
pub(crate) fn folder_in(run_folder: &Path) -> PathBuf {
    run_folder.join("checkpoints")
}

/// The path of the checkpoint of an instance: a folder for each family, named by its digest.
pub(crate) fn path_of(run_folder: &Path, family: u128, index: u64) -> PathBuf {
    folder_in(run_folder).join(format!("{family:032x}")).join(index.to_string())
}

/// A checkpoint file that is being written. It has no name before [`CheckpointWriter::finish`].
pub(crate) struct CheckpointWriter {
    file: BufWriter<NamedTempFile>,
    hash: Box<Xxh3>,
    path: PathBuf,
}

impl CheckpointWriter {
    /// Begins to write the file that will be at `path`. An older file there is removed, since it has another result.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub(crate) fn create(path: &Path) -> io::Result<CheckpointWriter> {
        let folder = path.parent().unwrap_or(path);
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = Permissions::from_mode(0o600);
        let file = tempfile::Builder::new().prefix(".part-").permissions(mode).tempfile_in(folder)?;
        let mut file = BufWriter::with_capacity(PIECE, file);
        file.write_all(&[0; HEAD as usize])?;
        Ok(CheckpointWriter { file, hash: Box::default(), path: path.to_owned() })
    }

    /// Writes the checksum, waits until everything is on disk, and gives the file its name.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&MARK)?;
        file.write_all(&self.hash.digest().to_le_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map(drop).map_err(|error| error.error)
    }
}

impl Write for CheckpointWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A checkpoint file that is being read.
pub(crate) struct CheckpointReader {
    file: BufReader<File>,
    hash: Box<Xxh3>,
    checksum: u64,
    length: u64,
    left: u64,
}

impl CheckpointReader {
    /// Opens a checkpoint file for reading its content.
    ///
    /// # Errors
    /// When it is not there, cannot be read, or is no checkpoint.
    pub(crate) fn open(path: &Path) -> io::Result<CheckpointReader> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut file = BufReader::with_capacity(PIECE, file);
        let (mut mark, mut checksum) = ([0; 8], [0; 8]);
        file.read_exact(&mut mark)?;
        file.read_exact(&mut checksum)?;
        if mark != MARK {
            return Err(damaged());
        }
        let (checksum, left) = (u64::from_le_bytes(checksum), length.saturating_sub(HEAD));
        Ok(CheckpointReader { file, hash: Box::default(), checksum, length, left })
    }

    /// The number of bytes of the content that are not read yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Whether length and checksum, as the file itself has them, are those of a record.
    pub(crate) fn is_of(&self, record: &CheckpointRecord) -> bool {
        (self.length, self.checksum) == (record.length, record.checksum)
    }

    /// Reads the rest, and compares the checksum of the whole content.
    ///
    /// # Errors
    /// When the content is not as it was written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink())?;
        if self.left == 0 && self.hash.digest() == self.checksum { Ok(()) } else { Err(damaged()) }
    }
}

impl Read for CheckpointReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let room = bytes.get_mut(..most).unwrap_or_default();
        let count = self.file.read(room)?;
        self.hash.update(room.get(..count).unwrap_or_default());
        self.left -= count as u64;
        Ok(count)
    }
}

/// The error of a file that is not as it was written.
pub(crate) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not as it was written")
}

/// Makes the record of a checkpoint file that has just got its name, without its outputs. `None` if there is none.
pub(crate) fn record_of(path: &Path, family: u128, index: u64) -> Option<CheckpointRecord> {
    let modified = nanos(fs::metadata(path).ok()?.modified().ok()?);
    let CheckpointReader { checksum, length, .. } = CheckpointReader::open(path).ok()?;
    Some(CheckpointRecord { family, index, length, modified, checksum, outputs: Vec::new() })
}

/// Whether the file at `path` is the recorded one. Only if its time of modification is another one (a copied run
/// folder), its whole content is read.
pub(crate) fn is_there(path: &Path, record: &CheckpointRecord) -> bool {
    let Ok(reader) = CheckpointReader::open(path) else { return false };
    let modified = fs::metadata(path).and_then(|found| found.modified()).map(nanos);
    reader.is_of(record) && (modified.is_ok_and(|time| time == record.modified) || reader.finish().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8]) -> CheckpointRecord {
        let mut file = CheckpointWriter::create(path).unwrap();
        file.write_all(bytes).unwrap();
        file.finish().unwrap();
        record_of(path, 7, 3).unwrap()
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_of(dir.path(), 7, 3);
        let record = write(&path, b"content");
        assert!(is_there(&path, &record));
        // a writer that is dropped in the middle leaves neither a new file nor the old one
        let mut torn = CheckpointWriter::create(&path).unwrap();
        torn.write_all(b"half").unwrap();
        drop(torn);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        assert!(!is_there(&path, &record) && record_of(&path, 7, 3).is_none());
        // a newer file is another one
        let newer = write(&path, b"another");
        assert!(!is_there(&path, &record) && is_there(&path, &newer));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(&path), mode(&folder_in(dir.path()))], [0o600, 0o700]);
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("3");
        let record = write(&path, b"some content");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 4;
            fs::write(&path, &changed).unwrap();
            assert!(!is_there(&path, &record), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(!is_there(&path, &record), "cut at {at}");
        }
        // copied, with another time: its content counts
        fs::write(&path, &whole).unwrap();
        assert!(is_there(&path, &record));
        let mut reader = CheckpointReader::open(&path).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "some content");
        reader.finish().unwrap();
    }
}
