//! Runs a program under the real `mpirun`, and never longer than its limit.
//!
//! ```ignore
//! Mpirun::new(4)
//!     .program(env!("CARGO_BIN_EXE_dtask"))
//!     .args(["examples/scripts/tree.toml"])
//!     .limit(Duration::from_secs(60))
//!     .run()
//!     .assert_code(0)
//!     .assert_stdout_has("tasks done");
//! ```
//! A run that reaches its limit is killed with all its ranks, and the test panics with what the run had printed
//! and with what every process was doing.

// Every test binary compiles this file for itself and uses a part of it.
#![allow(dead_code)]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// More ranks than cores, none bound to a core: Open MPI 4, then 5. The one does not look at the other's names,
/// MPICH at none of them. The same as in `.ci/mpi-env.sh`, so that a plain `cargo test` works too.
const OVERSUBSCRIBE: [(&str, &str); 5] = [
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
    ("OMPI_MCA_mpi_yield_when_idle", "1"),
    ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
    ("PRTE_MCA_hwloc_default_binding_policy", "none"),
];

/// Open MPI refuses to run as root without them; tests in a container are root.
const AS_ROOT: [(&str, &str); 4] = [
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("PRTE_ALLOW_RUN_AS_ROOT", "1"),
    ("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
];

/// Options of the `timeout` around every run. It is for the case that the test itself is killed (Ctrl-C at a
/// hang): nobody else would then end the ranks. In the foreground it passes signals to its child and no one else.
const LAST_RESORT: [&str; 2] = ["--foreground", "--kill-after=5"];

/// How long `mpirun` may take to end its ranks before they are killed.
const GRACE: Duration = Duration::from_secs(5);

/// One job at a time in a test process: several at once on two cores slow each other beyond their limits.
static ONE_JOB: Mutex<()> = Mutex::new(());

/// A run to be: ranks, program, arguments, environment, folder, time limit.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `run()`"]
pub struct Mpirun {
    ranks: Option<usize>,
    launcher_args: Vec<OsString>,
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
    stdin: Option<PathBuf>,
    limit: Duration,
}

impl Mpirun {
    /// `mpirun -n ranks`; `MPIRUN` in the environment chooses another launcher.
    pub fn new(ranks: usize) -> Self {
        Self {
            ranks: Some(ranks),
            launcher_args: Vec::new(),
            program: OsString::new(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            stdin: None,
            limit: Duration::from_secs(60),
        }
    }

    /// The program alone, without `mpirun`: MPI calls that a singleton.
    pub fn singleton() -> Self {
        Self { ranks: None, ..Self::new(1) }
    }

    /// More options for `mpirun` itself, such as `--host h1:1,h2:1`.
    pub fn launcher_args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.launcher_args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// What every rank runs.
    pub fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = program.as_ref().to_owned();
        self
    }

    /// Arguments of the program; further calls add to them.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable that `mpirun` and every rank on this host see.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// A variable that they do not see.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// The working folder; the test's own otherwise.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// The file that is standard input; empty otherwise.
    pub fn stdin(mut self, file: impl Into<PathBuf>) -> Self {
        self.stdin = Some(file.into());
        self
    }

    /// After this long the run counts as hung; a minute otherwise.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs to the end. Panics if that does not come within the limit.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        let _one_job = ONE_JOB.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = self.command();
        let shown = self.shown(&command);
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        let stdout = Drain::start(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Drain::start(child.stderr.take().expect("stderr is a pipe"));

        let ended = wait(&mut child, self.limit);
        let elapsed = started.elapsed();
        let (status, mut fault) = match ended {
            Some(status) => (status, None),
            None => {
                let (status, processes) = kill_all(&mut child);
                (status, Some(format!("hang: still running after {:?}\n{processes}", self.limit)))
            }
        };
        if !(stdout.ends_within(GRACE) && stderr.ends_within(GRACE)) {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            fault.get_or_insert("a process was left behind: it still holds the output open".to_owned());
        }
        let outcome =
            Outcome { command: shown, status, stdout: stdout.text(), stderr: stderr.text(), elapsed };
        match fault {
            Some(fault) => panic!("{fault}\n{}", Captured(&outcome)),
            None => outcome,
        }
    }

    /// The command line for messages, without the variables that every run has.
    fn shown(&self, command: &Command) -> String {
        let set = self.env.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let set = set.map(|(name, value)| format!("{}={value:?} ", name.display()));
        let words = command.get_args().skip(LAST_RESORT.len() + 1);
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        set.collect::<String>() + &words.join(" ")
    }

    /// The command line, in a process group of its own.
    fn command(&self) -> Command {
        assert!(!self.program.is_empty(), "Mpirun needs a program");
        let mut command = Command::new("timeout");
        command.args(LAST_RESORT).arg((self.limit + 6 * GRACE).as_secs().to_string());
        if let Some(ranks) = self.ranks {
            command.arg(std::env::var_os("MPIRUN").unwrap_or_else(|| "mpirun".into()));
            command.arg("-n").arg(ranks.to_string()).args(&self.launcher_args);
        }
        command.arg(&self.program).args(&self.args);
        command.envs(OVERSUBSCRIBE);
        if rustix::process::geteuid().is_root() {
            command.envs(AS_ROOT);
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let stdin =
            self.stdin.as_ref().map(|file| std::fs::File::open(file).expect("standard input is a file"));
        command
            .stdin(stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }
}

/// How a run ended, and what it printed.
#[derive(Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// How the launcher ended (or the program, without one).
    pub status: ExitStatus,
    /// The ranks' standard output, as the launcher merged it.
    pub stdout: String,
    /// The ranks' standard error, as the launcher merged it.
    pub stderr: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl Outcome {
    /// The exit code; a signal counts as in the shell, 128 and its number.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Panics with all output unless the exit code is this one.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert!(self.code() == code, "exit code {} instead of {code}\n{}", self.code(), Captured(self));
        self
    }

    /// Exit code 0.
    #[track_caller]
    pub fn assert_success(&self) -> &Self {
        self.assert_code(0)
    }

    /// Panics with all output unless this text is in standard output.
    #[track_caller]
    pub fn assert_stdout_has(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "no {text:?} in standard output\n{}", Captured(self));
        self
    }

    /// Panics with all output unless this text is in standard error.
    #[track_caller]
    pub fn assert_stderr_has(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text:?} in standard error\n{}", Captured(self));
        self
    }

    /// Panics with all output if the test's own condition does not hold.
    #[track_caller]
    pub fn assert(&self, holds: bool, what: &str) -> &Self {
        assert!(holds, "{what}\n{}", Captured(self));
        self
    }
}

/// An outcome as a failed test shows it.
struct Captured<'a>(&'a Outcome);

impl fmt::Display for Captured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { command, status, stdout, stderr, elapsed } = self.0;
        writeln!(f, "{command}\n{status}, {:.2} s", elapsed.as_secs_f64())?;
        write!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

/// Reads a pipe to its end in a thread, so that a full pipe never stops the run; what has come so far can be read
/// at any time.
struct Drain {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Drain {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                sink.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..n]);
            }
        });
        Self { bytes, reader }
    }

    fn ends_within(&self, limit: Duration) -> bool {
        poll(limit, || self.reader.is_finished().then_some(())).is_some()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Asks every 2 ms until there is an answer or the time is over.
fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        match ask() {
            None if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
            answer => return answer,
        }
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    poll(limit, || child.try_wait().expect("the child can be waited for"))
}

/// Ends a run and everything it started; returns how it ended and what its processes were doing.
fn kill_all(child: &mut Child) -> (ExitStatus, String) {
    let leader = Pid::from_child(child);
    // Open MPI 4 gives each rank a process group of its own, so the group's signal alone would miss the ranks.
    let processes = Process::descendants(leader);
    let report = processes.iter().map(|p| format!("  {p}\n")).collect();
    let _ = kill_process(leader, Signal::TERM);
    let status = wait(child, GRACE).unwrap_or_else(|| {
        let _ = kill_process_group(leader, Signal::KILL);
        child.wait().expect("the child can be waited for")
    });
    for process in processes.iter().filter(|p| p.is_alive()) {
        let _ = kill_process(process.pid, Signal::KILL);
    }
    (status, report)
}

/// A line of `/proc/PID/stat`.
struct Process {
    pid: Pid,
    parent: i32,
    name: String,
    state: String,
    cpu_ticks: u64,
    start: u64,
}

impl Process {
    fn read(pid: Pid) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // The name stands in parentheses and may contain any character, so the last one closes it.
        let (head, rest) = stat.rsplit_once(") ")?;
        let field: Vec<&str> = rest.split(' ').collect(); // field[0] is proc(5)'s third
        Some(Self {
            pid,
            parent: field.get(1)?.parse().ok()?,
            name: head.split_once('(')?.1.to_owned(),
            state: (*field.first()?).to_owned(),
            cpu_ticks: field.get(11)?.parse::<u64>().ok()? + field.get(12)?.parse::<u64>().ok()?,
            start: field.get(19)?.parse().ok()?,
        })
    }

    /// Every process below this one, parents first.
    fn descendants(root: Pid) -> Vec<Self> {
        let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
        let mut rest: Vec<Self> = pids.filter_map(Self::read).collect();
        let mut family = Vec::new();
        let mut parents = vec![root.as_raw_nonzero().get()];
        while let Some(parent) = parents.pop() {
            for child in rest.extract_if(.., |p| p.parent == parent) {
                parents.push(child.pid.as_raw_nonzero().get());
                family.push(child);
            }
        }
        family
    }

    /// Whether it still runs, and is not another one with the same number.
    fn is_alive(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.start == self.start && now.state != "Z")
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, name, state, cpu_ticks, .. } = self;
        write!(f, "process {} ({name}), state {state}, {cpu_ticks} ticks of CPU time", pid.as_raw_nonzero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_runs_and_prints() {
        let outcome =
            Mpirun::new(2).program("sh").args(["-c", "echo out $X; echo err >&2"]).env("X", "x").run();
        outcome.assert_success();
        assert_eq!(outcome.stdout, "out x\nout x\n");
        assert_eq!(outcome.stderr, "err\nerr\n");
    }

    #[test]
    fn more_output_than_a_pipe_holds() {
        let outcome =
            Mpirun::new(1).program("sh").args(["-c", "yes | head -c 300000; yes | head -c 300000 >&2"]).run();
        outcome.assert_success();
        assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (300_000, 300_000));
    }

    #[test]
    fn a_program_without_mpirun() {
        let outcome = Mpirun::singleton().program("pwd").dir("/").run();
        outcome.assert_success().assert_stdout_has("/\n");
        Mpirun::singleton().program("false").run().assert_code(1);
    }

    #[test]
    fn a_hang_is_killed_with_all_its_ranks_and_reported() {
        // Each rank's shell ignores SIGTERM and has a child of its own: the worst that a rank can do.
        let script = "trap '' TERM; echo begun; echo $$ >> pids; sleep 100 & echo $! >> pids; wait";
        let dir = tempfile::tempdir().expect("a temporary folder");
        let run =
            Mpirun::new(2).program("sh").args(["-c", script]).dir(dir.path()).limit(Duration::from_secs(2));
        let panic = std::panic::catch_unwind(|| run.run()).expect_err("a run beyond its limit panics");
        let message = panic.downcast_ref::<String>().expect("a panic with a message");
        assert!(message.contains("hang: still running after 2s"), "{message}");
        assert!(message.contains("begun\nbegun\n"), "{message}");
        assert_eq!(message.matches("(sleep), state S").count(), 2, "{message}");
        let pids = std::fs::read_to_string(dir.path().join("pids")).expect("the ranks wrote their numbers");
        assert_eq!(pids.lines().count(), 4);
        for pid in pids.lines() {
            let process = Process::read(Pid::from_raw(pid.parse().expect("a number")).expect("not 0"));
            assert!(process.is_none_or(|p| p.state == "Z"), "process {pid} is still there");
        }
    }
}
