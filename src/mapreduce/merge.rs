//! The k-way merge of sorted runs of lines (external merge sort), with a heap.

use super::{Accumulator, Operator, key_and_value, lines, write_line};
use crate::error::Failure;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::{self, BufRead, Write};

/// A sorted run (lines in the order of their keys) that is being merged, with the line that it has come to.
struct MergeRun<R> {
    reader: R,
    number: usize,
    line: Vec<u8>,
    /// Length in bytes of the key at the beginning of the current line.
    key: usize,
}

impl<R: BufRead> MergeRun<R> {
    /// Reads the next line of the run. Returns false at its end.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        let length = self.reader.read_until(b'\n', &mut self.line)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        self.key = key_and_value(&self.line).0.len();
        Ok(length > 0)
    }

    fn key(&self) -> &[u8] {
        &self.line[..self.key]
    }
}

impl<R: BufRead> Ord for MergeRun<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        // BinaryHeap yields the greatest entry, which must be the line that comes first
        other.key().cmp(self.key()).then(other.number.cmp(&self.number))
    }
}

impl<R: BufRead> PartialOrd for MergeRun<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: BufRead> PartialEq for MergeRun<R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<R: BufRead> Eq for MergeRun<R> {}

/// Merges sorted runs of lines into one. With an operator, the lines of a key become one line, with their combined
/// value; without, all lines are kept.
///
/// # Errors
/// When a run cannot be read, a value is no number where the operator needs one, or the result cannot be written.
pub(crate) fn merge<R: BufRead>(
    runs: impl IntoIterator<Item = R>,
    operator: Option<Operator>,
    to: &mut impl Write,
) -> Result<(), Failure> {
    let mut heap = BinaryHeap::new();
    for (number, reader) in runs.into_iter().enumerate() {
        let mut run = MergeRun { reader, number, line: Vec::new(), key: 0 };
        if run.advance()? {
            heap.push(run);
        }
    }
    let mut key: Vec<u8> = Vec::new();
    let mut open: Option<Accumulator> = None;
    while let Some(mut run) = heap.peek_mut() {
        let (next, value) = key_and_value(&run.line);
        match (operator, &mut open) {
            (None, _) => write_line(next, value, to)?,
            (Some(operator), Some(so_far)) if key == next => {
                operator.add(so_far, value).map_err(|error| at(&key, error))?;
            }
            (Some(operator), open) => {
                if let Some(done) = open.take() {
                    close(&key, &done, to)?;
                }
                key.clear();
                key.extend_from_slice(next);
                *open = Some(operator.begin(value).map_err(|error| at(&key, error))?);
            }
        }
        if !run.advance()? {
            PeekMut::pop(run);
        }
    }
    if let Some(done) = open {
        close(&key, &done, to)?;
    }
    Ok(())
}

/// Writes the line of a key with its combined value, once all lines of the key have been merged.
pub(crate) fn close(key: &[u8], value: &Accumulator, to: &mut impl Write) -> io::Result<()> {
    to.write_all(key)?;
    to.write_all(b"\t")?;
    value.write(to)?;
    to.write_all(b"\n")
}

/// Adds the key of the line at fault to the message of an error.
pub(crate) fn at(key: &[u8], error: Failure) -> Failure {
    let key: String = String::from_utf8_lossy(key).chars().take(40).collect();
    error.map(|message| format!("{message}, of the key `{key}`"))
}

/// Sorts the lines of a text by key. Lines of the same key keep their order (stable sort).
pub(crate) fn sort(text: &[u8]) -> Vec<u8> {
    let mut sorted: Vec<(&[u8], &[u8])> = lines(text).map(|line| (key_and_value(line).0, line)).collect();
    sorted.sort_by_key(|(key, _)| *key);
    let mut out = Vec::with_capacity(text.len() + 1);
    for (_, line) in sorted {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}
