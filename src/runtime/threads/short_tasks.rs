//! Estimates of the durations of a definition's tasks, to find those that are shorter than a hand-over to another
//! thread. Each has a quick mean, over some ten tasks, and a slow one, over some hundreds.

/// Longest mean duration at which a definition's tasks begin to count as short, in nanoseconds: the time of a hand-over
/// to another thread and back.
const SHORT: u64 = 5_000;
/// Longest mean duration, in nanoseconds, at which tasks that count as short go on to do so. Larger than [`SHORT`], so
/// that the verdict does not flip at each task (hysteresis).
const SHORT_STILL: u64 = 2 * SHORT;
/// Longest duration that one task can add to the quick mean, in nanoseconds. A task that loses its core may take long
/// and says little about the others.
const MOST_QUICK: u64 = 50_000;
/// Longest duration that one task can add to the slow mean, in nanoseconds, so that a task of minutes does not keep the
/// mean high for the next thousands.
const MOST_SLOW: u64 = 10_000_000;

/// The durations of a definition's tasks as two running means, in nanoseconds. The quick one is over some ten tasks and
/// soon sees that tasks have become longer; the slow one is over some hundreds and sees that a few among them take most
/// of the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DurationEstimate {
    quick: u64,
    slow: u64,
    short: bool,
}

impl Default for DurationEstimate {
    /// The estimate before the first task: after some twenty short tasks the definition is short.
    fn default() -> Self {
        DurationEstimate { quick: MOST_QUICK, slow: 0, short: false }
    }
}

/// Moves `mean` towards `value` by 1/`part` of their distance, and by at least 1, so that it reaches `value` in the
/// end.
fn approach(mean: &mut u64, value: u64, part: u64) {
    if value > *mean {
        *mean += (value - *mean).div_ceil(part);
    } else {
        *mean -= (*mean - value).div_ceil(part);
    }
}

impl DurationEstimate {
    /// Adds the duration of an ended task, in nanoseconds, to both means.
    pub(crate) fn note(&mut self, nanos: u64) {
        approach(&mut self.quick, nanos.min(MOST_QUICK), 8);
        approach(&mut self.slow, nanos.min(MOST_SLOW), 256);
        let limit = if self.short { SHORT_STILL } else { SHORT };
        self.short = self.quick.max(self.slow) <= limit;
    }

    /// Whether the definition's next task is expected to be shorter than a hand-over to another thread.
    pub(crate) fn is_short(&self) -> bool {
        self.short
    }
}

/// Whether the calling thread belongs to a rayon pool. In such a pool, a task that waits for its parallel part lets
/// other tasks run on top of its own stack, which must not happen within a turn of the reactor.
pub(crate) fn is_in_a_pool() -> bool {
    rayon::current_thread_index().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pace: DurationEstimate, tasks: impl IntoIterator<Item = u64>) -> DurationEstimate {
        tasks.into_iter().fold(pace, |mut pace, nanos| {
            pace.note(nanos);
            pace
        })
    }

    fn short() -> DurationEstimate {
        after(DurationEstimate::default(), [500; 1_000])
    }

    #[test]
    fn a_definition_is_short_after_some_short_tasks() {
        let tasks = (1..).find(|&count| after(DurationEstimate::default(), vec![500; count]).is_short());
        assert_eq!(tasks, Some(18));
        assert!(!after(DurationEstimate::default(), [6_000; 10_000]).is_short());
    }

    #[test]
    fn tasks_that_become_longer_are_seen_soon() {
        assert!(!after(short(), [20_000; 6]).is_short());
        assert!(after(short(), [9_000; 1_000]).is_short(), "nearly short ones stay where they are");
        assert!(!after(short(), [11_000; 100]).is_short());
    }

    #[test]
    fn a_thread_that_loses_its_core_now_and_then_makes_no_definition_long() {
        let tasks = |rare: u64| (0..100_000).map(move |n| if n % 1_000 == 7 { rare } else { 500 });
        let mut pace = short();
        for nanos in tasks(200_000) {
            pace.note(nanos);
            assert!(pace.is_short());
        }
        assert!(!after(short(), [MOST_QUICK; 3]).is_short());
    }

    #[test]
    fn a_few_long_tasks_that_take_most_of_the_time_make_a_definition_long() {
        let tasks = (0..1_000).map(|n| if n % 20 == 7 { 1_000_000 } else { 500 });
        let mut pace = short();
        let short = tasks.filter(|&nanos| {
            let expected = pace.is_short();
            pace.note(nanos);
            expected && nanos > SHORT
        });
        assert!(short.count() <= 3);
    }
}
