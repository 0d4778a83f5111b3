//! Instances that were handed to the engine.

use crate::batch::artifact::Artifact;
use crate::batch::task_def::TaskDef;
use crate::client::Client;
use crate::client::family::Family;
use crate::client::future::Future;

/// Instances of a task, as the engine has them.
pub(crate) enum SubmittedFutures {
    /// Instances that are watched until they end.
    Each(Vec<Future<Artifact>>),
    /// A family that nothing refers to, taken a part at a time.
    Lazy(Family<Artifact>),
}

/// Some instances of a task that were submitted.
pub(crate) struct SubmittedInstances {
    /// The task's number.
    pub task: usize,
    /// The index of the first.
    pub first: u64,
    /// Whether they are the last.
    pub last: bool,
    /// The instances.
    pub instances: SubmittedFutures,
    /// The streams of each instance, where these go to files. Without them the instances themselves have the streams,
    /// and nothing else refers to them.
    pub parts: Option<Vec<Future<Artifact>>>,
    /// For each `save` of arrays, the tasks that write each of them.
    pub saves: Vec<Vec<Future<Artifact>>>,
}

/// A task of which instances are submitted.
pub(crate) struct OpenTask {
    /// The definition.
    pub(crate) def: TaskDef,
    /// The definition at rank 0, for others to fetch.
    sent: Option<Future<TaskDef>>,
}

impl OpenTask {
    /// A task whose definition is not sent yet.
    pub(crate) fn new(def: TaskDef) -> Self {
        OpenTask { def, sent: None }
    }

    /// The definition, for others to fetch.
    pub(crate) fn sent(&mut self, client: &Client) -> Future<TaskDef> {
        self.sent.get_or_insert_with(|| client.scatter(self.def.clone())).clone()
    }
}
