//! The table of all failures of a run, `NAME.dtask/failures.tsv`, to which each failure is appended when it happens.
//!
//! Fields are separated by tabs; a tab, a line end, a backslash or another control character in a field is written as
//! in C (`\t`, `\n`, `\\`, `\x1b`), so that a line is a failure. The first line names the fields.

use crate::batch::failure::FailedInstance;
use crate::batch::failure_detail::{self, FailureDetail};
use crate::batch::rank::logs::LabelPattern;
use crate::script::plan::Plan;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the table in the run folder.
pub(crate) const FAILURES: &str = "failures.tsv";

/// The fields of a line.
const HEADER: &str = "task\tindex\tparameters\tattempts\tkind\trank\thost\tseconds\tmessage\n";

/// The open table of failures. It is made at the first failure.
pub(crate) struct FailuresFile {
    path: PathBuf,
    file: Option<File>,
    /// The length in bytes of the complete lines in the file.
    length: u64,
    /// Whether writing a line has failed. No more lines are written then.
    is_broken: bool,
}

impl FailuresFile {
    /// Makes the table of a run, in the run folder `folder`. The file is made at the first failure.
    pub(crate) fn new(folder: &Path) -> FailuresFile {
        FailuresFile { path: folder.join(FAILURES), file: None, length: 0, is_broken: false }
    }

    /// The path of the table; `None` if it has not been written, or not whole.
    pub(crate) fn path(&self) -> Option<&Path> {
        (self.file.is_some() && !self.is_broken).then_some(&self.path)
    }

    /// Appends whole lines to the table. If writing fails, tells the user once, and writes no more.
    pub(crate) fn append(&mut self, lines: &str) {
        if self.is_broken || lines.is_empty() {
            return;
        }
        if let Err(error) = self.write(lines) {
            self.is_broken = true;
            log::warn!("`{}` cannot be written: {error}; it lacks failures", self.path.display());
            // a line that a full disk cuts off is none
            let _ = self.file.as_ref().map(|file| file.set_len(self.length));
        }
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            let mut file = options.append(true).create(true).mode(0o600).open(&self.path)?;
            self.length = file.metadata()?.len();
            if self.length == 0 {
                file.write_all(HEADER.as_bytes())?;
                self.length = HEADER.len() as u64;
            }
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            file.write_all(lines.as_bytes())?;
        }
        self.length += lines.len() as u64;
        Ok(())
    }
}

/// Shortens a message to one line: its first line, and the last line of the command's output in it, which usually has
/// the reason.
fn headline(message: &str) -> String {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    match lines.next_back().and_then(|last| last.trim_start().strip_prefix("| ")) {
        Some(last) if first.ends_with(':') => format!("{first} {last}"),
        _ => first.to_owned(),
    }
}

/// Formats the line of a failure in the table.
pub(crate) fn line(plan: &Plan, failed: &FailedInstance) -> String {
    let cause = &failed.cause;
    let (task, label) = plan
        .tasks
        .get(failed.task)
        .map_or((String::new(), String::new()), |task| (task.name.clone(), task.label(failed.index)));
    let parameters = label.strip_prefix(&task).and_then(|rest| rest.strip_prefix('['));
    let parameters = parameters.and_then(|rest| rest.strip_suffix(']')).unwrap_or_default();
    let message = headline(&cause.message);
    let seconds = FailureDetail::of(cause).took.as_secs_f64();
    let mut line = String::new();
    // control characters of values are escaped in the label already
    let _ = write!(line, "{}\t{}\t{parameters}", escaped(&task), failed.index);
    let _ = write!(line, "\t{}\t{}", cause.attempt, escaped(&failure_detail::kind(cause)));
    let _ = write!(line, "\t{}\t{}\t{seconds:.3}\t", cause.rank.0, escaped(&cause.host));
    line + &escaped(&message) + "\n"
}

/// Finds the failure of an instance in the table of a run, for `dtask log`: its kind, and the first line of its
/// message.
pub(crate) fn find(folder: &Path, wanted: &LabelPattern<'_>) -> Option<String> {
    let table = std::fs::read_to_string(folder.join(FAILURES)).ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [task, _, parameters, _, kind, _, _, _, message] = fields[..] else { return None };
        let label = if parameters.is_empty() { task.to_owned() } else { format!("{task}[{parameters}]") };
        wanted.fits(&label).then(|| format!("{kind}, {message}"))
    })
}

/// Escapes a field of the table: a tab, a line end, a backslash and other control characters are written as in C.
fn escaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    for c in field.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_escaped() {
        assert_eq!(escaped("a\tb\\n\nc\r\u{1b}[31m é"), "a\\tb\\\\n\\nc\\r\\x1b[31m é");
    }

    #[test]
    fn a_message_is_shortened_to_its_reason() {
        assert_eq!(
            headline("exit code 1; the end of its stderr:\n  | a\n  | no space"),
            "exit code 1; the end of its stderr: no space"
        );
        assert_eq!(headline("not found\nin PATH"), "not found");
        assert_eq!(headline(""), "");
    }

    #[test]
    fn the_header_is_written_once_and_lines_are_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        for lines in ["a\n", "b\nc\n"] {
            let mut file = FailuresFile::new(dir.path());
            assert_eq!(file.path(), None);
            file.append("");
            file.append(lines);
            assert!(file.path().is_some());
        }
        let text = std::fs::read_to_string(dir.path().join(FAILURES)).expect("a text");
        assert_eq!(text, format!("{HEADER}a\nb\nc\n"));
        let mut nowhere = FailuresFile::new(&dir.path().join("none"));
        nowhere.append("a\n");
        assert_eq!(nowhere.path(), None);
    }
}
