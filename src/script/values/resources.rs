//! The resources that an instance takes while it runs, and the counters that the whole job has.

use serde::{Deserialize, Serialize};

/// A counted resource that the whole job has an amount of, such as licences. Instances take some of it while they run,
/// and wait if too little is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCounter {
    /// The name of the resource in the table `[resources]`.
    pub name: String,
    /// The amount of the resource that the whole job has.
    pub total: u32,
}

/// The resources (except memory) that an instance takes while it runs, and the place where it has to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceResources {
    /// The number of slots of its rank that an instance takes, with as many cores that no other instance uses. `None`:
    /// one slot, and any core.
    pub threads: Option<u32>,
    /// The number of processes of the MPI program that the command is (`ranks = 4`), each of which takes `threads` slots.
    /// `None` for a command that is one process.
    pub ranks: Option<u32>,
    /// The number of GPUs that the instance takes, which no other instance uses meanwhile.
    pub gpus: u32,
    /// The amount that the instance takes of each job counter, by the counter's index in the plan.
    pub counters: Vec<(usize, u32)>,
    /// The rank that the instance has to run on (`on = "rank 3"`); `None` for any.
    pub on: Option<u32>,
    /// The name of the task on whose host the instance has to run (`on = "host of NAME"`); `None` for any.
    pub same_host_as: Option<String>,
    /// Whether instances of other tasks have to run on the host of this instance.
    pub is_host_group: bool,
}

impl InstanceResources {
    /// The number of slots (tasks that a rank runs at a time) that an instance takes; of an MPI program each process.
    pub fn slots(&self) -> u32 {
        self.threads.unwrap_or(1)
    }
}
