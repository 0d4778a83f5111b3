//! The specification of a command, as the rank makes it and the spawner executes it.

use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Whether a command gets the environment variables by which the MPI launcher tells a process its rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Launcher {
    /// The variables are removed. The command is a program of its own, and may call `MPI_Init` or `mpirun`.
    #[default]
    Scrub,
    /// The variables of the MPI launcher are inherited, as a command needs them to take part in the MPI job of dtask.
    Inherit,
    /// The command is the MPI launcher itself. The variables of this rank are removed, but not the parameters of the
    /// launcher's command line, such as those that choose a network.
    Again,
}

/// A command to run, with all placeholders of the script filled in. The spawner (the process that starts commands) gets
/// the fields that describe how to start the process; the rank keeps those by which it serves the command and evaluates
/// its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandSpec {
    /// The program and its arguments. A program without a slash is searched in the command's PATH; a relative path with
    /// a slash starts from `dir`.
    pub argv: Vec<OsString>,
    /// The name of the program in messages; `None` for the first word.
    #[serde(skip)]
    pub shown: Option<String>,
    /// The path of the program's file; empty until it is found.
    #[serde(with = "path")]
    pub program: PathBuf,
    /// The working directory of the command.
    #[serde(with = "path")]
    pub dir: PathBuf,
    /// Variables that are added to the command's environment. They replace inherited variables of the same names.
    pub env: Vec<(String, OsString)>,
    /// Whether the command's environment has no variables of the rank's environment, only those of `env`.
    pub clean_env: bool,
    /// Whether the MPI launcher's variables are removed from the environment or inherited.
    pub launcher: Launcher,
    /// The bytes that the command reads from standard input. If empty, standard input is `/dev/null`.
    #[serde(skip)]
    pub stdin: Vec<u8>,
    /// The path of a file that the command gets as standard input; `None` if it gets the bytes of `stdin`.
    #[serde(skip)]
    pub stdin_file: Option<PathBuf>,
    /// The files that the command must write: pairs of the output's name and a path relative to `scratch`.
    #[serde(skip)]
    pub outs: Vec<(String, PathBuf)>,
    /// The exit codes of the command that mean success, as a rule only 0.
    #[serde(skip)]
    pub ok_exit: Vec<i32>,
    /// The private directory of the attempt, in which the command writes its output files.
    #[serde(skip)]
    pub scratch: PathBuf,
    /// The time limit of the command. After it the whole process group gets SIGTERM, and SIGKILL `grace` later. `None`
    /// means no limit.
    #[serde(skip)]
    pub timeout: Option<Duration>,
    /// Time between SIGTERM and SIGKILL when the time limit or `max_output` is exceeded.
    #[serde(skip)]
    pub grace: Duration,
    /// The memory limit of the command and its descendants in bytes, above which they are killed. `None` means no
    /// limit.
    #[serde(skip)]
    pub memory: Option<u64>,
    /// The most bytes that the command may write to standard output and standard error together, beyond which it is
    /// ended as by the time limit. `None` means no limit.
    #[serde(skip)]
    pub max_output: Option<u64>,
    /// Whether standard output and standard error are thrown away unread, in this order.
    #[serde(skip)]
    pub unread: [bool; 2],
    /// The number of the rank's running commands at which the start is delayed, until fewer run, but by 20 ms at most.
    /// `None` means that the command starts at once.
    pub room: Option<u32>,
    /// The numbers of the cores to which the command is bound. If empty, the command has all cores of the rank.
    pub cores: Vec<u32>,
}

impl CommandSpec {
    /// Makes the specification of a command with the defaults of scripts, such as exit code 0 for success.
    pub(crate) fn new<A: Into<OsString>>(
        argv: impl IntoIterator<Item = A>,
        dir: impl Into<PathBuf>,
        scratch: impl Into<PathBuf>,
    ) -> Self {
        CommandSpec {
            argv: argv.into_iter().map(Into::into).collect(),
            shown: None,
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
            max_output: None,
            unread: [false; 2],
            room: None,
            cores: Vec::new(),
        }
    }
}

/// Serialization of paths as bytes, since a path need not be UTF-8.
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
