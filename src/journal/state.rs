//! The state of a journal: what all its records together say.

use super::frame;
use super::record::{DoneRecord, FailedRecord, FileStamp, JournalRecord, KeyRecord, RunStart};
use crate::compact::Ranges;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

/// What the journal knows of one family: a task of the script at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FamilyHistory {
    /// The indices of the instances that are done.
    pub done: Ranges,
    /// The files that instances have saved, by index.
    pub saved: BTreeMap<u64, Vec<FileStamp>>,
    /// The instances that have failed and are not done, by index.
    pub failed: BTreeMap<u64, FailedRecord>,
    /// The number of the last record about the family: that of a family with a larger number is newer.
    pub last: u64,
}

/// What a journal says: all runs, and for each family what is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JournalState {
    /// The runs, in order.
    pub runs: Vec<RunStart>,
    /// The key plans of the scripts, in order.
    pub plans: Vec<KeyRecord>,
    /// The families by their digests.
    pub families: HashMap<u128, FamilyHistory>,
    /// The files that several instances have written together, by path.
    pub shared: BTreeMap<String, FileStamp>,
    /// The number of instances done and left that the last run has told; `None` if it did not end by itself.
    pub ended: Option<(u64, u64)>,
    /// The number of runs since an instance has ended.
    pub fruitless: u32,
    /// The number of records.
    pub records: u64,
    /// The number of bytes that could not be read, and the number of places where they are.
    pub damaged: (u64, u64),
}

/// The reason why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A later version of dtask has written it.
    #[error("a later version of dtask has written it (format {0}; this one knows format 1)")]
    Newer(u32),
}

impl JournalState {
    /// Reads the journal at `path`; the empty state if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or a later version has written it. Damage is no error.
    pub(crate) fn read(path: &Path) -> Result<JournalState, JournalError> {
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file").into()),
            Ok(_) => JournalState::of(&fs::read(path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(JournalState::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// The state that the bytes of a journal say.
    ///
    /// # Errors
    /// When a later version of dtask has written them.
    pub(crate) fn of(bytes: &[u8]) -> Result<JournalState, JournalError> {
        let mut state = JournalState::default();
        let found = records(bytes, |_, record| state.add(record));
        if let (0, Some(version)) = (state.records, frame::other_version(bytes)) {
            return Err(JournalError::Newer(version));
        }
        state.damaged = found;
        Ok(state)
    }

    fn add(&mut self, record: JournalRecord) {
        self.records += 1;
        let number = self.records;
        match record {
            JournalRecord::Begin(start) => {
                self.ended = None;
                self.fruitless = self.fruitless.saturating_add(1);
                self.runs.push(start);
            }
            JournalRecord::Keys(keys) => {
                self.plans.retain(|known| known.families != keys.families);
                self.plans.push(keys);
            }
            JournalRecord::Done(DoneRecord { family, ranges, saved }) => {
                self.fruitless = 0;
                let family = self.families.entry(family).or_default();
                family.last = number;
                for (first, count) in ranges {
                    let end = first.saturating_add(count);
                    family.done.insert_range(first..end);
                    let failed: Vec<u64> = family.failed.range(first..end).map(|(index, _)| *index).collect();
                    failed.iter().for_each(|index| _ = family.failed.remove(index));
                }
                family.saved.extend(saved);
            }
            JournalRecord::Failed(failed) => {
                let family = self.families.entry(failed.family).or_default();
                family.last = number;
                family.done.remove(failed.index);
                family.saved.remove(&failed.index);
                // one that fails again has got nobody further
                if family.failed.insert(failed.index, failed).is_none() {
                    self.fruitless = 0;
                }
            }
            JournalRecord::Shared(stamp) => _ = self.shared.insert(stamp.path.clone(), stamp),
            JournalRecord::End { done, left, .. } => self.ended = Some((done, left)),
        }
    }

    /// The records that say the same as all records read so far, and no more.
    pub(crate) fn compacted(&self) -> Vec<JournalRecord> {
        let mut records: Vec<JournalRecord> = self.runs.iter().cloned().map(JournalRecord::Begin).collect();
        records.extend(self.plans.iter().cloned().map(JournalRecord::Keys));
        let mut families: Vec<(&u128, &FamilyHistory)> = self.families.iter().collect();
        families.sort_by_key(|(_, history)| history.last);
        for (family, history) in families {
            let ranges = history.done.iter().map(|range| (range.start, range.end - range.start)).collect();
            let saved = history.saved.clone().into_iter().collect();
            records.push(JournalRecord::Done(DoneRecord { family: *family, ranges, saved }));
            records.extend(history.failed.values().cloned().map(JournalRecord::Failed));
        }
        records.extend(self.shared.values().cloned().map(JournalRecord::Shared));
        if let Some((done, left)) = self.ended {
            records.push(JournalRecord::End { at: super::record::now(), done, left });
        }
        records
    }
}

/// Calls `each` with every record of a journal's bytes and its place. Returns the number of bytes that are damaged, and
/// of the places where they are.
pub(crate) fn records(bytes: &[u8], mut each: impl FnMut(usize, JournalRecord)) -> (u64, u64) {
    let found = frame::scan(bytes);
    let mut damaged: (u64, u64) =
        (found.damaged.iter().map(|part| part.len() as u64).sum(), found.damaged.len() as u64);
    for content in found.contents {
        match bytes.get(content.clone()).and_then(JournalRecord::decode) {
            Some(record) => each(content.start, record),
            None => damaged = (damaged.0 + content.len() as u64, damaged.1 + 1),
        }
    }
    damaged
}
