//! What is told while a plan is under way.

use super::summary::bytes;
use crate::client::Client;
use crate::error::Result;
use crate::runtime::head::Totals;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two lines where they stay, in a file.
const PLAIN: Duration = Duration::from_secs(10);
/// Between two pictures at a terminal.
const DRAWN: Duration = Duration::from_millis(100);

/// A line of progress: at a terminal one that changes, elsewhere one every ten seconds.
pub struct Progress {
    steps: u64,
    slots: u64,
    start: Instant,
    last: Instant,
    way: Way,
}

enum Way {
    Quiet,
    Plain,
    Drawn(ProgressBar),
}

impl Progress {
    /// For that many tasks of the engine.
    pub fn new(steps: u64, slots: u64, quiet: bool) -> Progress {
        let way = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Way::Quiet,
            (false, false) => Way::Plain,
            (false, true) => {
                let bar = ProgressBar::new(steps);
                if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}") {
                    bar.set_style(style);
                }
                Way::Drawn(bar)
            }
        };
        let now = Instant::now();
        Progress { steps, slots, start: now, last: now, way }
    }

    /// Tells how far the run is, if it is time to.
    ///
    /// # Errors
    /// When the run has ended.
    pub fn tick(&mut self, client: &Client) -> Result<()> {
        let due = match self.way {
            Way::Quiet => return Ok(()),
            Way::Plain => PLAIN,
            Way::Drawn(_) => DRAWN,
        };
        if self.last.elapsed() < due {
            return Ok(());
        }
        self.last = Instant::now();
        self.tell(&client.totals()?);
        Ok(())
    }

    /// The last line.
    ///
    /// # Errors
    /// When the run has ended.
    pub fn finish(&mut self, client: &Client) -> Result<()> {
        match &self.way {
            Way::Quiet => {}
            Way::Plain => self.tell(&client.totals()?),
            Way::Drawn(bar) => bar.finish_and_clear(),
        }
        Ok(())
    }

    fn tell(&self, totals: &Totals) {
        let line = self.line(totals);
        match &self.way {
            Way::Quiet => {}
            Way::Plain => eprintln!("{line}"),
            Way::Drawn(bar) => {
                bar.set_position(totals.finished.min(self.steps));
                bar.set_message(line);
            }
        }
    }

    fn line(&self, totals: &Totals) -> String {
        let elapsed = self.start.elapsed().as_secs_f64();
        let running = totals.assigned.min(self.slots);
        let waiting = self.steps.saturating_sub(totals.finished + totals.failed + running);
        let rate = totals.finished as f64 / elapsed.max(1e-3);
        format!(
            "{elapsed:.1} s: {} of {} tasks done, {running} running, {waiting} waiting, {} failed, {rate:.1} tasks/s, {} moved",
            totals.finished,
            self.steps,
            totals.failed,
            bytes(totals.bytes_moved)
        )
    }
}
