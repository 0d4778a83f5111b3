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
    all_heard(&heard)
}

/// Waits until every rank has run a task that was sent to it alone. A rank that has died before need not hear it.
///
/// # Errors
/// When a task has failed, or the engine has ended.
pub(crate) fn all_heard(tasks: &[Future<()>]) -> Result<()> {
    tasks.iter().try_for_each(|task| match task.result() {
        Err(Error::Task(error)) if error.kind == TaskErrorKind::NotStarted => {
            log::warn!("a rank has died at the beginning: {error}");
            Ok(())
        }
        heard => heard,
    })
}
