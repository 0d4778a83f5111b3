//! Failures, told as they happen: each is a line of the table of failures at once, and a block on standard error within
//! half a second, unless there are too many.
//!
//! So many blocks are told in an interval, equal ones once; the rest is counted, and told as "and N more" at its end.
//! An interval is short at first, and doubles while there are more failures than blocks.

use crate::batch::failure::{self, FailedInstance};
use crate::batch::head::display::shown;
use crate::batch::head::failures_file::{self, FailuresFile};
use crate::batch::head::outcome::FailureList;
use crate::batch::head::progress::Progress;
use crate::batch::head::run_folder::RunFolder;
use crate::console::counted;
use crate::script::plan::Plan;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// The time for which failures are gathered before they are told: equal ones that come together are told together.
const GATHERED: Duration = Duration::from_millis(500);
/// The number of blocks in an interval.
const BLOCKS: usize = 20;
/// The length of the first interval.
const SHORTEST: Duration = Duration::from_secs(10);
/// The length of the longest interval.
const LONGEST: Duration = Duration::from_secs(600);

/// Tells failures as they happen.
pub(crate) struct FailureReporter<'a> {
    plan: &'a Plan,
    /// The argument of `dtask log` for this run: the script, or the run folder of a script without a file.
    source: String,
    file: FailuresFile,
    start: Instant,
    pace: TellingPace,
    /// The number of instances in the list that were there at the last look. A failure is looked at in the look after
    /// it came: what it depends on is then in the list too.
    seen: usize,
    /// The number of instances in the list that are in the file, where they belong there.
    written: usize,
    /// The number of instances in the list that were told.
    told: usize,
    /// The numbers, in the list, of failures that are to be told.
    open: Vec<usize>,
    /// When the first of them was found.
    since: Option<Instant>,
}

impl<'a> FailureReporter<'a> {
    /// Makes the reporter of a run that begins now.
    pub(crate) fn new(plan: &'a Plan, folder: &RunFolder) -> Self {
        let source = if plan.path.is_file() { plan.path.display().to_string() } else { shown(folder.path()) };
        FailureReporter {
            plan,
            source,
            file: FailuresFile::new(folder.path()),
            start: Instant::now(),
            pace: TellingPace::default(),
            seen: 0,
            written: 0,
            told: 0,
            open: Vec::new(),
            since: None,
        }
    }

    /// Writes new failures to the table, and tells those that were gathered long enough.
    pub(crate) fn look(&mut self, failed: &mut FailureList, progress: &Progress) {
        let known = std::mem::replace(&mut self.seen, failed.as_slice().len());
        if self.written < known {
            self.write(failed, known);
        }
        if self.since.is_some_and(|since| since.elapsed() >= GATHERED) {
            self.tell(failed, progress);
        }
        if let Some(beyond) = self.pace.end(self.start.elapsed()) {
            self.tell_beyond(beyond, progress);
        }
    }

    /// Writes and tells all that is left, at the end of the run. Returns the path of the table for the summary.
    pub(crate) fn finish(&mut self, failed: &mut FailureList, progress: &Progress) -> Option<String> {
        self.write(failed, failed.as_slice().len());
        self.tell(failed, progress);
        let beyond = std::mem::take(&mut self.pace.beyond);
        if beyond > 0 {
            self.tell_beyond(beyond, progress);
        }
        self.file.path().map(shown)
    }

    fn write(&mut self, failed: &FailureList, to: usize) {
        let mut lines = String::new();
        for (number, one) in failed.as_slice().iter().enumerate().take(to).skip(self.written) {
            if !one.is_left() && failure::is_failure(self.plan, one, |task, index| failed.has(task, index)) {
                lines += &failures_file::line(self.plan, one);
                self.open.push(number);
            }
        }
        self.written = self.written.max(to);
        self.file.append(&lines);
        if !self.open.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    fn tell(&mut self, failed: &mut FailureList, progress: &Progress) {
        self.since = None;
        let open = std::mem::take(&mut self.open).into_iter();
        let mut all: Vec<&FailedInstance> = open.filter_map(|number| failed.as_slice().get(number)).collect();
        all.sort_unstable_by_key(|failed| (failed.task, failed.index));
        for (first, more) in failure::group(&all) {
            if self.pace.admits(self.start.elapsed(), first.task, &first.cause.message) {
                progress.print(&failure::tell(self.plan, first, more, &self.source));
            } else {
                self.pace.beyond += 1 + more as u64;
            }
        }
        failed.note_told(self.told, self.written);
        self.told = self.written;
    }

    fn tell_beyond(&self, beyond: u64, progress: &Progress) {
        let place = self.file.path().map(|path| format!("; {} has all of them", shown(path)));
        progress.print(&format!(
            "error: … and {} more{}",
            counted(beyond, "task"),
            place.unwrap_or_default()
        ));
    }
}

/// The pace at which blocks are told. Times are counted from the start of the run.
#[derive(Debug)]
struct TellingPace {
    begin: Duration,
    length: Duration,
    /// The failures that were told in this interval: the number of the task, and the hash of the message.
    told: HashSet<(usize, u64)>,
    /// The number of failures beyond them, which are only counted.
    beyond: u64,
}

impl Default for TellingPace {
    fn default() -> Self {
        TellingPace { begin: Duration::ZERO, length: SHORTEST, told: HashSet::new(), beyond: 0 }
    }
}

impl TellingPace {
    /// Whether a block about a failure of the task is told now. Then it counts.
    fn admits(&mut self, now: Duration, task: usize, message: &str) -> bool {
        if self.beyond == 0 && now >= self.begin + self.length {
            *self = TellingPace { begin: now, ..TellingPace::default() };
        }
        self.told.len() < BLOCKS && self.told.insert((task, xxh3_64(message.as_bytes())))
    }

    /// Ends the interval if its time is over and there were more failures than blocks. Returns the number of these, and
    /// begins an interval of twice the length.
    fn end(&mut self, now: Duration) -> Option<u64> {
        if self.beyond == 0 || now < self.begin + self.length {
            return None;
        }
        let length = (self.length * 2).min(LONGEST);
        let next = TellingPace { begin: now, length, told: HashSet::new(), beyond: 0 };
        let ended = std::mem::replace(self, next);
        Some(ended.beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_fails_the_less_often_it_is_told() {
        let at = Duration::from_secs;
        let mut pace = TellingPace::default();
        let mut ends = Vec::new();
        // a hundred failures a second, for an hour
        let mut blocks = 0;
        for second in 0..3600 {
            for number in 0..100 {
                let is_told = pace.admits(at(second), 0, &format!("{second} {number}"));
                (blocks, pace.beyond) = (blocks + usize::from(is_told), pace.beyond + u64::from(!is_told));
            }
            ends.extend(pace.end(at(second)).map(|_| second));
        }
        assert_eq!(&ends[..4], [10, 30, 70, 150]);
        assert_eq!((ends.len(), blocks), (10, 11 * BLOCKS));
    }

    #[test]
    fn what_fails_now_and_then_is_told_each_time() {
        let mut pace = TellingPace::default();
        for minute in 0..1000 {
            let now = Duration::from_secs(60 * minute);
            assert!(pace.admits(now, 0, "the same") && !pace.admits(now, 0, "the same"));
            assert!(pace.admits(now, 1, "the same"));
            assert_eq!(pace.end(now), None);
        }
    }
}
