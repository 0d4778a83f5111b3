//! The least of many ranks by a key that changes often.

use crate::ids::Rank;

const NONE: u128 = u128::MAX;

/// A binary tree whose leaves are ranks and each of whose inner nodes is the lesser of the two below it: a change
/// costs one comparison a level at most, and never an allocation.
#[derive(Debug)]
pub(crate) struct Tournament {
    /// The root at 1, the nodes below `n` at `2n` and `2n + 1`.
    keys: Vec<u128>,
    leaves: usize,
}

impl Tournament {
    /// One for ranks 0, 1, …, none of which takes part yet.
    pub(crate) fn new(ranks: usize) -> Self {
        let leaves = ranks.next_power_of_two();
        Tournament { keys: vec![NONE; 2 * leaves], leaves }
    }

    /// Gives `rank` the key `key`, or takes it out.
    pub(crate) fn set(&mut self, rank: Rank, key: Option<u128>) {
        let mut at = self.leaves + rank.index();
        let mut least = key.unwrap_or(NONE);
        while at > 0 && self.keys[at] != least {
            self.keys[at] = least;
            least = least.min(self.keys[at ^ 1]);
            at /= 2;
        }
    }

    /// The least key.
    pub(crate) fn first(&self) -> Option<u128> {
        Some(self.keys[1]).filter(|&key| key != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_least_is_first(ranks in 1..20usize, changes in proptest::collection::vec((0..20u32, 0..9u128), 0..99)) {
            let mut tournament = Tournament::new(ranks);
            let mut keys = vec![None; ranks];
            for (rank, key) in changes.into_iter().filter(|&(rank, _)| (rank as usize) < ranks) {
                keys[rank as usize] = Some(key).filter(|&key| key > 0);
                tournament.set(Rank(rank), keys[rank as usize]);
                prop_assert_eq!(tournament.first(), keys.iter().flatten().min().copied());
            }
        }
    }
}
