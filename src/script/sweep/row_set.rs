//! Which cells of a product are instances, where `where` and `exclude` leave some out.
//!
//! Conditions are about a few parameters. Of the axes of the product, outermost first, those before the first and those
//! after the last that a condition mentions are whole; only the block between them is looked at. Of that block there is
//! kept what is shortest: the cells left out, the cells kept, or a bit for each with the counts that make it searchable.

use serde::{Deserialize, Serialize};

/// The instances among the cells of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowSet {
    /// Cells of the block.
    block: u64,
    /// Cells of the axes after it.
    trail: u64,
    /// Cells of the block that are kept.
    count: u64,
    set: RowSetRepr,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum RowSetRepr {
    /// All but these, sorted.
    Without(Vec<u64>),
    /// These, sorted.
    Only(Vec<u64>),
    /// A bit for each cell, and for each run of words the number of bits before it.
    Bits { words: Vec<u64>, before: Vec<u64> },
}

/// Words between two counts: a search looks at no more than these.
const RUN: usize = 8;

impl RowSet {
    /// All cells of a block but these, which may be in any order.
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

    /// The cells whose bit is set.
    pub(crate) fn bits(block: u64, trail: u64, words: Vec<u64>) -> Self {
        let count: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        // A list takes eight bytes for each cell, the bits an eighth of one.
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

    /// How many cells are kept of so many.
    pub(crate) fn len(&self, cells: u64) -> u64 {
        cells / (self.block * self.trail) * (self.count * self.trail)
    }

    /// The instance that a cell is.
    pub(crate) fn index(&self, cell: u64) -> Option<u64> {
        let (lead, rest) = (cell / (self.block * self.trail), cell % (self.block * self.trail));
        let rank = self.rank(rest / self.trail)?;
        Some((lead * self.count + rank) * self.trail + rest % self.trail)
    }

    /// The cell of an instance.
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
        let lost = self.block; // of an index out of range
        match &self.set {
            RowSetRepr::Without(cells) => {
                // The number of cells left out before the wanted one.
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

/// The place of the set bit that has so many before it.
fn nth(mut word: u64, before: u64) -> u64 {
    for _ in 0..before {
        word &= word.wrapping_sub(1);
    }
    u64::from(word.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to keep a set says the same: the instances are the kept cells in their order.
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
