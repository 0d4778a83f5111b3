//! The progress line of a running plan.

use crate::batch::head::display::bytes;
use crate::client::Client;
use crate::console;
use crate::error::Result;
use crate::runtime::head::Totals;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two progress lines if the output goes to a file or a pipe.
const PLAIN: Duration = Duration::from_secs(10);
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

/// The display of how far a run is: at a terminal a line that is redrawn, elsewhere a new line every ten seconds.
pub(crate) struct Progress {
    total: u64,
    /// The number of instances that earlier runs have done.
    earlier: u64,
    slots: u64,
    start: Instant,
    last: Instant,
    way: ProgressDisplay,
}

enum ProgressDisplay {
    Quiet,
    Plain,
    Drawn(ProgressBar),
}

impl Progress {
    /// Makes the progress display for a plan of `total` instances, of which earlier runs have done `earlier`. `slots` is the number of tasks that all ranks
    /// together run at a time. If `quiet`, nothing is displayed.
    pub(crate) fn new(total: u64, earlier: u64, slots: u64, quiet: bool) -> Progress {
        let way = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => ProgressDisplay::Quiet,
            (false, false) => ProgressDisplay::Plain,
            (false, true) => {
                let bar = ProgressBar::new(total);
                if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}") {
                    bar.set_style(style);
                }
                ProgressDisplay::Drawn(bar)
            }
        };
        let now = Instant::now();
        Progress { total, earlier, slots, start: now, last: now, way }
    }

    /// Whether enough time has passed since the last progress line or redraw for the next.
    pub(crate) fn is_due(&self) -> bool {
        match self.way {
            ProgressDisplay::Quiet => false,
            ProgressDisplay::Plain => self.last.elapsed() >= PLAIN,
            ProgressDisplay::Drawn(_) => self.last.elapsed() >= DRAWN,
        }
    }

    /// Prints a progress line with the counts of `tally`, or redraws it at a terminal.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn tick(&mut self, client: &Client, tally: Tally) -> Result<()> {
        self.last = Instant::now();
        self.tell(&client.totals()?, tally);
        Ok(())
    }

    /// Prints the last progress line, with the counts of `tally`. At a terminal, removes the line instead.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn finish(&mut self, client: &Client, tally: Tally) -> Result<()> {
        match &self.way {
            ProgressDisplay::Quiet => {}
            ProgressDisplay::Plain => self.tell(&client.totals()?, tally),
            ProgressDisplay::Drawn(bar) => bar.finish_and_clear(),
        }
        Ok(())
    }

    fn tell(&self, totals: &Totals, tally: Tally) {
        let line = self.line(totals, tally);
        match &self.way {
            ProgressDisplay::Quiet => {}
            ProgressDisplay::Plain => console::error(line),
            ProgressDisplay::Drawn(bar) => {
                bar.set_position(tally.ended().min(self.total));
                bar.set_message(line);
            }
        }
    }

    fn line(&self, totals: &Totals, tally: Tally) -> String {
        let Tally { done, failed, skipped, left: later } = tally;
        let elapsed = self.start.elapsed().as_secs_f64();
        let total = self.total;
        let left = total.saturating_sub(tally.ended());
        // of the engine's tasks, some are steps of an instance, or belong to none
        let running = totals.assigned.min(self.slots).min(left);
        let waiting = left - running;
        let rate = done.saturating_sub(self.earlier) as f64 / elapsed.max(1e-3);
        let skipped = if skipped > 0 { format!(", {skipped} not run") } else { String::new() };
        let later = if later > 0 { format!(", {later} left for the next run") } else { String::new() };
        format!(
            "{elapsed:.1} s: {done} of {total} tasks done, {running} running, {waiting} waiting, {failed} \
             failed{skipped}{later}, {rate:.1} tasks/s, {} moved",
            bytes(totals.bytes_moved)
        )
    }
}
