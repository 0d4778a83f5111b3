//! What can be set for a run.

use std::time::Duration;

/// Slots of a rank at most: each is a thread, and no host has as many cores.
pub(crate) const SLOTS_MAX: u32 = 4096;

/// Settings of a run; every field has a default that fits most jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Tasks that rank 0 computes beside scheduling, at most [`SLOTS_MAX`]; without it none, or as many as it has cores if
    /// it is alone.
    pub head_slots: Option<u32>,
    /// Tasks that each other rank computes at a time, at most [`SLOTS_MAX`]; without it as many as it has cores.
    pub slots: Option<u32>,
    /// How long rank 0 waits for the others at the start.
    pub patience: Duration,
    /// Measure what each rank's time goes into, and print it to standard error at the end of the run. What is set at rank 0
    /// counts.
    pub profile: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { head_slots: None, slots: None, patience: Duration::from_secs(120), profile: false }
    }
}
