//! What goes wrong with a command, said so that its user knows what to do.

use crate::commands::signals::signal_name;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What a command wrote before it failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Captured {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Captured {
    /// The last lines of standard error, as they go into a message.
    pub(crate) fn tail(&self) -> String {
        const LINES: usize = 20;
        const WIDTH: usize = 300;
        // A window from the end: megabytes of output need not be decoded for twenty lines.
        let window = &self.stderr[self.stderr.len().saturating_sub(LINES * 4 * WIDTH)..];
        let text = String::from_utf8_lossy(window);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(LINES);
        let mut tail = String::new();
        for line in &lines[first..] {
            tail.push_str("\n  | ");
            tail.extend(line.chars().filter(|c| !c.is_control() || *c == '\t').take(WIDTH));
        }
        if tail.is_empty() {
            "; it wrote nothing to stderr".to_owned()
        } else {
            format!("; the end of its stderr:{tail}")
        }
    }
}

/// Kinds of failure, as `retry-on` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum FailureKind {
    /// It could not be started: it will not start next time either.
    NotStarted,
    /// It ended with this code, which does not mean success.
    Exit(i32),
    /// This signal killed it.
    Signal(i32),
    /// It ran longer than it may.
    TimedOut,
    /// It, or its host, ran out of memory.
    OutOfMemory,
    /// It was ended because it is no longer wanted.
    Cancelled,
    /// It succeeded, but an output is missing or cannot be read.
    Output,
    /// The machine refused something: threads, memory, processes.
    System,
}

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// Nothing to run.
    #[error("the command is empty: `run` begins with a program")]
    Empty,
    /// An argument that the system cannot pass on.
    #[error(
        "argument {index} of `{program}` contains a zero byte, which no argument can; pass it by `stdin` or a file"
    )]
    ZeroByte {
        /// The program.
        program: String,
        /// Its place in `argv`.
        index: usize,
    },
    /// A variable that the system cannot pass on.
    #[error(
        "environment variable `{name}`: a name is not empty and has no `=`, and neither name nor value has a zero byte"
    )]
    Variable {
        /// The name.
        name: String,
    },
    /// No such program.
    #[error("program `{program}` not found; looked in {}{}", .looked.join(", "), not_found_help(.program))]
    NotFound {
        /// As written.
        program: String,
        /// The directories of PATH, or the path.
        looked: Vec<String>,
    },
    /// There is a file, but it is no program.
    #[error("`{}` cannot be executed: {reason}", .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// The working directory cannot be entered.
    #[error("working directory `{}` of `{program}` cannot be used on this host: {source}; it must exist on every node, or write `dir = \"scratch\"`", .dir.display())]
    Dir {
        /// The program.
        program: String,
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Arguments and environment exceed the system's limit.
    #[error(
        "the arguments of `{program}` are too long for the system ({bytes} bytes); pass a file of paths instead, `{{x.list}}`"
    )]
    TooLong {
        /// The program.
        program: String,
        /// Total length of the arguments.
        bytes: usize,
    },
    /// The system could not start it.
    #[error(
        "`{program}` could not be started: {source}; if this host has too many processes or too little memory, give the task more `threads` or `memory`"
    )]
    Spawn {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// No pipes.
    #[error("no pipes for the command's input and output: {source}; raise `ulimit -n`")]
    Files {
        /// What the system says.
        source: io::Error,
    },
    /// Nobody to start it.
    #[error("commands cannot be started: {source}; raise `ulimit -u` and `ulimit -n`")]
    Spawner {
        /// What the system says.
        source: io::Error,
    },
    /// Who had started it has died.
    #[error("`{program}` was killed because the process that starts this rank's commands has died: {how}")]
    SpawnerDied {
        /// The program.
        program: String,
        /// How it died.
        how: String,
    },
    /// Its end could not be waited for.
    #[error(
        "`{program}` cannot be waited for: {source}; something else in this process takes its children's status"
    )]
    Wait {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// It ran and failed: `cause` says how.
    #[error("{cause}")]
    Failed {
        /// One of the variants below.
        cause: Box<CommandError>,
        /// What it had written.
        captured: Captured,
    },
    /// A code that does not mean success.
    #[error("`{program}` ended with exit code {code}{}{tail}", exit_help(*.code))]
    Exit {
        /// The program.
        program: String,
        /// The code.
        code: i32,
        /// The end of its standard error.
        tail: String,
    },
    /// Killed by a signal that dtask did not send.
    #[error("`{program}` was killed by {}{}{tail}", signal_name(*.signal), signal_help(*.signal))]
    Signal {
        /// The program.
        program: String,
        /// The signal's number.
        signal: i32,
        /// The end of its standard error.
        tail: String,
    },
    /// Ran out of time.
    #[error("`{program}` was ended after its `timeout` of {timeout:?}{tail}")]
    TimedOut {
        /// The program.
        program: String,
        /// The limit.
        timeout: Duration,
        /// The end of its standard error.
        tail: String,
    },
    /// It had more memory than it may have.
    #[error(
        "`{program}` ran out of memory: it had {} MiB, and its `memory` is {} MiB; give it more, or `memory-step` with `retries`{tail}",
        .used >> 20, .limit >> 20
    )]
    OverMemory {
        /// The program.
        program: String,
        /// What it had, in bytes.
        used: u64,
        /// What it may have, in bytes.
        limit: u64,
        /// The end of its standard error.
        tail: String,
    },
    /// The system killed it.
    #[error(
        "`{program}` was killed by SIGKILL while this host ran out of memory; say how much it needs by `memory`, so that fewer run at a time{tail}"
    )]
    HostOutOfMemory {
        /// The program.
        program: String,
        /// The end of its standard error.
        tail: String,
    },
    /// No longer wanted.
    #[error("`{program}` was cancelled")]
    Cancelled {
        /// The program.
        program: String,
    },
    /// A file that should be there is not.
    #[error("output `{name}` was not written: there is no `{}` in the task's scratch directory `{}`{}", .file.display(), .scratch.display(), elsewhere_help(.elsewhere))]
    OutMissing {
        /// The output's name.
        name: String,
        /// Its file.
        file: PathBuf,
        /// Where it was looked for.
        scratch: PathBuf,
        /// The same file in the working directory.
        elsewhere: Option<PathBuf>,
    },
    /// Not a plain file.
    #[error("output `{name}` is {}, not a file: `{}`{}", if *.directory { "a directory" } else { "something else" }, .path.display(), if *.directory { "; pack it, `tar -cf {out} ..`" } else { "" })]
    OutKind {
        /// The output's name.
        name: String,
        /// Its path.
        path: PathBuf,
        /// Whether it is a directory.
        directory: bool,
    },
    /// There, but unreadable.
    #[error("output `{name}` cannot be read: `{}`: {source}", .path.display())]
    OutUnreadable {
        /// The output's name.
        name: String,
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file name that leads out of scratch.
    #[error("output `{name}` has the file `{}`; it must be a relative path without `..`", .file.display())]
    OutPath {
        /// The output's name.
        name: String,
        /// Its file.
        file: PathBuf,
    },
}

impl CommandError {
    /// What kind of failure it is.
    pub(crate) fn failure(&self) -> FailureKind {
        match self {
            CommandError::Failed { cause, .. } => cause.failure(),
            CommandError::Exit { code, .. } => FailureKind::Exit(*code),
            CommandError::Signal { signal, .. } => FailureKind::Signal(*signal),
            CommandError::TimedOut { .. } => FailureKind::TimedOut,
            CommandError::OverMemory { .. } | CommandError::HostOutOfMemory { .. } => {
                FailureKind::OutOfMemory
            }
            CommandError::Cancelled { .. } => FailureKind::Cancelled,
            CommandError::OutMissing { .. }
            | CommandError::OutKind { .. }
            | CommandError::OutUnreadable { .. }
            | CommandError::OutPath { .. } => FailureKind::Output,
            CommandError::Spawn { .. }
            | CommandError::Files { .. }
            | CommandError::Spawner { .. }
            | CommandError::SpawnerDied { .. }
            | CommandError::Wait { .. } => FailureKind::System,
            CommandError::Empty
            | CommandError::ZeroByte { .. }
            | CommandError::Variable { .. }
            | CommandError::NotFound { .. }
            | CommandError::NotExecutable { .. }
            | CommandError::Dir { .. }
            | CommandError::TooLong { .. } => FailureKind::NotStarted,
        }
    }

    /// What the command wrote, if it ran: for the log.
    pub(crate) fn captured(&self) -> Option<&Captured> {
        match self {
            CommandError::Failed { captured, .. } => Some(captured),
            _ => None,
        }
    }
}

fn not_found_help(program: &str) -> String {
    if program.contains('/') {
        "; a relative path starts from the task's `dir`, an absolute one must exist on every node".to_owned()
    } else {
        format!(
            "; if it lies beside the script, write `./{program}`; if it comes from a module, load it in the job script"
        )
    }
}

/// The shell's codes have a meaning of their own.
fn exit_help(code: i32) -> String {
    match code {
        126 => " (from a shell: a program in it is not executable)".to_owned(),
        127 => " (from a shell: a program in it was not found)".to_owned(),
        129..=192 => format!(
            " (from a shell: a program in it was killed by {}{})",
            signal_name(code - 128),
            signal_help(code - 128)
        ),
        _ => String::new(),
    }
}

fn signal_help(signal: i32) -> &'static str {
    match signal {
        libc::SIGKILL => ": maybe out of memory; see `dmesg`, and give the task more `memory`",
        libc::SIGXCPU => ": over the CPU time limit; see `ulimit -t`",
        libc::SIGXFSZ => ": over the file size limit; see `ulimit -f`",
        libc::SIGBUS => ": maybe no space left for a mapped file",
        libc::SIGTERM => ": someone ended it, perhaps the batch system",
        _ => "",
    }
}

fn elsewhere_help(elsewhere: &Option<PathBuf>) -> String {
    match elsewhere {
        Some(path) => format!(
            "; `{}` exists: give the command the path that `{{out}}` stands for, or write `dir = \"scratch\"`",
            path.display()
        ),
        None => "; give the command the path that `{out}` stands for".to_owned(),
    }
}
