//! A run-length encoded list of integers, for numbers that mostly follow one another.

/// A list of numbers in the order of insertion. Consecutive ascending numbers share one entry, to save memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Runs {
    /// The runs of consecutive numbers, each as its first number and its length.
    runs: Vec<(u64, u64)>,
    len: usize,
}

impl Runs {
    /// Appends `number` to the list.
    pub fn push(&mut self, number: u64) {
        self.len += 1;
        match self.runs.last_mut() {
            Some((first, count)) if first.checked_add(*count) == Some(number) => *count += 1,
            _ => self.runs.push((number, 1)),
        }
    }

    /// The number of elements in the list.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the list has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The numbers in the order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs.iter().flat_map(|&(first, count)| (0..count).map(move |k| first + k))
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
    }
}
