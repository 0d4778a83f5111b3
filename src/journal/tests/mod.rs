//! Tests of the journal: whatever is cut off or damaged, only the records that it touches are lost.

mod locking;
mod writing;

use super::frame;
use super::record::{
    AbsentRecord, CheckpointRecord, DeathRecord, DoneRecord, FailedRecord, FileStamp, GrownFile, GrownPart,
    JournalRecord, KeyRecord, LearntRecord, OutputGap, QuarantineRecord, RunStart,
};
use super::state::{JournalError, JournalState, records};
use proptest::prelude::*;

fn stamp() -> impl Strategy<Value = FileStamp> {
    let stamp = proptest::option::of((any::<u64>(), any::<i128>()));
    ("[a-z]{1,9}", stamp).prop_map(|(path, stamp)| FileStamp { path, stamp })
}

pub(super) fn record() -> impl Strategy<Value = JournalRecord> {
    let saved = proptest::collection::vec((0..100u64, proptest::collection::vec(stamp(), 0..3)), 0..3);
    let ranges = proptest::collection::vec((0..100u64, 1..9u64), 0..9);
    prop_oneof![
        (0..4u128, ranges, saved).prop_map(|(family, ranges, saved)| {
            JournalRecord::Done(DoneRecord { family, ranges, saved })
        }),
        (0..4u128, 0..100u64, ".{0,40}").prop_map(|(family, index, message)| {
            JournalRecord::Failed(FailedRecord { family, index, attempts: 2, message })
        }),
        (0..4u128, 0..100u64, ".{0,40}").prop_map(|(family, index, message)| {
            JournalRecord::Quarantined(QuarantineRecord { family, index, message })
        }),
        (0..4u128, proptest::array::uniform3(proptest::collection::vec((0..100u64, 1..9u64), 0..3)))
            .prop_map(|(family, [skipped, not_needed, met])| {
                JournalRecord::Absent(AbsentRecord { family, skipped, not_needed, met })
            }),
        (0..4u128, 0..100u64, "[a-z]{0,9}")
            .prop_map(|(family, index, rank)| { JournalRecord::Died(DeathRecord { family, index, rank }) }),
        stamp().prop_map(JournalRecord::Shared),
        (any::<u64>(), "[a-z]{0,9}").prop_map(|(at, host)| {
            JournalRecord::Begin(RunStart {
                at,
                host,
                families: vec![(1, "t".into(), 7)],
                ..RunStart::default()
            })
        }),
        proptest::collection::vec(any::<u8>(), 0..2000)
            .prop_map(|plan| { JournalRecord::Keys(KeyRecord { families: vec![plan.len() as u128], plan }) }),
        (0..9u64).prop_map(|done| JournalRecord::End { at: 0, done, left: 1 }),
        ("[a-z]{1,2}", any::<u64>(), 0..4u128, 0..9u64).prop_map(|(path, length, family, next)| {
            let gaps = (0..next).map(|first| OutputGap { first, last: first, offset: 3 * first }).collect();
            let parts = vec![GrownPart { family, next, gaps }];
            JournalRecord::Grown(GrownFile { path, length, tail: length, parts })
        }),
        (0..4u128, 0..100u64, any::<u64>(), any::<i128>()).prop_map(|(family, index, length, modified)| {
            let outputs = vec![0, 2];
            JournalRecord::Checkpoint(CheckpointRecord {
                family,
                index,
                length,
                modified,
                checksum: length,
                outputs,
            })
        }),
        (0..4u128, any::<u64>(), any::<u64>()).prop_map(|(family, instances, micros)| {
            JournalRecord::Learnt(LearntRecord { family, instances, micros, memory: micros })
        }),
    ]
}

/// A journal of these records, with the place where each ends.
fn journal(all: &[JournalRecord]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (frame::FIRST_LINE.to_vec(), Vec::new());
    for record in all {
        frame::append(&record.encode().expect("it encodes"), &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn read(bytes: &[u8]) -> Vec<JournalRecord> {
    let mut found = Vec::new();
    records(bytes, |_, record| found.push(record));
    found
}

/// The records that a change of the bytes from `from` to `to` does not touch.
fn untouched(all: &[JournalRecord], ends: &[usize], from: usize, to: usize) -> Vec<JournalRecord> {
    let starts = [frame::FIRST_LINE.len()].into_iter().chain(ends.iter().copied());
    let places = starts.zip(ends).zip(all);
    places
        .filter(|((start, end), _)| **end <= from || *start >= to)
        .map(|(_, record)| record.clone())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_that_is_written_is_read(all in proptest::collection::vec(record(), 0..30)) {
        let (bytes, _) = journal(&all);
        prop_assert_eq!(&read(&bytes), &all);
        let state = JournalState::of(&bytes).expect("it is ours");
        prop_assert_eq!((state.records, state.damaged), (all.len() as u64, (0, 0)));
    }

    #[test]
    fn cut_at_every_byte_only_the_record_that_is_cut_is_lost(
        all in proptest::collection::vec(record(), 1..12), more in record()
    ) {
        let (bytes, ends) = journal(&all);
        for cut in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            prop_assert_eq!(&read(&bytes[..cut])[..], &all[..whole], "cut at {}", cut);
        }
        // and the next run appends behind it
        for cut in (0..bytes.len()).step_by(7) {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let mut torn = bytes[..cut].to_vec();
            frame::append(&more.encode().expect("it encodes"), &mut torn);
            let mut wanted = all[..whole].to_vec();
            wanted.push(more.clone());
            prop_assert_eq!(read(&torn), wanted, "cut at {}", cut);
        }
    }

    #[test]
    fn of_a_damaged_block_only_the_records_in_it_are_lost(
        all in proptest::collection::vec(record(), 1..60), noise in any::<u8>()
    ) {
        let (bytes, ends) = journal(&all);
        for start in (0..bytes.len()).step_by(512) {
            let end = bytes.len().min(start + 512);
            for change in [|_, _| 0u8, |byte: u8, _| !byte, |byte: u8, noise: u8| byte.wrapping_add(noise | 1)] {
                let mut damaged = bytes.clone();
                damaged[start..end].iter_mut().for_each(|byte| *byte = change(*byte, noise));
                let kept = untouched(&all, &ends, start, end);
                let found = read(&damaged);
                // zeros may be written over zeros: a record can be read although it was touched, but never wrongly
                let mut rest = all.iter();
                prop_assert!(found.iter().all(|record| rest.any(|known| known == record)), "block at {}", start);
                let mut rest = found.iter();
                prop_assert!(kept.iter().all(|record| rest.any(|found| found == record)), "block at {}", start);
            }
        }
    }

    #[test]
    fn one_flipped_bit_costs_one_record(
        all in proptest::collection::vec(record(), 1..20),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let (bytes, ends) = journal(&all);
        let at = at.index(bytes.len());
        let mut damaged = bytes;
        damaged[at] ^= 1 << bit;
        prop_assert_eq!(read(&damaged), untouched(&all, &ends, at, at + 1));
    }

    #[test]
    fn compacted_it_says_the_same(all in proptest::collection::vec(record(), 0..60)) {
        let before = JournalState::of(&journal(&all).0).expect("it is ours");
        let after = JournalState::of(&journal(&before.compacted()).0).expect("it is ours");
        let plain = |state: &JournalState| {
            let mut families: Vec<_> = state.families.iter().map(|(family, history)| {
                let mut history = history.clone();
                history.saved.retain(|index, _| history.done.contains(*index));
                history.last = 0;
                (*family, history)
            }).collect();
            families.sort_by_key(|(family, _)| *family);
            (families, state.shared.clone(), state.grown.clone(), state.runs.clone(), state.plans.clone())
        };
        prop_assert_eq!(plain(&before), plain(&after));
    }
}

#[test]
fn a_journal_of_a_later_version_is_left_alone_and_a_damaged_first_line_is_not_one() {
    assert!(matches!(JournalState::of(b"dtask journal 2\nwhatever"), Err(JournalError::Newer(2))));
    let (mut bytes, _) = journal(&[JournalRecord::End { at: 0, done: 3, left: 0 }]);
    bytes[14] = b'9';
    assert_eq!(JournalState::of(&bytes).expect("readable").ended, Some((3, 0)));
    assert_eq!(JournalState::of(b"").expect("empty"), JournalState::default());
    assert_eq!(JournalState::of(b"no journal at all").expect("damaged").damaged, (17, 1));
}

#[test]
fn the_last_word_on_an_instance_counts() {
    let done = |first, count| {
        JournalRecord::Done(DoneRecord { family: 1, ranges: vec![(first, count)], saved: vec![] })
    };
    let failed = JournalRecord::Failed(FailedRecord { family: 1, index: 5, ..FailedRecord::default() });
    let state = |all: &[JournalRecord]| JournalState::of(&journal(all).0).expect("ours").families[&1].clone();
    let failed_last = state(&[done(0, 10), failed.clone()]);
    assert!(!failed_last.done.contains(5) && failed_last.failed.contains_key(&5));
    let done_last = state(&[failed, done(3, 4)]);
    assert!(done_last.done.contains(5) && done_last.failed.is_empty());
    let quarantined =
        JournalRecord::Quarantined(QuarantineRecord { family: 1, index: 5, message: "three ranks".into() });
    assert!(state(&[done(5, 1), quarantined.clone()]).quarantined.contains_key(&5));
    assert!(state(&[quarantined, done(3, 4)]).quarantined.is_empty());
}

#[test]
fn a_loop_has_ended_where_its_last_instance_is_done() {
    let pairs = |first: u64| vec![(first, 1)];
    let met =
        |at| JournalRecord::Absent(AbsentRecord { family: 1, met: pairs(at), ..AbsentRecord::default() });
    let done = |at| JournalRecord::Done(DoneRecord { family: 1, ranges: pairs(at), saved: vec![] });
    let ends = |records: &[JournalRecord]| {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| frame::append(&record.encode().expect("a record"), &mut bytes));
        let state = JournalState::of(&bytes).expect("a journal");
        state.families[&1].met.iter().flatten().collect::<Vec<_>>()
    };
    assert_eq!(ends(&[met(7)]), [0; 0], "killed before it was done");
    assert_eq!(ends(&[met(7), done(7)]), [7]);
    // run anew, and it does not meet the condition any more
    assert_eq!(ends(&[met(7), done(7), done(7), met(9), done(9)]), [9]);
}
