//! One file that several instances share: the outputs that it has, those that wait for their turn, and those that it
//! lacks.

use crate::batch::head::outputs::growing_file::{BytesSource, GrowingFile};
use crate::batch::head::outputs::piece_order::PieceOrder;
use crate::batch::head::outputs::shared_files::OutputPlace;
use crate::batch::head::outputs::shared_paths::StreamFile;
use crate::batch::head::outputs::spool::{SpoolPlace, WaitingOutput};
use crate::commands::StoredFile;
use crate::console::counted;
use crate::journal::record::OutputGap;
use crate::script::plan::Plan;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The number of instances without an output that are named for a file.
const NAMED: usize = 3;

/// A file that several instances share, and the outputs that it lacks.
#[derive(Debug, Default)]
pub(crate) struct SharedFile {
    pub(crate) path: PathBuf,
    /// The normalized path, by which the file is found whatever spelling the script uses.
    pub(crate) key: PathBuf,
    /// The outputs that the file gets, by task, in the order of the tasks.
    pub(crate) parts: SmallVec<[FilePart; 1]>,
    /// The index in `parts` of the part whose output is appended next.
    pub(crate) at: usize,
    /// The file on the disk, from its first output until it is complete.
    pub(crate) growing: Option<Box<GrowingFile>>,
    /// Whether the file is complete: it has all outputs that exist.
    pub(crate) is_complete: bool,
    /// Whether the next output has arrived and is not appended yet, since too many had arrived at once.
    pub(crate) is_behind: bool,
    /// The number of outputs in the file from earlier runs.
    pub(crate) earlier: u64,
    /// The length in bytes of all outputs that were appended, with those of earlier runs.
    pub(crate) end: u64,
    /// The part of the last output that was appended, and the number after that output.
    pub(crate) last: Option<(usize, u64)>,
    /// Whether the last output that had its turn was passed over.
    pub(crate) is_in_gap: bool,
    /// Late outputs, which belong before the end of the file, by part and number.
    pub(crate) late: BTreeMap<(u32, u64), OutputSlot>,
    /// The number of outputs that the file lacked before its end when this run began.
    pub(crate) late_total: u64,
    /// The number of outputs that were appended.
    pub(crate) appended: u64,
    /// The number of outputs that are in the file, not only in memory.
    pub(crate) written: u64,
    /// The number of outputs that were passed over, since their instances have none.
    pub(crate) missing: u64,
    /// The first of the instances without an output, as task number and index; at most [`NAMED`].
    pub(crate) named: Vec<(usize, u64)>,
    /// Whether some of the missing outputs are left for the next run of the script.
    pub(crate) left: bool,
    /// The reason why outputs are missing although their instances are done.
    pub(crate) why: Option<String>,
    /// The reason why the file cannot be written at the moment, and when it is tried again.
    pub(crate) error: Option<(io::Error, Instant)>,
    /// Whether the user has been told that the file cannot be written.
    pub(crate) is_told: bool,
    /// The reason why the file could not be written at the end of the run, and the file in the run folder that has the
    /// missing outputs, if it could be written.
    pub(crate) refused: Option<(io::Error, Option<PathBuf>)>,
}

/// The content of a shared file, as it is recorded in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrownOutputs {
    /// The path by which the file is known.
    pub key: PathBuf,
    /// The length of the file in bytes.
    pub length: u64,
    /// By task, the number from which on the file has no outputs, and the outputs before that number that it lacks.
    pub parts: Vec<(usize, u64, Vec<OutputGap>)>,
}

/// The outputs of one task in a shared file.
#[derive(Debug)]
pub(crate) struct FilePart {
    pub(crate) task: usize,
    /// The numbers of the outputs: twice the index of the instance, and one more for standard error.
    pub(crate) order: PieceOrder,
    /// The position in `order` of the output that is next.
    pub(crate) next: u64,
    /// The states of the outputs from `next` on.
    pub(crate) slots: VecDeque<OutputSlot>,
    /// The outputs before `next` that the file lacks, in ascending order.
    pub(crate) gaps: Vec<OutputGap>,
}

/// The state of an output whose turn has not come.
#[derive(Debug, Default)]
pub(crate) enum OutputSlot {
    /// The instance has not ended.
    #[default]
    Open,
    /// The instance has ended, and has no output.
    Lost,
    /// The output is in memory, until the next flush.
    Memory(Box<[u8]>),
    /// The output is in the spool.
    Disk(SpoolPlace),
    /// The output is a file of this rank's scratch, since the spool did not take it.
    Stored(Arc<StoredFile>),
}

const _: () = assert!(size_of::<OutputSlot>() <= 24); // there may be millions

impl FilePart {
    pub(crate) fn new(task: usize, order: PieceOrder) -> FilePart {
        FilePart { task, order, next: 0, slots: VecDeque::new(), gaps: Vec::new() }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.next == self.order.len()
    }

    pub(crate) fn set(&mut self, position: u64, slot: OutputSlot) {
        let Some(at) = position.checked_sub(self.next).and_then(|at| usize::try_from(at).ok()) else {
            return;
        };
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, OutputSlot::default);
        }
        self.slots[at] = slot;
    }

    pub(crate) fn slot(&self, position: u64) -> Option<&OutputSlot> {
        self.slots.get(usize::try_from(position.checked_sub(self.next)?).ok()?)
    }

    /// Makes the entry by which an output is kept on disk until its turn.
    pub(crate) fn waiting<'a>(
        &self,
        plan: &Plan,
        position: u64,
        bytes: BytesSource<'a>,
    ) -> WaitingOutput<'a> {
        self.waiting_number(plan, self.order.get(position).unwrap_or_default(), bytes)
    }

    /// The output with this number as it is put on disk until its turn.
    pub(crate) fn waiting_number<'a>(
        &self,
        plan: &Plan,
        number: u64,
        bytes: BytesSource<'a>,
    ) -> WaitingOutput<'a> {
        let label = plan.tasks.get(self.task).map(|task| task.label(number / 2)).unwrap_or_default();
        WaitingOutput { label, stream: if number.is_multiple_of(2) { "stdout" } else { "stderr" }, bytes }
    }
}

impl SharedFile {
    pub(crate) fn new(file: StreamFile) -> Self {
        let parts = file.tasks.into_iter().map(|(task, order)| FilePart::new(task, order)).collect();
        SharedFile { path: file.path, key: file.key, parts, ..SharedFile::default() }
    }

    /// Notes the state of an output.
    pub(crate) fn set(&mut self, part: usize, place: OutputPlace, slot: OutputSlot) {
        match (place, self.parts.get_mut(part)) {
            (OutputPlace::AtEnd(position), Some(part)) => part.set(position, slot),
            (OutputPlace::Before(number), _) => drop(self.late.insert((part as u32, number), slot)),
            (OutputPlace::AtEnd(_), None) => {}
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.earlier + self.late_total + self.parts.iter().map(|part| part.order.len()).sum::<u64>()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at == self.parts.len()
    }

    /// The number of outputs that are in the file, or wait for their turn.
    pub(crate) fn has(&self) -> u64 {
        let is_there = |slot: &&OutputSlot| !matches!(slot, OutputSlot::Open | OutputSlot::Lost);
        let waiting = |part: &FilePart| part.slots.iter().filter(is_there).count() as u64;
        let late = self.late.values().filter(is_there).count() as u64;
        self.earlier + self.appended + late + self.parts.iter().map(waiting).sum::<u64>()
    }

    /// Whether the file has something to write: outputs with bytes, or only empty ones of which none is missing.
    pub(crate) fn has_something(&self) -> bool {
        self.missing == 0 || self.growing.as_ref().is_some_and(|file| file.is_made() || file.buffered() > 0)
    }

    pub(crate) fn is_made(&self) -> bool {
        self.is_complete || self.growing.as_ref().is_some_and(|file| file.is_made())
    }

    /// Appends an output to the file. Returns the result, and the number of buffered bytes before and after.
    pub(crate) fn append(&mut self, bytes: io::Result<BytesSource<'_>>) -> (io::Result<()>, usize, usize) {
        let Self { growing, path, .. } = self;
        let file = growing.get_or_insert_with(|| Box::new(GrowingFile::new(path)));
        let before = file.buffered();
        let length = bytes.as_ref().map_or(0, |bytes| bytes.length());
        let appended = bytes.and_then(|bytes| file.append(bytes));
        let after = file.buffered();
        if appended.is_ok() {
            self.end += length;
            self.is_in_gap = false;
            let next = self.parts.get(self.at).and_then(|part| part.order.get(part.next));
            self.last = next.map(|number| (self.at, number + 1));
        }
        (appended, before, after)
    }

    /// Writes the buffered outputs; if `last`, finishes the file. Returns the number of bytes that are no longer
    /// buffered.
    pub(crate) fn flush(&mut self, last: bool) -> io::Result<usize> {
        let Self { growing, path, .. } = self;
        let file = growing.get_or_insert_with(|| Box::new(GrowingFile::new(path)));
        let before = file.buffered();
        if last {
            file.finish()?
        } else {
            file.flush()?
        }
        if self.refused.is_none() {
            self.written = self.earlier + self.appended;
        }
        if last {
            self.is_complete = true;
        }
        Ok(before)
    }

    /// Notes that an output that belongs before the end of the file has not come.
    pub(crate) fn note_missing(&mut self, part: u32, number: u64) {
        self.missing += 1;
        let instance = self.parts.get(part as usize).map(|part| (part.task, number / 2));
        if self.named.len() < NAMED {
            self.named.extend(instance.filter(|instance| !self.named.contains(instance)));
        }
    }

    /// Passes over the next `count` outputs of the current part.
    pub(crate) fn pass_over(&mut self, count: u64) {
        let Some(part) = self.parts.get_mut(self.at) else { return };
        self.missing += count;
        let ends =
            [part.next, (part.next + count).saturating_sub(1)].map(|position| part.order.get(position));
        if let ([Some(first), Some(last)], true) = (ends, count > 0) {
            match part.gaps.last_mut().filter(|gap| self.is_in_gap && gap.last < first) {
                Some(gap) => gap.last = last,
                None => part.gaps.push(OutputGap { first, last, offset: self.end }),
            }
            self.is_in_gap = true;
        }
        for position in part.next..part.next + count.min(2 * NAMED as u64) {
            let instance = part.order.get(position).map(|number| (part.task, number / 2));
            if self.named.len() < NAMED {
                self.named.extend(instance.filter(|instance| !self.named.contains(instance)));
            }
        }
        part.next += count;
        part.slots.drain(..part.slots.len().min(usize::try_from(count).unwrap_or(usize::MAX)));
    }

    /// Describes the content of the file for the journal. `None` if it is no regular file, or has no outputs.
    pub(crate) fn grown(&self) -> Option<GrownOutputs> {
        let (last, after) =
            self.last.filter(|_| self.growing.as_ref().is_some_and(|file| file.is_regular()))?;
        let parts = self.parts.iter().enumerate().map(|(at, part)| {
            let next = match at.cmp(&last) {
                Ordering::Less => u64::MAX,
                Ordering::Equal => after,
                Ordering::Greater => 0,
            };
            let gaps = part.gaps.iter().copied().filter(|gap| gap.first < next);
            (part.task, next, gaps.collect())
        });
        Some(GrownOutputs { key: self.key.clone(), length: self.end, parts: parts.collect() })
    }

    /// Describes the outputs that the file lacks, with the first instances without one.
    pub(crate) fn lacks(&self, plan: &Plan) -> String {
        let label = |(task, index): &(usize, u64)| plan.tasks.get(*task).map(|task| task.label(*index));
        let mut named: Vec<String> = self.named.iter().filter_map(label).collect();
        if named.len() == NAMED && self.missing > NAMED as u64 {
            named.push("…".to_owned());
        }
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{} of {}: {}{why}", self.missing, counted(self.total(), "output"), named.join(", "))
    }
}
