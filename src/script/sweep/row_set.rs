//! Row sets: the cells of a product that are instances, where `where` and `exclude` leave some out.
//!
//! Conditions mention a few parameters. Only the block of axes from the first to the last that they mention is
//! evaluated; the axes before and after it are whole. The block is kept in the shortest of three forms: the cells left
//! out, the cells kept, or a bit vector with counts. Each form answers *rank* (cell to instance) and *select* (instance
//! to cell) quickly, as a succinct index does.

use serde::{Deserialize, Serialize};

/// The set of a sweep's cells (combinations of parameter values) that are instances, as `where` and `exclude` keep
/// them. The conditions are evaluated for a block of neighbouring axes only, and hold for all positions on the other
/// axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowSet {
    /// The number of cells of the block, which has only the axes that conditions depend on and those between.
    block: u64,
    /// The number of cells of the product of all axes after the block, which the conditions do not mention.
    trail: u64,
    /// The number of the block's cells (combinations of parameter values) that `where` and `exclude` keep.
    count: u64,
    set: RowSetRepr,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum RowSetRepr {
    /// All cells (combinations of parameter values) of the block except the listed ones; the list is sorted.
    Without(Vec<u64>),
    /// Only the listed cells (combinations of parameter values) of the block; the list is sorted.
    Only(Vec<u64>),
    /// A bit for each cell of the block, set if the cell is in the set; `before` has the number of set bits before each
    /// run of [`RUN`] words.
    Bits { words: Vec<u64>, before: Vec<u64> },
}

/// The number of 64-bit words of the bit vector for each of which one count of the set bits before is stored. A search
/// reads at most this many words after it has found the count.
const RUN: usize = 8;

impl RowSet {
    /// Creates the set of all cells of a block (the axes that conditions mention, and those between) except `cells`,
    /// which need not be sorted. `block` and `trail` are the numbers of cells of the block and of the axes after it.
    pub(crate) fn without(block: u64, trail: u64, mut cells: Vec<u64>) -> Self {
        cells.sort_unstable();
        cells.dedup();
        RowSet {
            block,
            trail,
            count: block - (cells.len() as u64).min(block),
            set: RowSetRepr::Without(cells),
        }
    }

    /// Creates the set of the cells of a block whose bit is set in `words`. `block` and `trail` are the numbers of
    /// cells of the block and of the axes after it.
    pub(crate) fn bits(block: u64, trail: u64, words: Vec<u64>) -> Self {
        let count: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        // A list takes eight bytes for each cell in it, the bit vector an eighth of a byte for each cell of the block.
        let list = |wanted: bool| (0..block).filter(|at| bit(&words, *at) == wanted).collect::<Vec<u64>>();
        let set = if (block - count) * 64 < block {
            RowSetRepr::Without(list(false))
        } else if count * 64 < block {
            RowSetRepr::Only(list(true))
        } else {
            let mut before = Vec::with_capacity(words.len() / RUN + 1);
            let mut sum = 0;
            for run in words.chunks(RUN) {
                before.push(sum);
                sum += run.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            }
            RowSetRepr::Bits { words, before }
        };
        RowSet { block, trail, count, set }
    }

    /// The number of instances: the cells that the set keeps of the whole product, which has `cells` cells.
    pub(crate) fn len(&self, cells: u64) -> u64 {
        cells / (self.block * self.trail) * (self.count * self.trail)
    }

    /// Returns the index of the instance that a cell of the product is; `None` where `where` or `exclude` removes the
    /// cell.
    pub(crate) fn index(&self, cell: u64) -> Option<u64> {
        let (lead, rest) = (cell / (self.block * self.trail), cell % (self.block * self.trail));
        let rank = self.rank(rest / self.trail)?;
        Some((lead * self.count + rank) * self.trail + rest % self.trail)
    }

    /// Returns the number of the product's cell (combination of parameter values) that the instance of that index is.
    pub(crate) fn cell(&self, index: u64) -> u64 {
        let size = (self.count * self.trail).max(1);
        let (lead, rest) = (index / size, index % size);
        (lead * self.block + self.select(rest / self.trail)) * self.trail + rest % self.trail
    }

    fn rank(&self, cell: u64) -> Option<u64> {
        match &self.set {
            RowSetRepr::Without(cells) => {
                cells.binary_search(&cell).err().map(|smaller| cell - smaller as u64)
            }
            RowSetRepr::Only(cells) => cells.binary_search(&cell).ok().map(|at| at as u64),
            RowSetRepr::Bits { words, before } => {
                let at = usize::try_from(cell / 64).ok()?;
                let word = words.get(at)?;
                let mask = 1u64 << (cell % 64);
                if word & mask == 0 {
                    return None;
                }
                let run = at / RUN;
                let earlier: u64 = words.get(run * RUN..at)?.iter().map(|w| u64::from(w.count_ones())).sum();
                Some(before.get(run)? + earlier + u64::from((word & (mask - 1)).count_ones()))
            }
        }
    }

    fn select(&self, rank: u64) -> u64 {
        let lost = self.block; // no cell, for an index out of range
        match &self.set {
            RowSetRepr::Without(cells) => {
                // Binary search for the number of cells left out before the wanted one.
                let (mut low, mut high) = (0, cells.len());
                while low < high {
                    let mid = usize::midpoint(low, high);
                    if cells[mid] - mid as u64 <= rank { low = mid + 1 } else { high = mid }
                }
                rank + low as u64
            }
            RowSetRepr::Only(cells) => {
                usize::try_from(rank).ok().and_then(|at| cells.get(at)).copied().unwrap_or(lost)
            }
            RowSetRepr::Bits { words, before } => {
                let run = before.partition_point(|sum| *sum <= rank).saturating_sub(1);
                let mut left = rank - before.get(run).copied().unwrap_or(0);
                for (at, word) in words.iter().enumerate().skip(run * RUN) {
                    let ones = u64::from(word.count_ones());
                    if left < ones {
                        return at as u64 * 64 + nth(*word, left);
                    }
                    left -= ones;
                }
                lost
            }
        }
    }
}

fn bit(words: &[u64], at: u64) -> bool {
    words.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

/// Returns the position in `word` of the set bit that has `before` set bits below it.
fn nth(mut word: u64, before: u64) -> u64 {
    for _ in 0..before {
        word &= word.wrapping_sub(1);
    }
    u64::from(word.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the instances of the set `kept` are exactly the cells for which `keep` is true, in their order.
    fn check(kept: &RowSet, cells: u64, keep: impl Fn(u64) -> bool) {
        let wanted: Vec<u64> = (0..cells).filter(|cell| keep(*cell)).collect();
        assert_eq!(kept.len(cells), wanted.len() as u64);
        for (index, cell) in wanted.iter().enumerate() {
            assert_eq!((kept.cell(index as u64), kept.index(*cell)), (*cell, Some(index as u64)));
        }
        assert!((0..cells).all(|cell| kept.index(cell).is_some() == keep(cell)));
    }

    #[test]
    fn instances_are_the_kept_cells_in_order() {
        for every in [2, 3, 65, 200, 5000] {
            for (block, lead, trail) in [(1000, 1, 1), (1000, 2, 3), (64, 3, 1), (130, 1, 7)] {
                for inverse in [false, true] {
                    let keep_mid = move |mid: u64| (mid % every == 1) != inverse;
                    let keep = move |cell: u64| keep_mid(cell / trail % block);
                    let mut words = vec![0u64; (block as usize).div_ceil(64)];
                    (0..block)
                        .filter(|mid| keep_mid(*mid))
                        .for_each(|mid| words[(mid / 64) as usize] |= 1 << (mid % 64));
                    let cells = lead * block * trail;
                    check(&RowSet::bits(block, trail, words), cells, keep);
                    let out = (0..block).rev().filter(|mid| !keep_mid(*mid)).collect();
                    check(&RowSet::without(block, trail, out), cells, keep);
                }
            }
        }
    }

    #[test]
    fn few_exceptions_of_many_cost_nothing() {
        let kept = RowSet::without(10_000_000_000, 4, vec![7, 5, 7]);
        assert_eq!(kept.len(40_000_000_000), 4 * (10_000_000_000 - 2));
        assert_eq!((kept.cell(20), kept.index(23), kept.index(24)), (24, None, Some(20)));
        assert_eq!(kept.cell(39_999_999_991), 39_999_999_999);
    }

    #[test]
    fn an_index_out_of_range_is_no_panic() {
        for kept in [
            RowSet::without(10, 1, vec![1]),
            RowSet::bits(100, 1, vec![5, 0]),
            RowSet::bits(100, 1, vec![u64::MAX, 7]),
        ] {
            kept.cell(u64::MAX >> 8);
            kept.index(u64::MAX >> 8);
        }
    }
}
