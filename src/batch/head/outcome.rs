//! The result of a run, gathered at rank 0.

use crate::batch::failure::FailedInstance;
use crate::batch::head::recorder::Recorder;
use crate::batch::head::shared_files::Sinks;
use crate::batch::head::stopped::Stopped;
use crate::error::TaskError;
use std::collections::HashSet;
use std::sync::Arc;

/// The result of a run: counts of instances, failures, written files, and the instances that were not run.
#[derive(Default)]
pub(crate) struct RunOutcome {
    /// The number of instances of the plan that have ended, with a result or without.
    pub ended: u64,
    /// Instances that have no result, each with the cause.
    pub failed: Vec<FailedInstance>,
    /// Files that rank 0 writes from the outputs of instances, with their state.
    pub sinks: Sinks,
    /// The instances that were not run because the run was stopped early; `None` unless it was.
    pub stopped: Option<Stopped>,
    /// The number of instances that earlier runs have done; they are part of `ended`.
    pub earlier: u64,
    /// The recorder of what has ended.
    pub recorder: Recorder,
    /// What is wrong with the journal, for the user.
    pub unrecorded: Option<String>,
}

/// Removes duplicates from a list of failures. An instance comes twice if it failed and then the helper tasks that
/// would have saved its result failed too.
pub(crate) fn once(failed: &mut Vec<FailedInstance>) {
    let mut seen = HashSet::new();
    failed.retain(|failed| seen.insert((failed.task, failed.index)));
}

/// Adds an instance to the list of failures; does nothing if `cause` is `None`, since the instance succeeded.
pub(crate) fn note(failed: &mut Vec<FailedInstance>, task: usize, index: u64, cause: Option<Arc<TaskError>>) {
    if let Some(cause) = cause {
        failed.push(FailedInstance { task, index, cause });
    }
}
