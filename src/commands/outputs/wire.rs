//! The messages that packs travel in.
//!
//! ```text
//! whole:   head | the outputs' bytes
//! near:    u32 NEAR | u32 length of a path, path, zeros up to PATH_MAX | head
//!          | for each output: its bytes, or u64 number of its file
//! refused: u32 REFUSED | why, blanks
//! head:    u32 number of outputs | for each: u32 which, u32 length of its name (and FILE), u64 length, name
//! ```

use super::{Content, OutputContent, OutputList, OutputRecord, OutputRef, Sizes};
use crate::error::Failure;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

const NEAR: u32 = u32::MAX;
const REFUSED: u32 = u32::MAX - 1;
/// Beside the length of a name: the output is a file.
const FILE: u32 = 1 << 31;
/// No path is longer: the message has the same length at every rank.
const PATH_MAX: usize = libc::PATH_MAX as usize;

/// The outputs of a command are not longer together: what a peer says is added up, and allocated.
const WHOLE_MAX: u64 = 1 << 56;

/// Bytes of an output in a head, beside its name.
const HEAD: u64 = 16;

pub(crate) fn sizes(outputs: &[OutputRef<'_>]) -> Sizes {
    sizes_of(outputs.iter().map(|output| {
        (output.name.len(), output.content.length(), matches!(output.content, Content::File(_)))
    }))
}

/// For outputs with names and contents of these lengths, and whether they are files.
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

fn push_head(outputs: &[OutputRef<'_>], into: &mut Vec<u8>) {
    into.extend_from_slice(&(outputs.len() as u32).to_le_bytes());
    for output in outputs {
        let file = if matches!(output.content, Content::File(_)) { FILE } else { 0 };
        into.extend_from_slice(&output.which.to_le_bytes());
        into.extend_from_slice(&(output.name.len() as u32 | file).to_le_bytes());
        into.extend_from_slice(&output.content.length().to_le_bytes());
        into.extend_from_slice(output.name.as_bytes());
    }
}

/// Puts outputs together: what is in memory, into one piece of it.
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

/// The whole message, of `length` bytes.
pub(crate) fn bytes(outputs: &OutputList, length: usize) -> Result<Vec<u8>, Failure> {
    let all = outputs.all();
    let mut message = Vec::with_capacity(length);
    push_head(&all, &mut message);
    for output in &all {
        match output.content {
            Content::Memory(bytes) => message.extend_from_slice(bytes),
            Content::File(file) => file.read(&mut message).map_err(|error| file.unreadable(&error))?,
        }
    }
    Ok(message)
}

/// The message for those who see the same files.
pub(crate) fn paths(outputs: &OutputList, length: usize) -> Result<Vec<u8>, Failure> {
    let all = outputs.all();
    let mut message = Vec::with_capacity(length);
    let dir = all.iter().find_map(|output| match output.content {
        Content::File(file) => file.path().parent().map(|dir| dir.as_os_str().as_bytes()),
        Content::Memory(_) => None,
    });
    let dir = dir.filter(|dir| dir.len() <= PATH_MAX).unwrap_or_default();
    message.extend_from_slice(&NEAR.to_le_bytes());
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

/// A message of `length` bytes that says why there is none, as far as there is room for it.
pub(crate) fn refusal(why: &str, length: usize) -> Vec<u8> {
    let mut message = REFUSED.to_le_bytes().to_vec();
    message.extend_from_slice(why.as_bytes());
    message.resize(length, b' ');
    message
}

/// A message that was read.
pub(crate) enum OutputsMessage {
    /// The whole one.
    Whole(Vec<OutputEntry>),
    /// The message for those who see the same files, which are in this directory.
    Near(PathBuf, Vec<OutputEntry>),
    /// No outputs, and why.
    Refused(String),
}

/// An output in a message.
pub(crate) struct OutputEntry {
    pub(crate) which: u32,
    pub(crate) name: Range<usize>,
    /// Of the output.
    pub(crate) length: u64,
    /// The place in the message of its bytes, or of the number of its file.
    pub(crate) bytes: Range<usize>,
    pub(crate) is_file: bool,
}

/// Reads a message; nothing if it is damaged.
pub(crate) fn read(message: &[u8]) -> Option<OutputsMessage> {
    let mut rest = message;
    match u32::from_le_bytes(*take(&mut rest)?) {
        NEAR => {
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

fn entries(message: &[u8], mut rest: &[u8], count: u32, same_files: bool) -> Option<Vec<OutputEntry>> {
    let (mut entries, mut whole) = (Vec::new(), 0_u64);
    for _ in 0..count {
        let which = u32::from_le_bytes(*take(&mut rest)?);
        let name_length = u32::from_le_bytes(*take(&mut rest)?);
        let length = u64::from_le_bytes(*take(&mut rest)?);
        let start = message.len() - rest.len();
        let (name, after) = rest.split_at_checked(usize::try_from(name_length & !FILE).ok()?)?;
        rest = after;
        std::str::from_utf8(name).ok()?;
        // a file of this host is not in the message, and its length is anything; all of them together have one
        whole = whole.checked_add(length).filter(|whole| *whole <= WHOLE_MAX)?;
        let is_file = name_length & FILE != 0;
        entries.push(OutputEntry { which, name: start..start + name.len(), length, bytes: 0..0, is_file });
    }
    for entry in &mut entries {
        let start = message.len() - rest.len();
        let length = if same_files && entry.is_file { 8 } else { usize::try_from(entry.length).ok()? };
        let (_, after) = rest.split_at_checked(length)?;
        rest = after;
        entry.bytes = start..start + length;
    }
    rest.is_empty().then_some(entries)
}

/// A message made again of what reading it gives, and the length that others are told of it; nothing if it is damaged.
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
            let mut again = [&NEAR.to_le_bytes()[..], &(dir.len() as u32).to_le_bytes(), dir].concat();
            again.resize(8 + PATH_MAX, 0);
            (again, entries, true)
        }
    };
    again.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    for entry in &entries {
        let file = if entry.is_file { FILE } else { 0 };
        again.extend_from_slice(&entry.which.to_le_bytes());
        again.extend_from_slice(&(entry.name.len() as u32 | file).to_le_bytes());
        again.extend_from_slice(&entry.length.to_le_bytes());
        again.extend_from_slice(&message[entry.name.clone()]);
    }
    entries.iter().for_each(|entry| again.extend_from_slice(&message[entry.bytes.clone()]));
    let sizes = sizes_of(entries.iter().map(|entry| (entry.name.len(), entry.length, entry.is_file)));
    let told = match (same_files, sizes.same_files) {
        (false, _) => sizes.whole,
        (true, 0) => message.len() as u64, // nobody makes it without files, and nobody is told its length
        (true, length) => length,
    };
    Some((again, told))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}
