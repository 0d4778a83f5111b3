//! The command `dtask new`.

use super::{DONE, STARTUP, USAGE};
use crate::console;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The starter script, which `dtask new` writes: it passes the checks and runs as it is.
pub(super) const STARTER: &str = include_str!("starter.toml");

/// Writes the starter script, but never over an existing file. Returns the exit code.
pub(super) fn new(script: &Path) -> u8 {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(script)
        .and_then(|mut file| file.write_all(STARTER.as_bytes()));
    let shown = script.display();
    match written {
        Ok(()) => {
            console::output(format_args!(
                "{shown} is written. See what it does: dtask plan {shown}\nRun it: mpirun -n 4 dtask {shown}"
            ));
            DONE
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            console::error(format_args!("error: `{shown}` is there already, and is left as it is"));
            USAGE
        }
        Err(error) => {
            console::error(format_args!("error: `{shown}` cannot be written: {error}"));
            STARTUP
        }
    }
}
