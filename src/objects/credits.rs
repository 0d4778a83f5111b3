//! The shares of a channel's sending ranks in its capacity.
//!
//! A credit is the right to have one item under way. There are as many as the channel's capacity, whoever sends. The
//! first sending rank gets all of them. When another one asks, the ranks with more than their fair share are asked for
//! some (*recall*), and give them back as soon as they do not use them.

use super::{ObjectAction, ObjectActions, ObjectCaller, reply};
use crate::ids::Rank;
use crate::protocol::{Blob, ObjectId, ReplyKind};
use std::collections::BTreeMap;

/// The credits of a channel, at its home.
#[derive(Debug, Default)]
pub(super) struct Credits {
    /// The number of all credits; 0 until the first call sets it.
    capacity: u32,
    /// The number of credits that no rank has.
    free: u32,
    /// The number of credits of each rank.
    shares: BTreeMap<Rank, u32>,
    /// The number of credits that each rank was asked for and has not given back.
    recalled: BTreeMap<Rank, u32>,
    /// The calls that wait for credits, at most one of each rank.
    asking: Vec<ObjectCaller>,
}

impl Credits {
    /// Handles the call of a rank that has no credits left.
    pub(super) fn ask(
        &mut self,
        object: ObjectId,
        from: ObjectCaller,
        capacity: u32,
        out: &mut ObjectActions,
    ) {
        if self.capacity == 0 {
            self.capacity = capacity.max(1);
            self.free = self.capacity;
        }
        self.asking.push(from);
        self.grant(object, out);
    }

    /// Notes that a rank has given credits back.
    pub(super) fn returned(&mut self, object: ObjectId, rank: Rank, count: u32, out: &mut ObjectActions) {
        let Some(share) = self.shares.get_mut(&rank) else { return };
        let count = count.min(*share);
        *share -= count;
        if *share == 0 {
            self.shares.remove(&rank);
        }
        if let Some(recalled) = self.recalled.get_mut(&rank) {
            *recalled = recalled.saturating_sub(count);
            if *recalled == 0 || !self.shares.contains_key(&rank) {
                self.recalled.remove(&rank);
            }
        }
        self.free += count;
        self.grant(object, out);
    }

    /// Takes the credits of a dead rank back, and forgets its call.
    pub(super) fn lost(&mut self, object: ObjectId, rank: Rank, out: &mut ObjectActions) {
        self.asking.retain(|waits| waits.rank != rank);
        self.recalled.remove(&rank);
        self.free += self.shares.remove(&rank).unwrap_or(0);
        self.grant(object, out);
    }

    /// Takes the calls that wait, for an answer that there will be no credits.
    pub(super) fn take_asking(&mut self) -> Vec<ObjectCaller> {
        std::mem::take(&mut self.asking)
    }

    /// Withdraws a call that waits. Returns whether it did.
    pub(super) fn withdraw(&mut self, own: ObjectCaller) -> bool {
        let before = self.asking.len();
        self.asking.retain(|waits| *waits != own);
        self.asking.len() < before
    }

    fn share(&self, rank: Rank) -> u32 {
        self.shares.get(&rank).copied().unwrap_or(0)
    }

    /// Gives the free credits to the ranks that wait, those with the fewest first, and asks others for some if none are
    /// left.
    fn grant(&mut self, object: ObjectId, out: &mut ObjectActions) {
        while self.free > 0
            && let Some(at) = (0..self.asking.len()).min_by_key(|&at| self.share(self.asking[at].rank))
        {
            let give = (self.free / self.asking.len() as u32).max(1);
            let to = self.asking.remove(at);
            self.free -= give;
            *self.shares.entry(to.rank).or_default() += give;
            reply(to, ReplyKind::Done, Blob::new(&give.to_le_bytes()), out);
        }
        self.recall(object, out);
    }

    /// Asks ranks with more than their fair share for credits, for those that wait with less.
    fn recall(&mut self, object: ObjectId, out: &mut ObjectActions) {
        if self.asking.is_empty() {
            return;
        }
        let new = self.asking.iter().filter(|waits| !self.shares.contains_key(&waits.rank)).count();
        let fair = self.capacity / (self.shares.len() + new).max(1) as u32;
        let poor = |waits: &ObjectCaller| self.share(waits.rank) < fair.max(1);
        if !self.asking.iter().any(poor) {
            return;
        }
        let is_asked = |rank: &Rank| self.recalled.contains_key(rank);
        let mut asked: Vec<(Rank, u32)> = (self.shares.iter())
            .filter(|(rank, share)| !is_asked(rank) && **share > fair.max(1))
            .map(|(rank, share)| (*rank, share - fair.max(1)))
            .collect();
        if asked.is_empty() && self.recalled.is_empty() {
            // more ranks than credits: they take turns
            let not_asking = |rank: &Rank| self.asking.iter().all(|waits| waits.rank != *rank);
            let first = self.shares.keys().copied().find(not_asking).or(self.shares.keys().copied().next());
            asked.extend(first.map(|rank| (rank, 1)));
        }
        for (rank, count) in asked {
            self.recalled.insert(rank, count);
            out.push(ObjectAction::Recall(rank, object, count));
        }
    }

    /// Verifies that no credit is lost.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self) -> Result<(), String> {
        let all = self.free + self.shares.values().sum::<u32>();
        if all != self.capacity {
            return Err(format!("{all} credits of {}", self.capacity));
        }
        if self.free > 0 && !self.asking.is_empty() {
            return Err(format!("{} credits are free, and ranks wait for some", self.free));
        }
        Ok(())
    }
}
