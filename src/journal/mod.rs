//! The journal of a script's runs: what is done, and where the results are, so that the next run goes on.
//!
//! A write-ahead log with group commit, in `NAME.dtask/journal`. Start with [`record`] for what is in it; [`state`] is
//! what all records together say. [`frame`] gives each record a checksum and finds the way after damage, [`writer`] is
//! the thread that appends, [`lock`] keeps a second run away. [`checkpoint`] is a
//! file with a result, beside the journal. The reasons are in `README.md`.

pub(crate) mod checkpoint;
pub(crate) mod crashes;
pub(crate) mod frame;
pub(crate) mod lock;
pub(crate) mod record;
pub(crate) mod state;
pub(crate) mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

/// The name of the journal in the run folder.
const NAME: &str = "journal";

/// The path of the journal in the run folder `folder`.
pub(crate) fn path_in(folder: &Path) -> PathBuf {
    folder.join(NAME)
}
