//! Starting the bench's own executable under `mpirun`, in jobs with a time limit.

use super::table::MISSED;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What `mpirun` gets to end its ranks before it is killed, and they with it.
const GRACE: Duration = Duration::from_secs(5);

/// First argument of a rank.
const RANK: &str = "--rank-of";

/// The cores of this process.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The words of the command line, without those of cargo.
pub fn words() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}

/// In a rank that [`job`] has started, its arguments.
pub fn rank_arguments() -> Option<Vec<String>> {
    let words = words();
    let (first, rest) = words.split_first()?;
    if first != RANK {
        return None;
    }
    // a rank must not outlive its mpirun
    set_parent_process_death_signal(Some(Signal::KILL)).expect("Linux can do that");
    Some(rest.to_vec())
}

/// Runs this program as a job of `ranks` ranks, which find `arguments` in [`rank_arguments`], and hands over each line
/// that they print, those on standard error last; ends the job after `seconds`.
pub fn job(
    ranks: usize,
    seconds: u64,
    arguments: &[String],
    mut line: impl FnMut(String) + Send,
) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("MPIRUN").unwrap_or_else(|| "mpirun".into()));
    // Ranks that wait inside MPI leave the core to others only where there are more ranks than cores: elsewhere raw MPI
    // would be slower for it. The other variables allow more ranks than cores, and root in a container.
    command.env("OMPI_MCA_mpi_yield_when_idle", if ranks > cores() { "1" } else { "0" });
    for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
        command.env(name, "1").env(name.replace("OMPI", "PRTE"), "1");
    }
    command.env("OMPI_MCA_rmaps_base_oversubscribe", "1").env("OMPI_MCA_hwloc_base_binding_policy", "none");
    command.env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
    command.env("PRTE_MCA_hwloc_default_binding_policy", "none");
    command.args(["-n", &ranks.to_string()]);
    command.arg(std::env::current_exe().map_err(|error| error.to_string())?);
    command.arg(RANK).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("mpirun cannot be started: {error}"))?;
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    let errors = child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    std::thread::scope(|scope| {
        let errors = scope.spawn(move || errors.map_while(Result::ok).collect::<Vec<String>>());
        scope.spawn(move || {
            lines.map_while(Result::ok).for_each(&mut line);
            errors.join().unwrap_or_default().into_iter().for_each(line);
        });
        let (begin, limit) = (Instant::now(), Duration::from_secs(seconds));
        let mut told = false;
        loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return match status {
                    _ if told => Err(format!("took longer than {limit:?}")),
                    status if status.success() => Ok(()),
                    status => Err(status.to_string()),
                };
            }
            if begin.elapsed() > limit + GRACE {
                child.kill().map_err(|error| error.to_string())?;
            } else if begin.elapsed() > limit && !told {
                told = true;
                kill_process(Pid::from_child(&child), Signal::TERM).map_err(|error| error.to_string())?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

/// What became of the jobs of a bench.
#[derive(Default)]
pub struct Outcome {
    missed: Vec<String>,
    failed: bool,
}

impl Outcome {
    /// Prints a line of a table, and keeps it if its figure is beyond its limit.
    pub fn print(&mut self, line: String) {
        println!("{line}");
        if line.ends_with(MISSED) {
            self.missed.push(line);
        }
    }

    /// Takes note of how a job has ended.
    pub fn ended(&mut self, what: &str, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            println!("{what}: {why}");
            self.failed = true;
        }
    }

    /// Prints what was beyond its limit; exits with code 1 if a job has failed or took too long.
    pub fn finish(self) {
        if self.missed.is_empty() {
            println!("\nNo figure is beyond its limit.");
        } else {
            println!("\nBeyond their limits:");
            self.missed.iter().for_each(|line| println!("{line}"));
        }
        if self.failed {
            std::process::exit(1);
        }
    }
}
