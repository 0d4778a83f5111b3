//! Files of rank 0 to which the instances of tasks append what they print: `stdout = path`, `stderr = path`.
//!
//! Each grows while the run goes on, by whole outputs in the order of the tasks and of their instances' indices. An
//! output whose turn has not come waits on disk ([`Spool`]), or in memory up to a bound. An instance without an output
//! is passed over, and named at the end.

use crate::batch::artifact::Artifact;
use crate::batch::head::display::shown;
use crate::batch::head::outputs::growing_file::{BytesSource, GrowingFile, SMALL};
use crate::batch::head::outputs::shared_file::{GrownOutputs, OutputSlot, SharedFile};
use crate::batch::head::outputs::shared_paths::{StreamFile, StreamRoutes, file_key};
use crate::batch::head::outputs::spool::{Spool, WaitingOutput};
use crate::batch::outputs::STDOUT;
use crate::batch::resume::resumed_file::ResumedFile;
use crate::batch::resume::todo::Todo;
use crate::clock;
use crate::commands::outputs::Content;
use crate::script::plan::Plan;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest time for which outputs stay in memory before they are written.
const FLUSH: Duration = Duration::from_millis(100);
/// The number of buffered bytes from which outputs are written at once, without waiting for [`FLUSH`].
const BATCH: usize = 1 << 20;
/// The number of bytes in memory from which rank 0 fetches no more outputs, since the disk does not keep up.
const HELD: usize = 32 << 20;
/// The number of bytes that are read back from the spool in one turn, so that rank 0 can do other work in between.
const TURN: u64 = 8 << 20;
/// The pause before another attempt to write a file that could not be written.
const AGAIN: Duration = Duration::from_secs(1);
/// The shortest time between two records of how files have grown.
const RECORDED: Duration = Duration::from_millis(200);
/// The end of an instance, as far as the files matter to which the instance appends.
pub(crate) enum OutputEnd<'a> {
    /// The instance has a result, with these outputs.
    Done(&'a Artifact),
    /// The instance has no outputs; `left` if it is left for the next run of the script.
    Lost { left: bool },
    /// The instance has a result whose outputs cannot be read, for this reason.
    Unreadable(String),
}

/// The place of an output in a shared file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputPlace {
    /// At its end, as the output with this position of its part.
    AtEnd(u64),
    /// Before its end, with this number.
    Before(u64),
}

/// A file that is left for the next run of the script, or lacks outputs that are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LeftFile {
    pub name: String,
    /// The instances whose outputs the file lacks; empty if it was not written at all.
    pub lacks: String,
}

/// All files that rank 0 writes from the streams of instances.
#[derive(Default)]
pub(crate) struct Sinks {
    pub(super) files: Vec<SharedFile>,
    routes: StreamRoutes,
    pub(super) spool: Option<Spool>,
    /// Outputs that have come into memory since the last flush and wait for their turn: file, part, and position.
    recent: Vec<(u32, u32, u64)>,
    /// The number of bytes of outputs in memory: those that wait for their turn, and the buffers of files.
    pub(super) held: usize,
    /// Numbers of files with outputs in their buffers.
    dirty: HashSet<u32>,
    /// Numbers of files whose next output has arrived and is not appended yet.
    behind: VecDeque<u32>,
    /// Numbers of files that could not be written.
    pub(super) blocked: HashSet<u32>,
    flushed: Option<Instant>,
    /// Whether the last flush could not write everything.
    is_stuck: bool,
    /// The time since which the disk has taken no bytes; `None` while it takes some.
    full_since: Option<Instant>,
    /// Files that have grown since they were last taken, by number.
    grown: BTreeMap<u32, GrownOutputs>,
    /// When they were last taken.
    taken: Option<Instant>,
    /// Paths of the files that have become complete, with all outputs, since they were last taken.
    complete: Vec<PathBuf>,
    /// Paths of the files that are complete.
    pub written: Vec<PathBuf>,
    /// Paths of files that lack outputs, each with the number of those that it has and of all.
    pub partial: Vec<(PathBuf, u64, u64)>,
    /// Messages for the user about files that could not be written, or lack outputs.
    pub failed: Vec<String>,
    /// Files that are completed by the next run of the script.
    pub left: Vec<LeftFile>,
    /// HDF5 datasets that are not in their file although the instances that make them are done: arrays are missing, or
    /// the file could not be finished.
    pub unsaved: HashSet<String>,
}

impl Sinks {
    /// Prepares the files of a run: notes which outputs each will get, and in which order. `todo` has the instances
    /// that run, and `folder` is the run folder, in which outputs wait for their turn.
    pub(crate) fn new(plan: &Plan, todo: &Todo, folder: &Path) -> Sinks {
        let mut sinks = Sinks { spool: Some(Spool::new(folder)), ..Sinks::default() };
        let (routes, files) = StreamRoutes::new(plan, todo, &mut sinks.failed);
        sinks.routes = routes;
        let resumed = |file: &ResumedFile| (file_key(&plan.dir.join(&file.name), false), file.clone());
        let mut resumed: HashMap<PathBuf, ResumedFile> = todo.resumed.iter().map(resumed).collect();
        for file in files {
            let begun = resumed.remove(&file.key);
            let shared = match begun {
                Some(begun) => sinks.resume(file, &begun),
                None => SharedFile::new(file),
            };
            sinks.files.push(shared);
        }
        // those that have everything, and were not recorded as complete
        for (key, begun) in resumed {
            let file = StreamFile { path: key.clone(), key, ..StreamFile::default() };
            let file = sinks.resume(file, &begun);
            sinks.files.push(file);
        }
        for number in 0..sinks.files.len() as u32 {
            let mut left = TURN;
            if sinks.files[number as usize].growing.is_some() {
                sinks.advance(number, &mut left);
            }
        }
        sinks
    }

    /// Takes up a file that an earlier run has begun.
    fn resume(&mut self, file: StreamFile, begun: &ResumedFile) -> SharedFile {
        let path = file.path.clone();
        let mut shared = SharedFile::resumed(file, begun, begun.outputs);
        match GrowingFile::resumed(&path, begun.length) {
            Ok(growing) => shared.growing = Some(Box::new(growing)),
            // it was as recorded a moment ago
            Err(error) => {
                let name = shown(&path);
                self.failed.push(format!("{name} lacks what earlier runs have written to it: {error}"));
            }
        }
        shared
    }

    /// Handles the end of an instance: appends its outputs to the files, at once or when it is their turn, or passes
    /// over them.
    pub(crate) fn end(&mut self, plan: &Plan, task: usize, index: u64, end: &OutputEnd<'_>) {
        for (which, file) in self.routes.of(plan, task, index) {
            let number = 2 * index + u64::from(which != STDOUT);
            let Some(shared) = self.files.get_mut(file as usize) else { continue };
            let found = shared.parts.binary_search_by_key(&task, |part| part.task);
            let Ok(part) = found else { continue };
            let place = match shared.parts[part].order.position(number) {
                Some(position) => OutputPlace::AtEnd(position),
                None if shared.late.contains_key(&(part as u32, number)) => OutputPlace::Before(number),
                None => continue,
            };
            let content = match end {
                OutputEnd::Done(artifact) => match artifact.output(which) {
                    Ok(output) => Ok(output.content),
                    Err(failure) => Err(Some(failure.message().to_owned())),
                },
                OutputEnd::Lost { left } => {
                    shared.left |= left;
                    Err(None)
                }
                OutputEnd::Unreadable(why) => Err(Some(why.clone())),
            };
            match content {
                Ok(content) => self.arrived(plan, file, part, place, content),
                Err(why) => {
                    shared.why = shared.why.take().or(why);
                    shared.set(part, place, OutputSlot::Lost);
                }
            }
            if self.files.get(file as usize).is_some_and(|shared| !shared.is_behind) {
                let mut left = TURN;
                self.advance(file, &mut left);
            }
        }
        if self.held > BATCH && !self.is_waiting_for_disk() {
            self.flush(plan);
        }
    }

    /// Appends an output, or keeps it until its turn.
    fn arrived(&mut self, plan: &Plan, file: u32, part: usize, place: OutputPlace, content: Content<'_>) {
        let Some(shared) = self.files.get_mut(file as usize) else { return };
        let opened: File;
        let bytes = match content {
            Content::Memory(bytes) => BytesSource::Memory(bytes),
            Content::File(stored) => match File::open(stored.path()) {
                Ok(file) => {
                    opened = file;
                    BytesSource::File { file: &opened, offset: 0, length: stored.length() }
                }
                Err(error) => {
                    shared.why.get_or_insert_with(|| stored.unreadable(&error).message().to_owned());
                    return shared.set(part, place, OutputSlot::Lost);
                }
            },
        };
        let is_next = place == OutputPlace::AtEnd(shared.parts[part].next);
        if shared.at == part && is_next && shared.error.is_none() {
            let (appended, before, after) = shared.append(Ok(bytes));
            self.held = (self.held + after).saturating_sub(before);
            match appended {
                Ok(()) => {
                    self.dirty.insert(file);
                    shared.appended += 1;
                    shared.parts[part].next += 1;
                    shared.parts[part].slots.pop_front();
                    return;
                }
                Err(error) => self.block(file, error),
            }
        }
        let Some(shared) = self.files.get_mut(file as usize) else { return };
        // one that belongs before the end waits for long
        let large = bytes.length() > SMALL || matches!(place, OutputPlace::Before(_));
        let kept = match &mut self.spool {
            Some(spool) if large && !self.is_stuck => {
                let waiting = match place {
                    OutputPlace::AtEnd(position) => shared.parts[part].waiting(plan, position, bytes),
                    OutputPlace::Before(number) => shared.parts[part].waiting_number(plan, number, bytes),
                };
                spool.keep(&[waiting]).map(|places| places[0])
            }
            _ => Err(io::Error::other("not now")),
        };
        let slot = match (kept, content) {
            (Ok(place), _) => OutputSlot::Disk(place),
            (Err(_), Content::File(stored)) => OutputSlot::Stored(stored.clone()),
            (Err(_), Content::Memory(bytes)) => {
                self.held += bytes.len();
                if let OutputPlace::AtEnd(position) = place {
                    self.recent.push((file, part as u32, position));
                }
                OutputSlot::Memory(bytes.into())
            }
        };
        shared.set(part, place, slot);
    }

    fn block(&mut self, file: u32, error: io::Error) {
        let Some(shared) = self.files.get_mut(file as usize) else { return };
        if !std::mem::replace(&mut shared.is_told, true) {
            log::warn!("{} cannot be written: {error}; it is tried again", shown(&shared.path));
        }
        shared.error = Some((error, clock::now() + AGAIN));
        self.blocked.insert(file);
    }

    /// Appends the outputs whose turn has come, as many as `left` bytes allow. Completes the file after the last one.
    pub(super) fn advance(&mut self, number: u32, left: &mut u64) {
        let Some(shared) = self.files.get_mut(number as usize) else { return };
        let mut failed = None;
        while shared.error.is_none()
            && let Some(part) = shared.parts.get_mut(shared.at)
        {
            let slot = match part.slots.front() {
                _ if part.is_over() => {
                    part.slots = VecDeque::new();
                    shared.at += 1;
                    continue;
                }
                None | Some(OutputSlot::Open) => break,
                Some(OutputSlot::Lost) => {
                    shared.pass_over(1);
                    continue;
                }
                Some(_) if *left == 0 => {
                    shared.is_behind = true;
                    self.behind.push_back(number);
                    break;
                }
                Some(_) => part.slots.pop_front().unwrap_or_default(),
            };
            let opened;
            let bytes = match (&slot, &self.spool) {
                (OutputSlot::Memory(bytes), _) => Ok(BytesSource::Memory(bytes)),
                (OutputSlot::Disk(place), Some(spool)) => spool.output(*place),
                (OutputSlot::Stored(stored), _) => {
                    opened = File::open(stored.path());
                    let source = |file| BytesSource::File { file, offset: 0, length: stored.length() };
                    opened.as_ref().map(source).map_err(|error| io::Error::other(error.to_string()))
                }
                _ => Err(io::Error::other("an output waits nowhere")),
            };
            let length = bytes.as_ref().map_or(0, |bytes| bytes.length());
            let (appended, before, after) = shared.append(bytes);
            self.held = (self.held + after).saturating_sub(before);
            let Some(part) = shared.parts.get_mut(shared.at) else { break };
            if let Err(error) = appended {
                part.slots.push_front(slot);
                failed = Some(error);
                break;
            }
            match (&slot, &mut self.spool) {
                (OutputSlot::Memory(bytes), _) => self.held = self.held.saturating_sub(bytes.len()),
                (OutputSlot::Disk(place), Some(spool)) => spool.release(*place),
                _ => {}
            }
            part.next += 1;
            shared.appended += 1;
            self.dirty.insert(number);
            *left = left.saturating_sub(length.max(1));
        }
        match failed {
            Some(error) => self.block(number, error),
            None if shared.error.is_none()
                && shared.is_over()
                && shared.has_something()
                && !shared.waits_for_late() =>
            {
                self.put_in_late(number, false);
                self.flush_file(number, true);
            }
            None => {}
        }
    }

    /// Writes the buffered outputs of a file; if `last`, finishes the file.
    fn flush_file(&mut self, number: u32, last: bool) {
        let Some(shared) = self.files.get_mut(number as usize).filter(|shared| !shared.is_complete) else {
            return;
        };
        match shared.flush(last) {
            Ok(bytes) => {
                match shared.grown() {
                    _ if shared.refused.is_some() => {}
                    _ if last && shared.missing == 0 => {
                        self.grown.remove(&number);
                        self.complete.push(shared.key.clone());
                    }
                    Some(grown) => drop(self.grown.insert(number, grown)),
                    None => {}
                }
                if last {
                    shared.growing = None;
                }
                self.held = self.held.saturating_sub(bytes);
                self.dirty.remove(&number);
            }
            Err(error) => {
                self.is_stuck = true;
                self.block(number, error);
            }
        }
    }

    /// Writes outputs from memory to the disk: the buffers of files, and outputs that wait for their turn.
    fn flush(&mut self, plan: &Plan) {
        (self.flushed, self.is_stuck) = (Some(clock::now()), false);
        let dirty: Vec<u32> =
            self.dirty.iter().copied().filter(|file| !self.blocked.contains(file)).collect();
        dirty.into_iter().for_each(|number| self.flush_file(number, false));
        self.keep_recent(plan);
        self.full_since = if self.is_full() { self.full_since.or(self.flushed) } else { None };
    }

    /// Moves outputs that wait for their turn from memory to the spool.
    fn keep_recent(&mut self, plan: &Plan) {
        let Some(spool) = &mut self.spool else { return };
        let mut recent = std::mem::take(&mut self.recent);
        let part = |file: u32, part: u32| self.files.get(file as usize)?.parts.get(part as usize);
        recent.retain(|(file, at, position)| {
            let slot = part(*file, *at).and_then(|part| part.slot(*position));
            matches!(slot, Some(OutputSlot::Memory(_)))
        });
        let output = |(file, at, position): &(u32, u32, u64)| {
            let part = part(*file, *at)?;
            let Some(OutputSlot::Memory(bytes)) = part.slot(*position) else { return None };
            Some(part.waiting(plan, *position, BytesSource::Memory(bytes)))
        };
        let outputs: Vec<WaitingOutput<'_>> = recent.iter().filter_map(output).collect();
        let kept = if outputs.is_empty() { Ok(Vec::new()) } else { spool.keep(&outputs) };
        drop(outputs);
        match kept {
            Ok(places) => {
                for ((file, part, position), place) in recent.into_iter().zip(places) {
                    let part = &mut self.files[file as usize].parts[part as usize];
                    if let Some(OutputSlot::Memory(bytes)) = part.slot(position) {
                        self.held = self.held.saturating_sub(bytes.len());
                        part.set(position, OutputSlot::Disk(place));
                    }
                }
            }
            Err(error) => {
                log::warn!("outputs that wait for their turn cannot be kept on disk: {error}");
                (self.recent, self.is_stuck) = (recent, true);
            }
        }
    }

    /// Appends outputs whose turn has come, and writes those that were in memory for long enough. Returns whether more
    /// could be appended at once.
    pub(crate) fn turn(&mut self, plan: &Plan) -> bool {
        let now = clock::now();
        let is_due = |number: &u32| {
            let error = self.files.get(*number as usize).and_then(|shared| shared.error.as_ref());
            error.is_none_or(|(_, again)| *again <= now)
        };
        let again: Vec<u32> = self.blocked.iter().copied().filter(is_due).collect();
        for number in again {
            if self.try_again(number)
                && let Some(shared) = self.files.get_mut(number as usize)
                && !std::mem::replace(&mut shared.is_behind, true)
            {
                self.behind.push_back(number);
            }
        }
        let mut left = TURN;
        for number in std::mem::take(&mut self.behind) {
            if let Some(shared) = self.files.get_mut(number as usize) {
                shared.is_behind = false;
            }
            self.advance(number, &mut left);
        }
        let is_due = self.flushed.is_none_or(|flushed| clock::since(flushed) >= FLUSH);
        let is_much = self.held > BATCH && !self.is_waiting_for_disk();
        if is_much || is_due && !(self.dirty.is_empty() && self.recent.is_empty()) {
            self.flush(plan);
        }
        !self.behind.is_empty()
    }

    /// Tries again to write file number `number`, which could not be written before. Returns whether that has
    /// succeeded; if not, the outputs that wait for the file go on waiting.
    pub(super) fn try_again(&mut self, number: u32) -> bool {
        self.blocked.remove(&number);
        if let Some(shared) = self.files.get_mut(number as usize) {
            shared.error = None;
        }
        self.flush_file(number, false);
        !self.blocked.contains(&number)
    }

    /// Whether the disk has refused a write so shortly before that another attempt is not due.
    fn is_waiting_for_disk(&self) -> bool {
        self.is_stuck && self.flushed.is_some_and(|flushed| clock::since(flushed) < FLUSH)
    }

    /// Takes the paths of the files that have become complete since the last call, with the outputs of all instances.
    pub(crate) fn take_complete(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.complete)
    }

    /// Takes what the files have that have grown since the last call, unless that was just now. `all` if it does not
    /// matter when that was.
    pub(crate) fn take_grown(&mut self, all: bool) -> Vec<GrownOutputs> {
        if self.grown.is_empty() {
            return Vec::new();
        }
        // A record has all gaps of its file, so that it needs no other record. Where there are many, it is made less
        // often.
        let gaps = self.grown.values().flat_map(|grown| &grown.parts).map(|part| part.2.len()).sum::<usize>();
        let pause = RECORDED + Duration::from_millis(10) * u32::try_from(gaps).unwrap_or(u32::MAX);
        if !all && self.taken.is_some_and(|taken| clock::since(taken) < pause) {
            return Vec::new();
        }
        self.taken = Some(clock::now());
        std::mem::take(&mut self.grown).into_values().collect()
    }

    /// Whether outputs whose turn has come are still to be appended.
    pub(crate) fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Whether rank 0 should fetch no more outputs, since the disk does not keep up.
    pub(crate) fn is_full(&self) -> bool {
        self.held > HELD
    }

    /// Whether the disk has taken no bytes for so long that the run, if nothing else is left to do, ends without
    /// writing the rest.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.full_since.is_some_and(|since| clock::since(since) > 10 * AGAIN)
    }
}

#[cfg(test)]
#[path = "shared_files_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "resumed_tests.rs"]
mod resumed_tests;
