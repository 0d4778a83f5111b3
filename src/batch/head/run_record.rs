//! The record of a run in its folder: that it began, and how it ended. `dtask log` reads it.

use crate::batch::head::display::roughly;
use crate::batch::head::progress::Tally;
use crate::console::counted;
use crate::script::plan::Plan;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The name of the record in the run folder.
pub(crate) const RECORD: &str = "run.toml";

/// The record of a run: when it was, and how many instances ended how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    /// The path of the script, as the command line had it.
    pub script: PathBuf,
    /// The beginning of the run, in seconds since 1970.
    pub began: u64,
    /// The number of instances of the script.
    pub instances: u64,
    /// The end of the run; `None` while it goes on, or if it was killed.
    pub end: Option<RunEnd>,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunEnd {
    /// The end of the run, in seconds since 1970.
    pub at: u64,
    /// The exit code.
    pub code: u8,
    /// The number of instances that were done.
    pub done: u64,
    /// The number of instances that failed.
    pub failed: u64,
    /// The number of instances that were not run, since a task before has failed.
    pub not_run: u64,
    /// The number of instances that are left for the next run.
    pub left: u64,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl RunRecord {
    /// Makes the record of a run that begins now.
    pub(crate) fn begun(plan: &Plan) -> RunRecord {
        RunRecord { script: plan.path.clone(), began: now(), instances: plan.instances(), end: None }
    }

    /// Makes the record of the run that ends now.
    pub(crate) fn ended(self, tally: Tally, code: u8) -> RunRecord {
        let Tally { done, failed, skipped, left } = tally;
        RunRecord { end: Some(RunEnd { at: now(), code, done, failed, not_run: skipped, left }), ..self }
    }

    /// Reads the record in the folder of a run; `None` if there is none.
    pub(crate) fn read(folder: &Path) -> Option<RunRecord> {
        toml::from_str(&std::fs::read_to_string(folder.join(RECORD)).ok()?).ok()
    }

    /// The record as the text of its file.
    pub(crate) fn text(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Describes the run in a line: `ended 5 min ago with exit code 1: 10 tasks done, 2 failed`.
    pub(crate) fn told(&self) -> String {
        let ago = |at: u64| match now().saturating_sub(at) {
            0 => "just now".to_owned(),
            seconds => format!("{} ago", roughly(Duration::from_secs(seconds))),
        };
        let Some(RunEnd { at, code, done, failed, not_run, left }) = self.end else {
            return format!("began {}; it goes on, or was stopped by a signal or killed", ago(self.began));
        };
        let mut text = format!("ended {} with exit code {code}: {} done", ago(at), counted(done, "task"));
        for (count, what) in [(failed, "failed"), (not_run, "not run"), (left, "left for the next run")] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let begun = RunRecord { script: "a 'b'.toml".into(), began: now() - 100, instances: 3, end: None };
        let tally = Tally { done: 1, failed: 2, ..Tally::default() };
        let dir = tempfile::tempdir().expect("a folder");
        for record in [begun.clone(), begun.clone().ended(tally, 1)] {
            std::fs::write(dir.path().join(RECORD), record.text()).expect("written");
            assert_eq!(RunRecord::read(dir.path()), Some(record));
        }
        assert!(begun.told().starts_with("began 1 min 40 s ago; it goes on"), "{}", begun.told());
        let told = begun.ended(tally, 1).told();
        assert!(told.ends_with(" with exit code 1: 1 task done, 2 failed"), "{told}");
    }
}
