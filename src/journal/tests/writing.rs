//! Tests of the thread that writes: group commit, and disks that fail.

use super::super::record::JournalRecord;
use super::super::state::JournalState;
use super::super::writer::{GroupCommit, JournalDisk, JournalWriter, open};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A disk that keeps what was synced, and takes only some bytes while `room` says so.
#[derive(Clone, Default)]
struct SimulatedDisk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    written: Vec<u8>,
    synced: usize,
    syncs: u64,
    room: Option<usize>,
}

impl JournalDisk for SimulatedDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock();
        let taken = bytes.len().min(disk.room.unwrap_or(usize::MAX));
        disk.written.extend_from_slice(&bytes[..taken]);
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock();
        (disk.synced, disk.syncs) = (disk.written.len(), disk.syncs + 1);
        Ok(())
    }
}

impl SimulatedDisk {
    fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    fn state(&self) -> JournalState {
        let disk = self.0.lock();
        JournalState::of(&disk.written[..disk.synced]).expect("ours")
    }
}

fn end(done: u64) -> JournalRecord {
    JournalRecord::End { at: 0, done, left: 0 }
}

#[track_caller]
fn eventually(holds: impl Fn() -> bool) {
    let until = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < until, "in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn many_records_are_one_sync_and_none_waits_for_ever() {
    let disk = SimulatedDisk::default();
    let commit = GroupCommit { every: LONG, ..GroupCommit::default() };
    let writer = JournalWriter::start(disk.clone(), commit).expect("a thread");
    (0..1000).for_each(|number| writer.record(end(number)));
    assert_eq!(disk.syncs(), 0);
    writer.flush(LONG);
    assert_eq!((disk.syncs(), disk.state().records), (1, 1000));
    writer.record(end(7));
    drop(writer);
    assert_eq!((disk.syncs(), disk.state().ended), (2, Some((7, 0))));

    let (disk, by_size) = (SimulatedDisk::default(), GroupCommit { every: LONG, bytes: 100, ..commit });
    let writer = JournalWriter::start(disk.clone(), by_size).expect("a thread");
    (0..10).for_each(|number| writer.record(end(number)));
    eventually(|| disk.syncs() > 0);
    drop(writer);
    let (disk, by_time) =
        (SimulatedDisk::default(), GroupCommit { every: Duration::from_millis(1), ..commit });
    let writer = JournalWriter::start(disk.clone(), by_time).expect("a thread");
    writer.record(end(1));
    eventually(|| disk.state().records == 1);
}

#[test]
fn a_disk_that_was_full_for_a_while_loses_nothing() {
    for room in [0, 1, 23, 24, 30, 61] {
        let disk = SimulatedDisk::default();
        disk.0.lock().room = Some(room);
        let pause = Duration::from_millis(1);
        let commit = GroupCommit { every: pause, pause, ..GroupCommit::default() };
        let writer = JournalWriter::start(disk.clone(), commit).expect("a thread");
        (0..5).for_each(|number| writer.record(end(number)));
        eventually(|| writer.failure().is_some_and(|error| error.contains("no storage space")));
        disk.0.lock().room = None;
        writer.record(end(5));
        eventually(|| writer.failure().is_none());
        drop(writer);
        assert_eq!(disk.state().ended, Some((5, 0)), "{room}");
    }
}

#[test]
fn a_disk_that_stays_full_costs_bounded_memory_and_no_hang() {
    let disk = SimulatedDisk::default();
    disk.0.lock().room = Some(0);
    let commit = GroupCommit { every: Duration::ZERO, pause: LONG, bytes: 100, most: 1000 };
    let writer = JournalWriter::start(disk, commit).expect("a thread");
    (0..10_000).for_each(|number| writer.record(end(number)));
    writer.flush(LONG);
    assert!(writer.failure().is_some());
}

#[test]
fn a_file_is_begun_once_and_appended_to() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("journal");
    for number in 0..3 {
        let file = open(&path).expect("it opens");
        let writer = JournalWriter::start(file, GroupCommit::default()).expect("a thread");
        writer.record(end(number));
        drop(writer);
        let state = JournalState::read(&path).expect("ours");
        assert_eq!((state.records, state.ended, state.damaged), (number + 1, Some((number, 0)), (0, 0)));
    }
}
