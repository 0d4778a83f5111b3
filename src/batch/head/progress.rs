//! The progress line of a running plan.
//!
//! At a terminal one line is redrawn. Elsewhere, as under `mpirun`, a new line is printed now and then: every ten
//! seconds at first, less often the longer the run, and ever less often while nothing changes.

use crate::batch::head::display::{bytes, roughly};
use crate::client::Client;
use crate::clock;
use crate::console;
use crate::error::Result;
use crate::runtime::head::Totals;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The shortest time between two progress lines if the output goes to a file or a pipe.
const PLAIN: Duration = Duration::from_secs(10);
/// The longest time between two progress lines in a file or a pipe while instances end.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest time between two progress lines in a file or a pipe while no instance ends.
const STILL: Duration = Duration::from_secs(1800);
/// The divisor of the elapsed time that gives the time to the next progress line in a file or a pipe.
const PART: u32 = 20;
/// Time between two redraws of the progress line at a terminal.
const DRAWN: Duration = Duration::from_millis(100);

/// The numbers of a plan's instances that are done, failed, skipped and deferred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The number of instances that have a result.
    pub done: u64,
    /// The number of instances that were run and failed.
    pub failed: u64,
    /// The number of instances that were never run, because a dependency has failed.
    pub skipped: u64,
    /// The number of instances that were deferred, to be run by the next run of the script.
    pub left: u64,
}

impl Tally {
    /// Formats the number of finished instances: `7/10 tasks, 1 failed`.
    pub(crate) fn done_of(&self, total: u64) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!("{} of {total} tasks done{failed}", self.done)
    }

    fn ended(&self) -> u64 {
        self.done + self.failed + self.skipped + self.left
    }
}

/// The display of how far a run is: at a terminal a line that is redrawn, elsewhere new lines.
pub(crate) struct Progress {
    total: u64,
    /// The number of instances that earlier runs have done.
    earlier: u64,
    slots: u64,
    start: Instant,
    way: ProgressDisplay,
}

enum ProgressDisplay {
    Quiet,
    Plain(LinePace),
    Drawn { bar: ProgressBar, last: Instant },
}

/// The schedule of progress lines, in times since the start of the run, and the numbers in the last line.
#[derive(Debug)]
struct LinePace {
    /// The time between two lines, as `--progress` sets it; `None` for one that grows with the run.
    every: Option<Duration>,
    last: Duration,
    pause: Duration,
    told: Tally,
}

impl LinePace {
    /// Makes the pace of a run that begins with `earlier` instances done.
    fn new(every: Option<Duration>, earlier: u64) -> LinePace {
        let told = Tally { done: earlier, ..Tally::default() };
        LinePace { every, last: Duration::ZERO, pause: every.unwrap_or(PLAIN), told }
    }

    fn is_due(&self, now: Duration) -> bool {
        now >= self.last + self.pause
    }

    /// Notes that a line with these numbers is printed at the time `now`. Returns the number of instances done per
    /// second since the line before.
    fn note(&mut self, now: Duration, tally: Tally) -> f64 {
        let since = now.saturating_sub(self.last);
        let rate = tally.done.saturating_sub(self.told.done) as f64 / since.as_secs_f64().max(1e-3);
        let usual = self.every.unwrap_or_else(|| (now / PART).clamp(PLAIN, LONGEST));
        // while nothing changes, a line is only a sign of life
        let is_still = tally == self.told;
        self.pause = if is_still { (self.pause * 2).min(STILL.max(usual)) } else { usual };
        (self.last, self.told) = (now, tally);
        rate
    }
}

impl Progress {
    /// Makes the progress display for a plan of `total` instances, of which earlier runs have done `earlier`. `slots`
    /// is the number of tasks that all ranks together run at a time. If `quiet`, nothing is displayed. `every` is the
    /// time between two lines that the user asks for.
    pub(crate) fn new(
        total: u64,
        earlier: u64,
        slots: u64,
        quiet: bool,
        every: Option<Duration>,
    ) -> Progress {
        let start = clock::now();
        let way = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => ProgressDisplay::Quiet,
            (false, false) => ProgressDisplay::Plain(LinePace::new(every, earlier)),
            (false, true) => {
                let bar = ProgressBar::new(total);
                if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}") {
                    bar.set_style(style);
                }
                ProgressDisplay::Drawn { bar, last: start }
            }
        };
        Progress { total, earlier, slots, start, way }
    }

    /// Whether enough time has passed since the last progress line or redraw for the next.
    pub(crate) fn is_due(&self) -> bool {
        match &self.way {
            ProgressDisplay::Quiet => false,
            ProgressDisplay::Plain(pace) => pace.is_due(clock::since(self.start)),
            ProgressDisplay::Drawn { last, .. } => clock::since(*last) >= DRAWN,
        }
    }

    /// Whether lines tell which instance runs for the longest time.
    pub(crate) fn tells_longest(&self) -> bool {
        matches!(self.way, ProgressDisplay::Plain(_))
    }

    /// Prints a progress line with the counts of `tally`, or redraws it at a terminal. `longest` is the instance that
    /// runs for the longest time.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn tick(
        &mut self,
        client: &Client,
        tally: Tally,
        longest: Option<(String, Duration)>,
    ) -> Result<()> {
        let totals = client.totals()?;
        self.tell(&totals, tally, longest);
        Ok(())
    }

    /// Prints the last progress line, with the counts of `tally`. At a terminal, removes the line instead.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn finish(&mut self, client: &Client, tally: Tally) -> Result<()> {
        match &self.way {
            ProgressDisplay::Quiet => {}
            ProgressDisplay::Plain(_) => self.tick(client, tally, None)?,
            ProgressDisplay::Drawn { bar, .. } => bar.finish_and_clear(),
        }
        Ok(())
    }

    /// Prints lines to standard error, above the progress line at a terminal.
    pub(crate) fn print(&self, text: &str) {
        match &self.way {
            ProgressDisplay::Drawn { bar, .. } => bar.suspend(|| console::error(text)),
            ProgressDisplay::Quiet | ProgressDisplay::Plain(_) => console::error(text),
        }
    }

    fn tell(&mut self, totals: &Totals, tally: Tally, longest: Option<(String, Duration)>) {
        let now = clock::since(self.start);
        let overall = tally.done.saturating_sub(self.earlier) as f64 / now.as_secs_f64().max(1e-3);
        let is_over = tally.ended() >= self.total;
        let line = |rate| line(self.total, self.slots, totals, tally, now, rate);
        match &mut self.way {
            ProgressDisplay::Quiet => {}
            ProgressDisplay::Plain(pace) => {
                let rate = pace.note(now, tally);
                let mut line = line(if is_over { overall } else { rate });
                if let Some((label, time)) = longest.filter(|(_, time)| *time >= pace.every.unwrap_or(PLAIN))
                {
                    line += &format!("; longest: {label} for {}", roughly(time));
                }
                console::error(line);
            }
            ProgressDisplay::Drawn { bar, last } => {
                *last = clock::now();
                bar.set_position(tally.ended().min(self.total));
                bar.set_message(line(overall));
            }
        }
    }
}

/// Formats a progress line. `rate` is the number of instances done each second.
fn line(total: u64, slots: u64, totals: &Totals, tally: Tally, now: Duration, rate: f64) -> String {
    let Tally { done, failed, skipped, left: later } = tally;
    let left = total.saturating_sub(tally.ended());
    // The engine counts all tasks that it has sent to ranks: also those queued there, steps of one instance, and helper
    // tasks. No more instances can be running than there are slots, or instances left.
    let running = totals.assigned.min(slots).min(left);
    let waiting = left - running;
    let percent = tally.ended().saturating_mul(100).checked_div(total).unwrap_or(100);
    let skipped = if skipped > 0 { format!(", {skipped} not run") } else { String::new() };
    let later = if later > 0 { format!(", {later} left for the next run") } else { String::new() };
    let mut line = format!(
        "{}, {percent} %: {done} of {total} tasks done, {running} running, {waiting} waiting, {failed} \
         failed{skipped}{later}, {rate:.1} tasks/s",
        roughly(now)
    );
    if left > 0 && rate > 0.0 && now >= PLAIN {
        let time = Duration::try_from_secs_f64(left as f64 / rate).unwrap_or(Duration::MAX);
        line += &format!(", about {} left", roughly(time));
    }
    if totals.bytes_moved > 0 {
        line += &format!(", {} moved", bytes(totals.bytes_moved));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times, in seconds, at which lines are printed in a run of so many seconds, of which instances end until
    /// `busy`.
    fn lines(every: Option<Duration>, busy: u64, all: u64) -> Vec<u64> {
        let mut pace = LinePace::new(every, 0);
        let mut printed = Vec::new();
        for second in 1..=all {
            let now = Duration::from_secs(second);
            if pace.is_due(now) {
                pace.note(now, Tally { done: second.min(busy), ..Tally::default() });
                printed.push(second);
            }
        }
        printed
    }

    #[test]
    fn lines_become_fewer_the_longer_the_run() {
        let hour = lines(None, 3600, 3600);
        assert_eq!(&hour[..4], [10, 20, 30, 40]);
        assert!((50..100).contains(&hour.len()), "{}", hour.len());
        let day = lines(None, 86_400, 86_400).len();
        assert!(day < 400, "{day}");
        assert_eq!(lines(Some(Duration::from_secs(2)), 9, 9), [2, 4, 6, 8]);
    }

    #[test]
    fn what_does_not_change_is_told_ever_less_often() {
        assert_eq!(lines(None, 0, 600), [10, 30, 70, 150, 310]);
        let stuck = lines(None, 30, 7200);
        assert_eq!(&stuck[..6], [10, 20, 30, 40, 60, 100]);
        assert!(stuck.len() < 14, "{stuck:?}");
    }

    #[test]
    fn a_line_says_what_is_worth_knowing() {
        let totals = Totals { assigned: 9, bytes_moved: 1_500_000, ..Totals::default() };
        let tally = Tally { done: 600, failed: 3, ..Tally::default() };
        assert_eq!(
            line(1000, 4, &totals, tally, Duration::from_secs(90), 2.0),
            "1 min 30 s, 60 %: 600 of 1000 tasks done, 4 running, 393 waiting, 3 failed, 2.0 tasks/s, about 3 min 18 s \
             left, 1.5 MB moved"
        );
        let over = Tally { done: 1000, ..Tally::default() };
        assert_eq!(
            line(1000, 4, &Totals::default(), over, Duration::from_millis(300), 0.0),
            "0.3 s, 100 %: 1000 of 1000 tasks done, 0 running, 0 waiting, 0 failed, 0.0 tasks/s"
        );
        // a rate so low that the end is beyond all clocks
        assert!(line(u64::MAX, 4, &totals, tally, Duration::from_secs(90), 1e-300).contains("left"));
    }
}
