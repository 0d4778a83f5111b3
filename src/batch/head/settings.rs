//! Settings of the run that rank 0 sends to all ranks that run tasks.

use crate::batch::rank::rank_state::{self, RankSettings};
use crate::client::Client;
use crate::client::future::Future;
use crate::error::{Error, Result, TaskErrorKind};
use crate::ids::Rank;
use crate::script::plan::Plan;

/// Sends the settings of a plan to every rank that runs tasks, and waits until all have applied them. Sends nothing if
/// there are none.
///
/// # Errors
/// When a rank cannot apply them, as when it has no such directory for scratch, or the engine has ended.
pub(crate) fn tell(plan: &Plan, client: &Client, slots: &[u32]) -> Result<()> {
    let settings =
        RankSettings { scratch: plan.settings.scratch.clone(), output_memory: plan.settings.output_memory };
    if settings == RankSettings::default() {
        return Ok(());
    }
    let computing = (0u32..).zip(slots).filter(|(_, slots)| **slots > 0);
    let options = client.options().pure(false);
    let heard: Vec<_> = computing
        .map(|(rank, _)| options.clone().on(Rank(rank)).submit(rank_state::configure, (settings.clone(),)))
        .collect();
    hear(&heard)
}

/// Waits for the answers of ranks. Those of ranks that have died meanwhile are not missed.
///
/// # Errors
/// When a task has failed for another reason, or the engine has ended.
pub(crate) fn hear(answers: &[Future<()>]) -> Result<()> {
    answers.iter().try_for_each(|answer| match answer.result() {
        Err(Error::Task(cause)) if cause.kind == TaskErrorKind::RankLost => Ok(()),
        other => other,
    })
}
