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

    /// Adds all numbers of a range.
    pub fn insert_range(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if start >= end {
            return;
        }
        if let Some((&first, &last)) = self.0.range(..=start).next_back()
            && last >= start
        {
            (start, end) = (first, end.max(last));
        }
        while let Some((&first, &last)) = self.0.range(start..=end).next_back() {
            self.0.remove(&first);
            end = end.max(last);
        }
        self.0.insert(start, end);
    }

    /// Removes `number`. Returns whether the set held it.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((&first, &end)) = self.0.range(..=number).next_back().filter(|(_, end)| number < **end)
        else {
            return false;
        };
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, number);
        }
        if number + 1 < end {
            self.0.insert(number + 1, end);
        }
        true
    }

    /// Removes all numbers of a range.
    pub fn remove_range(&mut self, range: Range<u64>) {
        let found: Vec<Range<u64>> =
            self.iter_from(range.start).take_while(|own| own.start < range.end).collect();
        for own in found {
            // the first one may begin before the range
            let (start, end) =
                self.0.range(..=own.start).next_back().map_or((own.start, own.end), |(a, b)| (*a, *b));
            self.0.remove(&start);
            self.insert_range(start..range.start.min(end));
            self.insert_range(range.end.max(start)..end);
        }
    }

    /// The number of numbers in the set.
    pub fn count(&self) -> u64 {
        self.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges of the numbers that are at least `number`, in ascending order.
    pub fn iter_from(&self, number: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let before = self.0.range(..number).next_back().map(|(_, &end)| number..end);
        let before = before.filter(|range| !range.is_empty());
        before.into_iter().chain(self.0.range(number..).map(|(&start, &end)| start..end))
    }

    /// The numbers below `end` that are not in the set.
    pub fn complement(&self, end: u64) -> Ranges {
        let (mut gaps, mut next) = (Ranges::default(), 0);
        for range in self.iter() {
            gaps.insert_range(next..range.start.min(end));
            next = range.end;
        }
        gaps.insert_range(next..end);
        gaps
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

impl From<Range<u64>> for Ranges {
    fn from(range: Range<u64>) -> Self {
        let mut ranges = Ranges::default();
        ranges.insert_range(range);
        ranges
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(all: I) -> Self {
        let mut ranges = Ranges::default();
        all.into_iter().for_each(|range| ranges.insert_range(range));
        ranges
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

        #[test]
        fn ranges_go_in_and_numbers_go_out(
            steps in proptest::collection::vec((0..40u64, 0..9u64, any::<bool>()), 0..40),
        ) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (number, length, adds) in steps {
                if adds {
                    ranges.insert_range(number..number + length);
                    set.extend(number..number + length);
                } else {
                    prop_assert_eq!(ranges.remove(number), set.remove(&number));
                }
            }
            prop_assert!(ranges.iter().flatten().eq(set.iter().copied()));
            let ends: Vec<Range<u64>> = ranges.iter().collect();
            prop_assert!(ends.windows(2).all(|two| two[0].end < two[1].start));
            prop_assert_eq!(ranges.count(), set.len() as u64);
            for from in 0..50 {
                prop_assert!(ranges.iter_from(from).flatten().eq(set.range(from..).copied()));
                prop_assert!(
                    ranges.complement(from).iter().flatten().eq((0..from).filter(|n| !set.contains(n)))
                );
            }
        }
    }
}
