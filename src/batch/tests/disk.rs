//! A disk for the journal that loses what was not synced when the machine dies, and that is full at times.

use super::dice::Dice;
use crate::journal::writer::JournalDisk;
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

/// The state of the journal's disk, which the simulation shares with the journal.
pub(super) struct DiskState {
    file: Option<File>,
    /// What was written and not synced.
    unsynced: Vec<u8>,
    dice: Dice,
    /// Of a hundred writes, how many fail.
    pub(super) failing: u64,
    is_dead: bool,
}

/// What is left of bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The process was killed: what it wrote is in the system's cache.
    Process,
    /// The machine has died: a part is on disk, in which a block may be missing.
    Machine,
}

#[derive(Clone)]
pub(super) struct SimulatedDisk(pub(super) Arc<Mutex<DiskState>>);

impl SimulatedDisk {
    pub(super) fn new(seed: u64, failing: u64) -> Self {
        let (file, unsynced, dice) = (None, Vec::new(), Dice::new(seed));
        SimulatedDisk(Arc::new(Mutex::new(DiskState { file, unsynced, dice, failing, is_dead: false })))
    }

    /// The disk with the journal in `file`.
    pub(super) fn of(&self, file: File) -> SimulatedDisk {
        self.0.lock().file = Some(file);
        self.clone()
    }

    /// Ends all writing. What was synced is there, and of the rest what `death` leaves.
    pub(super) fn die(&self, death: Death) {
        let state = &mut *self.0.lock();
        state.is_dead = true;
        let mut left = std::mem::take(&mut state.unsynced);
        if death == Death::Machine {
            let dice = &mut state.dice;
            left.truncate(dice.below(left.len() as u64 + 1) as usize);
            if !left.is_empty() && dice.one_in(3) {
                let (at, length) = (dice.below(left.len() as u64) as usize, dice.below(512) as usize);
                let end = (at + length).min(left.len());
                left[at..end].fill(0);
            }
        }
        if let Some(file) = &mut state.file {
            file.write_all(&left).expect("the real disk has room");
        }
    }
}

impl JournalDisk for SimulatedDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.0.lock();
        if state.is_dead {
            return Err(io::Error::other("the machine is dead"));
        }
        if state.dice.below(100) < state.failing {
            let part = state.dice.below(bytes.len() as u64) as usize;
            state.unsynced.extend(&bytes[..part]);
            return Err(io::Error::other("the disk is full"));
        }
        state.unsynced.extend(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let state = &mut *self.0.lock();
        if state.is_dead {
            return Err(io::Error::other("the machine is dead"));
        }
        if state.dice.below(200) < state.failing {
            return Err(io::Error::other("the disk is full"));
        }
        let unsynced = std::mem::take(&mut state.unsynced);
        if let Some(file) = &mut state.file {
            file.write_all(&unsynced)?;
        }
        Ok(())
    }
}
