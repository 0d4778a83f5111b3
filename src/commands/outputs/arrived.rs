//! Outputs that have arrived from another rank as a message, and are not unpacked yet.

use super::wire::{self, OutputEntry, OutputsMessage};
use super::{Content, OutputContent, OutputList, OutputRecord, OutputRef, Sizes};
use crate::commands::{ScratchError, ScratchRoot, StoredFile};
use crate::error::Failure;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A message with outputs of a command, from another rank, that no task here has used yet. The files in it are created
/// on this rank at the first use.
pub(crate) enum Arrived {
    /// A message from a rank of the same host, which has paths of that rank's files instead of their bytes, and the
    /// list of its outputs. Each file is linked or opened already; an output that is no file has `None`.
    Near(Vec<u8>, Vec<(OutputEntry, Option<HostFile>)>),
    /// A message without outputs, because the sender could not read them; the reason.
    Refused(String),
}

/// An output in a message, with the file created for it on this rank; `None` if the output is no file.
type Landed<'a> = (&'a OutputEntry, Option<Arc<StoredFile>>);

/// A file in the scratch directory of another rank on the same host.
pub(crate) enum HostFile {
    /// A hard link to the file, which was made in this rank's scratch directory.
    Linked(Arc<StoredFile>),
    /// The opened file. It could not be linked, as it lies on another file system, and will be copied.
    Open(File),
    /// The file could be neither linked nor opened; the reason.
    Missing(String),
}

impl Arrived {
    /// Takes a message apart that another rank has sent, in which outputs are bytes, or paths of files of this host. If it
    /// has no files, returns its outputs at once, as `Err`.
    pub(crate) fn new(message: Vec<u8>) -> Result<Arrived, OutputList> {
        match wire::read(&message) {
            Some(OutputsMessage::Whole(entries)) if entries.iter().all(|entry| !entry.kind.is_file()) => {
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
                    let found =
                        entry.kind.is_file().then(|| HostFile::find(&dir, &message[entry.bytes.clone()]));
                    (entry, found)
                };
                let entries = entries.into_iter().map(same_files).collect();
                Ok(Arrived::Near(message, entries))
            }
            Some(OutputsMessage::Refused(why)) => Ok(Arrived::Refused(why)),
            Some(OutputsMessage::Whole(_)) | None => Ok(Arrived::damaged()),
        }
    }

    /// Makes the value that stands for a damaged message: a message without outputs, with that reason.
    pub(super) fn damaged() -> Arrived {
        Arrived::Refused("internal error: a command's outputs have come damaged".into())
    }

    /// The lengths of the messages by which this rank can send the outputs on to others; `None` if the sender could not
    /// send any outputs.
    pub(crate) fn sizes(&self) -> Option<Sizes> {
        let (message, entries): (&[u8], Vec<&OutputEntry>) = match self {
            Arrived::Near(message, entries) => (message, entries.iter().map(|(entry, _)| entry).collect()),
            Arrived::Refused(_) => return None,
        };
        Some(wire::sizes_of(
            entries
                .into_iter()
                .map(|entry| (message[entry.name.clone()].len(), entry.length, entry.kind.is_file())),
        ))
    }

    /// The number of bytes of memory that the message takes on this rank.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Arrived::Near(message, _) => message.len(),
            Arrived::Refused(why) => why.len(),
        }
    }

    /// Creates the files of the message in this rank's scratch directory, and returns all outputs.
    pub(crate) fn land(&mut self) -> Result<OutputList, Failure> {
        let full = |error: std::io::Error| {
            Failure::new(format!(
                "an output that has come cannot be written to scratch: {error}; if it is full, choose a larger place by `--scratch` or TMPDIR"
            ))
        };
        let root = || ScratchRoot::current().map_err(|error: ScratchError| Failure::new(error.to_string()));
        let (message, entries): (&[u8], Vec<Landed<'_>>) = match self {
            Arrived::Refused(why) => return Err(Failure::new(why)),
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
            Err(error) if path.is_dir() => HostFile::missing(&path, &error),
            Err(_) => match File::open(&path) {
                Ok(file) => HostFile::Open(file),
                Err(error) => HostFile::missing(&path, &error),
            },
        }
    }

    fn missing(path: &Path, error: &std::io::Error) -> HostFile {
        HostFile::Missing(format!(
            "an output that another rank of this host keeps in `{}` cannot be read: {error}",
            path.display()
        ))
    }
}
