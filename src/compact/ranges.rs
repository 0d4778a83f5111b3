//! A set of integers stored as an interval map, for numbers that mostly follow one another.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of numbers, stored as disjoint ranges with gaps between them: ten million consecutive numbers take one
/// entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `number`, which must be less than `u64::MAX`. Returns false if the set held it already.
    pub fn insert(&mut self, number: u64) -> bool {
        let before = self.0.range_mut(..=number).next_back();
        let mut start = number;
        if let Some((&first, end)) = before {
            if number < *end {
                return false;
            }
            if number == *end {
                start = first;
                *end = number + 1;
            }
        }
        let end = self.0.remove(&(number + 1)).unwrap_or(number + 1);
        if start == number || end > number + 1 {
            self.0.insert(start, end);
        }
        true
    }

    /// Whether the set contains `number`.
    pub fn contains(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, &end)| number < end)
    }

    /// The range with the lowest numbers, or `None` if the set is empty.
    pub fn first(&self) -> Option<Range<u64>> {
        self.iter().next()
    }

    /// Removes and returns the range with the lowest numbers.
    pub fn pop_first(&mut self) -> Option<Range<u64>> {
        self.0.pop_first().map(|(start, end)| start..end)
    }

    /// The ranges of the set in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|(&start, &end)| start..end)
    }
}

impl FromIterator<u64> for Ranges {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut ranges = Ranges::default();
        numbers.into_iter().for_each(|number| _ = ranges.insert(number));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn neighbours_are_one_range() {
        let ranges: Ranges = [5, 7, 6, 1, 0].into_iter().collect();
        assert!(ranges.iter().eq([0..2, 5..8]));
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in proptest::collection::vec(0..40u64, 0..60)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
                prop_assert!((0..42).all(|n| ranges.contains(n) == set.contains(&n)));
            }
            prop_assert!(ranges.iter().flatten().eq(set.iter().copied()));
            let ends: Vec<Range<u64>> = ranges.iter().collect();
            prop_assert!(ends.windows(2).all(|two| two[0].end < two[1].start));
            prop_assert_eq!(ranges.first(), ends.first().cloned());
            prop_assert_eq!(ranges.pop_first(), ends.first().cloned());
            prop_assert!(ranges.iter().eq(ends.into_iter().skip(1)));
        }
    }
}
