//! What an instance takes while it runs, and what the job has.

use serde::{Deserialize, Serialize};

/// Something that the whole job has so many of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCounter {
    /// Its name in `[resources]`.
    pub name: String,
    /// How many there are.
    pub total: u32,
}

/// What an instance takes while it runs, beside memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceResources {
    /// Threads, where the script says how many: as many slots of its rank, and cores of its own.
    pub threads: Option<u32>,
    /// Devices.
    pub gpus: u32,
    /// How many of the counters with these numbers.
    pub counters: Vec<(usize, u32)>,
    /// The rank that it had best run on.
    pub on: Option<u32>,
    /// The task on whose host it had best run; it refers to that.
    pub near: Option<String>,
    /// Whether others had best run on its host.
    pub is_place: bool,
}

impl InstanceResources {
    /// Threads, and slots of its rank.
    pub fn slots(&self) -> u32 {
        self.threads.unwrap_or(1)
    }
}
