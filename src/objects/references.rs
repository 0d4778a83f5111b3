//! Counts of the handles of an object over all ranks (distributed reference counting).
//!
//! A handle travels as bytes inside a value, and the bytes may be read once, several times (a task that starts again)
//! or never. So each copy that leaves a rank has a number, its *ticket*, which counts as a handle until somebody reads
//! the copy. The note that a copy was read may arrive before the note that it was made: they come from different ranks.

use crate::compact::Ranges;
use crate::ids::Rank;
use std::collections::{BTreeMap, BTreeSet};

/// The handles of one side of an object.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// The number of handles that each rank holds.
    held: BTreeMap<Rank, u64>,
    /// The tickets of copies that have left a rank and were not read yet.
    tickets: BTreeSet<u64>,
    /// The tickets of copies that were read.
    spent: Ranges,
}

impl References {
    /// Notes one more handle of `rank`.
    pub(super) fn hold(&mut self, rank: Rank) {
        *self.held.entry(rank).or_default() += 1;
    }

    /// Notes that a copy has left a rank inside an encoded value.
    pub(super) fn leave(&mut self, ticket: u64) {
        if !self.spent.contains(ticket) {
            self.tickets.insert(ticket);
        }
    }

    /// Notes that `rank` has read a copy, for the first time or again.
    pub(super) fn redeem(&mut self, rank: Rank, ticket: u64) {
        self.tickets.remove(&ticket);
        self.spent.insert(ticket);
        self.hold(rank);
    }

    /// Whether a copy was read.
    pub(super) fn is_spent(&self, ticket: u64) -> bool {
        self.spent.contains(ticket)
    }

    /// Notes that nobody will read a copy. Returns false if somebody has.
    pub(super) fn void(&mut self, ticket: u64) -> bool {
        let was_open = self.tickets.remove(&ticket);
        self.spent.insert(ticket);
        was_open
    }

    /// Notes that `rank` has dropped a handle.
    pub(super) fn drop_one(&mut self, rank: Rank) {
        if let Some(count) = self.held.get_mut(&rank) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&rank);
            }
        }
    }

    /// Removes the handles of a rank that has died. Returns whether it had any.
    pub(super) fn lost(&mut self, rank: Rank) -> bool {
        self.held.remove(&rank).is_some()
    }

    /// Whether no rank holds a handle and no copy is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.tickets.is_empty()
    }

    /// Whether `rank` holds a handle.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn has(&self, rank: Rank) -> bool {
        self.held.contains_key(&rank)
    }
}
