//! The rank's ends of a command's pipes. One thread serves them all: a pipe holds 64 KiB, and were its input written
//! first and its outputs read then, a command that answers while it reads would wait for us, and we for it.

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

/// Read at a time, so that no pipe is read for ever while the others wait.
const PIECE: u64 = 1 << 20;

/// The end of a pipe that we use does not block; the command's does, as every program expects.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

fn nonblocking(end: &OwnedFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(end, true)?)
}

/// Nothing to read, or nobody to write to.
pub(crate) fn null() -> io::Result<OwnedFd> {
    // process-wide: a descriptor that says nothing of a rank
    static NULL: OnceLock<File> = OnceLock::new();
    let file = match NULL.get() {
        Some(file) => file,
        None => {
            let file = File::options().read(true).write(true).open("/dev/null")?;
            NULL.get_or_init(|| file)
        }
    };
    Ok(file.try_clone()?.into())
}

/// What a command prints.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Reader {
    /// A reader, and the end for the command.
    pub(crate) fn new() -> io::Result<(Reader, OwnedFd)> {
        let (ours, theirs) = pipe()?;
        nonblocking(&ours)?;
        Ok((Reader { pipe: Some(ours.into()), bytes: Vec::new() }, theirs))
    }

    /// Takes what has come, without waiting.
    pub(crate) fn fill(&mut self) {
        while let Some(pipe) = &mut self.pipe {
            match pipe.take(PIECE).read_to_end(&mut self.bytes) {
                Ok(read) if read as u64 == PIECE => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe has no other errors than its end.
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }

    /// What to wait for, until its end has come.
    pub(crate) fn interest(&self) -> Option<PollFd<'_>> {
        self.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// What a command reads.
#[derive(Debug)]
pub(crate) struct Writer {
    pipe: Option<OwnedFd>,
    bytes: Vec<u8>,
    written: usize,
}

impl Writer {
    /// A writer, and the end for the command. What a pipe holds is written at once.
    pub(crate) fn new(bytes: Vec<u8>) -> io::Result<(Writer, OwnedFd)> {
        if bytes.is_empty() {
            return Ok((Writer { pipe: None, bytes, written: 0 }, null()?));
        }
        let (theirs, ours) = pipe()?;
        nonblocking(&ours)?;
        let mut writer = Writer { pipe: Some(ours), bytes, written: 0 };
        writer.fill();
        Ok((writer, theirs))
    }

    /// Nothing to write: the command reads a file.
    pub(crate) fn file(path: &Path) -> io::Result<(Writer, OwnedFd)> {
        let writer = Writer { pipe: None, bytes: Vec::new(), written: 0 };
        Ok((writer, File::open(path)?.into()))
    }

    /// Writes what there is room for, without waiting.
    pub(crate) fn fill(&mut self) {
        while let Some(pipe) = &self.pipe {
            match rustix::io::write(pipe, &self.bytes[self.written..]) {
                Ok(written) => self.written += written,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                // A command need not read its input to the end, so a broken pipe is no error.
                Err(_) => self.close(),
            }
            if self.written == self.bytes.len() {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.pipe = None;
        self.bytes = Vec::new();
        self.written = 0;
    }

    /// What to wait for, until all is written.
    pub(crate) fn interest(&self) -> Option<PollFd<'_>> {
        self.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT))
    }
}
