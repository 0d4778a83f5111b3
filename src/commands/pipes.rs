//! The rank's ends of a command's pipes. One thread serves all of them in turn. A pipe holds 64 KiB, so writing all
//! input before reading any output would deadlock with a command that writes while it reads.

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

/// Creates a pipe between the rank and a command. The caller makes the rank's end non-blocking; the command's end
/// blocks, as programs expect.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// Makes reads and writes at the rank's end of a pipe return at once.
pub(crate) fn nonblocking(end: &OwnedFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(end, true)?)
}

/// Opens `/dev/null`, which is a command's input if it has none, or takes the output that is discarded.
pub(crate) fn null() -> io::Result<OwnedFd> {
    // a static and not state of a rank: ranks that share a process can share this descriptor, which has no content
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

/// Feeds the standard input of a command, at the rank's end of a pipe.
#[derive(Debug)]
pub(crate) struct Writer {
    pipe: Option<OwnedFd>,
    bytes: Vec<u8>,
    written: usize,
}

impl Writer {
    /// Makes a writer of `bytes` and a pipe from it. Returns also the end of the pipe from which the command reads. As
    /// much as the pipe holds is written at once.
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

    /// Opens a file as a command's standard input, which the command reads itself. Returns also a writer that has
    /// nothing to do.
    pub(crate) fn file(path: &Path) -> io::Result<(Writer, OwnedFd)> {
        let writer = Writer { pipe: None, bytes: Vec::new(), written: 0 };
        Ok((writer, File::open(path)?.into()))
    }

    /// Writes as many bytes as the pipe to the command has room for, without waiting.
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

    /// The event for which the rank has to poll to write more; `None` after all is written.
    pub(crate) fn interest(&self) -> Option<PollFd<'_>> {
        self.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT))
    }
}
