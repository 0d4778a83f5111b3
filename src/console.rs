//! Lines for the user.
//!
//! The one place that writes to standard output and standard error. That nobody reads (a closed pipe, a full disk) is no
//! reason to stop a job or to panic: results are in files, and the exit code says the rest.

use std::fmt::Display;
use std::io::Write;

/// Names a number of things: `1 task`, `2 tasks`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A line on standard output.
pub(crate) fn output(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line on standard error.
pub(crate) fn error(line: impl Display) {
    // in one piece, since the lines of several ranks meet in one file
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
