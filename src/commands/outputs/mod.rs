//! Outputs of a command as one value. Small outputs are in memory. Large files stay files, in the scratch directory of
//! each rank that has the value, and are removed with the last copy of the value.
//!
//! * Without files, the value travels as its own memory (`wire`).
//! * With files, a rank on the same host gets their paths when it asks. It links the files at once, while the sender
//!   still has them, and copies those that cannot be linked when a task first uses them (`arrived`).
//! * A rank that sees other files gets them as a stream (`stream`), which is in neither rank's memory as a whole.

pub(crate) mod arrived;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use crate::commands::StoredFile;
use crate::error::Failure;
use crate::protocol::BulkLayout;
use crate::transport::BulkSource;
use arrived::Arrived;
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use stream::OutgoingOutputs;

/// The outputs of a command: its streams and files. Cloning copies a pointer; the outputs are shared.
#[derive(Clone)]
pub struct CommandOutputs(Arc<OutputsInner>);

struct OutputsInner {
    /// The message in which another rank has sent the outputs, until a task on this rank uses them; `None` afterwards,
    /// or if the command ran here.
    arrived: Mutex<Option<Arrived>>,
    outputs: OnceLock<OutputList>,
    sizes: Sizes,
}

/// The lengths in bytes of the two kinds of messages by which outputs are sent to another rank.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// The length in bytes of a message that has the bytes of all files, for ranks on other hosts.
    whole: u64,
    /// The length in bytes of a message that has the paths of files instead, for ranks on the same host; 0 if there are
    /// no files.
    same_files: u64,
}

/// A list of a command's outputs, and a buffer with the contents of those that are in memory.
pub(crate) struct OutputList {
    /// The bytes of those outputs that are in memory. If outputs without files came by a message, this is the message
    /// itself.
    memory: Arc<Vec<u8>>,
    list: Vec<OutputRecord>,
}

struct OutputRecord {
    which: u32,
    name: Range<usize>,
    content: OutputContent,
}

enum OutputContent {
    Memory(Range<usize>),
    File(Arc<StoredFile>),
}

/// The bytes of one output, which this value keeps in memory even if the outputs are dropped.
#[derive(Debug, Clone)]
pub struct OutputSlice {
    memory: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl AsRef<[u8]> for OutputSlice {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.range.clone()]
    }
}

/// The content of a command's output: bytes in memory, or a file.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Bytes that are in memory.
    Memory(&'a [u8]),
    /// A file in the scratch directory of this rank.
    File(&'a Arc<StoredFile>),
}

/// An output of a command, borrowed from the outputs or from where it was made.
#[derive(Debug, Clone, Copy)]
pub struct OutputRef<'a> {
    /// The number of the output: 0 for standard output, 1 for standard error, from 2 on for files.
    pub which: u32,
    /// The name of the output file, as the command wrote it.
    pub name: &'a str,
    /// The content of the output: bytes in memory, or a file.
    pub content: Content<'a>,
}

impl<'a> OutputRef<'a> {
    /// The bytes of the output. If they are in a file, each call reads it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes(&self) -> Result<Cow<'a, [u8]>, Failure> {
        self.content.bytes()
    }
}

impl<'a> Content<'a> {
    /// The bytes of the content. If they are in a file, each call reads it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes(self) -> Result<Cow<'a, [u8]>, Failure> {
        match self {
            Content::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::File(file) => file.bytes().map(Cow::Owned),
        }
    }

    /// The length of the content, in bytes.
    pub(crate) fn length(self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(file) => file.length(),
        }
    }
}

impl CommandOutputs {
    /// Packs the outputs of a command into one value, with a copy of the bytes that are in memory.
    pub fn new(outputs: &[OutputRef<'_>]) -> CommandOutputs {
        CommandOutputs::with(wire::collect(outputs), wire::sizes(outputs))
    }

    fn with(outputs: OutputList, sizes: Sizes) -> CommandOutputs {
        let arrived = Mutex::default();
        CommandOutputs(Arc::new(OutputsInner { arrived, outputs: outputs.into(), sizes }))
    }

    /// Makes a value from the message in which another rank has sent the outputs of a command. `whole` is the length of
    /// the message with the bytes of all files, as rank 0 knows it: a message with paths that claims another length is
    /// damaged, and must not make this rank allocate what it claims.
    pub(crate) fn arrived(message: Vec<u8>, whole: u64) -> CommandOutputs {
        let length = message.len() as u64;
        let arrived = match Arrived::new(message) {
            Ok(arrived) => arrived,
            Err(outputs) => return CommandOutputs::with(outputs, Sizes { whole: length, same_files: 0 }),
        };
        let refused = Sizes { whole, same_files: if length == whole { 0 } else { length } };
        let (arrived, sizes) = match arrived.sizes() {
            Some(sizes) if sizes.whole == whole => (arrived, sizes),
            Some(_) => (Arrived::damaged(), refused),
            None => (arrived, refused),
        };
        CommandOutputs::waiting(arrived, sizes)
    }

    fn waiting(arrived: Arrived, sizes: Sizes) -> CommandOutputs {
        let (arrived, outputs) = (Mutex::new(Some(arrived)), OnceLock::new());
        CommandOutputs(Arc::new(OutputsInner { arrived, outputs, sizes }))
    }

    /// Makes a value of outputs that have come as a stream, or of the reason why they have not. `sizes` are those that the
    /// other rank has announced.
    fn received(came: Result<OutputList, Failure>, sizes: Sizes) -> CommandOutputs {
        match came {
            Ok(outputs) => CommandOutputs::with(outputs, sizes),
            Err(why) => CommandOutputs::waiting(Arrived::Refused(why.message().to_owned()), sizes),
        }
    }

    /// The lengths of the messages by which the outputs travel.
    fn sizes(&self) -> Sizes {
        self.0.sizes
    }

    /// The list of the outputs. If they came in a message, its files are created on this rank at the first call.
    fn outputs(&self) -> Result<&OutputList, Failure> {
        if let Some(outputs) = self.0.outputs.get() {
            return Ok(outputs);
        }
        let mut arrived = self.0.arrived.lock();
        if let Some(waiting) = &mut *arrived {
            let _ = self.0.outputs.set(waiting.land()?);
            *arrived = None;
        }
        self.0.outputs.get().ok_or_else(|| Failure::new("internal error: a command's outputs are lost"))
    }

    /// All outputs of the command, in the order in which they were packed.
    ///
    /// # Errors
    /// When they were damaged on their way, or scratch has no room for their files.
    pub fn all(&self) -> Result<Vec<OutputRef<'_>>, Failure> {
        self.outputs().map(OutputList::all)
    }

    /// The output of the command that has the number `which`.
    ///
    /// # Errors
    /// As for [`CommandOutputs::all`]; and when there is no such output.
    pub fn output(&self, which: u32) -> Result<OutputRef<'_>, Failure> {
        let outputs = self.outputs()?;
        Ok(outputs.find(which)?.output(&outputs.memory))
    }

    /// The bytes of the output with the number `which`, which stay valid when this value is dropped.
    ///
    /// # Errors
    /// As for [`CommandOutputs::output`]; and when its file cannot be read.
    pub fn slice(&self, which: u32) -> Result<OutputSlice, Failure> {
        let outputs = self.outputs()?;
        match &outputs.find(which)?.content {
            OutputContent::Memory(range) => {
                Ok(OutputSlice { memory: outputs.memory.clone(), range: range.clone() })
            }
            OutputContent::File(file) => {
                let memory = file.bytes()?;
                Ok(OutputSlice { range: 0..memory.len(), memory: Arc::new(memory) })
            }
        }
    }

    /// Bytes of memory that the outputs take at this rank. Outputs in files do not count.
    pub fn memory(&self) -> usize {
        match (&*self.0.arrived.lock(), self.0.outputs.get()) {
            (Some(arrived), _) => arrived.memory(),
            (None, outputs) => outputs.map_or(0, |outputs| outputs.memory.len()),
        }
    }

    /// The layout and the memory from which the outputs are sent to another rank without a copy; `None` if there are
    /// files, which need a message of their own.
    pub(crate) fn view(&self) -> Option<(BulkLayout, &[u8])> {
        let outputs = self.0.outputs.get().filter(|_| self.0.sizes.same_files == 0)?;
        Some((BulkLayout::Pack { same_files: 0 }, &outputs.memory))
    }

    /// The length in bytes and the layout of the message by which outputs with files are sent to another rank; `None`
    /// without files.
    pub(crate) fn announced(&self) -> Option<(u64, BulkLayout)> {
        let Sizes { whole, same_files } = self.0.sizes;
        (same_files > 0).then_some((whole, BulkLayout::Pack { same_files }))
    }

    /// The message by which outputs with files are sent to another rank: with the paths of files if `same_files` (the rank
    /// is on the same host), else a stream. If it cannot be made, the message has the reason, and tasks that use it fail.
    pub(crate) fn message(&self, same_files: bool) -> Arc<dyn BulkSource> {
        if !same_files {
            return Arc::new(OutgoingOutputs(self.clone()));
        }
        let length = self.0.sizes.same_files as usize;
        let made = self.outputs().and_then(|outputs| wire::paths(outputs, length));
        Arc::new(made.unwrap_or_else(|failure| wire::refusal(failure.message(), length)))
    }
}

impl OutputList {
    fn all(&self) -> Vec<OutputRef<'_>> {
        self.list.iter().map(|held| held.output(&self.memory)).collect()
    }

    fn find(&self, which: u32) -> Result<&OutputRecord, Failure> {
        let found = self.list.iter().find(|held| held.which == which);
        found.ok_or_else(|| Failure::new(format!("internal error: output number {which} was not kept")))
    }
}

impl OutputRecord {
    fn output<'a>(&'a self, memory: &'a [u8]) -> OutputRef<'a> {
        let name = std::str::from_utf8(&memory[self.name.clone()]).unwrap_or_default();
        let content = match &self.content {
            OutputContent::Memory(range) => Content::Memory(&memory[range.clone()]),
            OutputContent::File(file) => Content::File(file),
        };
        OutputRef { which: self.which, name, content }
    }
}

impl std::fmt::Debug for CommandOutputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pack({} bytes)", self.0.sizes.whole)
    }
}

impl Serialize for CommandOutputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some((_, bytes)) = self.view() {
            return serializer.serialize_bytes(bytes);
        }
        let mut bytes = Vec::new();
        stream::write(self, &mut bytes).map_err(ser::Error::custom)?;
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for CommandOutputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OutputsVisitor;
        impl de::Visitor<'_> for OutputsVisitor {
            type Value = CommandOutputs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<CommandOutputs, E> {
                self.visit_byte_buf(bytes.to_vec())
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<CommandOutputs, E> {
                let whole = bytes.len() as u64;
                let Some(same_files) = wire::same_files(&bytes).filter(|length| *length > 0) else {
                    return Ok(CommandOutputs::arrived(bytes, whole));
                };
                let sizes = (whole, same_files);
                stream::read(&mut &bytes[..], sizes).map_err(|failure| E::custom(failure.message()))
            }
        }
        deserializer.deserialize_byte_buf(OutputsVisitor)
    }
}
