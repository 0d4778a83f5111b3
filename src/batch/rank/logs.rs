//! Logs of what commands print: a file for each rank, and an index in which `dtask log` finds an instance.
//!
//! ```text
//! rank-0001.log      === sim[T=300, p=1] attempt 1 stdout 6 bytes
//!                    hello
//! rank-0001.index    0 45 6 1 stdout sim[T=300, p=1]
//! ```
//! A line of the index has: the offset of the block, the offset of the output in the block, the length of the output,
//! the attempt, the stream and the label of the instance. Offsets and lengths are in bytes.
//!
//! A log does not grow without bounds ([`LogLimits`]): of a long output the middle is left out, and a log that is full
//! gets nothing more.

use crate::batch::whole_files::make_private;
use crate::commands::outputs::Content;
use crate::commands::stream_output;
use crate::script::values::policy::Policy;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The shortest part of an output, in bytes, that is still worth writing to a log that is nearly full.
const SHORTEST: u64 = 1 << 10;

/// The bounds of the log of a rank, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLimits {
    /// The most bytes that the log keeps of one stream of an instance.
    pub stream: u64,
    /// The most bytes that the log of a rank has. The last quarter is reserved for instances that fail.
    pub rank: u64,
}

impl LogLimits {
    /// Makes the bounds of each of `ranks` ranks from those of the whole run.
    pub(crate) fn new(policy: &Policy, ranks: usize) -> LogLimits {
        LogLimits { stream: policy.log_limit, rank: policy.log_total / ranks.max(1) as u64 }
    }
}

/// Replaces control characters in the label of an instance, so that it is one line.
pub(crate) fn one_line(label: &str) -> String {
    label.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// Shortens an output that is longer than `most` bytes to about as many: its first and its last half, with a note on
/// how much is left out between them. `None` if it is not longer.
///
/// # Errors
/// When the file in which the output is cannot be read.
fn shortened(output: Content<'_>, most: u64) -> io::Result<Option<Vec<u8>>> {
    let length = output.length();
    if length <= most {
        return Ok(None);
    }
    let half = most / 2;
    let note =
        format!("\n[.. {} bytes are left out here, see `log-limit` in `[policy]` ..]\n", length - 2 * half);
    let first = stream_output::part(output, 0, half)?;
    let last = stream_output::part(output, length - half, half)?;
    Ok(Some([&*first, note.as_bytes(), &*last].concat()))
}

/// The open log of a rank, which has the streams of the commands that ran there, with its index of positions.
#[derive(Debug)]
pub(crate) struct LogWriter {
    log: File,
    index: File,
    length: u64,
}

fn named(folder: &Path, rank: u32, ending: &str) -> PathBuf {
    folder.join(format!("rank-{rank:04}.{ending}"))
}

impl LogWriter {
    /// Opens the log of a rank in the run folder `folder` for appending, or creates it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(folder: &Path, rank: u32) -> io::Result<LogWriter> {
        let open = |ending| {
            OpenOptions::new().append(true).create(true).mode(0o600).open(named(folder, rank, ending))
        };
        let log = match open("log") {
            // the user has removed the run folder while the run went on
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(folder).and_then(|()| open("log"))?
            }
            log => log?,
        };
        let length = log.metadata()?.len();
        Ok(LogWriter { log, index: open("index")?, length })
    }

    /// Appends a stream of an instance to the log, as a block with a headline. Returns the length of the block in
    /// bytes; 0 if the log is full and has nothing of it.
    ///
    /// # Errors
    /// When the disk is full.
    pub(crate) fn append(
        &mut self,
        limits: LogLimits,
        label: &str,
        (attempt, has_failed): (u32, bool),
        stream: &str,
        output: Content<'_>,
    ) -> io::Result<u64> {
        let total = if has_failed { limits.rank } else { limits.rank / 4 * 3 };
        let room = total.saturating_sub(self.length);
        if room < SHORTEST.min(output.length()) {
            return Ok(0);
        }
        let shortened = shortened(output, limits.stream.min(room))?;
        let output = shortened.as_deref().map_or(output, Content::Memory);
        let label = one_line(label);
        let head = format!("=== {label} attempt {attempt} {stream} {} bytes\n", output.length());
        let begin = self.length;
        // written without a copy, since the output may be large; a block that a full disk cuts off gets no index line
        self.log.write_all(head.as_bytes())?;
        stream_output::copy(output, &mut self.log)?;
        let end = if stream_output::last_byte(output)? == Some(b'\n') { "" } else { "\n" };
        self.log.write_all(end.as_bytes())?;
        let written = (head.len() + end.len()) as u64 + output.length();
        self.length += written;
        let (head, length) = (head.len() as u64, output.length());
        self.index.write_all(index_line(begin, head, length, attempt, stream, &label).as_bytes())?;
        Ok(written)
    }
}

/// The line of an index for a block at the offset `begin`, whose headline has `head` bytes and whose output `length`.
/// The `label` must be of one line.
pub(crate) fn index_line(
    begin: u64,
    head: u64,
    length: u64,
    attempt: u32,
    stream: &str,
    label: &str,
) -> String {
    format!("{begin} {head} {length} {attempt} {stream} {label}\n")
}

/// The position of a stream of an instance in a log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedOutput {
    log: PathBuf,
    begin: u64,
    length: u64,
    attempt: u32,
    /// The label of the instance: its task and parameters, such as `sim[T=300]`.
    pub label: String,
}

/// A user's pattern for labels of instances: `sim` matches all instances of the task, `sim[T=300]` those with that
/// value of the parameter. A column of a table may be given without the table's name: `sim[id=A1]` for
/// `sim[case.id=A1]`.
pub(crate) struct LabelPattern<'p> {
    text: &'p str,
    parts: Option<(String, Vec<String>)>,
}

/// Splits a label into the name of the task and its values.
fn parts(label: &str) -> Option<(String, Vec<String>)> {
    let Some((name, rest)) = label.split_once('[') else { return Some((label.trim().to_owned(), vec![])) };
    let values = rest.trim_end().strip_suffix(']')?.split(',');
    let tidy = |value: &str| match value.split_once('=') {
        Some((name, value)) => format!("{}={}", name.trim(), value.trim()),
        None => value.trim().to_owned(),
    };
    Some((name.trim().to_owned(), values.map(tidy).filter(|value| !value.is_empty()).collect()))
}

impl<'p> LabelPattern<'p> {
    /// Makes the pattern of the text by which the user of `dtask log` chooses instances, such as `sim` or `sim[T=300]`.
    pub(crate) fn new(text: &'p str) -> Self {
        LabelPattern { text, parts: parts(text) }
    }

    /// The pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        self.text
    }

    /// The name of the task that is meant.
    pub(crate) fn task(&self) -> &str {
        self.parts.as_ref().map_or(self.text, |(name, _)| name)
    }

    /// Whether the pattern matches the label of an instance.
    pub(crate) fn fits(&self, label: &str) -> bool {
        // values may contain commas and brackets, which the comparison below would split
        if self.text == label {
            return true;
        }
        let (Some((name, values)), Some((own_name, own))) = (&self.parts, parts(label)) else { return false };
        let is = |wanted: &String, own: &String| {
            wanted == own || own.split_once('.').is_some_and(|(_, column)| column == wanted)
        };
        *name == own_name && values.iter().all(|wanted| own.iter().any(|own| is(wanted, own)))
    }
}

/// Finds the streams of instances in the logs of a run, by label and name of the stream, for `dtask log`. If an
/// instance was tried several times, only its last attempt is returned. The order is that of the index files.
///
/// # Errors
/// When an index cannot be read.
pub(crate) fn find(folder: &Path, wanted: &LabelPattern<'_>, stream: &str) -> io::Result<Vec<LoggedOutput>> {
    let mut indexes: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    indexes.retain(|path| path.extension().is_some_and(|ending| ending == "index"));
    indexes.sort();
    let mut all: Vec<LoggedOutput> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for index in indexes {
        for line in BufReader::new(File::open(&index)?).lines() {
            let line = line?;
            let mut words = line.splitn(6, ' ');
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
            let (Some(begin), Some(head), Some(length), Some(attempt)) =
                (number(), number(), number(), number())
            else {
                continue; // an incomplete line
            };
            let (Some(of), Some(label)) = (words.next(), words.next()) else { continue };
            if of != stream || !wanted.fits(label) {
                continue;
            }
            let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
            let log = index.with_extension("log");
            let found = LoggedOutput { log, begin: begin + head, length, attempt, label: label.to_owned() };
            match places.get(label) {
                Some(&at) if all[at].attempt > found.attempt => {}
                Some(&at) => all[at] = found,
                None => {
                    places.insert(label.to_owned(), all.len());
                    all.push(found);
                }
            }
        }
    }
    Ok(all)
}

impl LoggedOutput {
    /// Copies the logged stream from the log file to `to`.
    ///
    /// # Errors
    /// When the log cannot be read, or `to` cannot be written.
    pub(crate) fn copy(&self, to: &mut impl Write) -> io::Result<()> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::Start(self.begin))?;
        io::copy(&mut log.take(self.length), to).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_matched_by_their_values() {
        let fits = |wanted: &str, label: &str| LabelPattern::new(wanted).fits(label);
        let label = "sim[T=300, p=1]";
        for wanted in
            ["sim", "sim[T=300,p=1]", "sim[p=1, T=300]", "sim[ T = 300 ]", "sim[T=300, p=1]", "sim[]"]
        {
            assert!(fits(wanted, label), "{wanted}");
        }
        for wanted in ["si", "sim[T=30]", "sim[T=300", "sim[x=1]", "post[T=300]"] {
            assert!(!fits(wanted, label), "{wanted}");
        }
        assert!(fits("a[f=x, y]", "a[f=x, y]"));
        for wanted in ["a", "a[id=A1]", "a[case.id=A1]", "a[i=2,id=A1]"] {
            assert!(fits(wanted, "a[case.id=A1, i=2]"), "{wanted}");
        }
        assert!(!fits("a[d=A1]", "a[case.id=A1]") && !fits("a[case=A1]", "a[case.id=A1]"));
    }

    #[test]
    fn a_log_is_no_longer_than_it_may_be() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let mut log = LogWriter::open(dir.path(), 1)?;
        let limits = LogLimits { stream: 4_000, rank: 40_000 };
        let text: Vec<u8> = (0..100_000).map(|at| b'a' + (at / 1_000 % 26) as u8).collect();
        let mut logged = [0; 2];
        for number in 0..50 {
            for (failed, count) in [false, true].iter().zip(&mut logged) {
                let label = format!("a[i={number}, failed={failed}]");
                *count += u64::from(
                    log.append(limits, &label, (1, *failed), "stdout", Content::Memory(&text))? > 0,
                );
            }
        }
        let length = fs::metadata(dir.path().join("rank-0001.log"))?.len();
        assert!((30_000..41_000).contains(&length), "{length}");
        assert!(logged[0] > 0 && logged[1] > logged[0], "the last quarter is for what fails: {logged:?}");
        let mut kept = Vec::new();
        let pattern = LabelPattern::new("a[i=0, failed=true]");
        find(dir.path(), &pattern, "stdout")?.iter().try_for_each(|found| found.copy(&mut kept))?;
        assert!(kept.starts_with(&text[..2_000]) && kept.ends_with(&text[98_000..]));
        assert!(String::from_utf8_lossy(&kept).contains("\n[.. 96000 bytes are left out here"));
        Ok(())
    }

    #[test]
    fn outputs_are_found_again() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        for (rank, opened) in [(1, 1), (2, 1), (1, 2)] {
            let mut log = LogWriter::open(dir.path(), rank)?;
            let limits = LogLimits::new(&Policy::default(), 2);
            let mut append = |label, attempt, stream, bytes: &[u8]| {
                log.append(limits, label, (attempt, false), stream, Content::Memory(bytes))
            };
            append("a[i=1]", opened, "stdout", format!("{rank} {opened}").as_bytes())?;
            append("a[i=2]", 1, "stderr", b"x\n=== a[i=1] attempt 9 stdout 1 bytes\n")?;
            append("a[i=\n3]", 1, "stdout", b"\xff\x00")?;
        }
        let text = |wanted: &str, stream: &str| -> io::Result<Vec<u8>> {
            let mut text = Vec::new();
            find(dir.path(), &LabelPattern::new(wanted), stream)?
                .iter()
                .try_for_each(|found| found.copy(&mut text))?;
            Ok(text)
        };
        assert_eq!(text("a[i=1]", "stdout")?, b"1 2", "the last attempt");
        assert_eq!(text("a[i=2]", "stderr")?, b"x\n=== a[i=1] attempt 9 stdout 1 bytes\n");
        assert_eq!(text("a[i=\u{FFFD}3]", "stdout")?, b"\xff\x00");
        assert_eq!(text("b", "stdout")?, b"");
        Ok(())
    }
}
