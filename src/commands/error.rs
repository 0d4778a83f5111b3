//! Errors of commands, with messages that tell the user how to correct the cause.

use crate::commands::StreamOutput;
use crate::commands::signals::{self, signal_name};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The output of a command that failed: what it wrote before it ended.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The bytes that the command wrote to standard output.
    pub stdout: StreamOutput,
    /// The bytes that the command wrote to standard error.
    pub stderr: StreamOutput,
}

impl Captured {
    /// The last 20 lines of standard error, indented for an error message; of standard output if there are none.
    pub(crate) fn tail(&self) -> String {
        let (stdout, stderr) = (last_lines(&self.stdout), last_lines(&self.stderr));
        match (stderr.is_empty(), stdout.is_empty()) {
            (true, true) => match (self.stderr.is_unread(), self.stdout.is_unread()) {
                (true, _) => "; its stderr is thrown away, by `stderr = \"null\"`".to_owned(),
                (false, true) => {
                    "; it wrote nothing to stderr, and its stdout is thrown away, by `stdout = \"null\"`"
                        .to_owned()
                }
                (false, false) => "; it printed nothing".to_owned(),
            },
            (false, _) => format!("; the end of its stderr:{stderr}"),
            (true, false) if self.stderr.is_unread() => {
                format!("; its stderr is thrown away, by `stderr = \"null\"`; the end of its stdout:{stdout}")
            }
            (true, false) => format!("; it wrote nothing to stderr; the end of its stdout:{stdout}"),
        }
    }
}

/// The last 20 lines of an output, without blank ones at its end, indented for an error message. Empty if all are
/// blank.
fn last_lines(output: &StreamOutput) -> String {
    const LINES: usize = 20;
    const WIDTH: usize = 300;
    // Only a window at the end is decoded: output may have megabytes.
    let window = output.end(LINES * 4 * WIDTH);
    let text = String::from_utf8_lossy(&window);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let mut tail = String::new();
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        tail.push_str("\n  | ");
        tail.extend(line.chars().filter(|c| !c.is_control() || *c == '\t').take(WIDTH));
    }
    tail
}

/// The kind of a command's failure. The task's `retry-on` lists the kinds after which the command is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum FailureKind {
    /// The command could not be started, for instance since its program is missing. Another attempt would fail too.
    NotStarted,
    /// The command ended with this code, which the task does not list as success: its exit code, or 128 and the number
    /// of the signal that killed it.
    Exit(i32),
    /// The command ran longer than its `timeout`, and was killed.
    TimedOut,
    /// The command exceeded its `memory`, or its host ran out of memory.
    OutOfMemory,
    /// The command printed more than its `max-output`, and was ended.
    TooMuchOutput,
    /// The command was killed because no task or user needs its result any longer.
    Cancelled,
    /// The command succeeded, but an output file is missing or cannot be read.
    Output,
    /// The operating system refused a resource that the command's start or end needs: threads, memory or processes.
    System,
}

/// The reason why a command has no result, with what its error message needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The command names no program to run: its `argv` is empty.
    #[error("the command is empty: `run` begins with a program")]
    Empty,
    /// An argument contains a zero byte, which the operating system cannot pass to a program.
    #[error(
        "argument {index} of `{program}` contains a zero byte, which no argument can; pass it by `stdin` or a file"
    )]
    ZeroByte {
        program: String,
        /// The index of the faulty argument in `argv`.
        index: usize,
    },
    /// The name or the value of an environment variable that the task sets is invalid.
    #[error(
        "environment variable `{name}`: a name is not empty and has no `=`, and neither name nor value has a zero byte"
    )]
    Variable {
        /// The name of the invalid environment variable.
        name: String,
    },
    /// No executable file for the command's program was found.
    #[error("program `{program}` not found; looked in {}{}", .looked.join(", "), not_found_help(.program))]
    NotFound {
        /// The name of the program, as the script has it.
        program: String,
        /// The directories of PATH that were searched, or the only path that was tried.
        looked: Vec<String>,
    },
    /// The program's file exists, but it cannot be executed.
    #[error("`{}` cannot be executed: {reason}", .path.display())]
    NotExecutable {
        /// The path of the file that cannot be executed.
        path: PathBuf,
        /// The reason why the file cannot be executed, with advice to the user.
        reason: String,
    },
    /// The command's working directory cannot be entered.
    #[error("working directory `{}` of `{program}` cannot be used on this host: {source}; it must exist on every node, or write `dir = \"scratch\"`", .dir.display())]
    Dir {
        program: String,
        /// The path of the command's working directory.
        dir: PathBuf,
        /// The error of the operating system when the directory was looked at.
        source: io::Error,
    },
    /// Arguments and environment together are longer than the operating system allows for a new process.
    #[error(
        "the arguments of `{program}` are too long for the system ({bytes} bytes); pass a file of paths instead, `{{x.list}}`"
    )]
    TooLong {
        program: String,
        /// The total length of the arguments of the command, in bytes.
        bytes: usize,
    },
    /// The operating system could not start the program, though its file is executable.
    #[error(
        "`{program}` could not be started: {source}; if this host has too many processes or too little memory, give the task more `threads` or `memory`"
    )]
    Spawn {
        program: String,
        /// The error with which the operating system refused to start the program.
        source: io::Error,
    },
    /// The pipes for the command's input and output could not be created.
    #[error("no pipes for the command's input and output: {source}; raise `ulimit -n`")]
    Files {
        /// The error of the operating system when the pipes were created.
        source: io::Error,
    },
    /// The spawner, the small helper process that starts a rank's commands, could not be started.
    #[error("commands cannot be started: {source}; raise `ulimit -u` and `ulimit -n`")]
    Spawner {
        /// The error of the operating system when the spawner was started.
        source: io::Error,
    },
    /// The spawner, the helper process that starts a rank's commands, has died, and its commands were killed with it.
    #[error("`{program}` was killed because the process that starts this rank's commands has died: {how}")]
    SpawnerDied {
        program: String,
        /// How the spawner ended, in words: by an exit code or a signal.
        how: String,
    },
    /// The exit status of the command could not be read (`waitpid` failed).
    #[error(
        "`{program}` cannot be waited for: {source}; something else in this process takes its children's status"
    )]
    Wait {
        program: String,
        /// The error of `waitpid`.
        source: io::Error,
    },
    /// The command was started and then failed. `cause` has the reason.
    #[error("{cause}")]
    Failed {
        /// The reason why it failed: a variant of this type from [`CommandError::Exit`] on.
        cause: Box<CommandError>,
        /// The output that the command wrote before it failed.
        captured: Captured,
    },
    /// The program ended with an exit code that the task does not list as success.
    #[error("`{program}` ended with exit code {code}{}{tail}", exit_help(*.code))]
    Exit {
        program: String,
        code: i32,
        /// The last lines that the command wrote to standard error.
        tail: String,
    },
    /// A signal that dtask did not send killed the program.
    #[error("`{program}` was killed by {}{}{tail}", signal_name(*.signal), signal_help(*.signal))]
    Signal {
        program: String,
        /// The number of the signal that killed the program.
        signal: i32,
        /// The last lines that the command wrote to standard error.
        tail: String,
    },
    /// The program ran longer than its `timeout`, and was killed.
    #[error("`{program}` was ended after its `timeout` of {timeout:?}{tail}")]
    TimedOut {
        program: String,
        /// The time limit that the command exceeded.
        timeout: Duration,
        /// The last lines that the command wrote to standard error.
        tail: String,
    },
    /// The program wrote more to standard output and standard error than its `max-output`, and was ended.
    #[error(
        "`{program}` was ended: it has printed {printed} bytes, and its `max-output` is {most}; give it more, have it write a file (`out`), or throw its output away, `stdout = \"null\"`{tail}"
    )]
    OverOutput {
        program: String,
        /// The bytes that the program had printed when it ended.
        printed: u64,
        /// The limit that the command exceeded, in bytes.
        most: u64,
        /// The last lines that the command wrote to standard error.
        tail: String,
    },
    /// Scratch has no room for what the program prints. The program was killed.
    #[error(
        "`{program}` was killed, since what it prints cannot be kept in scratch, `{}`: {source}; make room there, choose another place by `--scratch`, or set `max-output`", .folder.display()
    )]
    ScratchFull {
        program: String,
        /// The directory in scratch; empty if the rank has none.
        folder: PathBuf,
        /// The error of the operating system when the output was written.
        source: io::Error,
    },
    /// The program and its child processes used more than its `memory`, and were killed.
    #[error(
        "`{program}` ran out of memory: it had {} MiB, and its `memory` is {} MiB; give it more, or `memory-step` with `retries`{tail}",
        .used >> 20, .limit >> 20
    )]
    OverMemory {
        program: String,
        /// The memory that the program and its child processes had in use, in bytes.
        used: u64,
        /// The memory limit that the command exceeded, in bytes.
        limit: u64,
        /// The last lines that the command wrote to standard error.
        tail: String,
    },
    /// The kernel killed the program because the host ran out of memory, not because the command had reached a limit of
    /// its own.
    #[error(
        "`{program}` was killed by SIGKILL while this host ran out of memory; say how much it needs by `memory`, so that fewer run at a time{tail}"
    )]
    HostOutOfMemory {
        program: String,
        /// The last lines that the command wrote to standard error.
        tail: String,
    },
    /// The command was killed because no task or user needs its result any longer.
    #[error("`{program}` was cancelled")]
    Cancelled {
        /// The name of the program that was killed.
        program: String,
    },
    /// The command succeeded, but an output file that it had to write is missing.
    #[error("output `{name}` was not written: there is no `{}` in the task's scratch directory `{}`{}", .file.display(), .scratch.display(), elsewhere_help(.elsewhere))]
    OutMissing {
        /// The name by which the script calls the output.
        name: String,
        /// The path at which the file was expected, relative to the scratch directory.
        file: PathBuf,
        /// The private scratch directory of the command, in which the file was expected.
        scratch: PathBuf,
        /// The path of a file of that name in the working directory, if there is one: the command has probably written
        /// it there instead of in scratch.
        elsewhere: Option<PathBuf>,
    },
    /// The path of an output leads to no regular file, but to a directory or something else.
    #[error("output `{name}` is {}, not a file: `{}`{}", if *.directory { "a directory" } else { "something else" }, .path.display(), if *.directory { "; a folder is `out = \"name/\"`" } else { "" })]
    OutKind {
        /// The name by which the script calls the output.
        name: String,
        /// The path at which the command's output file was expected.
        path: PathBuf,
        /// Whether a directory is at that path.
        directory: bool,
    },
    /// The path of an output that is to be a folder leads to something else.
    #[error("output `{name}` is no folder: `{}`; without the slash at its end it is a file", .path.display())]
    OutNoFolder {
        /// The name by which the script calls the output.
        name: String,
        /// The path at which the folder was expected.
        path: PathBuf,
    },
    /// A command's output file exists, but the rank cannot read it.
    #[error("output `{name}` cannot be read: `{}`: {source}", .path.display())]
    OutUnreadable {
        /// The name by which the script calls the output.
        name: String,
        /// The path of the output file.
        path: PathBuf,
        /// The error of the operating system when the file was read.
        source: io::Error,
    },
    /// The path that the script gives for an output file is absolute or contains `..`, so it leads out of the command's
    /// scratch directory.
    #[error("output `{name}` has the file `{}`; it must be a relative path without `..`", .file.display())]
    OutPath {
        /// The name by which the script calls the output.
        name: String,
        /// The path that the script gives for the output.
        file: PathBuf,
    },
}

impl CommandError {
    /// The kind of the failure, by which the task's `retry-on` decides whether the command is tried again.
    pub(crate) fn failure(&self) -> FailureKind {
        match self {
            CommandError::Failed { cause, .. } => cause.failure(),
            CommandError::Exit { code, .. } => FailureKind::Exit(*code),
            CommandError::Signal { signal, .. } => FailureKind::Exit(signals::code_of_signal(*signal)),
            CommandError::OverOutput { .. } => FailureKind::TooMuchOutput,
            CommandError::TimedOut { .. } => FailureKind::TimedOut,
            CommandError::OverMemory { .. } | CommandError::HostOutOfMemory { .. } => {
                FailureKind::OutOfMemory
            }
            CommandError::Cancelled { .. } => FailureKind::Cancelled,
            CommandError::OutMissing { .. }
            | CommandError::OutKind { .. }
            | CommandError::OutNoFolder { .. }
            | CommandError::OutUnreadable { .. }
            | CommandError::OutPath { .. } => FailureKind::Output,
            CommandError::Spawn { .. }
            | CommandError::ScratchFull { .. }
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

    /// The output that the command wrote before it failed, for the log; `None` if it was not started.
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

/// Explains an exit code to which shells give a meaning, such as 127 (program not found); empty for others.
fn exit_help(code: i32) -> String {
    match (code, signals::signal_of(code)) {
        (126, _) => " (from a shell: a program in it is not executable)".to_owned(),
        (127, _) => " (from a shell: a program in it was not found)".to_owned(),
        (_, Some(signal)) => format!(
            " (from a shell: a program in it was killed by {}{})",
            signal_name(signal),
            signal_help(signal)
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
