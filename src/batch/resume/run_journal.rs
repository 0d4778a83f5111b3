//! The journal of a run: what is read from it at the start, and the thread that writes it.

use crate::batch::resume::known::KnownInstances;
use crate::batch::resume::shared;
use crate::batch::resume::todo::Todo;
use crate::journal::lock::LockHolder;
use crate::journal::path_in;
use crate::journal::record::{self, JournalRecord, KeyRecord, RunStart};
use crate::journal::state::{JournalError, JournalState};
use crate::journal::writer::{self, GroupCommit, JournalWriter};
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
use std::fs;
use std::path::Path;

/// How a run uses the journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct JournalUse {
    /// Whether it is begun anew (`--fresh`).
    pub fresh: bool,
    /// The names of tasks that run whatever is done (`--force`).
    pub force: Vec<String>,
}

/// What the journal says of a plan.
#[derive(Debug)]
pub(crate) struct PlanStatus {
    /// The key plan of the plan.
    pub keys: KeyPlan,
    /// What all records say.
    pub state: JournalState,
    /// What these say of the plan's instances.
    pub known: KnownInstances,
    /// What would run.
    pub todo: Todo,
}

impl PlanStatus {
    /// Reads the journal in the run folder `folder` and decides what would run. `forced` has the numbers of the tasks
    /// that run in any case.
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
        let shared = shared::outputs(plan, &state);
        let todo = Todo::decide(plan, &known, &shared, forced);
        Ok(PlanStatus { keys, state, known, todo })
    }
}

/// The journal of a run that is under way.
#[derive(Debug)]
pub(crate) struct RunJournal {
    /// What runs.
    pub todo: Todo,
    /// The digests of the tasks, by number.
    pub digests: Vec<u128>,
    /// The number of runs just before this one in which no instance has ended.
    pub fruitless: u32,
    /// The number of instances that have failed in earlier runs, and run again.
    pub failed: u64,
    /// The thread that writes.
    pub writer: JournalWriter,
}

impl RunJournal {
    /// Reads the journal in the run folder, decides what runs, and records that a run begins.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) fn begin(
        plan: &Plan,
        folder: &Path,
        ranks: usize,
        using: &JournalUse,
    ) -> Result<RunJournal, JournalError> {
        let path = path_in(folder);
        if using.fresh {
            match fs::rename(&path, path.with_extension("old")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let forced: Vec<usize> = using.force.iter().filter_map(|name| plan.find(name)).collect();
        let PlanStatus { keys, state, todo, known } = PlanStatus::read(plan, folder, &forced)?;
        if let (bytes @ 1.., places) = state.damaged {
            log::warn!(
                "{}: {bytes} bytes at {places} places could not be read; instances that only they had as done run again",
                path.display()
            );
        }
        let digests: Vec<u128> = keys.tasks.iter().map(|task| task.digest).collect();
        let writer = JournalWriter::start(writer::open(&path)?, GroupCommit::default())?;
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
        let failed = known.tasks.iter().map(|task| task.failed.len() as u64).sum();
        Ok(RunJournal { todo, digests, fruitless: state.fruitless, failed, writer })
    }
}
