//! Instances after submission to the engine.

use crate::batch::artifact::Artifact;
use crate::batch::task_def::TaskDef;
use crate::client::Client;
use crate::client::family::Family;
use crate::client::future::Future;

/// The futures of submitted instances of a task.
pub(crate) enum SubmittedFutures {
    /// A future for each instance, watched until the instance ends.
    Each(Vec<Future<Artifact>>),
    /// A family without dependants, which the engine expands, and whose results are fetched a range at a time.
    Lazy(Family<Artifact>),
}

/// A range of instances that was submitted at once.
pub(crate) struct SubmittedInstances {
    /// The number of the task in the plan.
    pub task: usize,
    /// The index of the first instance of the range.
    pub first: u64,
    /// Whether the range ends with the last instance of the task.
    pub last: bool,
    /// The futures of the range's instances.
    pub instances: SubmittedFutures,
    /// Futures of the streams that go to files of rank 0, by instance. `None` if the results have no other outputs than
    /// these streams: they are then read from the results themselves.
    pub parts: Option<Vec<Future<Artifact>>>,
    /// For each `save` of arrays, the futures of the tasks that write the arrays.
    pub saves: Vec<Vec<Future<Artifact>>>,
}

/// A task of which some instances are submitted and others may follow.
pub(crate) struct OpenTask {
    /// The definition that all instances of the task share.
    pub(crate) def: TaskDef,
    /// The future of the definition in the engine's store, from which ranks fetch it once.
    sent: Option<Future<TaskDef>>,
}

impl OpenTask {
    /// Makes the state of a task whose definition is not in the store yet.
    pub(crate) fn new(def: TaskDef) -> Self {
        OpenTask { def, sent: None }
    }

    /// The future of the definition, which is put into the store at the first call.
    pub(crate) fn sent(&mut self, client: &Client) -> Future<TaskDef> {
        self.sent.get_or_insert_with(|| client.scatter(self.def.clone())).clone()
    }
}
