//! `[policy]`: what failures mean for the rest of a run.

/// What failures mean for the rest of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether the first failure stops the run; otherwise only what depends on it is not run.
    pub stop: bool,
    /// So many failures stop the run.
    pub max_failures: Option<u64>,
}

impl Policy {
    /// The number of failures at which nothing more is started.
    pub fn limit(&self) -> Option<u64> {
        if self.stop { Some(1) } else { self.max_failures }
    }
}
