//! The order of the outputs in a file that many instances share: ascending numbers, kept as arithmetic runs.

use smallvec::SmallVec;

/// Ascending numbers, each with its position in the list. A file whose instances are a regular part of a sweep takes
/// the memory of a few runs, whatever their number.
#[derive(Debug, Default)]
pub(crate) struct PieceOrder {
    runs: SmallVec<[ArithmeticRun; 1]>,
    len: u64,
}

/// The numbers `first`, `first + step`, …: `count` of them, the first of which has the position `position`.
#[derive(Debug, Clone, Copy)]
struct ArithmeticRun {
    first: u64,
    step: u64,
    count: u64,
    position: u64,
}

impl PieceOrder {
    /// Appends a number, which has to be larger than all before it.
    pub(crate) fn push(&mut self, number: u64) {
        match self.runs.last_mut() {
            Some(run) if run.count == 1 => {
                (run.step, run.count) = (number - run.first, 2);
                self.len += 1;
            }
            Some(run) if number == run.first + run.step * run.count => {
                run.count += 1;
                self.len += 1;
            }
            _ => self.push_run(number, 1, 1),
        }
    }

    /// Appends the `count` numbers from `first` on, `step` apart, which have to be larger than all before them.
    pub(crate) fn push_run(&mut self, first: u64, step: u64, count: u64) {
        if count > 0 {
            self.runs.push(ArithmeticRun { first, step, count, position: self.len });
            self.len += count;
        }
    }

    /// The number of elements in the list.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The position of a number; `None` if it is not in the list.
    pub(crate) fn position(&self, number: u64) -> Option<u64> {
        let after = self.runs.partition_point(|run| run.first <= number);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let (at, rest) = ((number - run.first) / run.step, (number - run.first) % run.step);
        (rest == 0 && at < run.count).then_some(run.position + at)
    }

    /// The number at a position; `None` beyond the end.
    pub(crate) fn get(&self, position: u64) -> Option<u64> {
        let after = self.runs.partition_point(|run| run.position <= position);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let at = position - run.position;
        (at < run.count).then(|| run.first + run.step * at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_positions_are_each_other_s() {
        let regular: Vec<u64> = (0..1000).map(|k| 3 + 8 * k).collect();
        let ragged: Vec<u64> = (0..1000)
            .map(|k| k * k + k % 7)
            .scan(0, |last, k| {
                *last = k.max(*last + 1);
                Some(*last)
            })
            .collect();
        for (numbers, runs) in [(regular, 1), (ragged, 600), (vec![5], 1), (vec![0, 1, 2, 10, 20, 30, 31], 3)]
        {
            let mut order = PieceOrder::default();
            numbers.iter().for_each(|number| order.push(*number));
            assert!(order.runs.len() <= runs, "{} runs", order.runs.len());
            assert_eq!(order.len(), numbers.len() as u64);
            for (position, number) in (0..).zip(&numbers) {
                assert_eq!((order.position(*number), order.get(position)), (Some(position), Some(*number)));
            }
            let end = numbers.last().unwrap() + 1;
            let absent = (0..end + 10).filter(|number| numbers.binary_search(number).is_err());
            assert!(absent.take(5000).all(|number| order.position(number).is_none()));
            assert_eq!(order.get(order.len()), None);
        }
    }

    #[test]
    fn a_run_is_appended_at_once() {
        let mut order = PieceOrder::default();
        order.push_run(1, 2, 1 << 40);
        order.push_run(0, 1, 0);
        assert_eq!(
            (order.position(1 + (1 << 40)), order.get((1 << 40) - 1)),
            (Some(1 << 39), Some((1 << 41) - 1))
        );
        assert_eq!((order.len(), order.position(2), order.get(1 << 40)), (1 << 40, None, None));
    }
}
