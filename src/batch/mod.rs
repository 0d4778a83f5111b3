//! Execution of a plan: rank 0 submits instances and collects results, all ranks run task functions.
//!
//! Each instance of a task is one task of the engine. The definition of a task, [`crate::batch::task_def::TaskDef`], is
//! sent to a rank once; an instance is that definition, its index, and the results of other tasks as futures.
//!
//! * [`head`]: the part that runs at rank 0 only; [`rank`]: task functions, which run at any rank.
//! * [`resume`]: what a run skips, since an earlier one has done it.
//! * [`task_def`]: the definition of a task as it travels; [`artifact`]: the result of a task as it travels, whose
//!   [`outputs`] have numbers; [`failure`]: failures of instances, with facts for the user ([`failure_detail`]);
//!   [`whole_files`]: files written whole or not at all; [`stored_artifact`]: a result in a checkpoint file.

pub(crate) mod artifact;
pub(crate) mod failure;
pub(crate) mod failure_detail;
pub(crate) mod head;
pub(crate) mod outputs;
pub(crate) mod rank;
pub(crate) mod resume;
pub(crate) mod saved_folder;
pub(crate) mod stored_artifact;
pub(crate) mod task_def;
#[cfg(all(test, feature = "testing"))]
mod tests;
pub(crate) mod whole_files;

use crate::batch::artifact::ArtifactBulk;
use crate::batch::head::checkpoints::Checkpoints;
use crate::batch::head::collector::RunCollector;
use crate::batch::head::failures::failure_report::FailureReporter;
use crate::batch::head::progress::Progress;
use crate::batch::head::recorder::Recorder;
use crate::batch::head::submitter::Submitter;
use crate::batch::head::summary::Summary;
use crate::batch::resume::run_journal::RunJournal;
use crate::client::Client;
use crate::clock;
use crate::console;
use crate::error::{Error, Result, TaskErrorKind};
use crate::ids::Rank;
use crate::runtime::handshake::Team;
use crate::runtime::host::topology;
use crate::script::plan::Plan;
use crate::task::bulk;
use std::time::Duration;

pub(crate) use crate::batch::head::deadline::Walltime;
pub(crate) use crate::batch::head::run_folder::RunFolder;

/// Properties of the MPI job that affect how a plan is run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JobInfo {
    /// Whether only errors are printed, without progress (`--quiet`).
    pub quiet: bool,
    /// The time limit of the job; `None` where it is not known.
    pub walltime: Option<Walltime>,
    /// The time between two progress lines, as `--progress` sets it; `None` without that option.
    pub progress: Option<Duration>,
    /// Whether the plan is only a part of the script (`--only`).
    pub is_part: bool,
}

/// Registers [`Artifact`](artifact::Artifact) with the engine as a bulk value, one that travels as raw memory. Every
/// rank calls this before the run starts.
pub(crate) fn register_bulk_kinds() {
    bulk::register(&[&ArtifactBulk]);
}

/// Runs the tasks of a plan until all have ended, and returns the summary of what was done and what failed.
///
/// # Errors
/// When the engine ends before the plan does, through a fault of the network or of the client.
pub(crate) fn run(
    plan: &Plan,
    folder: &RunFolder,
    client: &Client,
    team: &Team,
    job: JobInfo,
    journal: RunJournal,
) -> Result<Summary> {
    let start = clock::now();
    let (todo, fruitless, failed) = (journal.todo.clone(), journal.fruitless, journal.failed);
    if !job.quiet {
        console::error(topology::table(&team.hellos, &team.slots));
    }
    let slots: u64 = team.slots.iter().map(|slots| u64::from(*slots)).sum();
    for (counter, found) in plan.counters.iter().enumerate() {
        client.set_counter_of(counter, found.total);
    }
    crate::batch::head::settings::tell(plan, client, &team.slots)?;
    let submitter = Submitter::new(plan, folder, client, team, &todo);
    let progress = Progress::new(plan.instances(), todo.skipped(), slots, job.quiet, job.progress);
    let reporter = FailureReporter::new(plan, folder);
    let checkpoints = Checkpoints::new(plan, &journal, folder.path(), job.is_part);
    let recorder = Recorder::new(plan, journal);
    let mut collector = RunCollector::new(plan, client, submitter, progress, reporter, recorder, folder);
    collector.checkpoints = checkpoints;
    if let Some(walltime) = &job.walltime {
        walltime.tell(plan, client, &team.slots)?;
        collector.walltime = job.walltime;
    }
    let mut collected = collector.run()?;
    let earlier = todo.skipped().saturating_sub(collected.absent_before);
    (collected.earlier, collected.fruitless, collected.failed_before) = (earlier, fruitless, failed);
    let elapsed = clock::since(start);
    let totals = client.totals()?;
    // when the job's time is over, a rank that still runs tasks could not answer in time: no rank is asked
    let late = collected.stopped.as_ref().is_some_and(|stopped| stopped.late);
    let ranks = if late { Vec::new() } else { leave(client, team) };
    Ok(Summary::new(plan, folder, collected, ranks, &totals, slots, elapsed))
}

/// Asks every rank that runs tasks to remove its scratch files, and collects the statistics of each. Waits for all,
/// since launchers may kill ranks that still clean up after the end of the run.
fn leave(client: &Client, team: &Team) -> Vec<crate::batch::rank::rank_state::RankSummary> {
    let computing = (0..team.slots.len()).filter(|rank| team.slots[*rank] > 0);
    let leaving: Vec<_> = computing
        .map(|rank| {
            client
                .options()
                .pure(false)
                .on(Rank(rank as u32))
                .submit(crate::batch::rank::rank_state::leave, ())
        })
        .collect();
    let limit = Duration::from_secs(20);
    let reports = leaving.iter().filter_map(|report| match report.result_timeout(limit) {
        Ok(report) => Some(report),
        // its files were removed when it died
        Err(Error::Task(cause)) if cause.kind == TaskErrorKind::RankLost => None,
        Err(error) => {
            log::warn!("a rank could not remove its scratch directory: {error}");
            None
        }
    });
    reports.collect()
}
