//! Tasks that have ended their rank, as the dying rank notes them in the run folder, and the way of these notes into the
//! journal.
//!
//! With most MPIs a rank takes the whole job with it, rank 0 and its journal too. So the dying rank itself appends a line
//! to a file: the number of the task in the script, the index of the instance, and its own name. The next run finds it.
//! Only a rank that ends itself can do so (a crash, an `abort`, an `exit`), not one that is killed.

use super::record::{DeathRecord, JournalRecord};
use super::state::{JournalError, JournalState};
use super::{frame, path_in, writer};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The path of the file with the notes of dying ranks, in the run folder `folder`.
pub(crate) fn file_in(folder: &Path) -> PathBuf {
    folder.join("crashes")
}

/// Moves the notes of dying ranks into the journal of the run folder `folder`, before a run begins.
///
/// # Errors
/// When the journal cannot be read or written.
pub(crate) fn take_over(folder: &Path) -> Result<(), JournalError> {
    let notes = match fs::read(file_in(folder)) {
        Ok(notes) => notes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let path = path_in(folder);
    let mut bytes = Vec::new();
    for death in deaths(&JournalState::read(&path)?, &String::from_utf8_lossy(&notes)) {
        let record = JournalRecord::Died(death).encode().map_err(io::Error::other)?;
        frame::append(&record, &mut bytes);
    }
    if !bytes.is_empty() {
        let mut journal = writer::open(&path)?;
        journal.write_all(&bytes)?;
        journal.sync_data()?;
    }
    Ok(fs::remove_file(file_in(folder))?)
}

/// The deaths that the lines of `notes` tell of. Lines that are cut off are passed over, and so are instances that have
/// ended with a result all the same.
fn deaths(state: &JournalState, notes: &str) -> Vec<DeathRecord> {
    let death = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let group: usize = words.next()?.parse().ok()?;
        let index: u64 = words.next()?.parse().ok()?;
        let rank = words.next()?.to_owned();
        let (family, _, count) = state.runs.last()?.families.get(group)?;
        let is_done = state.families.get(family).is_some_and(|history| history.done.contains(index));
        (index < *count && !is_done).then_some(DeathRecord { family: *family, index, rank })
    };
    notes.lines().filter_map(death).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::{DoneRecord, RunStart};

    fn write(folder: &Path, records: &[JournalRecord]) {
        let mut bytes = Vec::new();
        for record in records {
            frame::append(&record.encode().expect("it encodes"), &mut bytes);
        }
        writer::open(&path_in(folder)).expect("opened").write_all(&bytes).expect("written");
    }

    #[test]
    fn three_notes_are_a_quarantine_and_damaged_lines_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let families = vec![(7u128, "a".to_owned(), 4), (9, "b".to_owned(), 2)];
        let done = DoneRecord { family: 9, ranges: vec![(0, 1)], saved: vec![] };
        write(
            folder.path(),
            &[
                JournalRecord::Begin(RunStart { families, ..RunStart::default() }),
                JournalRecord::Done(done.clone()),
            ],
        );
        take_over(folder.path()).expect("no notes");
        let state = || JournalState::read(&path_in(folder.path())).expect("a journal");
        for (at, notes) in
            ["0 3 rank 1 (n1)\n1 0 rank 2 (n1)\n0 9 rank 1 (n1)\n5 0 x\n0 x\n0", "0 3 rank 2 (n2)\n"]
                .into_iter()
                .enumerate()
        {
            fs::write(file_in(folder.path()), notes).expect("written");
            take_over(folder.path()).expect("taken over");
            assert!(!file_in(folder.path()).exists());
            let state = state();
            assert_eq!(state.families[&7].deaths[&3].len(), at + 1);
            assert_eq!((state.families[&7].deaths.len(), state.families[&9].deaths.len()), (1, 0));
            assert!(state.families[&7].quarantined.is_empty());
        }
        fs::write(file_in(folder.path()), "0 3 rank 1 (n1)\n").expect("written");
        take_over(folder.path()).expect("taken over");
        let why = &state().families[&7].quarantined[&3];
        assert!(why.starts_with("rank 1 (n1), rank 2 (n2), rank 1 (n1) have died with it"), "{why}");
        write(folder.path(), &[JournalRecord::Done(DoneRecord { family: 7, ranges: vec![(3, 1)], ..done })]);
        assert!(state().families[&7].quarantined.is_empty() && state().families[&7].deaths.is_empty());
    }
}
