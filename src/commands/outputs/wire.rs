//! The formats of the messages in which outputs travel between ranks.
//!
//! ```text
//! whole:   head | the outputs' bytes
//! paths:   u32 SAME_FILES | u32 length of a path, path, zeros up to PATH_MAX | head
//!          | for each output: its bytes, or u64 number of its file
//! refused: u32 REFUSED | why, blanks
//! head:    u32 number of outputs | for each: u32 which, u32 length of its name (and FILE, PROGRAM, FOLDER), u64 length, name
//! ```

use super::{Content, OutputContent, OutputList, OutputRecord, OutputRef, Sizes};
use crate::error::Failure;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

const SAME_FILES: u32 = u32::MAX;
const REFUSED: u32 = u32::MAX - 1;
/// Flag in the field with the length of an output's name: the output is a file.
const FILE: u32 = 1 << 31;
/// Flag beside it: the file is a program.
const PROGRAM: u32 = 1 << 30;
/// Flag beside it: it is a folder, and its content the stream of one.
const FOLDER: u32 = 1 << 29;
/// The number of bytes that a message has for the path of the scratch directory. Fixed, so that the message has the
/// same length at every rank.
const PATH_MAX: usize = libc::PATH_MAX as usize;

/// The largest total length of outputs, in bytes, that this rank accepts in a message. Bounds what a damaged message
/// can make the rank allocate.
const WHOLE_MAX: u64 = 1 << 56;

/// The number of bytes of an output's entry at the beginning of a message, without its name.
const HEAD: u64 = EntryHead::LENGTH as u64;

/// The entry of an output at the beginning of a message, without its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryHead {
    /// The number of the output.
    pub(super) which: u32,
    /// The length of its name in bytes.
    pub(super) name: u32,
    /// The length of its content in bytes.
    pub(super) length: u64,
    pub(super) kind: EntryKind,
}

/// The kind of an output: the flags of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryKind(u32);

impl EntryKind {
    /// Whether the output is a file or folder, and not in memory.
    pub(crate) fn is_file(self) -> bool {
        self.0 & FILE != 0
    }

    /// Whether the output is a file that may be run as a program.
    pub(super) fn is_program(self) -> bool {
        self.0 & PROGRAM != 0
    }

    /// Whether the output is a folder.
    pub(super) fn is_folder(self) -> bool {
        self.0 & FOLDER != 0
    }
}

impl EntryHead {
    /// The number of bytes that an entry takes.
    pub(super) const LENGTH: usize = 16;

    /// Decodes an entry.
    pub(super) fn read(bytes: &[u8; EntryHead::LENGTH]) -> EntryHead {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (name, low, high) = (word(4), word(8), word(12));
        EntryHead {
            which: word(0),
            name: name & !(FILE | PROGRAM | FOLDER),
            length: u64::from(high) << 32 | u64::from(low),
            kind: EntryKind(name & (FILE | PROGRAM | FOLDER)),
        }
    }
}

pub(crate) fn sizes(outputs: &[OutputRef<'_>]) -> Sizes {
    sizes_of(outputs.iter().map(|output| {
        (output.name.len(), output.content.length(), matches!(output.content, Content::File(_)))
    }))
}

/// Computes the lengths in bytes of the messages for outputs. Each output is given by the length of its name, the
/// length of its content, and whether it is a file.
pub(crate) fn sizes_of(outputs: impl Iterator<Item = (usize, u64, bool)>) -> Sizes {
    let (mut whole, mut same_files, mut files) = (4, 8 + PATH_MAX as u64 + 4, false);
    for (name, length, is_file) in outputs {
        let head = HEAD + name as u64;
        whole += head + length;
        same_files += head + if is_file { 8 } else { length };
        files |= is_file;
    }
    Sizes { whole, same_files: if files { same_files } else { 0 } }
}

pub(super) fn push_head(outputs: &[OutputRef<'_>], into: &mut Vec<u8>) {
    into.extend_from_slice(&(outputs.len() as u32).to_le_bytes());
    for output in outputs {
        let file = match output.content {
            Content::File(file) if file.is_folder() => FILE | FOLDER,
            Content::File(file) if file.is_program() => FILE | PROGRAM,
            Content::File(_) => FILE,
            Content::Memory(_) => 0,
        };
        into.extend_from_slice(&output.which.to_le_bytes());
        into.extend_from_slice(&(output.name.len() as u32 | file).to_le_bytes());
        into.extend_from_slice(&output.content.length().to_le_bytes());
        into.extend_from_slice(output.name.as_bytes());
    }
}

/// Packs the outputs of a command into a list: the contents that are in memory are copied into one buffer.
pub(crate) fn collect(outputs: &[OutputRef<'_>]) -> OutputList {
    let length = |output: &OutputRef<'_>| match output.content {
        Content::Memory(bytes) => HEAD as usize + output.name.len() + bytes.len(),
        Content::File(_) => HEAD as usize + output.name.len(),
    };
    let mut memory = Vec::with_capacity(4 + outputs.iter().map(length).sum::<usize>());
    push_head(outputs, &mut memory);
    let mut name = 4;
    let list = outputs.iter().map(|output| {
        let start = name + HEAD as usize;
        name = start + output.name.len();
        let content = match output.content {
            Content::Memory(bytes) => {
                memory.extend_from_slice(bytes);
                OutputContent::Memory(memory.len() - bytes.len()..memory.len())
            }
            Content::File(file) => OutputContent::File(file.clone()),
        };
        OutputRecord { which: output.which, name: start..name, content }
    });
    let list = list.collect();
    OutputList { memory: Arc::new(memory), list }
}

/// Builds the message that has the paths of files instead of their bytes, for ranks on the same host. Its `length` in
/// bytes is known before, from [`sizes`].
pub(crate) fn paths(outputs: &OutputList, length: usize) -> Result<Vec<u8>, Failure> {
    let all = outputs.all();
    let mut message = Vec::with_capacity(length);
    let dir = all.iter().find_map(|output| match output.content {
        Content::File(file) => Some(file.dir().as_os_str().as_bytes()),
        Content::Memory(_) => None,
    });
    let dir = dir.filter(|dir| dir.len() <= PATH_MAX).unwrap_or_default();
    message.extend_from_slice(&SAME_FILES.to_le_bytes());
    message.extend_from_slice(&(dir.len() as u32).to_le_bytes());
    message.extend_from_slice(dir);
    message.resize(8 + PATH_MAX, 0);
    push_head(&all, &mut message);
    for output in &all {
        match output.content {
            Content::Memory(bytes) => message.extend_from_slice(bytes),
            Content::File(file) => message.extend_from_slice(&file.number().to_le_bytes()),
        }
    }
    Ok(message)
}

/// Builds a message that has no outputs but the reason why they cannot be sent. It has the `length` that the receiver
/// expects of the message that it stands for; a longer reason is cut off.
pub(crate) fn refusal(why: &str, length: usize) -> Vec<u8> {
    let mut message = REFUSED.to_le_bytes().to_vec();
    message.extend_from_slice(why.as_bytes());
    message.resize(length, b' ');
    message
}

/// A message with the outputs of a command from another rank, after decoding.
pub(crate) enum OutputsMessage {
    /// A message with the bytes of all outputs, and the list of the outputs in it.
    Whole(Vec<OutputEntry>),
    /// A message with paths of files on the same host: the directory that they are in, and the list of the outputs.
    Near(PathBuf, Vec<OutputEntry>),
    /// A message without outputs, since the sender could not read them; the reason.
    Refused(String),
}

/// The entry of an output in a message from another rank.
pub(crate) struct OutputEntry {
    pub(crate) which: u32,
    pub(crate) name: Range<usize>,
    /// The length of the output's content, in bytes.
    pub(crate) length: u64,
    /// The position in the message of the output's bytes. For a file of the same host, the position of the file's
    /// number.
    pub(crate) bytes: Range<usize>,
    pub(crate) kind: EntryKind,
}

/// Decodes a message with the outputs of a command; `None` if it is damaged.
pub(crate) fn read(message: &[u8]) -> Option<OutputsMessage> {
    let mut rest = message;
    match u32::from_le_bytes(*take(&mut rest)?) {
        SAME_FILES => {
            let length = usize::try_from(u32::from_le_bytes(*take(&mut rest)?)).ok()?;
            let (path, after) = rest.split_at_checked(PATH_MAX)?;
            let dir = PathBuf::from(std::ffi::OsStr::from_bytes(path.get(..length)?));
            rest = after;
            let count = u32::from_le_bytes(*take(&mut rest)?);
            Some(OutputsMessage::Near(dir, entries(message, rest, count, true)?))
        }
        REFUSED => Some(OutputsMessage::Refused(String::from_utf8_lossy(rest).trim_end().to_owned())),
        count => Some(OutputsMessage::Whole(entries(message, rest, count, false)?)),
    }
}

/// The length of the message with paths that stands for a message with the bytes of files, 0 if that has no files;
/// `None` if it is damaged.
pub(super) fn same_files(message: &[u8]) -> Option<u64> {
    let OutputsMessage::Whole(entries) = read(message)? else { return None };
    Some(
        sizes_of(entries.iter().map(|entry| (entry.name.len(), entry.length, entry.kind.is_file())))
            .same_files,
    )
}

fn entries(message: &[u8], mut rest: &[u8], count: u32, same_files: bool) -> Option<Vec<OutputEntry>> {
    let (mut entries, mut whole) = (Vec::new(), 0_u64);
    for _ in 0..count {
        let EntryHead { which, name, length, kind } = EntryHead::read(take(&mut rest)?);
        let start = message.len() - rest.len();
        let (name, after) = rest.split_at_checked(usize::try_from(name).ok()?)?;
        rest = after;
        std::str::from_utf8(name).ok()?;
        // a file of the same host is not in the message, so any length is possible; their sum is bounded
        whole = whole.checked_add(length).filter(|whole| *whole <= WHOLE_MAX)?;
        let name = start..start + name.len();
        entries.push(OutputEntry { which, name, length, bytes: 0..0, kind });
    }
    for entry in &mut entries {
        let start = message.len() - rest.len();
        let length =
            if same_files && entry.kind.is_file() { 8 } else { usize::try_from(entry.length).ok()? };
        let (_, after) = rest.split_at_checked(length)?;
        rest = after;
        entry.bytes = start..start + length;
    }
    rest.is_empty().then_some(entries)
}

/// Decodes a message and encodes it again, for fuzzing: both must agree. Returns it with the length that would be
/// announced to other ranks; `None` if the message is damaged.
#[cfg(feature = "testing")]
pub fn rewritten(message: &[u8]) -> Option<(Vec<u8>, u64)> {
    let (mut again, entries, same_files) = match read(message)? {
        OutputsMessage::Refused(why) => {
            let again = refusal(&why, 4 + why.len());
            return Some((again, 4 + why.len() as u64));
        }
        OutputsMessage::Whole(entries) => (Vec::new(), entries, false),
        OutputsMessage::Near(dir, entries) => {
            let dir = dir.as_os_str().as_bytes();
            let mut again = [&SAME_FILES.to_le_bytes()[..], &(dir.len() as u32).to_le_bytes(), dir].concat();
            again.resize(8 + PATH_MAX, 0);
            (again, entries, true)
        }
    };
    again.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    for entry in &entries {
        let file = entry.kind.0;
        again.extend_from_slice(&entry.which.to_le_bytes());
        again.extend_from_slice(&(entry.name.len() as u32 | file).to_le_bytes());
        again.extend_from_slice(&entry.length.to_le_bytes());
        again.extend_from_slice(&message[entry.name.clone()]);
    }
    entries.iter().for_each(|entry| again.extend_from_slice(&message[entry.bytes.clone()]));
    let sizes = sizes_of(entries.iter().map(|entry| (entry.name.len(), entry.length, entry.kind.is_file())));
    let told = match (same_files, sizes.same_files) {
        (false, _) => sizes.whole,
        // outputs without files are never sent by paths, so there is no announced length to compare with
        (true, 0) => message.len() as u64,
        (true, length) => length,
    };
    Some((again, told))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}
