//! The `[policy]` table: the failures that stop a run, and how much its logs may have.

/// The policy of a run: how many failures stop it, and how long its logs may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the first failure stops the run; otherwise only the tasks that depend on the failed one are not run.
    pub stop: bool,
    /// The number of failed instances that stops the run; `None` for no limit.
    pub max_failures: Option<u64>,
    /// The most bytes that the log keeps of one stream of an instance.
    pub log_limit: u64,
    /// The most bytes that the logs of a run may have, over all ranks.
    pub log_total: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { stop: false, max_failures: None, log_limit: 1 << 20, log_total: 1 << 30 }
    }
}

impl Policy {
    /// The number of failures after which no more tasks start, from both settings; `None` for no limit.
    pub fn limit(&self) -> Option<u64> {
        if self.stop { Some(1) } else { self.max_failures }
    }
}
