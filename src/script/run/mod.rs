//! Carrying out a plan: what rank 0 submits and collects, and what the ranks do.
//!
//! Every instance of a task is one task of the engine. A task's [`def::Def`] goes out once; an instance is its definition and
//! its index, and the results of others as futures.
//!
//! * At the ranks: [`command`] (with `stdin` and [`save_command`]), [`mod@array`] and [`save`] are the task functions, [`mapreduce`] has some of its own; [`pack`] is what a command leaves;
//!   [`rank`] is what a rank has once: its scratch directory and its log; [`lot`] gives its cores and devices to commands, `lending` lends the slots of short ones; [`limit`] is the time that it has.
//! * At rank 0: [`needs`] is what tasks take of the ranks, [`submit`] hands the plan over window by window (`held`: what others will read; `losses`: what of it has failed; `reduce`, which has its steps at the ranks as well), [`collect`] waits for it and drops what is no longer needed
//!   (`watched`, `ordered`), [`sink`] writes the files that many instances share, [`datasets`] looks after files of datasets, [`mod@walltime`] knows when the job ends, [`stop`] ends a run that `[policy]` or the time stops, [`interrupt`] is what signals ask, [`progress`] and [`summary`] tell what happens, [`failure`] what failed.

pub mod array;
pub mod collect;
pub mod command;
pub mod datasets;
pub mod def;
pub mod failure;
pub mod folder;
mod held;
pub mod inputs;
pub mod interrupt;
pub mod language;
mod lending;
pub mod limit;
pub mod logs;
mod losses;
pub mod lot;
pub mod mapreduce;
pub mod needs;
pub mod npy;
mod ordered;
pub mod pack;
pub mod progress;
pub mod rank;
mod reduce;
pub mod save;
pub mod save_command;
pub mod sink;
mod stdin;
pub mod stop;
pub mod submit;
pub mod summary;
pub mod walltime;
mod watched;

use super::Plan;
use crate::client::Client;
use crate::console;
use crate::error::Result;
use crate::ids::Rank;
use crate::runtime::handshake::Team;
use crate::runtime::host::topology;
use collect::Collector;
use progress::Progress;
use std::time::{Duration, Instant};
use submit::Submitter;
use summary::Summary;

pub use folder::RunFolder;
pub use language::Expressions;
pub use walltime::Walltime;

/// What of the job matters to a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Job {
    /// Nothing but errors is told on the way.
    pub quiet: bool,
    /// When it ends, where that is known.
    pub walltime: Option<Walltime>,
}

/// Runs a plan to its end; the result says what was done and what failed.
///
/// # Errors
/// When the run ends before the plan does, by a fault of the network or of the client.
pub fn run(plan: &Plan, folder: &RunFolder, client: &Client, team: &Team, job: Job) -> Result<Summary> {
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
    let mut collector = Collector::new(plan, client, submitter, progress);
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
fn leave(client: &Client, team: &Team) -> Vec<rank::Report> {
    let computing = (0..team.slots.len()).filter(|rank| team.slots[*rank] > 0);
    let leaving: Vec<_> = computing
        .map(|rank| client.options().pure(false).on(Rank(rank as u32)).submit(rank::leave, ()))
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
