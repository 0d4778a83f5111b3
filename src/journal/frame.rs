//! Frames: each record of the journal behind a mark, its length and checksums, so that a reader can skip damaged bytes
//! and go on with the next record.
//!
//! ```text
//! "dtask journal 1\n"                                          the first line, for people
//! mark 4 | length 4 | checksum of the content 8 | checksum of these 16 bytes 8 | content
//! ```

use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// The first line of a journal, which tells people what the file is. The reader does not need it.
pub(crate) const FIRST_LINE: &[u8] = b"dtask journal 1\n";
/// The beginning of each frame, with the version of the format as its last byte.
const MARK: [u8; 4] = [0xD7, b'J', b'F', 1];
/// The length in bytes of a frame without its content.
const HEAD: usize = 24;

/// The frames found in a journal's bytes, and the parts between them that are damaged.
#[derive(Debug, Default)]
pub(crate) struct ScannedFrames {
    /// The byte ranges of the contents of frames, in order.
    pub contents: Vec<Range<usize>>,
    /// The byte ranges that belong neither to a frame nor to the first line: damage, or a record that was cut off.
    pub damaged: Vec<Range<usize>>,
}

/// Appends the frame of a record to `out`.
pub(crate) fn append(content: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(&xxh3_64(content).to_le_bytes());
    let check = xxh3_64(&out[start..]);
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(content);
}

/// The byte range of the content of the frame that begins at offset `at`; `None` if no frame begins there, or it is
/// damaged.
fn frame_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let head = bytes.get(at..at + HEAD)?;
    let number = |range: Range<usize>| Some(u64::from_le_bytes(head.get(range)?.try_into().ok()?));
    if !head.starts_with(&MARK) || xxh3_64(&head[..16]) != number(16..24)? {
        return None;
    }
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    let content = at + HEAD..(at + HEAD).checked_add(length)?;
    (xxh3_64(bytes.get(content.clone())?) == number(8..16)?).then_some(content)
}

/// Finds all frames of a journal. After damage the search goes on at the next mark.
pub(crate) fn scan(bytes: &[u8]) -> ScannedFrames {
    let mut found = ScannedFrames::default();
    let mut at = if bytes.starts_with(FIRST_LINE) { FIRST_LINE.len() } else { 0 };
    while at < bytes.len() {
        if let Some(content) = frame_at(bytes, at) {
            at = content.end;
            found.contents.push(content);
            continue;
        }
        let next =
            (at + 1..bytes.len()).find(|next| bytes[*next] == MARK[0] && frame_at(bytes, *next).is_some());
        let end = next.unwrap_or(bytes.len());
        found.damaged.push(at..end);
        at = end;
    }
    found
}

/// The version of the format in the first line, if it differs from this program's. Whether a newer journal can be read
/// is decided by its frames.
pub(crate) fn other_version(bytes: &[u8]) -> Option<u32> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let version = std::str::from_utf8(line).ok()?.strip_prefix("dtask journal ")?.parse().ok()?;
    (version != 1).then_some(version)
}
