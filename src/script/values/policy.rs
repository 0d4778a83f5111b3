//! The `[policy]` table: the failures that stop a run.

/// The failure policy: how many failures stop the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether the first failure stops the run; otherwise only the tasks that depend on the failed one are not run.
    pub stop: bool,
    /// The number of failed instances that stops the run; `None` for no limit.
    pub max_failures: Option<u64>,
}

impl Policy {
    /// The number of failures after which no more tasks start, from both settings; `None` for no limit.
    pub fn limit(&self) -> Option<u64> {
        if self.stop { Some(1) } else { self.max_failures }
    }
}
