//! The store of a rank's results: in memory up to a limit, beyond it on a disk of the host (spill).
//!
//! The results that were used least recently are moved first, by a thread of their own ([`Store::next_to_move`],
//! [`Store::moved`]). A result on disk is read back by the thread that needs it: a compute thread, the thread that
//! encodes, or the one that waits. So the reactor never waits for a disk. What tasks use now is never moved.

use crate::ids::{IdHasher, IdMap, TaskId};
use crate::task::spilled::{MemoryLedger, SpillDisk, SpilledValue};
use crate::task::value::{AnyValue, ValueIdentity};
use lru::LruCache;
use std::hash::BuildHasherDefault;
use std::io;
use std::sync::Arc;

/// The largest number of results that one call looks at in search of one that can be moved.
const LOOKS: usize = 256;

/// The outcome of an attempt to write a result to disk.
#[derive(Debug)]
pub(crate) struct MovedResult {
    /// The task whose result it is.
    pub task: TaskId,
    /// The identity of the value that was written. By the time the write has ended, the task may have another one.
    pub value: ValueIdentity,
    /// The number of bytes that the value takes in memory.
    pub bytes: u64,
    /// The copy on disk; `None` if the value is of a kind that cannot be moved. The error if writing has failed.
    pub written: io::Result<Option<SpilledValue>>,
}

/// The store of a rank's results, by task. Results in `resident` are in memory, in the order of their last use.
pub(crate) struct Store {
    resident: LruCache<TaskId, AnyValue, BuildHasherDefault<IdHasher>>,
    on_disk: IdMap<TaskId, AnyValue>,
    /// The number of bytes that the values of `on_disk` would take in memory.
    absent: u64,
    /// The account of the memory that results take.
    pub ledger: Arc<MemoryLedger>,
    /// The memory limit for results, in bytes; beyond it, some are moved to disk.
    limit: u64,
    /// The disk that results are moved to; `None` if there is none, or it was full.
    disk: Option<Arc<SpillDisk>>,
    /// The number of bytes of results that are being written to disk.
    moving: u64,
    /// Whether the limit was exceeded, and results have not yet fallen to seven eighths of it.
    is_over: bool,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            resident: LruCache::unbounded_with_hasher(BuildHasherDefault::default()),
            on_disk: IdMap::default(),
            absent: 0,
            ledger: Arc::default(),
            limit: u64::MAX,
            disk: None,
            moving: 0,
            is_over: false,
        }
    }
}

impl Store {
    /// Sets the number of bytes of results in memory beyond which some are moved to `disk`; without a disk, none are.
    pub(crate) fn limit(&mut self, limit: u64, disk: Option<Arc<SpillDisk>>) {
        (self.limit, self.disk) = (limit, disk);
    }

    /// Adds the result of a task.
    pub(crate) fn insert(&mut self, task: TaskId, value: AnyValue) {
        self.remove(task);
        value.hold(&self.ledger);
        self.resident.put(task, value);
    }

    /// The result of a task; `None` if this rank has none. The result counts as used now.
    pub(crate) fn get(&mut self, task: TaskId) -> Option<&AnyValue> {
        if !self.on_disk.is_empty()
            && let Some(value) = self.on_disk.remove(&task)
        {
            // still on disk: the caller reads it back when the value is needed
            self.absent -= bytes_of(&value);
            self.resident.put(task, value);
        }
        self.resident.get(&task)
    }

    /// Drops the result of a task.
    pub(crate) fn remove(&mut self, task: TaskId) {
        if self.resident.pop(&task).is_none()
            && let Some(value) = self.on_disk.remove(&task)
        {
            self.absent -= bytes_of(&value);
        }
    }

    /// The number of results, in memory and on disk.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn len(&self) -> usize {
        self.resident.len() + self.on_disk.len()
    }

    /// The number of bytes of results that are on disk and not in memory.
    pub(crate) fn absent(&self) -> u64 {
        self.absent
    }

    /// The number of bytes that results may still take in memory before the limit is reached.
    pub(crate) fn room(&self) -> u64 {
        self.limit.saturating_sub(self.ledger.held())
    }

    /// Chooses the result to move to disk next: of those that nobody uses now, the one used least recently. `None` if
    /// the limit is not exceeded. The caller writes the result to the disk, and hands the outcome to [`Store::moved`].
    pub(crate) fn next_to_move(&mut self) -> Option<(TaskId, AnyValue, Arc<SpillDisk>)> {
        for _ in 0..self.resident.len().min(LOOKS) {
            let held = self.ledger.held().saturating_sub(self.moving);
            self.is_over = held > if self.is_over { self.limit / 8 * 7 } else { self.limit };
            if !self.is_over {
                return None;
            }
            let disk = self.disk.clone()?;
            let (&task, value) = self.resident.peek_lru()?;
            if value.is_unshared() && !value.is_on_disk() {
                match value.copy_on_disk().cloned() {
                    // the disk still has the copy from which the result was read back: nothing to write
                    Some(copy) => self.leave_on_disk(task, copy),
                    None => {
                        let value = value.clone();
                        self.moving += value.in_memory();
                        self.resident.promote(&task);
                        return Some((task, value, disk));
                    }
                }
            } else {
                self.resident.promote(&task);
            }
        }
        None
    }

    /// Notes that the result of `task` is on disk, and drops it from memory.
    fn leave_on_disk(&mut self, task: TaskId, copy: Arc<SpilledValue>) {
        let value = AnyValue::on_disk(copy);
        self.absent += bytes_of(&value);
        self.resident.pop(&task);
        self.on_disk.insert(task, value);
    }

    /// Takes the outcome of a write that [`Store::next_to_move`] has asked for. The result leaves memory, if it is
    /// still here and nobody has begun to use it.
    ///
    /// # Errors
    /// When writing has failed for the first time. After that, nothing more is moved, and there are no more errors.
    pub(crate) fn moved(&mut self, moved: MovedResult) -> io::Result<()> {
        self.moving -= moved.bytes;
        let copy = match moved.written {
            Ok(Some(copy)) => Arc::new(copy),
            Err(error) if self.disk.take().is_some() => return Err(error),
            Ok(None) | Err(_) => return Ok(()),
        };
        let Some(value) = self.resident.peek(&moved.task).filter(|value| moved.value.is_of(value)) else {
            return Ok(()); // the result was dropped meanwhile, or computed anew
        };
        match value.is_unshared() {
            true => self.leave_on_disk(moved.task, copy),
            false => value.has_copy(copy),
        }
        Ok(())
    }
}

/// The bytes that a value on disk would take in memory.
fn bytes_of(value: &AnyValue) -> u64 {
    value.copy_on_disk().map_or(0, |copy| copy.nbytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Spilling {
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl Spilling {
        fn new(limit: u64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut store = Store::default();
            let place = folder.path().to_owned();
            let disk = SpillDisk::new(move || Ok(place.clone()), store.ledger.clone());
            store.limit(limit, Some(Arc::new(disk)));
            Spilling { store, _folder: folder }
        }

        fn insert(&mut self, task: u64) {
            self.store.insert(TaskId(task), AnyValue::new(vec![task as f64; 100]));
        }

        /// Moves results to disk until memory is within the limit. Returns their tasks in the order of moving.
        fn relieve(&mut self) -> Vec<u64> {
            let mut order = Vec::new();
            while let Some((task, value, disk)) = self.store.next_to_move() {
                order.push(task.0);
                let (bytes, identity) = (value.in_memory(), value.identity());
                let written = value.write_to(&disk);
                drop(value);
                self.store.moved(MovedResult { task, value: identity, bytes, written }).unwrap();
            }
            order
        }

        fn first(&mut self, task: u64) -> f64 {
            self.store.get(TaskId(task)).unwrap().get::<Vec<f64>>().unwrap()[0]
        }
    }

    #[test]
    fn what_was_used_least_recently_goes_first_and_comes_back() {
        let mut env = Spilling::new(3000);
        (0..3).for_each(|task| env.insert(task));
        assert_eq!(env.relieve(), []);
        env.first(0);
        (3..5).for_each(|task| env.insert(task));
        assert_eq!(env.relieve(), [1, 2]); // down to 7/8 of the limit
        assert_eq!((env.store.ledger.held(), env.store.absent()), (2400, 1600));
        assert_eq!((0..5).map(|task| env.first(task)).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!((env.store.ledger.held(), env.store.absent()), (4000, 0));
        // a result that has a copy on disk is not written again, only dropped from memory
        let moved = env.store.ledger.moved();
        assert_eq!(env.relieve(), [0]);
        assert_eq!((env.store.ledger.held(), env.store.ledger.moved()), (2400, moved + 800));
        (0..5).for_each(|task| env.store.remove(TaskId(task)));
        assert_eq!((env.store.ledger.held(), env.store.absent(), env.store.len()), (0, 0, 0));
    }

    #[test]
    fn what_is_used_stays_in_memory_and_counts_until_its_last_user_has_gone() {
        let mut env = Spilling::new(1000);
        env.insert(1);
        let used = env.store.get(TaskId(1)).unwrap().clone();
        env.insert(2);
        assert_eq!(env.relieve(), [2]);
        env.store.remove(TaskId(1));
        assert_eq!(env.store.ledger.held(), 800);
        drop(used);
        assert_eq!(env.store.ledger.held(), 0);
    }

    #[test]
    fn a_result_that_is_made_anew_while_the_old_one_is_written_stays() {
        let mut env = Spilling::new(100);
        env.insert(1);
        let (task, value, disk) = env.store.next_to_move().unwrap();
        let moved = MovedResult {
            task,
            bytes: value.in_memory(),
            value: value.identity(),
            written: value.write_to(&disk),
        };
        drop(value);
        env.store.insert(task, AnyValue::new(vec![7.0f64; 100]));
        env.store.moved(moved).unwrap();
        assert_eq!((env.first(1), env.store.absent()), (7.0, 0));
    }

    #[test]
    fn after_a_disk_that_takes_nothing_results_stay_in_memory() {
        let mut env = Spilling::new(100);
        env.insert(1);
        let (task, value, _) = env.store.next_to_move().unwrap();
        let (bytes, identity) = (value.in_memory(), value.identity());
        drop(value);
        let written = Err(io::Error::other("full"));
        env.store.moved(MovedResult { task, value: identity, bytes, written }).unwrap_err();
        assert!(env.store.next_to_move().is_none());
        assert_eq!(env.first(1), 1.0);
    }
}
