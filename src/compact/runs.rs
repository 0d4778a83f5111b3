//! A run-length encoded list of integers, for numbers that mostly follow one another.

use std::ops::Range;

/// A list of numbers in the order of insertion. Consecutive ascending numbers share one entry, to save memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Runs {
    /// The runs of consecutive numbers, each as its first number and the place of this number in the list.
    runs: Vec<(u64, u64)>,
    len: usize,
}

impl Runs {
    /// Appends `number` to the list.
    pub fn push(&mut self, number: u64) {
        self.extend(number, 1);
    }

    /// Appends `count` consecutive numbers, the first of which is `first`.
    pub fn extend(&mut self, first: u64, count: u64) {
        let at = self.len as u64;
        self.len += count as usize;
        let follows = |&(number, place): &(u64, u64)| number.checked_add(at - place) == Some(first);
        if count > 0 && !self.runs.last().is_some_and(follows) {
            self.runs.push((first, at));
        }
    }

    /// The number at the place `at`, counted from 0; `None` after the last.
    pub fn get(&self, at: usize) -> Option<u64> {
        let run = self.runs.partition_point(|(_, place)| *place <= at as u64).checked_sub(1)?;
        let (first, place) = *self.runs.get(run)?;
        (at < self.len).then_some(first + (at as u64 - place))
    }

    /// The number of elements in the list.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the list has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The runs of consecutive numbers, in the order of insertion.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let ends = self.runs.iter().skip(1).map(|(_, place)| *place).chain([self.len as u64]);
        self.runs.iter().zip(ends).map(|(&(first, place), end)| first..first.saturating_add(end - place))
    }

    /// The numbers in the order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let ends = self.runs.iter().skip(1).map(|(_, place)| *place).chain([self.len as u64]);
        self.runs.iter().zip(ends).flat_map(|(&(first, place), end)| (0..end - place).map(move |k| first + k))
    }
}

impl From<Range<u64>> for Runs {
    fn from(range: Range<u64>) -> Self {
        let mut runs = Runs::default();
        runs.extend(range.start, range.end.saturating_sub(range.start));
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_out_as_they_went_in() {
        let numbers = [3, 4, 5, 5, 6, u64::MAX, 0, 9, 8];
        let mut runs = Runs::default();
        numbers.into_iter().for_each(|number| runs.push(number));
        assert!(runs.iter().eq(numbers));
        assert_eq!((runs.len(), runs.runs.len()), (9, 6));
        runs.extend(9, 3);
        runs.extend(12, 0);
        let all: Vec<u64> = numbers.into_iter().chain([9, 10, 11]).collect();
        assert_eq!((0..13).map_while(|at| runs.get(at)).collect::<Vec<_>>(), all);
        assert!(runs.iter().eq(all));
    }
}
