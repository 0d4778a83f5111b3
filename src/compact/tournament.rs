//! A tournament tree: finds the least key of all ranks, where keys change often. Callers put the number of a rank into
//! its key, since only the key is found.

use crate::ids::Rank;

const NONE: u128 = u128::MAX;

/// A tournament tree that finds the rank with the least key. Each leaf holds the key of a rank, each inner node the
/// lesser key of its two children. Changing a key costs at most one comparison per level and never allocates.
#[derive(Debug)]
pub(crate) struct Tournament {
    /// The tree as an array: the root at index 1, the children of `n` at `2n` and `2n + 1`; index 0 is unused.
    keys: Vec<u128>,
    leaves: usize,
}

impl Tournament {
    /// A tree for ranks 0, 1, …, `ranks` - 1, none of which has a key yet.
    pub(crate) fn new(ranks: usize) -> Self {
        let leaves = ranks.next_power_of_two();
        Tournament { keys: vec![NONE; 2 * leaves], leaves }
    }

    /// Sets the key of `rank`; `None` removes the rank from the tree.
    pub(crate) fn set(&mut self, rank: Rank, key: Option<u128>) {
        let mut at = self.leaves + rank.index();
        let mut least = key.unwrap_or(NONE);
        while at > 0 && self.keys[at] != least {
            self.keys[at] = least;
            least = least.min(self.keys[at ^ 1]);
            at /= 2;
        }
    }

    /// The least key of all ranks, or `None` if no rank has one.
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
