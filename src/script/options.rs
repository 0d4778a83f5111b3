//! Options of loading a script.

use std::time::Duration;

/// Options of loading a script: checks that depend on the machine and on the job.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Whether the programs that `run` names must exist on this machine.
    pub check_programs: bool,
    /// Whether the script is about to be run here, so that the environment variables that it names must be set.
    pub starts: bool,
    /// Whether the paths that the script writes must be writable on this machine.
    pub check_paths: bool,
    /// The tasks that are to run, with those that they need; all if it is empty. What is left out writes no path.
    pub only: Vec<String>,
    /// The time limit of the job; `None` where it is not known.
    pub time_limit: Option<Duration>,
}
