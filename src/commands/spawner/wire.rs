//! The messages between a rank and its spawner, over socket pairs that no other process can find.
//!
//! ```text
//!   rank ── Control ──► spawner      one connection: channels, signals, what to remove when the rank has died
//!   rank ── StartMessage + 3 open files ──► a channel of the spawner, which answers with End; then the next
//! ```
//!
//! A message is its length, as eight bytes, and its encoding. Open files travel with its first byte (`SCM_RIGHTS`), so
//! that no byte of a command's input and output passes through the spawner.

use crate::codec;
use crate::commands::CommandSpec;
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The most open files (file descriptors) that are sent along with a message between rank and spawner.
const FILES_MAX: usize = 3;
/// The longest message in bytes that is received. Arguments and environment of a command are most of a message, and the
/// system allows them less (on Linux 6 MiB).
const LENGTH_MAX: u64 = 64 << 20;
/// Bytes allocated for a message before its content has arrived, so that a wrong length does not allocate much.
const EARLY: u64 = 64 << 10;
const HEAD: usize = size_of::<u64>();

/// A message from the rank to its spawner (the process that starts its commands), on the control connection.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Control {
    /// The table of process numbers, by which the rank finds its commands if the spawner dies. Its file is sent along
    /// with the message: see [`crate::commands::spawner::pid_table`].
    Table,
    /// A new channel with this number, on which the rank will have commands started. Its socket is sent along with the
    /// message.
    Channel(u32),
    /// A signal to be sent to the process group of a command. Has no effect if the command has ended.
    Signal {
        /// The number of the channel on which the command was started.
        channel: u32,
        /// The number of the command among those of the channel, from 1.
        run: u64,
        /// The number of the signal to send, as `kill` takes it.
        signal: i32,
    },
    /// The path of a directory that the spawner must remove when the rank has ended.
    Remove(OsString),
    /// The request to end all commands of the rank and to start no more. Answered by [`AllEnded`].
    EndAll {
        /// Time between SIGTERM and SIGKILL for commands that do not end.
        grace: Duration,
    },
}

/// The spawner's answer to [`Control::EndAll`]: all commands have ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AllEnded;

/// A command that the spawner is to start, with its number within the channel, from 1. The pipes for its three standard
/// streams are sent along with the message.
pub(crate) type StartMessage = (u64, CommandSpec);

/// The resources that a command has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// The largest resident memory of any process of the command, in bytes. The kernel counts the memory of the process
    /// that started it too, so the value is never less than some megabytes.
    pub peak_memory: u64,
    /// Processor time of the command's program and of those child processes for which it waited.
    pub cpu: Duration,
}

/// The end of a command, as the spawner reports it to the rank.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum End {
    /// The operating system refused to start the command; the error number (`errno`).
    NotStarted(i32),
    /// The command was not started, since the rank has asked the spawner to start no more.
    Refused,
    /// The command has ended, and the rest of its process group was killed.
    Exited {
        /// The wait status of the command, as `waitpid` returns it.
        status: i32,
        /// The resources that the command has used.
        usage: Usage,
    },
    /// The command's status could not be read; the error number (`errno`).
    Unknown(i32),
}

/// Encodes a message between rank and spawner, with its length in front.
fn framed<M: Serialize>(message: &M) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; HEAD];
    codec::encode_into(message, &mut frame).map_err(io::Error::other)?;
    let length = (frame.len() - HEAD) as u64;
    frame[..HEAD].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Sends a message over a socket, together with open files (file descriptors) that the receiver gets too.
pub(crate) fn send<M: Serialize>(
    mut socket: &UnixStream,
    message: &M,
    files: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let frame = framed(message)?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FILES_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::other("too many open files for one message"));
    }
    let sent = loop {
        match sendmsg(socket, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    socket.write_all(&frame[sent..])
}

/// Receives a message with the open files sent along. `None` if the other side has closed the connection or has died.
/// `buffer` receives the bytes; it is passed in so that calls can reuse its memory.
pub(crate) fn receive<M: DeserializeOwned>(
    mut socket: &UnixStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut files = Vec::new();
    let mut head = [0; HEAD];
    let got = match receive_some(socket, &mut head, &mut files)? {
        0 => return Ok(None),
        got => got,
    };
    if !filled(socket.read_exact(&mut head[got..]))? {
        return Ok(None);
    }
    let length = u64::from_le_bytes(head);
    if length > LENGTH_MAX {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    buffer.clear();
    buffer.reserve(length.min(EARLY) as usize);
    if !filled(socket.take(length).read_to_end(buffer).map(drop))? || (buffer.len() as u64) < length {
        return Ok(None);
    }
    let message = codec::decode(buffer).map_err(io::Error::other)?;
    Ok(Some((message, files)))
}

/// Whether a read from a socket was complete; false if the other side has closed the connection or has died.
fn filled(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) =>
        {
            Ok(false)
        }
        other => other.map(|()| true),
    }
}

fn receive_some(socket: &UnixStream, buffer: &mut [u8], files: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FILES_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut slices = [IoSliceMut::new(buffer)];
        match recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            // a peer that was killed with bytes unread causes a reset, which is an end of the connection like any other
            Err(Errno::CONNRESET) => return Ok(0),
            other => break other?,
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            files.extend(received);
        }
    }
    Ok(received.bytes)
}

/// Decodes a message between rank and spawner from `bytes` and encodes it again, for fuzzing. The first byte chooses
/// the type of the message. `None` if the bytes are incomplete or no message.
#[cfg(feature = "testing")]
pub fn rewritten(bytes: &[u8]) -> Option<Vec<u8>> {
    fn again<M: Serialize + DeserializeOwned>(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let (mut here, there) = UnixStream::pair()?;
        here.write_all(bytes)?;
        drop(here);
        let received = receive::<M>(&there, &mut Vec::new())?;
        received.map(|(message, _)| framed(&message)).transpose()
    }
    /// Bytes that a socket takes from the sender before anyone reads them.
    const ROOM: usize = 1 << 16;
    let (kind, bytes) = bytes.split_first().filter(|(_, bytes)| bytes.len() <= ROOM)?;
    let again = match kind % 3 {
        0 => again::<Control>(bytes),
        1 => again::<StartMessage>(bytes),
        _ => again::<End>(bytes),
    };
    again.ok().flatten().map(|again| [&[*kind], &again[..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::fd::AsFd;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn messages_of_any_length_and_their_files_arrive() -> io::Result<()> {
        let (here, there) = UnixStream::pair()?;
        let (mut inside, outside) = UnixStream::pair()?;
        let start = |length: usize| {
            let mut spec = CommandSpec::new(["true".to_owned(), "x".repeat(length)], "/", "/scratch");
            (spec.program, spec.clean_env, spec.cores) = ("/bin/true".into(), true, vec![0, 7]);
            spec.dir = OsStr::from_bytes(b"/not \xff UTF-8").into();
            spec.env.push(("A".into(), "b".into()));
            (7, spec)
        };
        for length in [0, 4000, 5000, 3_000_000] {
            let received = std::thread::scope(|scope| {
                let receiver = scope.spawn(|| receive::<StartMessage>(&there, &mut Vec::new()));
                send(&here, &start(length), &[outside.as_fd(), here.as_fd()])?;
                receiver.join().map_err(|_| io::Error::other("a panic"))?
            })?;
            let (message, files) = received.expect("a message");
            // fields that only the rank uses are not sent
            let (run, sent) = start(length);
            let kept = CommandSpec { ok_exit: vec![], scratch: "".into(), grace: Duration::ZERO, ..sent };
            assert_eq!(message, (run, kept));
            assert_eq!(files.len(), 2);
            UnixStream::from(files.into_iter().next().expect("a file")).write_all(b"!")?;
            let mut byte = [0];
            inside.read_exact(&mut byte)?;
            assert_eq!(&byte, b"!");
        }
        drop(here);
        assert!(receive::<StartMessage>(&there, &mut Vec::new())?.is_none());
        Ok(())
    }

    #[test]
    fn nonsense_is_an_error() -> io::Result<()> {
        for bytes in [&u64::MAX.to_le_bytes()[..], &[1, 0, 0, 0, 0, 0, 0, 0, 200], &[0; 8]] {
            let (mut here, there) = UnixStream::pair()?;
            here.write_all(bytes)?;
            assert!(receive::<End>(&there, &mut Vec::new()).is_err(), "{bytes:?}");
        }
        let (mut here, there) = UnixStream::pair()?;
        here.write_all(&LENGTH_MAX.to_le_bytes())?;
        here.write_all(&[0; 100])?;
        drop(here);
        let mut buffer = Vec::new();
        assert!(receive::<End>(&there, &mut buffer)?.is_none(), "cut off");
        assert!(buffer.capacity() as u64 <= 2 * EARLY, "{} bytes for what has not come", buffer.capacity());
        let (mut here, there) = UnixStream::pair()?;
        here.write_all(&[9, 0])?;
        drop(here);
        assert!(receive::<End>(&there, &mut Vec::new())?.is_none(), "cut off");
        Ok(())
    }
}
