//! Options of reading a script.

use std::time::Duration;

/// Checks beyond the script itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Whether the programs that `run` names have to exist on this machine.
    pub check_programs: bool,
    /// How long the job has, where that is known.
    pub time_limit: Option<Duration>,
}
