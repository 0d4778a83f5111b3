//! The results of submitting instances to the engine: their futures, and the definition of their task at the ranks.

use crate::batch::artifact::Artifact;
use crate::batch::task_def::TaskDef;
use crate::client::Client;
use crate::client::family::Family;
use crate::client::future::Future;
use crate::compact::{Ranges, Runs};
use crate::error::TaskError;
use std::sync::Arc;

/// The futures of the instances of a task that were submitted to the engine.
pub(crate) enum SubmittedFutures {
    /// A future for each instance; rank 0 watches it until the instance ends.
    Each(Vec<Future<Artifact>>),
    /// A family on which no task depends. The engine itself expands it into instances, and rank 0 fetches results a
    /// range at a time.
    Lazy(Family<Artifact>),
}

/// Instances of a task that were submitted to the engine at once.
pub(crate) struct SubmittedInstances {
    /// The number of the task in the plan.
    pub task: usize,
    /// The indices of the instances. Those that earlier runs have done are not among them.
    pub indices: Runs,
    /// Whether the last submitted instance is the last one of the task that runs.
    pub last: bool,
    /// The futures of the submitted instances.
    pub instances: SubmittedFutures,
    /// The outputs that go to files of rank 0, if they have to be extracted from the results. Empty if the results have
    /// no other outputs: rank 0 then reads them from the results themselves.
    pub extract: Vec<u32>,
    /// For each `save` of arrays in the script, the futures of the helper tasks that write the arrays to files.
    pub saves: Vec<Vec<Future<Artifact>>>,
    /// For a task with `until`, the futures of the helper tasks that judge the instances.
    pub verdicts: Vec<Future<Artifact>>,
    /// Instances that were not submitted and are not needed, since their loops have stopped.
    pub beyond: Ranges,
    /// Instances that were not submitted and can never run, each with the cause.
    pub lost: Vec<(u64, Arc<TaskError>)>,
}

/// A task of which some instances are submitted and more will possibly follow.
pub(crate) struct OpenTask {
    /// The definition that all instances of the task share, as the ranks get it.
    pub(crate) def: TaskDef,
    /// The future of the definition, once it is in the engine's store. Each rank fetches it from there once.
    sent: Option<Future<TaskDef>>,
}

impl OpenTask {
    /// Makes the state of a task whose definition is not in the engine's store yet.
    pub(crate) fn new(def: TaskDef) -> Self {
        OpenTask { def, sent: None }
    }

    /// The future of the definition. The first call puts the definition into the engine's store.
    pub(crate) fn sent(&mut self, client: &Client) -> Future<TaskDef> {
        self.sent.get_or_insert_with(|| client.scatter(self.def.clone())).clone()
    }
}
