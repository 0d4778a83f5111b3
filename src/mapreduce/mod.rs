//! Map-reduce on lines of text, by the contract of Hadoop Streaming: a mapper turns lines into `key TAB value` lines,
//! and a reducer gets them sorted by key. A line without a tab is a key with an empty value.
//!
//! ```text
//!   files ── split ──► pieces ── mapper, combiner (table, spill) ──► sorted runs, one for each partition
//!         ── shuffle, merge ──► one run for each partition, sorted by key ── reducer ──► lines
//! ```
//!
//! * [`split`]: divides an input at line ends into pieces of about equal size;
//! * [`table`]: the output of a mapper by partition, combined where that is possible (combiner);
//! * [`spill`]: sorted runs in node-local scratch, for data that do not fit into memory;
//! * [`merge`](mod@merge): merges sorted runs into one, in the order of their keys and, for equal keys, of the runs;
//! * [`Operator`]: the built-in combiners and reducers.
//!
//! Keys are compared byte by byte, as by `LC_ALL=C sort`. The output does not depend on the number of ranks: pieces are
//! the same for the same input, and runs are merged in the order of the pieces. This module knows neither ranks nor
//! scripts: start with [`table::CombineTable`] and [`merge::merge`].

pub(crate) mod merge;
pub(crate) mod operator;
pub(crate) mod spill;
pub(crate) mod split;
pub(crate) mod table;

pub(crate) use operator::{Accumulator, Operator};

use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// A built-in mapper, which turns text into pairs of key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mapper {
    /// Emits each word of the text in lower case, with the value 1. A word is a longest sequence of ASCII letters.
    Words,
    /// Emits each line of the text unchanged: `key TAB value` has been written there already.
    Identity,
}

impl Mapper {
    /// The mappers with their names in scripts.
    pub const NAMES: [(&'static str, Mapper); 2] = [("words", Mapper::Words), ("identity", Mapper::Identity)];

    /// Finds a mapper by its name in scripts; `None` if there is none.
    pub fn named(name: &str) -> Option<Mapper> {
        Mapper::NAMES.iter().find(|(known, _)| *known == name).map(|(_, mapper)| *mapper)
    }

    /// Calls `emit` with each key and value that the mapper finds in a text.
    ///
    /// # Errors
    /// When `emit` fails.
    pub fn map<E>(self, text: &[u8], mut emit: impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Mapper::Words => {
                let mut word = Vec::with_capacity(32);
                for letters in text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty())
                {
                    word.clear();
                    word.extend(letters.iter().map(u8::to_ascii_lowercase));
                    emit(&word, b"1")?;
                }
                Ok(())
            }
            Mapper::Identity => lines(text).try_for_each(|line| {
                let (key, value) = key_and_value(line);
                emit(key, value)
            }),
        }
    }
}

/// The lines of a text, without line ends.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n').filter(move |_| !text.is_empty())
}

/// Splits a line at its first tab into key and value. Without a tab the value is empty.
pub(crate) fn key_and_value(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b'\t') {
        Some(tab) => (&line[..tab], &line[tab + 1..]),
        None => (line, &[]),
    }
}

/// Writes a line `key TAB value`, or the key alone if the value is empty.
fn write_line(key: &[u8], value: &[u8], to: &mut impl Write) -> io::Result<()> {
    to.write_all(key)?;
    if !value.is_empty() {
        to.write_all(b"\t")?;
        to.write_all(value)?;
    }
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests;
