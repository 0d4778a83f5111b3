//! What a task takes while it runs.

use serde::{Deserialize, Serialize};

/// Counters that a job may have.
pub const COUNTERS_MAX: usize = 8;

/// What a task takes of its rank, its host and the job while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceRequest {
    /// Slots of its rank, at least 1.
    pub slots: u32,
    /// Devices of its rank.
    pub gpus: u32,
    /// Bytes of its host's memory.
    pub memory: u64,
    /// So much of each counter of the job.
    pub counters: [u32; COUNTERS_MAX],
}

impl Default for ResourceRequest {
    /// One slot, and nothing else.
    fn default() -> Self {
        ResourceRequest { slots: 1, gpus: 0, memory: 0, counters: [0; COUNTERS_MAX] }
    }
}

impl ResourceRequest {
    /// Whether it is one slot and nothing else: then there is nothing to count.
    pub fn is_plain(&self) -> bool {
        *self == ResourceRequest::default()
    }
}
