//! Outputs that wait on disk for their turn in a shared file, in the run folder `NAME.dtask`.
//!
//! They have the form of the ranks' logs (`rank-0000-waiting-N.log` with an index), so that `dtask log` finds what a
//! killed rank 0 has left in them, and the next run keeps them with the logs of the run before. A file whose outputs
//! have all had their turn is removed.

use crate::batch::head::outputs::growing_file::BytesSource;
use crate::batch::rank::logs::{index_line, one_line};
use crate::batch::whole_files::make_private;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The length in bytes from which a file of the spool gets no more outputs, so that those whose outputs have had their
/// turn can be removed while the run goes on.
const SEGMENT: u64 = 256 << 20;
/// The number of bytes that are collected before they are written.
const BATCH: u64 = 1 << 20;
/// The attempt that the index states. Rank 0 does not know the attempt, and only the last one has an output.
const LAST_ATTEMPT: u32 = u32::MAX;

/// The position of an output in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpoolPlace {
    segment: u32,
    offset: u32,
    length: u64,
}

/// An output that is to wait on disk, with the names under which `dtask log` finds it.
pub(crate) struct WaitingOutput<'a> {
    /// The label of the instance that made the output.
    pub label: String,
    /// The name of the stream, `stdout` or `stderr`.
    pub stream: &'static str,
    pub bytes: BytesSource<'a>,
}

/// Outputs on disk that wait for their turn.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    /// The files of the spool by number. Only the last one gets more outputs.
    segments: BTreeMap<u32, SpoolSegment>,
    next: u32,
}

/// A file of the spool, with its index.
#[derive(Debug)]
struct SpoolSegment {
    log: File,
    index: File,
    paths: [PathBuf; 2],
    /// The length of the file, in bytes.
    length: u64,
    /// The number of outputs in it that have not had their turn.
    waiting: u64,
}

impl Spool {
    /// Makes an empty spool. Its files will lie in the run folder `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Spool { folder: folder.to_owned(), segments: BTreeMap::new(), next: 0 }
    }

    /// The run folder, in which the files of the spool lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes outputs to the disk, and returns their positions. An output of gigabytes must be the last of the list.
    ///
    /// # Errors
    /// When the disk is full; then none of them is in the spool.
    pub(crate) fn keep(&mut self, outputs: &[WaitingOutput<'_>]) -> io::Result<Vec<SpoolPlace>> {
        let last = self.segments.last_key_value().filter(|(_, segment)| segment.length < SEGMENT);
        let number = match last {
            Some((number, _)) => *number,
            None => {
                let number = self.next;
                self.segments.insert(number, SpoolSegment::create(&self.folder, number)?);
                self.next += 1;
                number
            }
        };
        match self.segments.get_mut(&number) {
            Some(segment) => segment.keep(number, outputs),
            None => Err(io::Error::other("no file for waiting outputs")),
        }
    }

    /// The bytes of an output that waits for its turn.
    ///
    /// # Errors
    /// When the output has had its turn.
    pub(crate) fn output(&self, place: SpoolPlace) -> io::Result<BytesSource<'_>> {
        let segment = self.segments.get(&place.segment);
        let segment = segment.ok_or_else(|| io::Error::other("an output waits nowhere"))?;
        Ok(BytesSource::File { file: &segment.log, offset: place.offset.into(), length: place.length })
    }

    /// Notes that an output has had its turn.
    pub(crate) fn release(&mut self, place: SpoolPlace) {
        let is_last = self.segments.keys().next_back() == Some(&place.segment);
        let Some(segment) = self.segments.get_mut(&place.segment) else { return };
        segment.waiting = segment.waiting.saturating_sub(1);
        if segment.waiting == 0 && !(is_last && segment.length < SEGMENT) {
            self.segments.remove(&place.segment);
        }
    }

    /// Removes the files whose outputs have all had their turn, at the end of a run. Returns whether others are left.
    pub(crate) fn close(&mut self) -> bool {
        self.segments.retain(|_, segment| segment.waiting > 0);
        !self.segments.is_empty()
    }
}

impl SpoolSegment {
    fn create(folder: &Path, number: u32) -> io::Result<SpoolSegment> {
        let paths =
            ["log", "index"].map(|ending| folder.join(format!("rank-0000-waiting-{number}.{ending}")));
        let open = |path: &Path| {
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
        };
        let log = match open(&paths[0]) {
            // the user has removed the run folder while the run went on
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(folder).and_then(|()| open(&paths[0]))?
            }
            log => log?,
        };
        let index = open(&paths[1])?;
        Ok(SpoolSegment { log, index, paths, length: 0, waiting: 0 })
    }

    fn keep(&mut self, segment: u32, outputs: &[WaitingOutput<'_>]) -> io::Result<Vec<SpoolPlace>> {
        let begin = self.length;
        match self.write(segment, outputs) {
            Ok((places, lines)) => {
                // an output without a line in the index is only missed by `dtask log`
                let _ = self.index.write_all(lines.as_bytes());
                self.waiting += places.len() as u64;
                Ok(places)
            }
            Err(error) => {
                let _ = self.log.set_len(begin);
                let _ = self.log.seek(SeekFrom::Start(begin));
                self.length = begin;
                Err(error)
            }
        }
    }

    /// Writes outputs as blocks with a headline each. Returns their positions and their lines for the index.
    fn write(
        &mut self,
        segment: u32,
        outputs: &[WaitingOutput<'_>],
    ) -> io::Result<(Vec<SpoolPlace>, String)> {
        let (mut places, mut lines, mut batch) =
            (Vec::with_capacity(outputs.len()), String::new(), Vec::new());
        for WaitingOutput { label, stream, bytes } in outputs {
            let (label, length) = (one_line(label), bytes.length());
            let head = format!("=== {label} {stream} {length} bytes, out of turn\n");
            batch.extend_from_slice(head.as_bytes());
            if batch.len() as u64 + length > BATCH {
                self.log.write_all(&batch)?;
                batch.clear();
            }
            if length > BATCH {
                bytes.copy(&mut self.log)?;
            } else {
                bytes.copy(&mut batch)?;
            }
            batch.push(b'\n');
            let begin = self.length + head.len() as u64;
            let offset = u32::try_from(begin).map_err(io::Error::other)?;
            places.push(SpoolPlace { segment, offset, length });
            lines += &index_line(self.length, head.len() as u64, length, LAST_ATTEMPT, stream, &label);
            self.length = begin + length + 1;
        }
        self.log.write_all(&batch)?;
        Ok((places, lines))
    }
}

impl Drop for SpoolSegment {
    fn drop(&mut self) {
        if self.waiting == 0 {
            // the user may have removed the files already
            self.paths.iter().for_each(|path| drop(fs::remove_file(path)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::rank::logs::{LabelPattern, find};

    fn output<'a>(label: &str, bytes: BytesSource<'a>) -> WaitingOutput<'a> {
        WaitingOutput { label: label.to_owned(), stream: "stdout", bytes }
    }

    fn read(spool: &Spool, place: SpoolPlace) -> Vec<u8> {
        let mut bytes = Vec::new();
        spool.output(place).unwrap().copy(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn outputs_wait_on_disk_where_the_log_finds_them_and_go_with_their_turn() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s.dtask"); // it is made
        let mut spool = Spool::new(&folder);
        let long = vec![b'x'; 3 << 20];
        let first =
            [output("a[i=1]", BytesSource::Memory(b"one")), output("a[i=\n2]", BytesSource::Memory(&long))];
        let places = spool.keep(&first).unwrap();
        let more = spool.keep(&[output("a[i=3]", BytesSource::Memory(b""))]).unwrap();
        assert_eq!(read(&spool, places[0]), b"one");
        assert!(read(&spool, places[1]) == long && read(&spool, more[0]).is_empty());
        let logged = |label: &str| {
            let mut bytes = Vec::new();
            let found = find(&folder, &LabelPattern::new(label), "stdout").unwrap();
            found.iter().for_each(|found| found.copy(&mut bytes).unwrap());
            bytes
        };
        assert!(logged("a[i=1]") == b"one" && logged("a[i=\u{FFFD}2]") == long);
        [places, more].concat().into_iter().for_each(|place| spool.release(place));
        assert!(!spool.close());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_not_kept_and_what_has_not_had_its_turn_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path());
        let kept = spool.keep(&[output("a", BytesSource::Memory(b"kept"))]).unwrap()[0];
        let empty = tempfile::tempfile().unwrap();
        let missing = BytesSource::File { file: &empty, offset: 0, length: 8 };
        assert!(spool.keep(&[output("b", BytesSource::Memory(b"b")), output("c", missing)]).is_err());
        let next = spool.keep(&[output("d", BytesSource::Memory(b"next"))]).unwrap()[0];
        assert_eq!((read(&spool, kept), read(&spool, next)), (b"kept".to_vec(), b"next".to_vec()));
        spool.release(next);
        assert!(spool.close());
        drop(spool);
        let index = fs::read_to_string(dir.path().join("rank-0000-waiting-0.index")).unwrap();
        assert_eq!(index.lines().count(), 2, "{index}");
    }
}
