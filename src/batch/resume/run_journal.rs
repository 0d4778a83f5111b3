//! The journal of a run: read at the start to decide which instances run, then written by a thread of its own.

use crate::batch::resume::checkpointed::CheckpointLookup;
use crate::batch::resume::known::KnownInstances;
use crate::batch::resume::shared;
use crate::batch::resume::todo::Todo;
use crate::journal::lock::LockHolder;
use crate::journal::record::{self, CheckpointRecord, JournalRecord, KeyRecord, RunStart};
use crate::journal::state::{JournalError, JournalState};
use crate::journal::writer::{self, GroupCommit, JournalDisk, JournalWriter};
use crate::journal::{checkpoint, crashes, path_in};
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The longest time for which the start of a run waits until its beginning is on disk.
const BEGUN: Duration = Duration::from_secs(5);

/// The options of a run that concern the journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct JournalUse {
    /// Whether the journal is begun anew (`--fresh`), so that all instances run.
    pub fresh: bool,
    /// The names of tasks whose instances run even if they are done (`--force`).
    pub force: Vec<String>,
}

/// A plan compared with the journal: which of its instances are done, and which would run.
#[derive(Debug)]
pub(crate) struct PlanStatus {
    /// The key plan (all that instance keys are computed from) of the plan.
    pub keys: KeyPlan,
    /// The content of the journal.
    pub state: JournalState,
    /// The instances of the plan that the journal has as done or failed.
    pub known: KnownInstances,
    /// The instances that would run.
    pub todo: Todo,
}

impl PlanStatus {
    /// Reads the journal in the run folder `folder` and decides which instances would run. `forced` has the
    /// numbers of the tasks whose instances run even if they are done.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn read(plan: &Plan, folder: &Path, forced: &[usize]) -> Result<PlanStatus, JournalError> {
        let state = JournalState::read(&path_in(folder))?;
        let keys = KeyPlan::of(plan);
        if state.families.is_empty() {
            let (known, todo) = (KnownInstances::default(), Todo::all(plan));
            return Ok(PlanStatus { keys, state, known, todo });
        }
        let known = KnownInstances::find(&keys, &state);
        let shared = shared::outputs(plan, &keys, &state);
        let todo = Todo::decide(plan, &known, shared, CheckpointLookup::new(folder, &known), forced);
        Ok(PlanStatus { keys, state, known, todo })
    }
}

/// The journal of a run that is under way.
#[derive(Debug)]
pub(crate) struct RunJournal {
    /// The instances that run.
    pub todo: Todo,
    /// The digests of the tasks' families, by task number. Records in the journal name the families by them.
    pub digests: Vec<u128>,
    /// The number of runs just before this one in which no instance has ended.
    pub fruitless: u32,
    /// The number of instances that have failed in earlier runs, and run again.
    pub failed: u64,
    /// The checkpoints of earlier runs, by task number and index.
    pub checkpoints: Vec<BTreeMap<u64, CheckpointRecord>>,
    /// The thread that appends records to the journal.
    pub writer: JournalWriter,
}

impl RunJournal {
    /// Reads the journal in the run folder, decides which instances run, and records that a run begins.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub(crate) fn begin(
        plan: &Plan,
        folder: &Path,
        ranks: usize,
        using: &JournalUse,
    ) -> Result<RunJournal, JournalError> {
        RunJournal::begin_on(plan, folder, ranks, using, writer::open)
    }

    /// Begins as [`RunJournal::begin`] does, with the disk that `open` makes for the path of the journal.
    ///
    /// # Errors
    /// As [`RunJournal::begin`].
    pub(crate) fn begin_on<D: JournalDisk + 'static>(
        plan: &Plan,
        folder: &Path,
        ranks: usize,
        using: &JournalUse,
        open: impl FnOnce(&Path) -> std::io::Result<D>,
    ) -> Result<RunJournal, JournalError> {
        let path = path_in(folder);
        if using.fresh {
            // their records go with the old journal
            match fs::remove_dir_all(checkpoint::folder_in(folder)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            match fs::rename(&path, path.with_extension("old")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        if using.fresh {
            let _ = fs::remove_file(crashes::file_in(folder)); // there is none, mostly
        }
        crashes::take_over(folder)?;
        let forced: Vec<usize> = using.force.iter().filter_map(|name| plan.find(name)).collect();
        let PlanStatus { keys, state, todo, known } = PlanStatus::read(plan, folder, &forced)?;
        if let (bytes @ 1.., places) = state.damaged {
            log::warn!(
                "{}: {bytes} bytes at {places} places could not be read; instances that only they had as done run again",
                path.display()
            );
        }
        let digests: Vec<u128> = keys.tasks.iter().map(|task| task.digest).collect();
        let writer = JournalWriter::start(open(&path)?, GroupCommit::default())?;
        let families = keys.tasks.iter().map(|task| (task.digest, task.name.clone(), task.family.len()));
        let here = LockHolder::here();
        writer.record(JournalRecord::Begin(RunStart {
            at: record::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: here.host,
            pid: here.pid,
            job: here.job,
            ranks: u32::try_from(ranks).unwrap_or(u32::MAX),
            families: families.collect(),
        }));
        if state.plans.last().is_none_or(|known| known.families != digests) {
            let families = digests.clone();
            writer.record_with(move || {
                let plan = crate::codec::encode(&keys).ok()?;
                Some(JournalRecord::Keys(KeyRecord { families, plan }))
            });
        }
        // what a rank notes that dies at once names a task by its number, which only the beginning of the run explains
        writer.flush(BEGUN);
        let failed = known.tasks.iter().map(|task| task.failed.len() as u64).sum();
        let checkpoints = known.tasks.into_iter().map(|task| task.checkpoints).collect();
        Ok(RunJournal { todo, digests, checkpoints, fruitless: state.fruitless, failed, writer })
    }
}
