//! Late outputs of a shared file: an earlier run has passed over their instances, which have run now, so that they
//! belong before the end of the file. At the end of the run, the file is written once more with all of them inserted.

use crate::batch::head::outputs::growing_file::BytesSource;
use crate::batch::head::outputs::shared_file::{FilePart, OutputSlot, SharedFile};
use crate::batch::head::outputs::shared_paths::StreamFile;
use crate::batch::head::outputs::spool::Spool;
use crate::batch::resume::resumed_file::{ResumedFile, ResumedPart};
use crate::journal::record::OutputGap;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

impl SharedFile {
    /// Makes the state of a file that an earlier run has begun, and to which the outputs of `file` come now. `earlier`
    /// is the number of outputs that the file has.
    pub(super) fn resumed(file: StreamFile, resumed: &ResumedFile, earlier: u64) -> SharedFile {
        let last = resumed.parts.iter().rposition(|part| part.next > 0).unwrap_or_default();
        let mut shared = SharedFile { end: resumed.length, earlier, ..SharedFile::new(file) };
        for ResumedPart { task, next, gaps } in &resumed.parts {
            let at = match shared.parts.binary_search_by_key(task, |part| part.task) {
                Ok(at) => at,
                Err(at) => {
                    shared.parts.insert(at, FilePart::new(*task, Default::default()));
                    at
                }
            };
            shared.parts[at].gaps.clone_from(gaps);
            // an output that the file already has stays, even if its instance runs again because others need its result
            let is_lacking = |number: &u64| gaps.iter().any(|gap| (gap.first..=gap.last).contains(number));
            let late = shared.parts[at].take_before(*next);
            shared.late.extend(
                late.into_iter().filter(is_lacking).map(|number| ((at as u32, number), OutputSlot::Open)),
            );
        }
        shared.late_total = shared.late.len() as u64;
        let task = resumed.parts.get(last).map(|part| part.task);
        let at = task.and_then(|task| shared.parts.iter().position(|part| part.task == task));
        shared.last = at.map(|at| (at, resumed.parts[last].next));
        shared
    }

    /// Whether outputs may still come that belong before the end of the file.
    pub(crate) fn waits_for_late(&self) -> bool {
        self.late.values().any(|slot| matches!(slot, OutputSlot::Open))
    }

    /// Writes the file once more, with all outputs that belong before its end in their places. Returns the number of
    /// bytes of memory that they no longer take.
    pub(crate) fn put_in_late(&mut self, spool: Option<&mut Spool>) -> io::Result<usize> {
        let is_there = |slot: &OutputSlot| !matches!(slot, OutputSlot::Open | OutputSlot::Lost);
        if !self.late.values().any(is_there) {
            return Ok(0);
        }
        let Some(growing) = self.growing.as_mut() else {
            return Err(io::Error::other("the file that an earlier run has begun is gone"));
        };
        growing.flush()?;
        // the files of those outputs that are on disk, opened here
        let stored: Vec<(u64, LateSource<'_>)> = {
            let mut list = Vec::new();
            for ((part, number), slot) in self.late.iter().filter(|(_, slot)| is_there(slot)) {
                let gaps =
                    self.parts.get(*part as usize).map(|part| part.gaps.as_slice()).unwrap_or_default();
                let gap = gaps.iter().find(|gap| (gap.first..=gap.last).contains(number));
                let offset =
                    gap.ok_or_else(|| io::Error::other("an output has no place in the file"))?.offset;
                let source = match slot {
                    OutputSlot::Memory(bytes) => LateSource::Bytes(BytesSource::Memory(bytes)),
                    OutputSlot::Disk(place) => match &spool {
                        Some(spool) => LateSource::Bytes(spool.output(*place)?),
                        None => return Err(io::Error::other("an output waits nowhere")),
                    },
                    OutputSlot::Stored(stored) => {
                        LateSource::File(Arc::new(File::open(stored.path())?), stored.length())
                    }
                    OutputSlot::Open | OutputSlot::Lost => continue,
                };
                list.push((offset, source));
            }
            list
        };
        let pieces: Vec<(u64, BytesSource<'_>)> =
            stored.iter().map(|(offset, source)| (*offset, source.bytes())).collect();
        growing.insert(&pieces)?;
        let lengths: Vec<u64> = pieces.iter().map(|(_, bytes)| bytes.length()).collect();
        drop(pieces);
        drop(stored);
        let mut lengths = lengths.into_iter();
        let (mut moved, mut freed) = (0, 0);
        let late = std::mem::take(&mut self.late);
        for (at, part) in self.parts.iter_mut().enumerate() {
            let own = late.range((at as u32, 0)..=(at as u32, u64::MAX));
            let mut there = own.filter(|(_, slot)| is_there(slot)).map(|((_, number), _)| *number).peekable();
            let mut gaps = Vec::with_capacity(part.gaps.len());
            for OutputGap { first, last, offset } in std::mem::take(&mut part.gaps) {
                let mut from = first;
                while let Some(number) = there.next_if(|number| *number <= last) {
                    if from < number {
                        gaps.push(OutputGap { first: from, last: number - 1, offset: offset + moved });
                    }
                    moved += lengths.next().unwrap_or_default();
                    from = number + 1;
                }
                if from <= last {
                    gaps.push(OutputGap { first: from, last, offset: offset + moved });
                }
            }
            part.gaps = gaps;
        }
        self.end += moved;
        let mut spool = spool;
        for (at, slot) in late {
            match slot {
                OutputSlot::Open | OutputSlot::Lost => drop(self.late.insert(at, slot)),
                OutputSlot::Memory(bytes) => {
                    freed += bytes.len();
                    self.appended += 1;
                }
                OutputSlot::Disk(place) => {
                    if let Some(spool) = &mut spool {
                        spool.release(place);
                    }
                    self.appended += 1;
                }
                OutputSlot::Stored(_) => self.appended += 1,
            }
        }
        Ok(freed)
    }
}

/// An output that waits, with its open file if it is in a file of its own.
enum LateSource<'a> {
    Bytes(BytesSource<'a>),
    File(Arc<File>, u64),
}

impl LateSource<'_> {
    fn bytes(&self) -> BytesSource<'_> {
        match self {
            LateSource::Bytes(bytes) => *bytes,
            LateSource::File(file, length) => BytesSource::File { file, offset: 0, length: *length },
        }
    }
}

impl FilePart {
    /// Removes the outputs before `next` from the order of appending, since they are late.
    fn take_before(&mut self, next: u64) -> Vec<u64> {
        let first = self.order.get(0);
        if first.is_none_or(|first| first >= next) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.order);
        let (mut late, mut at) = (Vec::new(), 0);
        while let Some(number) = all.get(at) {
            if number < next {
                late.push(number);
            } else {
                self.order.push(number);
            }
            at += 1;
        }
        self.slots = VecDeque::new();
        late
    }
}
