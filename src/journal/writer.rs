//! The thread that appends to the journal: group commit, so that many records cost one `fdatasync`.

use super::frame;
use super::record::JournalRecord;
use crate::clock;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The rules by which records are collected before they are written and synced to disk together (group commit).
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupCommit {
    /// The longest time that a record waits before it is written and synced.
    pub every: Duration,
    /// The number of collected bytes at which they are written at once.
    pub bytes: usize,
    /// The most bytes that are kept in memory while writing fails. Beyond it records are dropped.
    pub most: usize,
    /// The pause after a failed write before the next attempt.
    pub pause: Duration,
}

impl Default for GroupCommit {
    fn default() -> Self {
        let [every, pause] = [200, 1000].map(Duration::from_millis);
        GroupCommit { every, bytes: 1 << 20, most: 64 << 20, pause }
    }
}

/// The file to which records are appended; a trait, so that tests can have a disk that fails.
pub(crate) trait JournalDisk: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// When the disk is full or gone.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until everything is on disk.
    ///
    /// # Errors
    /// When the disk is full or gone.
    fn sync(&mut self) -> io::Result<()>;
}

impl JournalDisk for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Opens the journal for appending, and creates it with its first line if there is none.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.len() == 0 {
        file.write_all(frame::FIRST_LINE)?;
        file.sync_data()?;
        // a new file is safe only when its name in the folder is on disk too
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(file)
}

/// A function that makes a record. The journal's thread calls it, since making a record may look at files, which takes
/// time.
type MakeRecord = Box<dyn FnOnce() -> Option<JournalRecord> + Send>;

enum ToWriter {
    Record(MakeRecord),
    Flush(Sender<()>),
    AfterCommit(Box<dyn FnOnce() + Send>),
}

/// A handle to the thread that appends to the journal. A record sent to it is on disk after at most
/// [`GroupCommit::every`], or when [`JournalWriter::flush`] returns.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    sender: Option<Sender<ToWriter>>,
    thread: Option<JoinHandle<()>>,
    #[cfg(test)]
    inline: Option<InlineWriter>,
    failure: Arc<Mutex<Option<String>>>,
}

/// In a simulation, the writer without its thread: it acts when the journal is looked at.
#[cfg(test)]
struct InlineWriter(Mutex<(Receiver<ToWriter>, WriterThread)>);

#[cfg(test)]
impl std::fmt::Debug for InlineWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InlineWriter")
    }
}

impl JournalWriter {
    /// Starts the thread that appends to the journal.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(disk: impl JournalDisk + 'static, commit: GroupCommit) -> io::Result<JournalWriter> {
        let (sender, receiver) = mpsc::channel();
        let failure = Arc::new(Mutex::new(None));
        let (buffer, since, told) = (Vec::new(), None, failure.clone());
        let writer = WriterThread { disk: Box::new(disk), commit, buffer, since, failed: None, told };
        #[cfg(test)]
        if clock::is_simulated() {
            let inline = Some(InlineWriter(Mutex::new((receiver, writer))));
            return Ok(JournalWriter { sender: Some(sender), thread: None, inline, failure });
        }
        let run = move || writer.run(&receiver);
        let thread = std::thread::Builder::new().name("dtask-journal".into()).spawn(run)?;
        #[cfg(test)]
        return Ok(JournalWriter { sender: Some(sender), thread: Some(thread), inline: None, failure });
        #[cfg(not(test))]
        Ok(JournalWriter { sender: Some(sender), thread: Some(thread), failure })
    }

    /// Sends the thread a function that makes a record to append, or `None` for none.
    pub(crate) fn record_with(&self, make: impl FnOnce() -> Option<JournalRecord> + Send + 'static) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(ToWriter::Record(Box::new(make)));
        }
    }

    /// Sends the thread a record to append.
    pub(crate) fn record(&self, record: JournalRecord) {
        self.record_with(move || Some(record));
    }

    /// Sends the thread a function to call once all records sent so far are on disk. It is not called if they cannot be
    /// written.
    pub(crate) fn after_commit(&self, act: impl FnOnce() + Send + 'static) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(ToWriter::AfterCommit(Box::new(act)));
        }
    }

    /// Waits until all records sent so far are on disk, or writing them has failed, but not longer than `limit`.
    pub(crate) fn flush(&self, limit: Duration) {
        let (done, wait) = mpsc::channel();
        if let Some(sender) = &self.sender
            && sender.send(ToWriter::Flush(done)).is_ok()
        {
            self.turn(false);
            let _ = wait.recv_timeout(limit);
        }
    }

    /// The error of the last attempt to write; `None` if it succeeded.
    pub(crate) fn failure(&self) -> Option<String> {
        self.turn(false);
        self.failure.lock().clone()
    }

    /// Without a thread, does what the thread would have done by now; at the `end` that is all.
    #[cfg(test)]
    fn turn(&self, end: bool) {
        let Some(InlineWriter(inline)) = &self.inline else { return };
        let (receiver, writer) = &mut *inline.lock();
        while let Ok(message) = receiver.try_recv() {
            writer.take(message);
        }
        if end {
            writer.commit();
        }
        writer.commit_if_due();
    }

    #[cfg(not(test))]
    fn turn(&self, _: bool) {}
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.sender = None;
        self.turn(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct WriterThread {
    disk: Box<dyn JournalDisk>,
    commit: GroupCommit,
    /// The frames of records that are not on disk yet.
    buffer: Vec<u8>,
    /// The time when the first frame of `buffer` was added; `None` if there is none.
    since: Option<Instant>,
    /// The time of the last failed attempt to write; `None` after a success.
    failed: Option<Instant>,
    told: Arc<Mutex<Option<String>>>,
}

impl WriterThread {
    fn run(mut self, receiver: &Receiver<ToWriter>) {
        loop {
            let received = match self.due() {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => receiver.recv_timeout(due.saturating_duration_since(clock::now())),
            };
            match received {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => self.commit(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.commit();
                    return;
                }
            }
            self.commit_if_due();
        }
    }

    fn take(&mut self, message: ToWriter) {
        match message {
            ToWriter::Record(make) => self.add(make()),
            ToWriter::Flush(done) => {
                self.commit();
                let _ = done.send(());
            }
            ToWriter::AfterCommit(act) => {
                self.commit();
                if self.buffer.is_empty() {
                    act();
                }
            }
        }
    }

    fn commit_if_due(&mut self) {
        let is_due = self.due().is_some_and(|due| due <= clock::now());
        if is_due || self.failed.is_none() && self.buffer.len() >= self.commit.bytes {
            self.commit();
        }
    }

    /// The time at which the buffer is to be written; `None` if it is empty.
    fn due(&self) -> Option<Instant> {
        let since = self.since?;
        Some(self.failed.map_or(since + self.commit.every, |failed| failed + self.commit.pause))
    }

    fn add(&mut self, record: Option<JournalRecord>) {
        let Some(content) = record.and_then(|record| record.encode().ok()) else { return };
        // dropped: the only consequence is that the instances run again
        if self.buffer.len() + content.len() > self.commit.most && self.failed.is_some() {
            return;
        }
        frame::append(&content, &mut self.buffer);
        self.since.get_or_insert_with(clock::now);
    }

    fn commit(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        // after an error the whole buffer is written again, since it is unknown which part has reached the disk;
        // readers skip the broken part
        match self.disk.append(&self.buffer).and_then(|()| self.disk.sync()) {
            Ok(()) => {
                self.buffer.clear();
                (self.since, self.failed) = (None, None);
                *self.told.lock() = None;
            }
            Err(error) => {
                self.failed = Some(clock::now());
                *self.told.lock() = Some(error.to_string());
            }
        }
    }
}
