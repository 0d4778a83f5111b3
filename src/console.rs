//! Output for the user.
//!
//! Only this module writes to standard output and standard error. A failed write (a closed pipe, a full disk) neither
//! stops a job nor panics: results are in files, and the exit code tells the rest.

use std::fmt::Display;
use std::io::Write;

/// Formats a count with its noun, in the plural unless the count is 1: `1 task`, `2 tasks`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The name by which this program was called, for lines that the user is to type: `dtask`, or a path.
pub(crate) fn program() -> String {
    let name = std::env::args_os().next().filter(|name| !name.is_empty());
    name.map_or_else(|| "dtask".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Prints a line to standard output.
pub(crate) fn output(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line to standard error.
pub(crate) fn error(line: impl Display) {
    // one write per line, since several ranks write to one file
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
