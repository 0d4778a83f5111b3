//! The state of a journal: the facts that all its records together give.

use super::frame;
use super::record::{
    AbsentRecord, CheckpointRecord, DeathRecord, DoneRecord, FailedRecord, FileStamp, GrownFile,
    JournalRecord, KeyRecord, LearntRecord, QuarantineRecord, RunStart,
};
use crate::compact::Ranges;
use crate::error;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

/// The facts that a journal has of one family: the instances of a task, as the script was when they ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FamilyHistory {
    /// The indices of the instances that are done.
    pub done: Ranges,
    /// The indices of instances that were skipped; they count as done.
    pub skipped: Ranges,
    /// The indices of instances that are not needed, since they read one behind the end of a loop; they count as done.
    pub not_needed: Ranges,
    /// The indices of done instances that have met `until`.
    pub met: Ranges,
    /// The indices of instances that have met `until`, before the record that they are done.
    pub announced: Ranges,
    /// The files that instances have saved, by index.
    pub saved: BTreeMap<u64, Vec<FileStamp>>,
    /// The instances that have failed and are not done, by index.
    pub failed: BTreeMap<u64, FailedRecord>,
    /// The ranks that have died with instances that are not done, by index, one for each death.
    pub deaths: BTreeMap<u64, Vec<String>>,
    /// The instances that are not to be started again, by index, each with the reason.
    pub quarantined: BTreeMap<u64, String>,
    /// The files with results of instances, by index.
    pub checkpoints: BTreeMap<u64, CheckpointRecord>,
    /// The run times and the memory of its instances; `None` if nothing is known.
    pub learnt: Option<LearntRecord>,
    /// The number of the last record about the family, counted over the whole journal. Of two families of one task, the
    /// one with the larger number ran later.
    pub last: u64,
}

/// The content of a journal: all runs, and for each family which instances are done or failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JournalState {
    /// The runs recorded in the journal, from the oldest on.
    pub runs: Vec<RunStart>,
    /// The key plans of the script, one for each version of it, from the oldest on.
    pub plans: Vec<KeyRecord>,
    /// The families by their digests.
    pub families: HashMap<u128, FamilyHistory>,
    /// The files that several instances have written together, by path.
    pub shared: BTreeMap<String, FileStamp>,
    /// The files that several instances write together and that are not complete, by path.
    pub grown: BTreeMap<String, GrownFile>,
    /// The numbers of instances that were done and that were left when the last run ended; `None` if it was killed.
    pub ended: Option<(u64, u64)>,
    /// The number of runs that have begun since the last end of an instance: runs in which nothing was achieved.
    pub fruitless: u32,
    /// The number of records in the journal.
    pub records: u64,
    /// The number of bytes that could not be read, and the number of places in the journal where such bytes are.
    pub damaged: (u64, u64),
}

/// The reason why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The journal cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A later version of dtask, whose format this version does not know, has written the journal.
    #[error("a later version of dtask has written it (format {0}; this one knows format 1)")]
    Newer(u32),
}

impl JournalState {
    /// Reads the journal at `path`; the empty state if there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or a later version of dtask has written it. Damage is no error.
    pub(crate) fn read(path: &Path) -> Result<JournalState, JournalError> {
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file").into()),
            Ok(_) => JournalState::of(&fs::read(path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(JournalState::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Computes the state of the journal that consists of these bytes.
    ///
    /// # Errors
    /// When a later version of dtask has written the journal.
    pub(crate) fn of(bytes: &[u8]) -> Result<JournalState, JournalError> {
        let mut state = JournalState::default();
        let found = records(bytes, |_, record| state.add(record));
        if let (0, Some(version)) = (state.records, frame::other_version(bytes)) {
            return Err(JournalError::Newer(version));
        }
        state.damaged = found;
        Ok(state)
    }

    /// Brings the state up to date with the next record.
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
                    family.skipped.remove_range(first..end);
                    family.not_needed.remove_range(first..end);
                    family.met.remove_range(first..end);
                    let met: Vec<_> =
                        family.announced.iter_from(first).take_while(|range| range.start < end).collect();
                    met.into_iter()
                        .for_each(|range| family.met.insert_range(range.start..range.end.min(end)));
                    family.announced.remove_range(first..end);
                    let failed: Vec<u64> = family.failed.range(first..end).map(|(index, _)| *index).collect();
                    failed.iter().for_each(|index| _ = family.failed.remove(index));
                    family.quarantined.retain(|index, _| !(first..end).contains(index));
                    family.deaths.retain(|index, _| !(first..end).contains(index));
                }
                family.saved.extend(saved);
            }
            JournalRecord::Failed(failed) => {
                let family = self.families.entry(failed.family).or_default();
                family.last = number;
                family.done.remove(failed.index);
                family.skipped.remove(failed.index);
                family.not_needed.remove(failed.index);
                family.met.remove(failed.index);
                family.saved.remove(&failed.index);
                family.checkpoints.remove(&failed.index);
                // a failure counts as progress only the first time
                if family.failed.insert(failed.index, failed).is_none() {
                    self.fruitless = 0;
                }
            }
            JournalRecord::Quarantined(QuarantineRecord { family, index, message }) => {
                let family = self.families.entry(family).or_default();
                family.last = number;
                family.quarantined.insert(index, message);
            }
            JournalRecord::Died(DeathRecord { family, index, rank }) => {
                let family = self.families.entry(family).or_default();
                family.last = number;
                let deaths = family.deaths.entry(index).or_default();
                deaths.push(rank);
                if let Some(message) = error::quarantine(deaths) {
                    family.quarantined.insert(index, message);
                }
            }
            JournalRecord::Shared(stamp) => {
                self.grown.remove(&stamp.path);
                self.shared.insert(stamp.path.clone(), stamp);
            }
            JournalRecord::Grown(grown) => {
                self.shared.remove(&grown.path);
                self.grown.insert(grown.path.clone(), grown);
            }
            JournalRecord::Absent(AbsentRecord { family, skipped, not_needed, met }) => {
                self.fruitless = 0;
                let family = self.families.entry(family).or_default();
                family.last = number;
                for (ranges, absent) in [(skipped, &mut family.skipped), (not_needed, &mut family.not_needed)]
                {
                    for (first, count) in ranges {
                        let range = first..first.saturating_add(count);
                        family.done.insert_range(range.clone());
                        family.failed.retain(|index, _| !range.contains(index));
                        family.quarantined.retain(|index, _| !range.contains(index));
                        family.deaths.retain(|index, _| !range.contains(index));
                        absent.insert_range(range);
                    }
                }
                for (first, count) in met {
                    family.announced.insert_range(first..first.saturating_add(count));
                }
            }
            JournalRecord::Checkpoint(checkpoint) => {
                let family = self.families.entry(checkpoint.family).or_default();
                family.checkpoints.insert(checkpoint.index, checkpoint);
            }
            JournalRecord::Learnt(learnt) => {
                self.families.entry(learnt.family).or_default().learnt = Some(learnt);
            }
            JournalRecord::End { done, left, .. } => self.ended = Some((done, left)),
        }
    }

    /// Makes the shortest list of records that gives this state.
    pub(crate) fn compacted(&self) -> Vec<JournalRecord> {
        let mut records: Vec<JournalRecord> = self.runs.iter().cloned().map(JournalRecord::Begin).collect();
        records.extend(self.plans.iter().cloned().map(JournalRecord::Keys));
        let mut families: Vec<(&u128, &FamilyHistory)> = self.families.iter().collect();
        families.sort_by_key(|(_, history)| history.last);
        for (family, history) in families {
            let ranges = history.done.iter().map(|range| (range.start, range.end - range.start)).collect();
            let saved = history.saved.clone().into_iter().collect();
            let pairs =
                |all: &Ranges| all.iter().map(|range| (range.start, range.end - range.start)).collect();
            let absent = |[skipped, not_needed, met]: [&Ranges; 3]| {
                let is_empty = skipped.is_empty() && not_needed.is_empty() && met.is_empty();
                let (skipped, not_needed, met) = (pairs(skipped), pairs(not_needed), pairs(met));
                let record = AbsentRecord { family: *family, skipped, not_needed, met };
                (!is_empty).then_some(JournalRecord::Absent(record))
            };
            let nothing = Ranges::default();
            records.extend(absent([&nothing, &nothing, &history.met]));
            records.push(JournalRecord::Done(DoneRecord { family: *family, ranges, saved }));
            records.extend(absent([&history.skipped, &history.not_needed, &history.announced]));
            records.extend(history.failed.values().cloned().map(JournalRecord::Failed));
            records.extend(history.deaths.iter().flat_map(|(index, ranks)| {
                let death =
                    |rank: &String| DeathRecord { family: *family, index: *index, rank: rank.clone() };
                ranks.iter().map(move |rank| JournalRecord::Died(death(rank)))
            }));
            records.extend(history.quarantined.iter().map(|(index, message)| {
                let (index, message) = (*index, message.clone());
                JournalRecord::Quarantined(QuarantineRecord { family: *family, index, message })
            }));
            records.extend(history.checkpoints.values().cloned().map(JournalRecord::Checkpoint));
            records.extend(history.learnt.map(JournalRecord::Learnt));
        }
        records.extend(self.shared.values().cloned().map(JournalRecord::Shared));
        records.extend(self.grown.values().cloned().map(JournalRecord::Grown));
        if let Some((done, left)) = self.ended {
            records.push(JournalRecord::End { at: super::record::now(), done, left });
        }
        records
    }
}

/// Calls `each` with the offset of every record in a journal's bytes, and the record. Returns the number of damaged
/// bytes, and the number of places where they are.
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
