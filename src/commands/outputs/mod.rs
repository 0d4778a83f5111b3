//! What a command leaves: its outputs in one value. Small ones are in memory; files stay files, in the scratch directory of
//! each rank that has the value, and go when the last copy of it does.
//!
//! * Without files, a pack travels as its own memory (`wire`).
//! * With files, the message is made when another rank asks: of their bytes, or, for a rank that sees the same files, of
//!   their paths. It is not kept longer than it takes to send it.
//! * What has come is made files of again when a task first wants it, on that task's thread. Only links are made at once,
//!   while the maker still has what they lead to.

pub(crate) mod arrived;
pub(crate) mod bulk;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use crate::commands::StoredFile;
use crate::error::Failure;
use crate::protocol::Layout;
use crate::transport::BulkSource;
use arrived::Arrived;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // none of these values can be left half changed
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Outputs of a command. Copies share them.
#[derive(Clone)]
pub struct Pack(Arc<Inner>);

struct Inner {
    /// Until something is done with it here.
    arrived: Mutex<Option<Arrived>>,
    outputs: OnceLock<Outputs>,
    /// The message with the bytes of all files, while it is being sent.
    message: Mutex<Weak<Vec<u8>>>,
    sizes: Sizes,
}

/// How long its messages are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// With all bytes.
    whole: u64,
    /// With the paths of files; 0 where there are no files.
    near: u64,
}

/// The outputs, where they are used.
pub(crate) struct Outputs {
    /// Without files, the message itself.
    memory: Arc<Vec<u8>>,
    list: Vec<Held>,
}

struct Held {
    which: u32,
    name: Range<usize>,
    content: Place,
}

enum Place {
    Memory(Range<usize>),
    File(Arc<StoredFile>),
}

/// Bytes of an output, and what keeps them.
#[derive(Debug, Clone)]
pub struct Slice {
    memory: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.range.clone()]
    }
}

/// What an output consists of.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Bytes.
    Memory(&'a [u8]),
    /// A file here.
    File(&'a Arc<StoredFile>),
}

/// One output.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// Its number.
    pub which: u32,
    /// The file's name, as the command wrote it.
    pub name: &'a str,
    /// What it consists of.
    pub content: Content<'a>,
}

impl<'a> Output<'a> {
    /// Its bytes; those of a file are read, each time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes(&self) -> Result<Cow<'a, [u8]>, Failure> {
        self.content.bytes()
    }
}

impl<'a> Content<'a> {
    /// The bytes; those of a file are read, each time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes(self) -> Result<Cow<'a, [u8]>, Failure> {
        match self {
            Content::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::File(file) => file.bytes().map(Cow::Owned),
        }
    }

    fn length(self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(file) => file.length(),
        }
    }
}

impl Pack {
    /// Packs outputs.
    pub fn new(outputs: &[Output<'_>]) -> Pack {
        Pack::with(wire::collect(outputs), wire::sizes(outputs))
    }

    fn with(outputs: Outputs, sizes: Sizes) -> Pack {
        let (arrived, message) = (Mutex::default(), Mutex::default());
        Pack(Arc::new(Inner { arrived, outputs: outputs.into(), message, sizes }))
    }

    /// What has come as a message.
    fn arrived(message: Vec<u8>) -> Pack {
        let sizes = Sizes { whole: message.len() as u64, near: 0 };
        let arrived = match Arrived::new(message) {
            Ok(arrived) => arrived,
            Err(outputs) => return Pack::with(outputs, sizes),
        };
        let sizes = arrived.sizes().unwrap_or(sizes);
        let (outputs, message) = (OnceLock::new(), Mutex::default());
        Pack(Arc::new(Inner { arrived: Mutex::new(Some(arrived)), outputs, message, sizes }))
    }

    /// The outputs; what has come as a message is made files of, if that was not done.
    fn outputs(&self) -> Result<&Outputs, Failure> {
        if let Some(outputs) = self.0.outputs.get() {
            return Ok(outputs);
        }
        let mut arrived = lock(&self.0.arrived);
        if let Some(waiting) = &mut *arrived {
            let _ = self.0.outputs.set(waiting.land()?);
            *arrived = None;
        }
        self.0.outputs.get().ok_or_else(|| Failure::new("internal error: a command's outputs are lost"))
    }

    /// All outputs.
    ///
    /// # Errors
    /// When they have come damaged, or there is no room for their files.
    pub fn all(&self) -> Result<Vec<Output<'_>>, Failure> {
        self.outputs().map(Outputs::all)
    }

    /// The output of this number.
    ///
    /// # Errors
    /// As [`Pack::all`]; and when there is none.
    pub fn output(&self, which: u32) -> Result<Output<'_>, Failure> {
        let outputs = self.outputs()?;
        Ok(outputs.find(which)?.output(&outputs.memory))
    }

    /// The bytes of an output, to be kept without the pack.
    ///
    /// # Errors
    /// As [`Pack::output`]; and when its file cannot be read.
    pub fn slice(&self, which: u32) -> Result<Slice, Failure> {
        let outputs = self.outputs()?;
        match &outputs.find(which)?.content {
            Place::Memory(range) => Ok(Slice { memory: outputs.memory.clone(), range: range.clone() }),
            Place::File(file) => {
                let memory = file.bytes()?;
                Ok(Slice { range: 0..memory.len(), memory: Arc::new(memory) })
            }
        }
    }

    /// Bytes of memory that it takes here.
    pub fn memory(&self) -> usize {
        match (&*lock(&self.0.arrived), self.0.outputs.get()) {
            (Some(arrived), _) => arrived.memory(),
            (None, outputs) => outputs.map_or(0, |outputs| outputs.memory.len()),
        }
    }

    /// How it is announced, and its memory, if that is all of it.
    pub(crate) fn view(&self) -> Option<(Layout, &[u8])> {
        let outputs = self.0.outputs.get().filter(|_| self.0.sizes.near == 0)?;
        Some((Layout::Pack { near: 0 }, &outputs.memory))
    }

    /// How it is announced, if it has files.
    pub(crate) fn announced(&self) -> Option<(u64, Layout)> {
        let Sizes { whole, near } = self.0.sizes;
        (near > 0).then_some((whole, Layout::Pack { near }))
    }

    /// The message for another rank: with `near`, for one that sees the same files as this one. Where it cannot be made, it
    /// says why, to the tasks that take it.
    pub(crate) fn message(&self, near: bool) -> Arc<dyn BulkSource> {
        let Sizes { whole, near: short } = self.0.sizes;
        let length = if near { short } else { whole } as usize;
        if !near && let Some(message) = self.whole_already() {
            return message;
        }
        let made = self.outputs().and_then(|outputs| match near {
            true => wire::paths(outputs, length),
            false => wire::bytes(outputs, length),
        });
        let message = Arc::new(made.unwrap_or_else(|Failure(why)| wire::refusal(&why, length)));
        if !near {
            *lock(&self.0.message) = Arc::downgrade(&message);
        }
        message
    }

    /// The whole message, where it is still in memory.
    fn whole_already(&self) -> Option<Arc<Vec<u8>>> {
        if let Some(arrived) = &*lock(&self.0.arrived) {
            return arrived.whole();
        }
        match self.0.outputs.get() {
            Some(outputs) if self.0.sizes.near == 0 => Some(outputs.memory.clone()),
            _ => lock(&self.0.message).upgrade(),
        }
    }
}

impl Outputs {
    fn all(&self) -> Vec<Output<'_>> {
        self.list.iter().map(|held| held.output(&self.memory)).collect()
    }

    fn find(&self, which: u32) -> Result<&Held, Failure> {
        let found = self.list.iter().find(|held| held.which == which);
        found.ok_or_else(|| Failure(format!("internal error: output number {which} was not kept")))
    }
}

impl Held {
    fn output<'a>(&'a self, memory: &'a [u8]) -> Output<'a> {
        let name = std::str::from_utf8(&memory[self.name.clone()]).unwrap_or_default();
        let content = match &self.content {
            Place::Memory(range) => Content::Memory(&memory[range.clone()]),
            Place::File(file) => Content::File(file),
        };
        Output { which: self.which, name, content }
    }
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pack({} bytes)", self.0.sizes.whole)
    }
}

impl Serialize for Pack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.message(false).bytes())
    }
}

impl<'de> Deserialize<'de> for Pack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Pack;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Pack, E> {
                Ok(Pack::arrived(bytes.to_vec()))
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Pack, E> {
                Ok(Pack::arrived(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}
