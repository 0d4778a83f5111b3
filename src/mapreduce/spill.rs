//! Spills of an external merge sort: sorted runs in temporary files of node-local scratch.

use super::Operator;
use super::merge::merge;
use crate::error::Failure;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The number of spills (sorted temporary files) of one level that are merged into one. Each takes an open file, and a
/// comparison for each merged line.
const WIDEST: usize = 32;

/// A spill: an unnamed temporary file with data that did not fit into memory, as a sorted run of each partition, one
/// after the other.
#[derive(Debug)]
struct Spill {
    file: Arc<File>,
    ends: Vec<u64>,
    /// The number of times that the lines of this spill have been merged.
    level: u32,
}

/// The failure of writing what does not fit into memory to scratch.
pub(crate) fn full(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(format!(
        "what does not fit into memory cannot be written to `{}`: {error}; if it is full, choose a larger place by `--scratch` or TMPDIR",
        folder.display()
    ))
}

/// The spills (sorted temporary files) of a mapper, in the order in which their lines were added.
#[derive(Debug)]
pub(crate) struct Spills {
    folder: PathBuf,
    partitions: usize,
    operator: Option<Operator>,
    all: Vec<Spill>,
}

/// A reader of the sorted run of one partition in a spill (a temporary file). Several readers may share a file.
#[derive(Debug)]
pub(crate) struct RunReader {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for RunReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(to.len());
        let count = self.file.read_at(&mut to[..wanted], self.at)?;
        if count == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Spills {
    /// Makes an empty list, whose spills will lie in `folder`. With an operator, the values of a key are combined
    /// whenever spills are merged.
    pub(crate) fn new(folder: &Path, partitions: usize, operator: Option<Operator>) -> Spills {
        Spills { folder: folder.to_owned(), partitions, operator, all: Vec::new() }
    }

    /// The directory in which the spills lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether nothing has been spilled to disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a spill with a sorted run of each partition. `write` writes the run of a partition to a file. The new lines
    /// count as later than those of earlier spills.
    ///
    /// # Errors
    /// When the scratch file system is full, or `write` fails.
    pub(crate) fn add(
        &mut self,
        write: impl FnMut(usize, &mut BufWriter<File>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let spill = self.write(0, write)?;
        self.all.push(spill);
        while let Some(level) = self.all.last().map(|spill| spill.level)
            && let Some(start) = self.all.len().checked_sub(WIDEST)
            && self.all[start].level == level
        {
            let merged = self.write(level + 1, |partition, file| {
                merge(self.runs_of(&self.all[start..], partition), self.operator, file)
            })?;
            self.all.truncate(start);
            self.all.push(merged);
        }
        Ok(())
    }

    fn write(
        &self,
        level: u32,
        mut write: impl FnMut(usize, &mut BufWriter<File>) -> Result<(), Failure>,
    ) -> Result<Spill, Failure> {
        let failed = |error: io::Error| full(&self.folder, &error);
        let mut file = BufWriter::new(tempfile::tempfile_in(&self.folder).map_err(failed)?);
        let mut ends = Vec::with_capacity(self.partitions);
        for partition in 0..self.partitions {
            write(partition, &mut file)?;
            file.flush().map_err(failed)?;
            ends.push(file.get_ref().metadata().map_err(failed)?.len());
        }
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(Spill { file: Arc::new(file), ends, level })
    }

    /// The sorted runs of a partition, one from each spill, in the order in which their lines were added.
    pub(crate) fn runs(&self, partition: usize) -> Vec<BufReader<RunReader>> {
        self.runs_of(&self.all, partition).collect()
    }

    fn runs_of<'a>(
        &self,
        spills: &'a [Spill],
        partition: usize,
    ) -> impl Iterator<Item = BufReader<RunReader>> + use<'a> {
        spills.iter().map(move |spill| {
            let end = |at: usize| spill.ends.get(at).copied().unwrap_or(0);
            let at = partition.checked_sub(1).map_or(0, end);
            BufReader::new(RunReader { file: spill.file.clone(), at, end: end(partition) })
        })
    }
}
