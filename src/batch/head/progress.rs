//! The line of progress while a plan is under way.

use crate::batch::head::display::bytes;
use crate::client::Client;
use crate::console;
use crate::error::Result;
use crate::runtime::head::Totals;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two lines where they stay, in a file.
const PLAIN: Duration = Duration::from_secs(10);
/// Between two pictures at a terminal.
const DRAWN: Duration = Duration::from_millis(100);

/// How many instances of a plan's tasks have ended, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// With a result.
    pub done: u64,
    /// Without.
    pub failed: u64,
    /// Never begun, because something that they need has failed.
    pub skipped: u64,
    /// Left for the next run.
    pub left: u64,
}

impl Tally {
    /// The tasks that are done, in words.
    pub(crate) fn done_of(&self, total: u64) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!("{} of {total} tasks done{failed}", self.done)
    }

    fn ended(&self) -> u64 {
        self.done + self.failed + self.skipped + self.left
    }
}

/// A line of progress: at a terminal one that changes, elsewhere one every ten seconds.
pub(crate) struct Progress {
    total: u64,
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
    /// For that many instances.
    pub(crate) fn new(total: u64, slots: u64, quiet: bool) -> Progress {
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
        Progress { total, slots, start: now, last: now, way }
    }

    /// Whether it is time to tell how far the run is.
    pub(crate) fn is_due(&self) -> bool {
        match self.way {
            ProgressDisplay::Quiet => false,
            ProgressDisplay::Plain => self.last.elapsed() >= PLAIN,
            ProgressDisplay::Drawn(_) => self.last.elapsed() >= DRAWN,
        }
    }

    /// Tells how far the run is.
    ///
    /// # Errors
    /// When the run has ended.
    pub(crate) fn tick(&mut self, client: &Client, tally: Tally) -> Result<()> {
        self.last = Instant::now();
        self.tell(&client.totals()?, tally);
        Ok(())
    }

    /// The last line.
    ///
    /// # Errors
    /// When the run has ended.
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
        let rate = done as f64 / elapsed.max(1e-3);
        let skipped = if skipped > 0 { format!(", {skipped} not run") } else { String::new() };
        let later = if later > 0 { format!(", {later} left for the next run") } else { String::new() };
        format!(
            "{elapsed:.1} s: {done} of {total} tasks done, {running} running, {waiting} waiting, {failed} \
             failed{skipped}{later}, {rate:.1} tasks/s, {} moved",
            bytes(totals.bytes_moved)
        )
    }
}
