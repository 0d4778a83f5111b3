//! The resource request of a task.

use serde::{Deserialize, Serialize};

/// The highest number of counters of a job. A counter is a limited quantity that tasks take from, such as licences.
pub const COUNTERS_MAX: usize = 8;

/// The resources that a task takes of its rank, its host and the job while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceRequest {
    /// Number of slots (tasks at a time) of its rank that the task takes, at least 1; for a program of several processes
    /// those of each process.
    pub slots: u32,
    /// Number of GPUs of its rank that the task takes.
    pub gpus: u32,
    /// Memory of the rank's host that the task takes, in bytes; 0 if it declares none, and then no limit holds for it. For
    /// a program of several processes that of each process.
    pub memory: u64,
    /// The amount that the task takes of each counter of the job, such as licences, by the counter's number.
    pub counters: [u32; COUNTERS_MAX],
    /// Number of processes of the program that the task starts, such as an MPI program. With more than one, the task
    /// takes slots of several ranks at once (gang scheduling); else 1.
    pub processes: u32,
}

impl Default for ResourceRequest {
    /// Makes a request for one slot and nothing else.
    fn default() -> Self {
        ResourceRequest { slots: 1, gpus: 0, memory: 0, counters: [0; COUNTERS_MAX], processes: 1 }
    }
}

impl ResourceRequest {
    /// Whether the request is for one slot and nothing else, so that no other resource has to be counted.
    pub fn is_plain(&self) -> bool {
        *self == ResourceRequest::default()
    }

    /// Number of slots that the task itself takes on the rank that runs it. The slots of a program of several processes
    /// are held beside the task, and count one for it.
    pub fn slots_of_task(&self) -> u32 {
        if self.processes > 1 { 1 } else { self.slots }
    }
}
