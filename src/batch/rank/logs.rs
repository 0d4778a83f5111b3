//! Logs of what commands print: a file for each rank, and an index in which `dtask log` finds an instance.
//!
//! ```text
//! rank-0001.log      === sim[T=300, p=1] attempt 1 stdout 6 bytes
//!                    hello
//! rank-0001.index    0 45 6 1 stdout sim[T=300, p=1]
//! ```
//! A line of the index has: the offset of the block, the offset of the output in the block, the length of the output,
//! the attempt, the stream and the label of the instance. Offsets and lengths are in bytes.

use crate::batch::whole_files::make_private;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
            // the run folder was removed while the run goes on
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(folder).and_then(|()| open("log"))?
            }
            log => log?,
        };
        let length = log.metadata()?.len();
        Ok(LogWriter { log, index: open("index")?, length })
    }

    /// Appends a stream of an instance to the log, as a block with a headline. Returns the length of the block in
    /// bytes.
    ///
    /// # Errors
    /// When the disk is full.
    pub(crate) fn append(
        &mut self,
        label: &str,
        attempt: u32,
        stream: &str,
        bytes: &[u8],
    ) -> io::Result<u64> {
        let label = one_line(label);
        let head = format!("=== {label} attempt {attempt} {stream} {} bytes\n", bytes.len());
        let begin = self.length;
        // written without a copy, since the output may be large; a block that a full disk cuts off gets no index line
        self.log.write_all(head.as_bytes())?;
        self.log.write_all(bytes)?;
        let end = if bytes.ends_with(b"\n") { "" } else { "\n" };
        self.log.write_all(end.as_bytes())?;
        let written = (head.len() + bytes.len() + end.len()) as u64;
        self.length += written;
        let (head, length) = (head.len() as u64, bytes.len() as u64);
        self.index.write_all(index_line(begin, head, length, attempt, stream, &label).as_bytes())?;
        Ok(written)
    }
}

/// The label of an instance without the control characters that its values may have.
pub(crate) fn one_line(label: &str) -> String {
    label.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
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

/// Whether the label of an instance matches the pattern `wanted` of a user: `sim` matches all instances of the task,
/// `sim[T=300]` those with that value.
fn is_meant(wanted: &str, label: &str) -> bool {
    let parts = |text: &str| -> Option<(String, Vec<String>)> {
        let Some((name, rest)) = text.split_once('[') else { return Some((text.trim().to_owned(), vec![])) };
        let values = rest.trim_end().strip_suffix(']')?.split(',');
        let tidy = |value: &str| match value.split_once('=') {
            Some((name, value)) => format!("{}={}", name.trim(), value.trim()),
            None => value.trim().to_owned(),
        };
        Some((name.trim().to_owned(), values.map(tidy).filter(|value| !value.is_empty()).collect()))
    };
    // values may contain commas and brackets, which the comparison below would split
    if wanted == label {
        return true;
    }
    let (Some((name, values)), Some((own_name, own))) = (parts(wanted), parts(label)) else { return false };
    name == own_name && values.iter().all(|value| own.contains(value))
}

/// Finds the streams of instances in the logs of a run, by label and name of the stream, for `dtask log`. If an
/// instance was tried several times, only its last attempt is returned. The order is that of the index files.
///
/// # Errors
/// When an index cannot be read.
pub(crate) fn find(folder: &Path, wanted: &str, stream: &str) -> io::Result<Vec<LoggedOutput>> {
    let mut indexes: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    indexes.retain(|path| path.extension().is_some_and(|ending| ending == "index"));
    indexes.sort();
    let mut all: Vec<LoggedOutput> = Vec::new();
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
            if of != stream || !is_meant(wanted, label) {
                continue;
            }
            let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
            let log = index.with_extension("log");
            let found = LoggedOutput { log, begin: begin + head, length, attempt, label: label.to_owned() };
            match all.iter_mut().find(|other| other.label == found.label) {
                Some(other) if other.attempt > found.attempt => {}
                Some(other) => *other = found,
                None => all.push(found),
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
        let label = "sim[T=300, p=1]";
        for wanted in
            ["sim", "sim[T=300,p=1]", "sim[p=1, T=300]", "sim[ T = 300 ]", "sim[T=300, p=1]", "sim[]"]
        {
            assert!(is_meant(wanted, label), "{wanted}");
        }
        for wanted in ["si", "sim[T=30]", "sim[T=300", "sim[x=1]", "post[T=300]"] {
            assert!(!is_meant(wanted, label), "{wanted}");
        }
        assert!(is_meant("a[f=x, y]", "a[f=x, y]"));
    }

    #[test]
    fn outputs_are_found_again() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        for (rank, opened) in [(1, 1), (2, 1), (1, 2)] {
            let mut log = LogWriter::open(dir.path(), rank)?;
            log.append("a[i=1]", opened, "stdout", format!("{rank} {opened}").as_bytes())?;
            log.append("a[i=2]", 1, "stderr", b"x\n=== a[i=1] attempt 9 stdout 1 bytes\n")?;
            log.append("a[i=\n3]", 1, "stdout", b"\xff\x00")?;
        }
        let text = |wanted: &str, stream: &str| -> io::Result<Vec<u8>> {
            let mut text = Vec::new();
            find(dir.path(), wanted, stream)?.iter().try_for_each(|found| found.copy(&mut text))?;
            Ok(text)
        };
        assert_eq!(text("a[i=1]", "stdout")?, b"1 2", "the last attempt");
        assert_eq!(text("a[i=2]", "stderr")?, b"x\n=== a[i=1] attempt 9 stdout 1 bytes\n");
        assert_eq!(text("a[i=\u{FFFD}3]", "stdout")?, b"\xff\x00");
        assert_eq!(text("b", "stdout")?, b"");
        Ok(())
    }
}
