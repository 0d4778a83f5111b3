//! The memory that a rank may hold of what its commands print. Beyond it, output goes to files in scratch.

use crate::client::local::local;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of commands' output that a rank holds in memory, unless the script or the command line says otherwise.
pub(crate) const OUTPUT_MEMORY: u64 = 64 << 20;

/// The limit on the memory that outputs of commands take on a rank, while these run or just after, and the number of
/// bytes that are taken.
#[derive(Debug)]
pub(crate) struct OutputBudget {
    limit: AtomicU64,
    taken: AtomicU64,
}

impl Default for OutputBudget {
    fn default() -> Self {
        OutputBudget { limit: OUTPUT_MEMORY.into(), taken: AtomicU64::new(0) }
    }
}

impl OutputBudget {
    /// The budget of this rank, which all its commands share.
    pub(crate) fn current() -> Arc<OutputBudget> {
        local(OutputBudget::default)
    }

    /// Changes the bound. Memory that is taken stays taken.
    pub(crate) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Makes the share of one stream in the budget, at first 0 bytes. The share can grow; when it is dropped, its bytes
    /// return to the budget.
    pub(crate) fn share(self: Arc<Self>) -> MemoryShare {
        MemoryShare { budget: self, bytes: 0 }
    }
}

/// The part of a rank's [`OutputBudget`] that one stream of a command has taken.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    budget: Arc<OutputBudget>,
    bytes: u64,
}

impl MemoryShare {
    /// Takes `more` bytes, and returns true; or takes nothing, and returns false, if the budget has less.
    pub(crate) fn grow(&mut self, more: u64) -> bool {
        let limit = self.budget.limit.load(Ordering::Relaxed);
        let fits = |taken: u64| taken.checked_add(more).filter(|sum| *sum <= limit);
        let taken = self.budget.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        self.bytes += if taken { more } else { 0 };
        taken
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_together_never_exceed_the_bound_and_come_back() {
        let budget = Arc::new(OutputBudget::default());
        budget.set_limit(100);
        let (mut one, mut two) = (budget.clone().share(), budget.clone().share());
        assert!(one.grow(60) && !two.grow(41) && two.grow(40) && !one.grow(1) && !one.grow(u64::MAX));
        drop(one);
        assert!(two.grow(60) && !two.grow(1));
        drop(two);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }
}
