//! Input splits: the division of input files at line ends.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// A part of an input file, for one mapper. A line belongs to the part in which it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileSplit {
    /// The index of the file among those of the input.
    pub file: u32,
    /// The offset of the part's first byte in the file.
    pub start: u64,
    /// The offset in the file of the byte behind the part's last one.
    pub end: u64,
}

/// Divides an input, given by the lengths of its files in bytes, into splits of about `size` bytes, one for each
/// mapper. Large files are cut; small files are combined.
pub(crate) fn plan(lengths: &[u64], size: u64) -> Vec<Vec<FileSplit>> {
    let size = size.max(1);
    let (mut splits, mut open, mut open_bytes) = (Vec::new(), Vec::new(), 0);
    for (file, length) in lengths.iter().enumerate() {
        let file = file as u32;
        if *length == 0 {
            continue;
        }
        // equal parts, so that there is no short rest
        let parts = length.div_ceil(size).max(1);
        if parts > 1 {
            splits.extend((!open.is_empty()).then(|| std::mem::take(&mut open)));
            open_bytes = 0;
            let step = length.div_ceil(parts);
            splits.extend((0..parts).map(|part| {
                let (start, end) = (part * step, ((part + 1) * step).min(*length));
                vec![FileSplit { file, start, end }]
            }));
            continue;
        }
        if open_bytes > 0 && open_bytes + length > size {
            splits.push(std::mem::take(&mut open));
            open_bytes = 0;
        }
        open.push(FileSplit { file, start: 0, end: *length });
        open_bytes += length;
    }
    if !open.is_empty() {
        splits.push(open);
    }
    splits.retain(|split| split.iter().any(|piece| piece.start < piece.end));
    splits
}

/// Appends the lines that begin in the part `piece` of the file `path` to a buffer. The last line gets a line end even
/// if the file has none.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read(path: &Path, piece: &FileSplit, to: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let before = to.len();
    let mut rest = if piece.start == 0 {
        BufReader::new(file)
    } else {
        // the line of the byte before this piece began in an earlier piece, and is read with that one
        file.seek(SeekFrom::Start(piece.start - 1))?;
        let mut reader = BufReader::new(file);
        let skipped = reader.skip_until(b'\n')? as u64;
        if piece.start - 1 + skipped >= piece.end {
            return Ok(());
        }
        let left = piece.end - (piece.start - 1 + skipped);
        reader.by_ref().take(left).read_to_end(to)?;
        return finish(&mut reader, before, to);
    };
    rest.by_ref().take(piece.end).read_to_end(to)?;
    finish(&mut rest, before, to)
}

/// Appends to `to` the rest of its last line, which begins in the part that was read and may end behind it. The bytes
/// of `to` up to `before` are from earlier parts.
fn finish(rest: &mut impl BufRead, before: usize, to: &mut Vec<u8>) -> io::Result<()> {
    if to.len() > before && to.last() != Some(&b'\n') {
        rest.read_until(b'\n', to)?;
        if to.last() != Some(&b'\n') {
            to.push(b'\n');
        }
    }
    Ok(())
}
