//! The table of a mapper's output: combines values (combiner), sorts, and spills to scratch.

use super::merge::{self, merge};
use super::spill::{self, Spills};
use super::{Accumulator, Operator, write_line};
use crate::error::Failure;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{BufRead, Cursor, Write};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// The index of the partition that a key belongs to, by the key's hash.
pub(crate) fn partition(key: &[u8], partitions: usize) -> usize {
    (xxh3_64(key) % partitions.max(1) as u64) as usize
}

/// A hasher for the table's keys that uses the hash by which partitions are chosen.
#[derive(Default)]
struct PartitionHasher(u64);

impl Hasher for PartitionHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }
    fn write_usize(&mut self, _length: usize) {
        // std hashes the length of a key before its bytes; the hash of the bytes alone is enough
    }
}

/// The values that are combined so far, by key.
type Combined = HashMap<Box<[u8]>, Accumulator, BuildHasherDefault<PartitionHasher>>;

/// The output of a mapper: lines by partition, or with an operator the combined value of each key. Data beyond the
/// memory budget are written (spilled) to a folder as sorted runs.
pub(crate) struct CombineTable {
    partitions: usize,
    operator: Option<Operator>,
    combined: Combined,
    lines: Vec<Vec<u8>>,
    used: usize,
    budget: usize,
    spills: Spills,
}

/// Estimated memory of an entry of the table in bytes, without its key and value.
const ENTRY: usize = 64;

impl CombineTable {
    /// Makes an empty table that writes its content to `folder` (spills) whenever it holds about `budget` bytes.
    pub(crate) fn new(
        partitions: usize,
        operator: Option<Operator>,
        budget: usize,
        folder: &Path,
    ) -> CombineTable {
        let partitions = partitions.max(1);
        let spills = Spills::new(folder, partitions, operator.map(Operator::of_parts));
        let lines = vec![Vec::new(); partitions];
        CombineTable { partitions, operator, combined: Combined::default(), lines, used: 0, budget, spills }
    }

    #[cfg(test)]
    pub(crate) fn has_spilled(&self) -> bool {
        !self.spills.is_empty()
    }

    /// Adds a key with a value. If the table then exceeds its memory budget, all of it is spilled to disk.
    ///
    /// # Errors
    /// When the operator needs a number and the value is none, or the scratch file system is full.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        match self.operator {
            Some(operator) => match self.combined.get_mut(key) {
                Some(so_far) => {
                    let before = so_far.heap();
                    operator.add(so_far, value).map_err(|error| merge::at(key, error))?;
                    self.used += so_far.heap().saturating_sub(before);
                }
                None => {
                    let first = operator.begin(value).map_err(|error| merge::at(key, error))?;
                    self.used += ENTRY + key.len() + first.heap();
                    self.combined.insert(key.into(), first);
                }
            },
            None => {
                let lines = &mut self.lines[partition(key, self.partitions)];
                let before = lines.len();
                write_line(key, value, lines)?;
                self.used += lines.len() - before;
            }
        }
        if self.used > self.budget { self.spill() } else { Ok(()) }
    }

    /// Takes the content out of memory, as a sorted run of each partition.
    fn runs(&mut self) -> Result<Vec<Vec<u8>>, Failure> {
        self.used = 0;
        let lines = self.lines.iter_mut().map(std::mem::take);
        let mut runs: Vec<Vec<u8>> = lines.map(|lines| merge::sort(&lines)).collect();
        let mut entries: Vec<(Box<[u8]>, Accumulator)> = self.combined.drain().collect();
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (key, value) in entries {
            merge::close(&key, &value, &mut runs[partition(&key, self.partitions)])?;
        }
        Ok(runs)
    }

    fn spill(&mut self) -> Result<(), Failure> {
        let runs = self.runs()?;
        let folder = self.spills.folder().to_owned();
        self.spills.add(|partition, file| {
            file.write_all(&runs[partition]).map_err(|error| spill::full(&folder, &error))
        })
    }

    /// Merges the lines in memory and in spills into one sorted run of each partition, the output of the mapper.
    ///
    /// # Errors
    /// When the spills cannot be read from the scratch file system.
    pub(crate) fn finish(mut self) -> Result<Vec<Vec<u8>>, Failure> {
        let last = self.runs()?;
        if self.spills.is_empty() {
            return Ok(last);
        }
        let operator = self.operator.map(Operator::of_parts);
        let mut merged = Vec::with_capacity(self.partitions);
        for (at, last) in last.into_iter().enumerate() {
            let spilled = self.spills.runs(at).into_iter().map(|run| Box::new(run) as Box<dyn BufRead>);
            let last: Box<dyn BufRead> = Box::new(Cursor::new(last));
            let mut run = Vec::new();
            merge(spilled.chain([last]), operator, &mut run)?;
            merged.push(run);
        }
        Ok(merged)
    }
}
