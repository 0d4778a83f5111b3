//! Outputs that have arrived from another rank as a message, and are not unpacked yet.

use super::wire::{self, OutputEntry, OutputsMessage};
use super::{Content, OutputContent, OutputList, OutputRecord, OutputRef, Sizes};
use crate::commands::{ScratchError, ScratchRoot, StoredFile};
use crate::error::Failure;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A message with outputs that a task has not used yet. Files in it are created at the first use.
pub(crate) enum Arrived {
    /// A message with the bytes of all files, and its entries.
    Whole(Arc<Vec<u8>>, Vec<OutputEntry>),
    /// A message from a rank of the same host, with links to that rank's files instead of their bytes. An entry that is
    /// no file has `None`.
    Near(Vec<u8>, Vec<(OutputEntry, Option<HostFile>)>),
    /// A message without outputs, because the sender failed to make them; the reason.
    Refused(String),
}

/// An entry of a message, with its file if it is one.
type Landed<'a> = (&'a OutputEntry, Option<Arc<StoredFile>>);

/// A file of another rank on the same host.
pub(crate) enum HostFile {
    /// A hard link to the file, in this rank's scratch directory.
    Linked(Arc<StoredFile>),
    /// The open file, which could not be linked (another file system), and will be copied.
    Open(File),
    /// The reason why the file could be neither linked nor opened.
    Missing(String),
}

impl Arrived {
    /// Inspects a message. Returns its outputs at once, as the error, if it has no files to be created.
    pub(crate) fn new(message: Vec<u8>) -> Result<Arrived, OutputList> {
        match wire::read(&message) {
            Some(OutputsMessage::Whole(entries)) if entries.iter().any(|entry| entry.is_file) => {
                Ok(Arrived::Whole(Arc::new(message), entries))
            }
            Some(OutputsMessage::Whole(entries)) => {
                let held = |OutputEntry { which, name, bytes, .. }| OutputRecord {
                    which,
                    name,
                    content: OutputContent::Memory(bytes),
                };
                let list = entries.into_iter().map(held).collect();
                Err(OutputList { memory: Arc::new(message), list })
            }
            Some(OutputsMessage::Near(dir, entries)) => {
                let same_files = |entry: OutputEntry| {
                    let found = entry.is_file.then(|| HostFile::find(&dir, &message[entry.bytes.clone()]));
                    (entry, found)
                };
                let entries = entries.into_iter().map(same_files).collect();
                Ok(Arrived::Near(message, entries))
            }
            Some(OutputsMessage::Refused(why)) => Ok(Arrived::Refused(why)),
            None => Ok(Arrived::Refused("internal error: a command's outputs have come damaged".into())),
        }
    }

    /// The lengths of the messages by which these outputs can be sent on; `None` if there are no outputs.
    pub(crate) fn sizes(&self) -> Option<Sizes> {
        let (message, entries): (&[u8], Vec<&OutputEntry>) = match self {
            Arrived::Whole(message, entries) => (message, entries.iter().collect()),
            Arrived::Near(message, entries) => (message, entries.iter().map(|(entry, _)| entry).collect()),
            Arrived::Refused(_) => return None,
        };
        Some(wire::sizes_of(
            entries.into_iter().map(|entry| (message[entry.name.clone()].len(), entry.length, entry.is_file)),
        ))
    }

    /// Bytes of memory that the message takes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Arrived::Whole(message, _) => message.len(),
            Arrived::Near(message, _) => message.len(),
            Arrived::Refused(why) => why.len(),
        }
    }

    /// The message, if it has the bytes of all files.
    pub(crate) fn whole(&self) -> Option<Arc<Vec<u8>>> {
        match self {
            Arrived::Whole(message, _) => Some(message.clone()),
            Arrived::Near(..) | Arrived::Refused(_) => None,
        }
    }

    /// Creates the files, and returns the outputs.
    pub(crate) fn land(&mut self) -> Result<OutputList, Failure> {
        let full = |error: std::io::Error| {
            Failure::new(format!(
                "an output that has come cannot be written: {error}; if the node's scratch is full, set TMPDIR to a larger place"
            ))
        };
        let root = || ScratchRoot::current().map_err(|error: ScratchError| Failure::new(error.to_string()));
        let (message, entries): (&[u8], Vec<Landed<'_>>) = match self {
            Arrived::Refused(why) => return Err(Failure::new(why)),
            Arrived::Whole(message, entries) => {
                let root = root()?;
                let file = |entry: &OutputEntry| match entry.is_file {
                    true => root.keep_bytes(&message[entry.bytes.clone()]).map(|file| Some(Arc::new(file))),
                    false => Ok(None),
                };
                let landed: Result<_, _> = entries.iter().map(|entry| Ok((entry, file(entry)?))).collect();
                (message, landed.map_err(full)?)
            }
            Arrived::Near(message, entries) => {
                let mut landed = Vec::with_capacity(entries.len());
                for (entry, same_files) in entries {
                    let file = match same_files {
                        None => None,
                        Some(HostFile::Linked(file)) => Some(file.clone()),
                        Some(HostFile::Open(open)) => {
                            std::io::Seek::rewind(open).map_err(full)?;
                            Some(Arc::new(root()?.keep_copy(open).map_err(full)?))
                        }
                        Some(HostFile::Missing(why)) => return Err(Failure::new(why)),
                    };
                    landed.push((&*entry, file));
                }
                (message, landed)
            }
        };
        let outputs = entries.iter().map(|(entry, file)| OutputRef {
            which: entry.which,
            name: std::str::from_utf8(&message[entry.name.clone()]).unwrap_or_default(),
            content: match file {
                Some(file) => Content::File(file),
                None => Content::Memory(&message[entry.bytes.clone()]),
            },
        });
        Ok(wire::collect(&outputs.collect::<Vec<_>>()))
    }
}

impl HostFile {
    fn find(dir: &Path, number: &[u8]) -> HostFile {
        let number = number.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let path = ScratchRoot::stored_path(dir, number);
        let linked = ScratchRoot::current()
            .map_err(|error| std::io::Error::other(error.to_string()))
            .and_then(|root| root.keep_link(&path));
        match linked {
            Ok(file) => HostFile::Linked(Arc::new(file)),
            Err(_) => match File::open(&path) {
                Ok(file) => HostFile::Open(file),
                Err(error) => HostFile::Missing(format!(
                    "an output that another rank of this host keeps in `{}` cannot be read: {error}",
                    path.display()
                )),
            },
        }
    }
}
