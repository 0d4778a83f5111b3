//! A table of the process numbers of running commands, in memory that the rank and the spawner share. When the spawner
//! has died, the rank finds there which processes to kill. Unlike a message, an update wakes nobody.

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{pread, pwrite};
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const ENTRY: u64 = size_of::<i32>() as u64;

/// A file in memory, shared by rank and spawner, with the process number of each channel's running command, 0 if there
/// is none. If the spawner dies, the rank finds here which commands to kill.
#[derive(Debug)]
pub(crate) struct PidTable(OwnedFd);

impl PidTable {
    pub(crate) fn new() -> io::Result<PidTable> {
        Ok(PidTable(memfd_create("commands", MemfdFlags::CLOEXEC)?))
    }

    pub(crate) fn from_file(file: OwnedFd) -> PidTable {
        PidTable(file)
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Sets the process number of the command that a channel runs. If the write fails, the command runs on, but would
    /// not be killed if the spawner died.
    pub(crate) fn set(&self, channel: u32, pid: Option<Pid>) {
        let number = Pid::as_raw(pid);
        let _ = pwrite(&self.0, &number.to_ne_bytes(), u64::from(channel) * ENTRY);
    }

    /// The process number of the command that a channel runs; `None` if no command runs.
    pub(crate) fn get(&self, channel: u32) -> Option<Pid> {
        let mut number = [0; size_of::<i32>()];
        match pread(&self.0, &mut number, u64::from(channel) * ENTRY) {
            Ok(read) if read == number.len() => Pid::from_raw(i32::from_ne_bytes(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_apart() -> io::Result<()> {
        let table = PidTable::new()?;
        let other = PidTable::from_file(table.file().try_clone_to_owned()?);
        table.set(3, Pid::from_raw(77));
        assert_eq!([0, 2, 3, 4].map(|channel| other.get(channel)), [None, None, Pid::from_raw(77), None]);
        table.set(3, None);
        assert_eq!(other.get(3), None);
        Ok(())
    }
}
