//! Copies of handles that nobody will read.
//!
//! The note comes from the rank that had the value, or from rank 0 where a task never ran. It may overtake the note of a
//! rank that has read the copy before (that was sent to this rank directly, and the other one went round). So the home
//! first asks every rank for a sign (*fence*): messages of a rank arrive in the order of sending, so with its sign all
//! has come that it has sent before. One fence serves all copies that wait for it.

use crate::ids::Rank;
use crate::protocol::HandleTicket;
use std::collections::BTreeSet;

/// A copy that nobody will read, and whether a task was to read it that has failed or was cancelled before.
pub(crate) type VoidedCopy = (HandleTicket, bool);

/// The copies that wait for a fence.
#[derive(Debug, Default)]
pub(crate) struct VoidedCopies {
    /// The copies for the next fence.
    waiting: Vec<VoidedCopy>,
    /// The copies that the fence is for which is under way.
    fenced: Vec<VoidedCopy>,
    /// The ranks whose sign is still to come.
    awaited: BTreeSet<Rank>,
    number: u64,
}

impl VoidedCopies {
    /// Adds a copy.
    pub(super) fn add(&mut self, copy: VoidedCopy) {
        self.waiting.push(copy);
    }

    /// Begins a fence if copies wait for one and none is under way. Returns its number; [`VoidedCopies::asked`] follows.
    pub(super) fn begin(&mut self) -> Option<u64> {
        if !self.fenced.is_empty() || self.waiting.is_empty() {
            return None;
        }
        self.fenced = std::mem::take(&mut self.waiting);
        self.number += 1;
        Some(self.number)
    }

    /// Notes the ranks that were asked for a sign.
    pub(super) fn asked(&mut self, ranks: BTreeSet<Rank>) {
        self.awaited = ranks;
    }

    /// Notes that a rank has given its sign for the fence of this number. Returns the copies if it was the last one.
    pub(super) fn back(&mut self, rank: Rank, number: u64) -> Vec<VoidedCopy> {
        if number == self.number { self.lost(rank) } else { Vec::new() }
    }

    /// Notes that a rank will send nothing more. Returns the copies if its sign was the last one to come.
    pub(super) fn lost(&mut self, rank: Rank) -> Vec<VoidedCopy> {
        if self.awaited.remove(&rank) && self.awaited.is_empty() {
            return std::mem::take(&mut self.fenced);
        }
        Vec::new()
    }

    /// Whether no copy waits.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.fenced.is_empty()
    }
}
