//! The recorder: collects the ends of instances at rank 0, and hands them to the journal's thread a range at a time.

use crate::batch::artifact::Absence;
use crate::batch::failure::{self, FailedInstance};
use crate::batch::head::outcome::FailureList;
use crate::batch::head::outputs::shared_file::GrownOutputs;
use crate::batch::resume::run_journal::RunJournal;
use crate::batch::resume::saved_paths;
use crate::batch::stored_artifact;
use crate::clock;
use crate::compact::Ranges;
use crate::console;
use crate::error::TaskErrorKind;
use crate::journal::record::{
    self, AbsentRecord, DoneRecord, FailedRecord, FileStamp, GrownFile, GrownPart, JournalRecord,
    QuarantineRecord,
};
use crate::journal::writer::JournalWriter;
use crate::script::plan::Plan;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time for which ends of instances are collected before they go to the thread of the journal.
const COLLECTED: Duration = Duration::from_millis(50);
/// The longest time for which the end of a run waits until the journal is on disk.
const LAST: Duration = Duration::from_secs(30);

/// Collects the ends of instances and records them in the journal. Without a journal it does nothing.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    writer: Option<JournalWriter>,
    plan: Option<Arc<Plan>>,
    tasks: Vec<RecordedTask>,
    /// The length of the run's list of failures up to which failures have been recorded.
    failures: usize,
    last: Option<Instant>,
    /// Whether the user has been told that the journal cannot be written.
    is_told: bool,
}

/// The ends of one task's instances that are not recorded yet.
#[derive(Debug, Default)]
struct RecordedTask {
    digest: u128,
    /// The number of helper tasks for each instance that save its array. The instance counts as done when these have
    /// ended too.
    saves: u32,
    /// For each instance of which something has ended and that is not done: how many of the instance and its helper
    /// tasks have ended.
    open: HashMap<u64, u32>,
    /// The indices of instances that are done and not recorded yet.
    done: Ranges,
    /// The indices of instances that were skipped and are not recorded yet.
    skipped: Ranges,
    /// The indices of instances that are not needed, since they read such instances, and are not recorded yet.
    not_needed: Ranges,
    /// Whether the task has an `until`: what is behind the ends of its loops is known from these ends.
    has_until: bool,
    /// The indices of instances that have met `until` and are not recorded yet.
    met: Ranges,
    /// The indices of the instances that are done and were handed to the journal, by this run or earlier ones.
    all_done: Ranges,
    /// Whether each instance writes files of its own, whose stamps (length, modification time) are recorded too.
    has_files: bool,
}

impl Recorder {
    /// Makes the recorder of a run of `plan`.
    pub(crate) fn new(plan: &Plan, journal: RunJournal) -> Recorder {
        let tasks = plan.tasks.iter().zip(&journal.digests).enumerate().map(|(number, (task, digest))| {
            RecordedTask {
                digest: *digest,
                all_done: match journal.todo.tasks.get(number) {
                    Some(todo) => todo.run.complement(task.family.len()),
                    None => Ranges::default(),
                },
                saves: (if task.action.is_command() { 0 } else { task.saves.len() as u32 })
                    + u32::from(task.until.is_some()),
                has_until: task.until.is_some(),
                has_files: saved_paths::writes_own(task),
                ..RecordedTask::default()
            }
        });
        let tasks: Vec<RecordedTask> = tasks.collect();
        let plan = tasks.iter().any(|task| task.has_files).then(|| Arc::new(plan.clone()));
        Recorder { writer: Some(journal.writer), plan, tasks, ..Recorder::default() }
    }

    /// Notes that an instance, or a helper task that saves the instance's array, has ended with a result.
    pub(crate) fn ended(&mut self, task: usize, index: u64) {
        let Some(task) = self.tasks.get_mut(task) else { return };
        if task.saves > 0 {
            let open = task.open.entry(index).or_insert(0);
            *open += 1;
            if *open <= task.saves {
                return;
            }
            task.open.remove(&index);
        }
        task.done.insert(index);
    }

    /// Notes that an instance has no result although nothing has failed.
    pub(crate) fn absent(&mut self, task: usize, index: u64, why: Absence) {
        let Some(task) = self.tasks.get_mut(task) else { return };
        match why {
            Absence::Skipped => _ = task.skipped.insert(index),
            Absence::NotNeeded if task.has_until => {}
            Absence::NotNeeded => _ = task.not_needed.insert(index),
        }
    }

    /// Notes that an instance has met its `until`. To be called before its end is noted.
    pub(crate) fn met(&mut self, task: usize, index: u64) {
        if let Some(task) = self.tasks.get_mut(task) {
            task.met.insert(index);
        }
    }

    /// The instances that are done, by this run or earlier ones, by task number.
    pub(crate) fn done(&mut self) -> Vec<Ranges> {
        self.hand_over();
        self.tasks.iter().map(|task| task.all_done.clone()).collect()
    }

    /// Records that the result of an instance was written to the checkpoint file `path`, if it is there.
    pub(crate) fn checkpoint(&self, family: u128, index: u64, path: PathBuf) {
        if let Some(writer) = &self.writer {
            writer.record_with(move || {
                stored_artifact::record_of(&path, family, index).map(JournalRecord::Checkpoint)
            });
        }
    }

    /// Has the journal's thread call a function when all ends so far are on disk.
    pub(crate) fn after_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        self.hand_over();
        if let Some(writer) = &self.writer {
            writer.after_commit(act);
        }
    }

    /// Hands the collected ends to the journal's thread, at most every [`COLLECTED`]. Tells the user once if the
    /// journal cannot be written.
    pub(crate) fn turn(&mut self) {
        if self.last.is_some_and(|last| clock::since(last) < COLLECTED) {
            return;
        }
        self.last = Some(clock::now());
        self.hand_over();
        if let Some(failure) = self.failure()
            && !self.is_told
        {
            self.is_told = true;
            console::error(format_args!(
                "warning: the journal cannot be written ({failure}); the run goes on, and the journal is tried again"
            ));
        }
    }

    fn hand_over(&mut self) {
        let Recorder { writer: Some(writer), plan, tasks, .. } = self else { return };
        let pairs =
            |ranges: Ranges| ranges.iter().map(|range| (range.start, range.end - range.start)).collect();
        for task in tasks.iter_mut() {
            let all = [&mut task.skipped, &mut task.not_needed, &mut task.met].map(std::mem::take);
            if all.iter().all(Ranges::is_empty) {
                continue;
            }
            let (family, [skipped, not_needed, met]) = (task.digest, all.map(pairs));
            writer.record(JournalRecord::Absent(AbsentRecord { family, skipped, not_needed, met }));
        }
        for (number, task) in tasks.iter_mut().enumerate().filter(|(_, task)| !task.done.is_empty()) {
            let (family, done) = (task.digest, std::mem::take(&mut task.done));
            done.iter().for_each(|range| task.all_done.insert_range(range));
            let ranges = done.iter().map(|range| (range.start, range.end - range.start)).collect();
            match plan.as_ref().filter(|_| task.has_files) {
                None => writer.record(JournalRecord::Done(DoneRecord { family, ranges, saved: vec![] })),
                Some(plan) => {
                    let plan = plan.clone();
                    writer.record_with(move || {
                        let saved = done.iter().flatten().map(|index| (index, stamps(&plan, number, index)));
                        let saved = saved.collect();
                        Some(JournalRecord::Done(DoneRecord { family, ranges, saved }))
                    });
                }
            }
        }
    }

    /// Records that files to which several instances write are complete. `paths` start from the folder `here`.
    pub(crate) fn complete(&mut self, here: &Path, paths: impl IntoIterator<Item = PathBuf>) {
        let mut paths = paths.into_iter().peekable();
        if paths.peek().is_some() {
            self.hand_over();
        }
        let Some(writer) = &self.writer else { return };
        for path in paths {
            let path = saved_paths::recorded_name(here, &path.display().to_string(), false);
            let here = here.to_owned();
            writer.record_with(move || FileStamp::of(&here, &path).map(JournalRecord::Shared));
        }
    }

    /// Records what files have that several instances write, and that are not complete.
    pub(crate) fn grown(&mut self, here: &Path, files: Vec<GrownOutputs>) {
        if files.is_empty() {
            return;
        }
        self.hand_over();
        let Some(writer) = &self.writer else { return };
        for GrownOutputs { key, length, parts } in files {
            let path = saved_paths::recorded_name(here, &key.display().to_string(), false);
            let family = |task: usize| self.tasks.get(task).map_or(0, |task| task.digest);
            let parts =
                parts.into_iter().map(|(task, next, gaps)| GrownPart { family: family(task), next, gaps });
            let parts = parts.collect();
            writer.record_with(move || {
                let file = File::open(&key).ok()?;
                // what the record says is on disk before it
                file.sync_data().ok()?;
                let tail = GrownFile::tail_of(&file, length).ok()?;
                Some(JournalRecord::Grown(GrownFile { path, length, tail, parts }))
            });
        }
    }

    /// Waits until everything that has ended so far is in the journal on disk, but not longer than `limit`.
    pub(crate) fn flush(&mut self, limit: Duration) {
        self.hand_over();
        if let Some(writer) = &self.writer {
            writer.flush(limit);
        }
    }

    /// Records the failures that have been added to `list` since the last call, of instances that were run.
    pub(crate) fn failed(&mut self, plan: &Plan, list: &FailureList) {
        let new = list.as_slice().get(self.failures..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        self.failures += new.len();
        // ends are recorded before failures, since an array can be made and then fail to be saved: the failure counts
        self.hand_over();
        let Some(writer) = &self.writer else { return };
        for failed in new.iter().filter(|failed| !failed.is_left()) {
            if !failure::is_failure(plan, failed, |task, index| list.has(task, index)) {
                continue;
            }
            let FailedInstance { task, index, cause } = failed;
            let Some(family) = self.tasks.get(*task).map(|task| task.digest) else { continue };
            if cause.kind == TaskErrorKind::Quarantined {
                let (index, message) = (*index, cause.message.clone());
                writer.record(JournalRecord::Quarantined(QuarantineRecord { family, index, message }));
            }
            let (attempts, message) = (cause.attempt.into(), cause.message.clone());
            writer.record(JournalRecord::Failed(FailedRecord { family, index: *index, attempts, message }));
        }
    }

    /// Records the end of the run, with the numbers of instances done and left. Returns an error of the journal, if
    /// there was one, as a text for the user.
    pub(crate) fn finish(&mut self, done: u64, left: u64) -> Option<String> {
        self.hand_over();
        let writer = self.writer.as_ref()?;
        writer.record(JournalRecord::End { at: record::now(), done, left });
        writer.flush(LAST);
        self.failure()
    }

    fn failure(&self) -> Option<String> {
        self.writer.as_ref()?.failure()
    }
}

/// The stamps (path, length, modification time) of the files that an instance has written.
fn stamps(plan: &Plan, number: usize, index: u64) -> Vec<FileStamp> {
    let Some(task) = plan.tasks.get(number) else { return Vec::new() };
    let paths = saved_paths::own(plan, task, index).into_iter().flatten();
    paths.filter_map(|path| FileStamp::of(&plan.dir, &path)).collect()
}
