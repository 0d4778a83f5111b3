//! Threads at the command's pipes.
//!
//! A pipe holds 64 KiB. Were one thread to write the input and then read the outputs, a command that answers
//! while it reads would wait for us, and we for it.

use std::io::{self, Read, Write};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The threads do little: the default of 2 MiB of stack each would be a waste.
const STACK: usize = 1 << 17;

/// How long the end of an output is waited for after the command itself has ended and its group was killed.
/// Only a process that left the group can still hold the pipe: a daemon, which is not waited for.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// Reads a pipe to its end.
#[derive(Debug)]
pub(super) struct Reader {
    /// What was read; nothing, once it was taken, which tells the thread to stop.
    buffer: Arc<Mutex<Option<Vec<u8>>>>,
    ended: Receiver<()>,
}

impl Reader {
    pub(super) fn start(mut pipe: impl Read + Send + 'static) -> io::Result<Reader> {
        let buffer = Arc::new(Mutex::new(Some(Vec::new())));
        let (sender, ended) = mpsc::channel();
        let shared = Arc::clone(&buffer);
        std::thread::Builder::new().name("dtask-read".to_owned()).stack_size(STACK).spawn(move || {
            let mut piece = vec![0; 1 << 16];
            loop {
                let read = match pipe.read(&mut piece) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    // A pipe has no other errors than its end.
                    Err(_) => break,
                };
                match shared.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    Some(buffer) => buffer.extend_from_slice(&piece[..read]),
                    None => return,
                }
            }
            // Who waits for this may have given up.
            let _ = sender.send(());
        })?;
        Ok(Reader { buffer, ended })
    }

    /// All that was written, once the command has ended.
    pub(super) fn finish(self) -> Vec<u8> {
        // Where the pipe is still held open, what the command itself wrote was read long ago.
        let _ = self.ended.recv_timeout(LEFT_BEHIND);
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// Writes the command's input, in a thread that ends with the command: a pipe that no one reads any more
/// cannot be written.
pub(super) fn write(mut pipe: ChildStdin, input: Vec<u8>) -> io::Result<()> {
    std::thread::Builder::new().name("dtask-write".to_owned()).stack_size(STACK).spawn(move || {
        // A command need not read its input to the end, so a broken pipe is no error. (Rust programs ignore
        // SIGPIPE; the command gets its default back from std.)
        let _ = pipe.write_all(&input);
    })?;
    Ok(())
}
