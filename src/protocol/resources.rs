//! The resource request of a task.

use serde::{Deserialize, Serialize};

/// The highest number of counters of a job. A counter is a limited quantity that tasks take from, such as licences.
pub const COUNTERS_MAX: usize = 8;

/// The resources that a task takes of its rank, its host and the job while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceRequest {
    /// Number of slots (tasks at a time) of its rank that the task takes, at least 1.
    pub slots: u32,
    /// Number of GPUs of its rank that the task takes.
    pub gpus: u32,
    /// Memory of the rank's host that the task takes, in bytes; 0 if it declares none, and then no limit holds for it.
    pub memory: u64,
    /// The amount that the task takes of each counter of the job, such as licences, by the counter's number.
    pub counters: [u32; COUNTERS_MAX],
}

impl Default for ResourceRequest {
    /// Makes a request for one slot and nothing else.
    fn default() -> Self {
        ResourceRequest { slots: 1, gpus: 0, memory: 0, counters: [0; COUNTERS_MAX] }
    }
}

impl ResourceRequest {
    /// Whether the request is for one slot and nothing else, so that no other resource has to be counted.
    pub fn is_plain(&self) -> bool {
        *self == ResourceRequest::default()
    }
}
