//! Values whose bytes are kept, moved to disk, or handed on, whatever their type is.

use super::{AnyValue, GOOD, ValueIdentity, ValueInner};
use crate::error::CodecError;
use crate::protocol::{Blob, BulkLayout, INLINE_MAX, ReportedResult};
use crate::task::spilled::{HeldBytes, MemoryLedger, SpillDisk, SpilledValue};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl AnyValue {
    /// Makes a value from its copy on a disk of the host. The first thread that needs the value reads it back.
    pub(crate) fn on_disk(spilled: Arc<SpilledValue>) -> Self {
        let inner = ValueInner::default();
        let _ = inner.disk.set(spilled);
        AnyValue(Arc::new(inner))
    }

    /// Counts the memory that the value takes in the ledger of a rank, until the last copy of the value is dropped.
    pub(crate) fn hold(&self, ledger: &Arc<MemoryLedger>) {
        self.0.held.get_or_init(|| HeldBytes::new(ledger, self.in_memory()));
    }

    /// The number of bytes of memory that the value takes, as far as known: for a value of a serde type, the length of
    /// its encoding.
    pub(crate) fn in_memory(&self) -> u64 {
        let typed = self.0.typed.get().map_or(0, |typed| match (**typed).bulk() {
            Some((_, bytes)) => bytes.len(),
            None => self.0.announced,
        });
        (typed + self.0.encoded.get().map_or(0, Vec::len)) as u64
    }

    /// Whether the value is on disk and not in memory.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.0.disk.get().is_some() && self.0.typed.get().is_none() && self.0.encoded.get().is_none()
    }

    /// The copy of the value on disk, if there is one.
    pub(crate) fn copy_on_disk(&self) -> Option<&Arc<SpilledValue>> {
        self.0.disk.get()
    }

    /// Notes that the value, which is in memory, has a copy on disk too.
    pub(crate) fn has_copy(&self, spilled: Arc<SpilledValue>) {
        let _ = self.0.disk.set(spilled);
    }

    /// Whether the caller has the only reference to the value.
    pub(crate) fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// The identity of the value, to tell later whether another handle refers to the same one. No other value has it as
    /// long as the identity exists.
    pub(crate) fn identity(&self) -> ValueIdentity {
        ValueIdentity(Arc::downgrade(&self.0))
    }

    /// Writes the value to disk; `None` if it is of a kind that cannot be moved, such as output files of commands,
    /// which are on disk anyway, or has handles of objects.
    ///
    /// # Errors
    /// When the disk is full or cannot be written.
    pub(crate) fn write_to(&self, disk: &SpillDisk) -> io::Result<Option<SpilledValue>> {
        let is_message = self.0.typed.get().is_some_and(|typed| (**typed).message(false).is_some());
        if is_message || self.0.has_handles.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.encode();
        if self.0.has_handles.load(Ordering::Relaxed) {
            return Ok(None); // the encoding has found them
        }
        if let Some(bytes) = self.0.encoded.get() {
            let nbytes = bytes.len().saturating_sub(1) as u64;
            return disk.write(BulkLayout::Encoded, nbytes, bytes).map(Some);
        }
        match self.0.typed.get().and_then(|typed| (**typed).bulk()) {
            Some((layout, bytes)) => disk.write(layout, bytes.len() as u64, bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the value back from disk, if it is not in memory.
    pub(super) fn restore(&self) -> Result<(), CodecError> {
        let Some(disk) = self.0.disk.get().filter(|_| self.is_on_disk()) else { return Ok(()) };
        let _alone = disk.lock();
        if !self.is_on_disk() {
            return Ok(()); // another thread has read it meanwhile
        }
        let (value, held) = disk.read()?;
        let _ = self.0.held.set(held);
        if let Some(inner) = Arc::into_inner(value.0) {
            if let Some(bytes) = inner.encoded.into_inner() {
                let _ = self.0.encoded.set(bytes);
            }
            if let Some(typed) = inner.typed.into_inner() {
                let _ = self.0.typed.set(typed);
            }
        }
        Ok(())
    }
}

impl AnyValue {
    /// The value as the outcome of a task that hands it on, without a copy and without knowing its type.
    ///
    /// # Errors
    /// When the value cannot be read back from disk.
    pub(crate) fn handed_on(&self) -> Result<(ReportedResult, Option<AnyValue>), CodecError> {
        self.restore()?;
        let stored = |nbytes: usize, layout| {
            let nbytes = nbytes as u64;
            (ReportedResult::Stored { nbytes, layout }, Some(self.clone()))
        };
        match (self.0.encoded.get().and_then(|bytes| bytes.split_last()), self.0.typed.get()) {
            (Some((&GOOD, bytes)), _)
                if bytes.len() <= INLINE_MAX && !self.0.has_handles.load(Ordering::Relaxed) =>
            {
                Ok((ReportedResult::Inline(Blob::new(bytes)), None))
            }
            (Some((_, bytes)), _) => Ok(stored(bytes.len(), BulkLayout::Encoded)),
            (None, Some(typed)) => Ok(match (**typed).bulk() {
                Some((layout, bytes)) => stored(bytes.len(), layout),
                None => stored(self.0.announced, BulkLayout::Encoded),
            }),
            (None, None) => Err(CodecError::decode("the value is empty")),
        }
    }
}
