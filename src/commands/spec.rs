//! A command, as a rank describes it and its spawner starts it.

use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The fate of the MPI launcher's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Launcher {
    /// Removed: the command is a program of its own, and may call `MPI_Init` or `mpirun`.
    #[default]
    Scrub,
    /// Left.
    Inherit,
}

/// A command to run, everything substituted. The spawner gets the fields that say how a process is started; the rank
/// keeps those by which it serves and judges the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandSpec {
    /// The program and its arguments. A program without a slash is looked for in the command's PATH; one with
    /// a slash that is relative starts from `dir`.
    pub argv: Vec<OsString>,
    /// The path of the program, once it is found.
    #[serde(with = "path")]
    pub program: PathBuf,
    /// The working directory.
    #[serde(with = "path")]
    pub dir: PathBuf,
    /// Variables added to the environment, before others of the same names.
    pub env: Vec<(String, OsString)>,
    /// Starts from an empty environment instead of the rank's.
    pub clean_env: bool,
    /// The fate of the launcher's variables.
    pub launcher: Launcher,
    /// The bytes that the command reads from its standard input: `/dev/null`, if empty.
    #[serde(skip)]
    pub stdin: Vec<u8>,
    /// A file that the command reads from its standard input instead.
    #[serde(skip)]
    pub stdin_file: Option<PathBuf>,
    /// Files that the command must write: a name, and the path below `scratch`.
    #[serde(skip)]
    pub outs: Vec<(String, PathBuf)>,
    /// Exit codes that mean success.
    #[serde(skip)]
    pub ok_exit: Vec<i32>,
    /// The task's private directory.
    #[serde(skip)]
    pub scratch: PathBuf,
    /// The command is ended after this: SIGTERM, `grace`, SIGKILL, to its whole process group.
    #[serde(skip)]
    pub timeout: Option<Duration>,
    /// Time between SIGTERM and SIGKILL.
    #[serde(skip)]
    pub grace: Duration,
    /// The most memory that the command and what it starts may have, in bytes: killed with more.
    #[serde(skip)]
    pub memory: Option<u64>,
    /// The command is started when fewer commands than this run here, or soon after.
    pub room: Option<u32>,
    /// The cores that the command may run on; where there are none, those of the rank.
    pub cores: Vec<u32>,
}

impl CommandSpec {
    /// A command with a script's defaults.
    pub(crate) fn new<A: Into<OsString>>(
        argv: impl IntoIterator<Item = A>,
        dir: impl Into<PathBuf>,
        scratch: impl Into<PathBuf>,
    ) -> Self {
        CommandSpec {
            argv: argv.into_iter().map(Into::into).collect(),
            program: PathBuf::new(),
            dir: dir.into(),
            env: Vec::new(),
            clean_env: false,
            launcher: Launcher::Scrub,
            stdin: Vec::new(),
            stdin_file: None,
            outs: Vec::new(),
            ok_exit: vec![0],
            scratch: scratch.into(),
            timeout: None,
            grace: Duration::from_secs(5),
            memory: None,
            room: None,
            cores: Vec::new(),
        }
    }
}

/// Paths that need not be UTF-8.
mod path {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        OsString::deserialize(deserializer).map(PathBuf::from)
    }
}
