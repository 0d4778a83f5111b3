//! Reporting of failures as they happen: each is a line of the table of failures at once, and is printed as a block on
//! standard error within half a second, unless there are too many.
//!
//! A limited number of blocks is printed in an interval, equal ones once; the other failures are only counted, and
//! reported as "and N more" at the interval's end. An interval is short at first, and doubles in length while there are
//! more failures than blocks.

use crate::batch::failure::{self, FailedInstance};
use crate::batch::head::display::shown;
use crate::batch::head::failures::failures_file::{self, FailuresFile};
use crate::batch::head::outcome::FailureList;
use crate::batch::head::progress::Progress;
use crate::batch::head::run_folder::RunFolder;
use crate::clock;
use crate::console::counted;
use crate::script::plan::Plan;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// The time for which failures are collected before they are printed, so that equal ones are printed once.
const GATHERED: Duration = Duration::from_millis(500);
/// The most failures that are printed as blocks in an interval. The others are counted.
const BLOCKS: usize = 20;
/// The length of the first interval, in which at most [`BLOCKS`] blocks are printed.
const SHORTEST: Duration = Duration::from_secs(10);
/// The length at which intervals grow no more.
const LONGEST: Duration = Duration::from_secs(600);

/// Prints failures as they happen, and writes them to the table of failures.
pub(crate) struct FailureReporter<'a> {
    plan: &'a Plan,
    /// The argument of `dtask log` for this run: the script, or the run folder of a script without a file.
    source: String,
    file: FailuresFile,
    start: Instant,
    pace: TellingPace,
    /// The length of the list of failures at the last call. A failure is handled one call after it was listed: by then
    /// the failures that it depends on are in the list too.
    seen: usize,
    /// The length of the list up to which failures have been written to the table, where they belong there.
    written: usize,
    /// The length of the list up to which failures have been printed or counted.
    told: usize,
    /// The positions in the list of failures that are to be printed next.
    open: Vec<usize>,
    /// The time at which the first failure in `open` was found; `None` if there is none.
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
            start: clock::now(),
            pace: TellingPace::default(),
            seen: 0,
            written: 0,
            told: 0,
            open: Vec::new(),
            since: None,
        }
    }

    /// Writes new failures to the table, and prints those that were collected for long enough.
    pub(crate) fn look(&mut self, failed: &mut FailureList, progress: &Progress) {
        let known = std::mem::replace(&mut self.seen, failed.as_slice().len());
        if self.written < known {
            self.write(failed, known);
        }
        if self.since.is_some_and(|since| clock::since(since) >= GATHERED) {
            self.tell(failed, progress);
        }
        if let Some(beyond) = self.pace.end(clock::since(self.start)) {
            self.tell_beyond(beyond, progress);
        }
    }

    /// Writes and prints all failures that remain at the end of the run. Returns the path of the table, for the
    /// summary.
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
            self.since.get_or_insert_with(clock::now);
        }
    }

    fn tell(&mut self, failed: &mut FailureList, progress: &Progress) {
        self.since = None;
        let open = std::mem::take(&mut self.open).into_iter();
        let mut all: Vec<&FailedInstance> = open.filter_map(|number| failed.as_slice().get(number)).collect();
        all.sort_unstable_by_key(|failed| (failed.task, failed.index));
        for (first, more) in failure::group(&all) {
            if self.pace.admits(clock::since(self.start), first.task, &first.cause.message) {
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

/// The rate at which blocks are printed. Times are counted from the start of the run.
#[derive(Debug)]
struct TellingPace {
    begin: Duration,
    length: Duration,
    /// The failures that were told in this interval: the number of the task, and the hash of the message.
    told: HashSet<(usize, u64)>,
    /// The number of failures in this interval that were counted and not printed.
    beyond: u64,
}

impl Default for TellingPace {
    fn default() -> Self {
        TellingPace { begin: Duration::ZERO, length: SHORTEST, told: HashSet::new(), beyond: 0 }
    }
}

impl TellingPace {
    /// Whether a block about a failure of this task is printed now, and counts it if so.
    fn admits(&mut self, now: Duration, task: usize, message: &str) -> bool {
        if self.beyond == 0 && now >= self.begin + self.length {
            *self = TellingPace { begin: now, ..TellingPace::default() };
        }
        self.told.len() < BLOCKS && self.told.insert((task, xxh3_64(message.as_bytes())))
    }

    /// Ends the interval if its time is over and failures were left unprinted. Returns their number, and begins an
    /// interval of twice the length.
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
