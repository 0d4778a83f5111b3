//! Starting the bench's own executable under `mpirun`, each part in a job of its own with a time limit.

use super::table::MISSED;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What `mpirun` gets to end its ranks before it is killed, and they with it.
const GRACE: Duration = Duration::from_secs(5);

/// One part of a bench: a job of `ranks` ranks.
pub struct Part {
    /// Chosen by this name on the command line; several parts may share one.
    pub name: &'static str,
    /// Ranks of its job, rank 0 included.
    pub ranks: usize,
    /// It is ended after so many seconds.
    pub seconds: u64,
    /// Runs on every rank.
    pub run: fn(&mpi::topology::SimpleCommunicator),
}

/// Under `mpirun`, the part that this rank belongs to; elsewhere runs the parts that the command line names, or all, and
/// exits with code 1 if one of them failed or took too long.
pub fn part(parts: &'static [Part]) -> Option<&'static Part> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [flag, number] = &words[..]
        && flag == "--part"
    {
        // a rank must not outlive its mpirun
        set_parent_process_death_signal(Some(Signal::KILL)).expect("Linux can do that");
        return Some(&parts[number.parse::<usize>().expect("a part's number")]);
    }
    if let Some(unknown) = words.iter().find(|word| parts.iter().all(|part| part.name != **word)) {
        let mut names: Vec<&str> = parts.iter().map(|part| part.name).collect();
        names.dedup();
        eprintln!("there is no part `{unknown}`; there are: {}", names.join(", "));
        std::process::exit(2);
    }
    let (mut missed, mut failed) = (Vec::new(), false);
    for (number, part) in parts.iter().enumerate() {
        if !words.is_empty() && !words.iter().any(|word| word == part.name) {
            continue;
        }
        match job(part, number, &mut missed) {
            Ok(status) if status.success() => {}
            Ok(status) => {
                println!("{}: {status}", part.name);
                failed = true;
            }
            Err(why) => {
                println!("{}: {why}", part.name);
                failed = true;
            }
        }
    }
    if missed.is_empty() {
        println!("\nNo figure is beyond its limit.");
    } else {
        println!("\nBeyond their limits:");
        missed.iter().for_each(|line| println!("{line}"));
    }
    if failed {
        std::process::exit(1);
    }
    None
}

/// Runs a part's job, passes on what it prints, and collects the lines with a missed limit.
fn job(part: &Part, number: usize, missed: &mut Vec<String>) -> Result<ExitStatus, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n{}: {} ranks on {cores} cores", part.name, part.ranks);
    let mut command = Command::new(std::env::var_os("MPIRUN").unwrap_or_else(|| "mpirun".into()));
    // Ranks that wait inside MPI leave the core to others only where there are more ranks than cores: elsewhere raw MPI
    // would be slower for it. The other variables allow more ranks than cores, and root in a container.
    command.env("OMPI_MCA_mpi_yield_when_idle", if part.ranks > cores { "1" } else { "0" });
    for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
        command.env(name, "1").env(name.replace("OMPI", "PRTE"), "1");
    }
    command.env("OMPI_MCA_rmaps_base_oversubscribe", "1").env("OMPI_MCA_hwloc_base_binding_policy", "none");
    command.env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
    command.env("PRTE_MCA_hwloc_default_binding_policy", "none");
    command.args(["-n", &part.ranks.to_string()]);
    command.arg(std::env::current_exe().map_err(|error| error.to_string())?);
    command.args(["--part", &number.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("mpirun cannot be started: {error}"))?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in lines.map_while(Result::ok) {
                println!("{line}");
                let _ = std::io::stdout().flush(); // whoever reads may have gone
                if line.ends_with(MISSED) {
                    missed.push(line);
                }
            }
        });
        let begin = Instant::now();
        let limit = Duration::from_secs(part.seconds);
        let mut told = false;
        loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return if told { Err(format!("took longer than {limit:?}")) } else { Ok(status) };
            }
            if begin.elapsed() > limit + GRACE {
                child.kill().map_err(|error| error.to_string())?;
            } else if begin.elapsed() > limit && !told {
                told = true;
                let pid = Pid::from_child(&child);
                kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    })
}
