//! Spilled values: results that were moved from memory to a disk of the host. Also counts the memory that results take.
//!
//! [`SpillDisk`] writes values one behind the other into files that have no name: they vanish with the process, however
//! it ends. A [`SpilledValue`] is one value in such a file. Reading compares its checksum, and dropping the value frees
//! its part of the file.

use super::bulk;
use super::value::AnyValue;
use crate::error::CodecError;
use crate::protocol::BulkLayout;
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::xxh3_64;

/// The number of bytes after which a new file is begun. Where the file system cannot free parts of a file, the space of
/// a file is free only when all its values have been dropped.
const SEGMENT_MAX: u64 = 256 << 20;

/// The counters of the memory that the results of one rank take.
#[derive(Debug, Default)]
pub(crate) struct MemoryLedger {
    held: AtomicU64,
    moved: AtomicU64,
}

impl MemoryLedger {
    /// The number of bytes of results in memory now, including results that tasks still use.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// The number of bytes that were moved to disk since the start of the run.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }
}

/// The bytes of one value that are counted in a [`MemoryLedger`]. Dropping them subtracts them from the counter.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    ledger: Arc<MemoryLedger>,
    bytes: AtomicU64,
}

impl HeldBytes {
    /// Counts a value of `bytes` bytes.
    pub(crate) fn new(ledger: &Arc<MemoryLedger>, bytes: u64) -> Self {
        let entry = HeldBytes { ledger: ledger.clone(), bytes: AtomicU64::new(0) };
        entry.add(bytes);
        entry
    }

    /// Counts `bytes` more bytes of the same value, such as its encoding beside it.
    pub(crate) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.ledger.held.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.ledger.held.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for SpillDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SpillDisk({:?})", self.ledger)
    }
}

/// Files on a disk of the host to which results are moved.
pub(crate) struct SpillDisk {
    choose: Box<dyn Fn() -> io::Result<PathBuf> + Send + Sync>,
    ledger: Arc<MemoryLedger>,
    /// The file that is being filled, and the number of its bytes so far; `None` before the first value.
    segment: Mutex<Option<(Arc<File>, u64)>>,
}

impl SpillDisk {
    /// Prepares for moving results to disk. Each file is created when it is needed, in the folder that `choose` then
    /// returns. The number of bytes written is counted in `ledger`.
    pub(crate) fn new(
        choose: impl Fn() -> io::Result<PathBuf> + Send + Sync + 'static,
        ledger: Arc<MemoryLedger>,
    ) -> Self {
        SpillDisk { choose: Box::new(choose), ledger, segment: Mutex::default() }
    }

    /// Writes a value of this layout. `bytes` are the bytes of its form for other ranks, and `nbytes` is its length as
    /// it was announced to these.
    ///
    /// # Errors
    /// When the disk is full or cannot be written.
    pub(crate) fn write(&self, layout: BulkLayout, nbytes: u64, bytes: &[u8]) -> io::Result<SpilledValue> {
        let mut segment = self.segment.lock();
        if segment.as_ref().is_none_or(|(_, end)| *end >= SEGMENT_MAX) {
            *segment = Some((Arc::new(tempfile::tempfile_in((self.choose)()?)?), 0));
        }
        let Some((file, end)) = &mut *segment else { return Err(io::Error::other("no file was made")) };
        let (file, offset) = (file.clone(), *end);
        *end += bytes.len() as u64;
        drop(segment);
        let spilled = SpilledValue {
            file,
            offset,
            length: bytes.len(),
            layout,
            nbytes,
            checksum: xxh3_64(bytes),
            ledger: self.ledger.clone(),
            reading: Mutex::new(()),
        };
        spilled.file.write_all_at(bytes, offset)?;
        self.ledger.moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(spilled)
    }
}

/// A value that is stored on a disk of the host.
#[derive(Debug)]
pub(crate) struct SpilledValue {
    file: Arc<File>,
    offset: u64,
    length: usize,
    layout: BulkLayout,
    nbytes: u64,
    checksum: u64,
    ledger: Arc<MemoryLedger>,
    reading: Mutex<()>,
}

impl SpilledValue {
    /// Locks the value for reading it back. One thread at a time has the lock, since two copies might not fit into
    /// memory.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.reading.lock()
    }

    /// The layout of the value's bytes.
    pub(crate) fn layout(&self) -> &BulkLayout {
        &self.layout
    }

    /// The length in bytes that was announced to ranks that fetch the value.
    pub(crate) fn nbytes(&self) -> u64 {
        self.nbytes
    }

    /// Reads the value back into memory. The second part of the result counts its bytes in the ledger until dropped.
    ///
    /// # Errors
    /// When there is no memory for the value, the disk cannot be read, or the checksum of what was read is wrong.
    pub(crate) fn read(&self) -> Result<(AnyValue, HeldBytes), CodecError> {
        let failed = |why: &dyn std::fmt::Display| {
            CodecError::decode(format!(
                "a result that was moved to disk for want of memory cannot be read back: {why}"
            ))
        };
        let mut target = bulk::allocate(&self.layout, self.nbytes, false)?;
        let into = target.bytes_mut();
        if into.len() != self.length {
            return Err(failed(&format_args!("{} bytes in place of {}", self.length, into.len())));
        }
        self.file.read_exact_at(into, self.offset).map_err(|error| failed(&error))?;
        if xxh3_64(into) != self.checksum {
            return Err(failed(&"its checksum is wrong, so the disk has lost or changed it"));
        }
        let value = target.into_any().downcast::<AnyValue>();
        let value = value.map_err(|_| failed(&"it has come back in foreign memory"))?;
        Ok((*value, HeldBytes::new(&self.ledger, self.length as u64)))
    }
}

impl Drop for SpilledValue {
    fn drop(&mut self) {
        // on file systems that cannot free a part of a file, the space is free when the whole file is dropped
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = fallocate(&self.file, flags, self.offset, self.length.max(1) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn disk() -> (tempfile::TempDir, SpillDisk, Arc<MemoryLedger>) {
        let (folder, ledger) = (tempfile::tempdir().unwrap(), Arc::new(MemoryLedger::default()));
        let place = folder.path().to_owned();
        let disk = SpillDisk::new(move || Ok(place.clone()), ledger.clone());
        (folder, disk, ledger)
    }

    #[test]
    fn a_value_comes_back_as_it_was_and_nothing_has_a_name() {
        let (folder, disk, ledger) = disk();
        let array = AnyValue::new(vec![0.5f64; 1000]);
        let text = AnyValue::to_be_encoded("x".repeat(500), 502);
        let written: Vec<_> = [&array, &text].map(|value| value.write_to(&disk).unwrap().unwrap()).into();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let array = AnyValue::on_disk(Arc::new(written.into_iter().next().unwrap()));
        assert_eq!((ledger.held(), array.in_memory()), (0, 0));
        assert_eq!(array.get::<Vec<f64>>().unwrap()[..], [0.5; 1000]);
        assert_eq!((ledger.held(), ledger.moved()), (8000, 8000 + 503));
        drop(array);
        assert_eq!(ledger.held(), 0);
    }

    #[test]
    fn an_encoded_value_is_sent_from_disk_in_its_announced_length() {
        let (_folder, disk, _ledger) = disk();
        let text = "y".repeat(700);
        let length = crate::codec::encode(&text).unwrap().len();
        let spilled = AnyValue::to_be_encoded(text.clone(), length).write_to(&disk).unwrap().unwrap();
        let value = AnyValue::on_disk(Arc::new(spilled));
        assert!(value.needs_encoding());
        let message = value.message(false).unwrap();
        assert_eq!(message.bytes().len(), length + 1);
        assert_eq!(AnyValue::from_wire(message.bytes().to_vec()).get::<String>().unwrap(), &text);
    }

    #[test]
    fn what_the_disk_has_changed_is_an_error_and_never_a_value() {
        let (_folder, disk, _ledger) = disk();
        let spilled = AnyValue::new(vec![7i64; 100]).write_to(&disk).unwrap().unwrap();
        spilled.file.write_all_at(&[1], 333).unwrap();
        let error = AnyValue::on_disk(Arc::new(spilled)).get::<Vec<i64>>().unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
        let spilled = AnyValue::new(vec![7i64; 100]).write_to(&disk).unwrap().unwrap();
        spilled.file.set_len(spilled.offset + 5).unwrap();
        let error = AnyValue::on_disk(Arc::new(spilled)).get::<Vec<i64>>().unwrap_err().to_string();
        assert!(error.contains("cannot be read back"), "{error}");
    }

    #[test]
    fn encoded_bytes_that_were_lost_reach_other_ranks_as_an_error() {
        let (_folder, disk, _ledger) = disk();
        let spilled = AnyValue::from_encoded(&[9; 300]).write_to(&disk).unwrap().unwrap();
        spilled.file.write_all_at(&[1], 33).unwrap();
        let message = AnyValue::on_disk(Arc::new(spilled)).message(false).unwrap();
        assert_eq!(message.bytes().len(), 301);
        let error = AnyValue::from_wire(message.bytes().to_vec()).get::<String>().unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
    }

    #[test]
    fn a_value_that_is_dropped_gives_its_room_back() {
        let (_folder, disk, _ledger) = disk();
        let spilled = AnyValue::new(vec![1.0f64; 1 << 17]).write_to(&disk).unwrap().unwrap();
        let file = spilled.file.clone();
        file.sync_all().unwrap();
        let before = file.metadata().unwrap().blocks();
        drop(spilled);
        let after = file.metadata().unwrap().blocks();
        assert!(before == 0 || after < before, "{before} blocks before, {after} after");
    }
}
