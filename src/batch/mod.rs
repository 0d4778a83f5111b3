//! Carrying out a plan: what rank 0 submits and collects, and what the ranks do.
//!
//! Every instance of a task is one task of the engine. A task's [`crate::batch::task_def::TaskDef`] goes out once; an
//! instance is its definition and its index, and the results of others as futures.
//!
//! * [`head`]: what runs at rank 0 only; [`rank`]: task functions, which run anywhere.
//! * [`task_def`]: the definition of a task as it travels; [`artifact`]: the result of a task as it travels, whose
//!   [`outputs`] have numbers; [`failure`]: what failed.

pub(crate) mod artifact;
pub(crate) mod failure;
pub(crate) mod head;
pub(crate) mod outputs;
pub(crate) mod rank;
pub(crate) mod task_def;
pub(crate) mod whole_files;

use crate::batch::artifact::ArtifactBulk;
use crate::batch::head::collector::RunCollector;
use crate::batch::head::progress::Progress;
use crate::batch::head::submitter::Submitter;
use crate::batch::head::summary::Summary;
use crate::client::Client;
use crate::console;
use crate::error::Result;
use crate::ids::Rank;
use crate::runtime::handshake::Team;
use crate::runtime::host::topology;
use crate::script::plan::Plan;
use crate::task::bulk;
use std::time::{Duration, Instant};

pub(crate) use crate::batch::head::deadline::Walltime;
pub(crate) use crate::batch::head::run_folder::RunFolder;

/// The facts of the job that matter to a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JobInfo {
    /// Nothing but errors is told on the way.
    pub quiet: bool,
    /// When it ends, where that is known.
    pub walltime: Option<Walltime>,
}

/// Tells the engine how results of tasks travel. Every rank calls this before the run starts.
pub(crate) fn register_bulk_kinds() {
    bulk::register(&[&ArtifactBulk]);
}

/// Runs a plan to its end; the result says what was done and what failed.
///
/// # Errors
/// When the run ends before the plan does, by a fault of the network or of the client.
pub(crate) fn run(
    plan: &Plan,
    folder: &RunFolder,
    client: &Client,
    team: &Team,
    job: JobInfo,
) -> Result<Summary> {
    let start = Instant::now();
    if !job.quiet {
        console::error(topology::table(&team.hellos, &team.slots, topology::online()).0);
    }
    let slots: u64 = team.slots.iter().map(|slots| u64::from(*slots)).sum();
    for (counter, found) in plan.counters.iter().enumerate() {
        client.set_counter(counter, found.total);
    }
    let submitter = Submitter::new(plan, folder, client, team);
    let progress = Progress::new(plan.instances(), slots, job.quiet);
    let mut collector = RunCollector::new(plan, client, submitter, progress);
    if let Some(walltime) = &job.walltime {
        walltime.tell(plan, client, &team.slots)?;
        collector.walltime = job.walltime;
    }
    let collected = collector.run()?;
    let elapsed = start.elapsed();
    let totals = client.totals()?;
    // a rank that still computes does not answer
    let late = collected.stopped.as_ref().is_some_and(|stopped| stopped.late);
    let ranks = if late { Vec::new() } else { leave(client, team) };
    Ok(Summary::new(plan, folder, collected, ranks, &totals, slots, elapsed))
}

/// Asks every rank that computes to tidy up: at the end of the run, launchers may kill ranks that still do so.
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
        Err(error) => {
            log::warn!("a rank could not remove its scratch directory: {error}");
            None
        }
    });
    reports.collect()
}
