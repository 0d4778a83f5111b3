//! Outputs with files as a stream from rank to rank: read from the holder's files and written to the receiver's, piece
//! by piece. Either all files are there, or the outputs are refused with the reason.

use super::wire::{self, EntryHead};
use super::{CommandOutputs, Content, OutputList, OutputRef, Sizes};
use crate::commands::folder;
use crate::commands::stored_file::LARGE;
use crate::commands::{ScratchError, ScratchRoot, StoredFile};
use crate::error::Failure;
use crate::task::allocation;
use crate::transport::BulkSource;
use crate::transport::stream::{CopyError, PIECE, PieceReader, PieceWriter, StreamSink, StreamSource};
use parking_lot::Mutex;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Outputs that are sent to a rank that sees other files.
pub(super) struct OutgoingOutputs(pub(super) CommandOutputs);

impl BulkSource for OutgoingOutputs {
    fn bytes(&self) -> &[u8] {
        &[]
    }

    fn stream(&self) -> Option<Arc<dyn StreamSource>> {
        Some(Arc::new(OutgoingOutputs(self.0.clone())))
    }
}

impl StreamSource for OutgoingOutputs {
    fn length(&self) -> u64 {
        self.0.sizes().whole
    }

    fn write_to(&self, into: &mut PieceWriter<'_>) -> io::Result<()> {
        let failed = |failure: Failure| io::Error::other(failure.message().to_owned());
        let all = self.0.all().map_err(failed)?;
        let mut head = Vec::new();
        wire::push_head(&all, &mut head);
        into.write_all(&head)?;
        for output in &all {
            match output.content {
                Content::Memory(bytes) => into.write_all(bytes)?,
                Content::File(file) => {
                    file.write_to(into).map_err(|error| failed(file.unreadable(&error)))?;
                }
            }
        }
        Ok(())
    }
}

/// Outputs that are being received as a stream. The files are written to this rank's scratch directory.
pub(crate) struct IncomingOutputs {
    sizes: Sizes,
    scratch: Result<Arc<ScratchRoot>, ScratchError>,
    came: Mutex<Option<Result<OutputList, Failure>>>,
}

impl IncomingOutputs {
    /// Prepares to receive outputs. `whole` and `same_files` are the lengths of the two messages by which they travel.
    pub(crate) fn new(whole: u64, same_files: u64) -> IncomingOutputs {
        let sizes = Sizes { whole, same_files };
        IncomingOutputs { sizes, scratch: ScratchRoot::current(), came: Mutex::default() }
    }

    /// The outputs that have come. Where they have not come whole, tasks that use them fail with the reason.
    pub(crate) fn take(&self) -> CommandOutputs {
        let none = || Err(Failure::new("this rank could start no thread to receive a file"));
        CommandOutputs::received(self.came.lock().take().unwrap_or_else(none), self.sizes)
    }

    /// Reads the outputs of a stream.
    fn read(&self, from: &mut PieceReader<'_>) -> Result<OutputList, Failure> {
        let root = self.scratch.as_ref().map_err(|error| Failure::new(error.to_string()))?;
        let mut count = [0; 4];
        from.read_exact(&mut count).map_err(not_come)?;
        let (mut entries, mut length) = (Vec::new(), 4_u64);
        for _ in 0..u32::from_le_bytes(count) {
            let mut head = [0; EntryHead::LENGTH];
            from.read_exact(&mut head).map_err(not_come)?;
            let head = EntryHead::read(&head);
            let mut name = Vec::new();
            copied(from.copy_to(&mut name, u64::from(head.name)))?;
            length =
                length.saturating_add((EntryHead::LENGTH + name.len()) as u64).saturating_add(head.length);
            if length > self.sizes.whole {
                return Err(damaged());
            }
            entries.push((head, String::from_utf8(name).map_err(|_| damaged())?));
        }
        if length != self.sizes.whole {
            return Err(damaged());
        }
        let mut contents = Vec::with_capacity(entries.len());
        for (head, _) in &entries {
            contents.push(received(from, head, root)?);
        }
        let outputs = entries.iter().zip(&contents).map(|((head, name), content)| OutputRef {
            which: head.which,
            name,
            content: match content {
                ReceivedOutput::Memory(bytes) => Content::Memory(bytes),
                ReceivedOutput::File(file) => Content::File(file),
            },
        });
        Ok(wire::collect(&outputs.collect::<Vec<_>>()))
    }
}

impl StreamSink for IncomingOutputs {
    fn length(&self) -> u64 {
        self.sizes.whole
    }

    fn read_from(&self, from: &mut PieceReader<'_>) {
        let came = self.read(from);
        *self.came.lock() = Some(came);
    }
}

/// An output that has come.
enum ReceivedOutput {
    Memory(Vec<u8>),
    File(Arc<StoredFile>),
}

fn received(
    from: &mut PieceReader<'_>,
    head: &EntryHead,
    root: &ScratchRoot,
) -> Result<ReceivedOutput, Failure> {
    if !head.kind.is_file() {
        let mut bytes = allocation::with_room(usize::try_from(head.length)?)?;
        copied(from.copy_to(&mut bytes, head.length))?;
        return Ok(ReceivedOutput::Memory(bytes));
    }
    if head.kind.is_folder() {
        let stored = root.store_folder(head.length >= LARGE, |to| folder::read(from, to));
        return Ok(ReceivedOutput::File(Arc::new(copied(stored)?)));
    }
    let mut file = root.begin_file(head.length >= LARGE).map_err(|error| full(&error))?;
    copied(from.copy_to(&mut file, head.length))?;
    if head.kind.is_program() {
        file.make_program().map_err(|error| full(&error))?;
    }
    let file = file.finish().map_err(|error| full(&error))?;
    Ok(ReceivedOutput::File(Arc::new(file)))
}

fn damaged() -> Failure {
    Failure::new("internal error: a command's outputs have come damaged")
}

/// The failure of reading from a stream: the sender's reason, or that it has ended too early.
fn not_come(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::Other { Failure::new(error.to_string()) } else { damaged() }
}

fn full(error: &io::Error) -> Failure {
    Failure::new(format!(
        "an output that has come cannot be written to scratch: {error}; if it is full, choose a larger place by \
         `--scratch` or TMPDIR"
    ))
}

fn copied<T>(outcome: Result<T, CopyError>) -> Result<T, Failure> {
    outcome.map_err(|error| match error {
        CopyError::Read(error) => not_come(error),
        CopyError::Write(error) => full(&error),
    })
}

/// Reads outputs that [`write`] has written; `whole` and `same_files` are the [`lengths`] of these.
///
/// # Errors
/// When they are damaged, or scratch has no room.
pub(crate) fn read(from: &mut dyn Read, (whole, same_files): (u64, u64)) -> Result<CommandOutputs, Failure> {
    let mut left = whole;
    let mut next = |mut piece: Vec<u8>| {
        piece.clear();
        let got = from.take(left.min(PIECE as u64)).read_to_end(&mut piece)?;
        left -= got as u64;
        if got == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(piece) }
    };
    let incoming = IncomingOutputs::new(whole, same_files);
    let outputs = incoming.read(&mut PieceReader::new(&mut next))?;
    Ok(CommandOutputs::received(Ok(outputs), incoming.sizes))
}

/// Writes outputs with the bytes of all files.
///
/// # Errors
/// When a file cannot be read, or the bytes cannot be written.
pub(crate) fn write(outputs: &CommandOutputs, into: &mut dyn Write) -> io::Result<()> {
    let source = OutgoingOutputs(outputs.clone());
    let mut give = |piece: Vec<u8>| into.write_all(&piece).map(|()| piece);
    let mut writer = PieceWriter::new(source.length(), PIECE, &mut give);
    source.write_to(&mut writer)?;
    writer.finish()
}

/// The number of bytes that [`write`] writes, and the length of the message by which outputs travel within a host.
pub(crate) fn lengths(outputs: &CommandOutputs) -> (u64, u64) {
    let Sizes { whole, same_files } = outputs.sizes();
    (whole, same_files)
}
