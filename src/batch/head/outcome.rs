//! The outcome of a run, as rank 0 gathers it.

use crate::batch::failure::FailedInstance;
use crate::batch::head::shared_files::Sinks;
use crate::batch::head::stopped::Stopped;
use crate::error::TaskError;
use std::collections::HashSet;
use std::sync::Arc;

/// The outcome of a plan.
#[derive(Default)]
pub(crate) struct RunOutcome {
    /// Instances that have ended, with a result or without.
    pub ended: u64,
    /// Instances without a result.
    pub failed: Vec<FailedInstance>,
    /// The files that rank 0 has written.
    pub sinks: Sinks,
    /// The work left undone, where the run was stopped.
    pub stopped: Option<Stopped>,
}

/// Keeps one failure of an instance that failed, and with it what would have saved it.
pub(crate) fn once(failed: &mut Vec<FailedInstance>) {
    let mut seen = HashSet::new();
    failed.retain(|failed| seen.insert((failed.task, failed.index)));
}

/// Notes an instance that has failed, if there is a cause.
pub(crate) fn note(failed: &mut Vec<FailedInstance>, task: usize, index: u64, cause: Option<Arc<TaskError>>) {
    if let Some(cause) = cause {
        failed.push(FailedInstance { task, index, cause });
    }
}
