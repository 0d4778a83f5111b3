//! What commands print: read from their pipes while they run, in memory up to the rank's budget, else in a file.

use super::output_budget::{MemoryShare, OutputBudget};
use super::pipes;
use super::scratch::ScratchRoot;
use super::stored_file::{FileInMaking, StoredFile};
use crate::commands::outputs::Content;
use rustix::event::{PollFd, PollFlags};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The most bytes that are read from one pipe at a time, so that the command's other pipes have their turn.
const PIECE: u64 = 1 << 20;
/// The memory in bytes that the output of a command gets first. It doubles as the output grows.
const FIRST: usize = 4 << 10;
/// The buffer in bytes through which output goes on its way to a file: what a pipe holds.
const BUFFER: usize = 64 << 10;

/// The bytes that a command wrote to standard output or standard error.
#[derive(Debug, Default)]
pub(crate) struct StreamOutput(HeldStream);

#[derive(Debug)]
enum HeldStream {
    /// The bytes, with the part of the rank's budget that they take.
    Memory(Vec<u8>, #[expect(dead_code, reason = "given back when it is dropped")] Option<MemoryShare>),
    /// A file in scratch, since the rank's budget was used up.
    File(Arc<StoredFile>),
    /// Nothing: the stream was thrown away unread.
    Unread,
}

impl Default for HeldStream {
    fn default() -> Self {
        HeldStream::Memory(Vec::new(), None)
    }
}

impl StreamOutput {
    /// An output of a simulated command.
    #[cfg(test)]
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        StreamOutput(HeldStream::Memory(bytes, None))
    }

    /// The output as a [`Content`], the form in which the results of commands hold their outputs.
    pub(crate) fn content(&self) -> Content<'_> {
        match &self.0 {
            HeldStream::Memory(bytes, _) => Content::Memory(bytes),
            HeldStream::File(file) => Content::File(file),
            HeldStream::Unread => Content::Memory(&[]),
        }
    }

    /// Whether the rank has not read the stream, since the script throws it away.
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self.0, HeldStream::Unread)
    }

    /// The last `most` bytes of the output; fewer if the file in which they are cannot be read.
    pub(crate) fn end(&self, most: usize) -> Cow<'_, [u8]> {
        match self.content() {
            Content::Memory(bytes) => Cow::Borrowed(&bytes[bytes.len().saturating_sub(most)..]),
            Content::File(stored) => {
                let mut end = Vec::new();
                let _ = File::open(stored.path()).and_then(|mut file| {
                    file.seek(SeekFrom::Start(stored.length().saturating_sub(most as u64)))?;
                    file.take(most as u64).read_to_end(&mut end)
                });
                Cow::Owned(end)
            }
        }
    }

    /// The whole output as a vector.
    #[cfg(test)]
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.content().bytes().expect("scratch can be read").into_owned()
    }
}

/// Appends an output to a file, piece by piece if it is in a file itself.
///
/// # Errors
/// When the file cannot be read, or `to` cannot be written.
pub(crate) fn copy(content: Content<'_>, to: &mut File) -> io::Result<()> {
    match content {
        Content::Memory(bytes) => to.write_all(bytes),
        Content::File(stored) => {
            let copied = io::copy(&mut File::open(stored.path())?.take(stored.length()), to)?;
            let whole = copied == stored.length();
            whole.then_some(()).ok_or_else(|| io::Error::other("its file in scratch has become shorter"))
        }
    }
}

/// Reads `length` bytes of an output, from the offset `begin` on.
///
/// # Errors
/// When the output's file cannot be read, or the output ends before `begin + length`.
pub(crate) fn part(content: Content<'_>, begin: u64, length: u64) -> io::Result<Cow<'_, [u8]>> {
    let too_short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = begin.checked_add(length).filter(|end| *end <= content.length()).ok_or_else(too_short)?;
    match content {
        Content::Memory(bytes) => Ok(Cow::Borrowed(&bytes[begin as usize..end as usize])),
        Content::File(stored) => {
            let mut part = vec![0; length as usize];
            File::open(stored.path())?.read_exact_at(&mut part, begin)?;
            Ok(Cow::Owned(part))
        }
    }
}

/// The last byte of an output; `None` if it is empty.
///
/// # Errors
/// When its file cannot be read.
pub(crate) fn last_byte(content: Content<'_>) -> io::Result<Option<u8>> {
    match content {
        Content::Memory(bytes) => Ok(bytes.last().copied()),
        Content::File(stored) if stored.length() == 0 => Ok(None),
        Content::File(stored) => {
            let mut last = [0];
            File::open(stored.path())?.read_exact_at(&mut last, stored.length() - 1)?;
            Ok(Some(last[0]))
        }
    }
}

/// The error of putting the output of a command into a file in scratch.
#[derive(Debug)]
pub(crate) struct SpillError {
    /// The directory in which the file was to be; empty if the rank has no scratch directory.
    pub folder: PathBuf,
    /// The error of the operating system, or the reason why there is no scratch directory.
    pub source: io::Error,
}

/// Collects what a command writes to standard output or standard error, at the rank's end of a pipe.
#[derive(Debug)]
pub(crate) struct StreamReader {
    pipe: Option<File>,
    /// The bytes that were read; `None` for a stream that is thrown away.
    kept: Option<KeptBytes>,
    /// The number of bytes that the command has written so far.
    length: u64,
    /// Whether the rest is read and thrown away, since the command is being ended for having printed too much.
    is_full: bool,
    failed: Option<SpillError>,
}

impl StreamReader {
    /// Makes a reader and a pipe to it. Returns also the end of the pipe into which the command writes.
    pub(crate) fn new() -> io::Result<(StreamReader, OwnedFd)> {
        let (ours, theirs) = pipes::pipe()?;
        pipes::nonblocking(&ours)?;
        Ok((StreamReader::of(Some(ours.into()), Some(KeptBytes::default())), theirs))
    }

    /// Makes a reader of nothing, and opens `/dev/null` for the command to write into.
    pub(crate) fn unread() -> io::Result<(StreamReader, OwnedFd)> {
        Ok((StreamReader::of(None, None), pipes::null()?))
    }

    fn of(pipe: Option<File>, kept: Option<KeptBytes>) -> StreamReader {
        StreamReader { pipe, kept, length: 0, is_full: false, failed: None }
    }

    /// Reads the bytes that the command has written so far, without waiting for more.
    pub(crate) fn fill(&mut self) {
        let mut left = PIECE;
        while let (Some(pipe), Some(kept), None) = (&mut self.pipe, &mut self.kept, &self.failed) {
            if left == 0 {
                return;
            }
            if let Err(error) = kept.make_room() {
                self.failed = Some(error);
                return;
            }
            let before = kept.bytes.len();
            let room = ((kept.bytes.capacity() - before) as u64).min(left);
            let outcome = pipe.take(room).read_to_end(&mut kept.bytes);
            let read = (kept.bytes.len() - before) as u64;
            (self.length, left) = (self.length + read, left - read);
            if self.is_full {
                kept.bytes.truncate(before);
            }
            match outcome {
                Ok(_) if read == room => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe has no errors other than its end.
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }

    /// The number of bytes that the command has written so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Throws away what the command writes from now on.
    pub(crate) fn keep_no_more(&mut self) {
        self.is_full = true;
    }

    /// Whether the output could not be put into scratch. Nothing more is read then.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// The event for which the rank has to poll to read more; `None` after the end of the output.
    pub(crate) fn interest(&self) -> Option<PollFd<'_>> {
        let pipe = self.pipe.as_ref().filter(|_| self.failed.is_none());
        pipe.map(|pipe| PollFd::new(pipe, PollFlags::IN))
    }

    /// Ends the reading, and returns what was read; with the error if scratch had no room for all of it.
    pub(crate) fn finish(&mut self) -> (StreamOutput, Option<SpillError>) {
        self.pipe = None;
        let finished = self.kept.take().map_or(Ok(HeldStream::Unread), KeptBytes::finish);
        let (printed, failed) = match finished {
            Ok(printed) => (printed, None),
            Err(error) => (HeldStream::default(), Some(error)),
        };
        (StreamOutput(printed), self.failed.take().or(failed))
    }
}

/// The output that a reader has got so far: in memory, or, if the budget of the rank was used up, in a file and a
/// buffer.
#[derive(Debug)]
struct KeptBytes {
    bytes: Vec<u8>,
    /// The memory of `bytes` in the rank's budget; `None` for the buffer in front of a file.
    share: Option<MemoryShare>,
    file: Option<FileInMaking>,
}

impl Default for KeptBytes {
    fn default() -> Self {
        KeptBytes { bytes: Vec::new(), share: Some(OutputBudget::current().share()), file: None }
    }
}

impl KeptBytes {
    /// Makes room for more bytes: more memory if the budget has it, else by writing `bytes` to the file.
    fn make_room(&mut self) -> Result<(), SpillError> {
        if self.bytes.len() < self.bytes.capacity() {
            return Ok(());
        }
        let more = self.bytes.capacity().max(FIRST);
        let granted = self.share.as_mut().is_some_and(|share| share.grow(more as u64));
        if granted && self.bytes.try_reserve_exact(more).is_ok() {
            return Ok(());
        }
        self.spill()?;
        self.bytes.shrink_to(BUFFER);
        self.share = None;
        let reserved = self.bytes.try_reserve_exact(BUFFER);
        reserved.map_err(|error| SpillError { folder: PathBuf::new(), source: io::Error::other(error) })
    }

    fn spill(&mut self) -> Result<(), SpillError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let root = ScratchRoot::current().map_err(|error| SpillError {
                    folder: PathBuf::new(),
                    source: io::Error::other(error.to_string()),
                })?;
                let file = root.begin_file(true);
                let failed = |source| SpillError { folder: root.path().to_owned(), source };
                self.file.insert(file.map_err(failed)?)
            }
        };
        let written = file.write_all(&self.bytes);
        self.bytes.clear();
        written.map_err(|source| SpillError { folder: file.folder(), source })
    }

    fn finish(mut self) -> Result<HeldStream, SpillError> {
        if self.file.is_some() {
            self.spill()?;
        }
        match self.file {
            None => Ok(HeldStream::Memory(self.bytes, self.share)),
            Some(file) => {
                let folder = file.folder();
                let stored = file.finish().map_err(|source| SpillError { folder, source })?;
                Ok(HeldStream::File(Arc::new(stored)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads what another thread writes in pieces of these lengths.
    fn read(pieces: &[usize]) -> (Vec<u8>, StreamOutput) {
        let (mut reader, theirs) = StreamReader::new().unwrap();
        let written: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|at| (at % 251) as u8).collect();
        std::thread::scope(|scope| {
            let (mut pipe, mut rest) = (File::from(theirs), &written[..]);
            scope.spawn(move || {
                for piece in pieces {
                    let (now, after) = rest.split_at(*piece);
                    pipe.write_all(now).unwrap();
                    rest = after;
                }
            });
            while let Some(interest) = reader.interest() {
                rustix::event::poll(&mut [interest], None).unwrap();
                reader.fill();
            }
        });
        assert_eq!(reader.length(), written.len() as u64);
        let (output, failed) = reader.finish();
        assert!(failed.is_none(), "{failed:?}");
        (written, output)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_byte_arrives_in_memory_or_in_a_file(
            pieces in proptest::collection::vec(0_usize..200_000, 0..6),
            most in 0_usize..10_000,
        ) {
            let (written, output) = read(&pieces);
            prop_assert!(output.to_vec() == written);
            prop_assert!(*output.end(most) == written[written.len().saturating_sub(most)..]);
        }
    }
}
