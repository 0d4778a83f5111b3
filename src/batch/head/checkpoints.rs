//! Checkpoints of a run, at rank 0: has results written that a later run would need (`keep = "checkpoint"`), and removes
//! the files of those that none needs any more.
//!
//! A checkpoint is written by a helper task at the rank that has the result. It counts once it is in the journal.

use crate::batch::artifact::Artifact;
use crate::batch::head::recorder::Recorder;
use crate::batch::rank::checkpoints::{CheckpointPlace, write_checkpoint};
use crate::batch::resume::checkpointed::{is_unsaved, wanted};
use crate::batch::resume::run_journal::RunJournal;
use crate::client::Client;
use crate::client::future::Future;
use crate::client::watch::Watch;
use crate::clock;
use crate::journal::checkpoint;
use crate::journal::record::CheckpointRecord;
use crate::script::plan::Plan;
use crate::script::plan::task::PlanTask;
use crate::script::values::execution::Keep;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The shortest time between two looks for checkpoints that are not needed any more.
const LOOK: Duration = Duration::from_secs(5);
/// A look takes at most this part of the time: one in so many.
const SHARE: u32 = 50;

/// The checkpoints that a run writes, and those that it has from earlier runs.
#[derive(Default)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    digests: Vec<u128>,
    /// By task number, whether results are written as soon as they are there.
    kept: Vec<bool>,
    /// Whether the plan is a part of the script. Then nothing is removed: what is left out may need it.
    is_part: bool,
    /// The definitions that the helper tasks of each task share.
    places: HashMap<usize, Future<CheckpointPlace>>,
    writing: Vec<WrittenPart>,
    /// By task number and index, the files that are there.
    files: Vec<HashMap<u64, PathBuf>>,
    /// The time of the next look for files that are not needed any more; `None` before the first one.
    look: Option<Instant>,
}

/// Helper tasks that were submitted together, with the instances whose results they write.
struct WrittenPart {
    task: usize,
    indices: Vec<u64>,
    /// The futures of those that have not been seen to end.
    futures: Vec<Option<Future<Artifact>>>,
    watch: Watch,
    /// The number of futures that had not ended at the last look.
    open: usize,
}

impl Checkpoints {
    /// Begins with the checkpoints of earlier runs. `folder` is the run folder.
    pub(crate) fn new(plan: &Plan, journal: &RunJournal, folder: &Path, is_part: bool) -> Checkpoints {
        let kept =
            |(number, task): (usize, &PlanTask)| task.keep == Keep::Checkpoint && is_unsaved(plan, number);
        let mut files = vec![HashMap::new(); plan.tasks.len()];
        for (files, known) in files.iter_mut().zip(&journal.checkpoints) {
            let path = |record: &CheckpointRecord| checkpoint::path_of(folder, record.family, record.index);
            files.extend(known.iter().map(|(index, record)| (*index, path(record))));
        }
        Checkpoints {
            folder: folder.to_owned(),
            digests: journal.digests.clone(),
            kept: plan.tasks.iter().enumerate().map(kept).collect(),
            is_part,
            files,
            ..Checkpoints::default()
        }
    }

    /// Has the results of newly submitted instances written if their task says so.
    pub(crate) fn submitted<'f>(
        &mut self,
        plan: &Plan,
        client: &Client,
        task: usize,
        instances: impl Iterator<Item = (u64, &'f Future<Artifact>)>,
    ) {
        if self.kept.get(task) != Some(&true) {
            return;
        }
        let place = self.places.entry(task).or_insert_with(|| {
            client.scatter(CheckpointPlace {
                folder: self.folder.display().to_string(),
                family: self.digests.get(task).copied().unwrap_or(0),
                task: plan.tasks.get(task).map(|task| task.name.clone()).unwrap_or_default(),
            })
        });
        // first of all that is ready: what is written late may be lost
        let options = client.options().pure(false).priority(i32::MAX);
        let (mut indices, mut futures) = (Vec::new(), Vec::new());
        for (index, future) in instances {
            indices.push(index);
            futures.push(options.submit(write_checkpoint, (&*place, index, future)));
        }
        if !futures.is_empty() {
            let watch = client.watch(&futures);
            let open = futures.len();
            let futures = futures.into_iter().map(Some).collect();
            self.writing.push(WrittenPart { task, indices, futures, watch, open });
        }
    }

    /// Hands the checkpoints that have been written since the last call to the recorder. Now and then removes those
    /// that are not needed any more.
    pub(crate) fn turn(&mut self, plan: &Plan, recorder: &mut Recorder) {
        let Checkpoints { writing, files, digests, folder, .. } = self;
        let mut replaced = Vec::new();
        writing.retain_mut(|part| {
            if part.watch.open() == part.open {
                return true;
            }
            part.open = part.watch.open();
            let family = digests.get(part.task).copied().unwrap_or(0);
            let ended = part.watch.ended();
            let failed: HashSet<usize> = part.watch.failures().into_iter().map(|(at, _)| at).collect();
            let all = part.indices.iter().zip(&mut part.futures).zip(ended).enumerate();
            for (at, ((index, future), _)) in all.filter(|(_, (_, ended))| *ended) {
                if future.take().is_none() || failed.contains(&at) {
                    continue;
                }
                let path = checkpoint::path_of(folder, family, *index);
                recorder.checkpoint(family, *index, path.clone());
                let older = files.get_mut(part.task).and_then(|files| files.insert(*index, path.clone()));
                replaced.extend(older.filter(|older| *older != path));
            }
            part.open > 0 && !part.watch.is_closed()
        });
        if !replaced.is_empty() {
            recorder.after_commit(move || replaced.iter().for_each(|path| remove(path)));
        }
        let now = clock::now();
        if self.look.is_none_or(|look| now >= look) {
            if self.look.is_some() {
                self.remove_unneeded(plan, recorder);
            }
            self.look = Some(clock::now() + LOOK.max(clock::since(now) * SHARE));
        }
    }

    /// Ends the run's work on checkpoints: waits for those that are being written if a later run may need them, but not
    /// longer than `limit`, and removes those that none needs. Returns whether all were written.
    pub(crate) fn finish(&mut self, plan: &Plan, recorder: &mut Recorder, limit: Duration) -> bool {
        let end = clock::now() + limit;
        let mut is_all_done = || {
            let done = recorder.done();
            plan.tasks.iter().zip(&done).all(|(task, done)| done.count() == task.family.len())
        };
        if !self.writing.is_empty() && is_all_done() {
            self.writing.clear();
        }
        while !self.writing.is_empty() && clock::now() < end {
            clock::sleep(Duration::from_millis(2));
            self.turn(plan, recorder);
        }
        let is_whole = self.writing.is_empty();
        self.writing.clear();
        self.remove_unneeded(plan, recorder);
        is_whole
    }

    /// Removes the files that no later run needs, once the journal says so on disk.
    pub(crate) fn remove_unneeded(&mut self, plan: &Plan, recorder: &mut Recorder) {
        if self.is_part || self.files.iter().all(HashMap::is_empty) {
            return;
        }
        let has =
            |task: usize, index: u64| self.files.get(task).is_some_and(|files| files.contains_key(&index));
        let done = recorder.done();
        let wanted = wanted(plan, &done, has);
        let mut gone = Vec::new();
        for ((files, wanted), done) in self.files.iter_mut().zip(&wanted).zip(&done) {
            // one that is written before its instance counts as done stays
            files.retain(|index, path| {
                let stays = wanted.contains(*index) || !done.contains(*index);
                if !stays {
                    gone.push(std::mem::take(path));
                }
                stays
            });
        }
        if gone.is_empty() {
            return;
        }
        let top = checkpoint::folder_in(&self.folder);
        recorder.after_commit(move || {
            gone.iter().for_each(|path| remove(path));
            let _ = std::fs::remove_dir(top);
        });
    }
}

/// Removes a checkpoint file, and its folder if that is empty then.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
    let _ = path.parent().map(std::fs::remove_dir);
}
