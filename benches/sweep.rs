//! Sweeps of very many instances: what one costs, whether that stays the same from 10^5 to 10^7, how much memory rank 0
//! takes, and how soon a sweep of 10^7 commands starts its first one: `cargo bench --bench sweep`.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Beyond it the bench fails.
const FLAT: f64 = 1.3;
const FIRST: Duration = Duration::from_secs(1);

fn start(dir: &Path, action: &str, count: u64) -> Child {
    let script = format!("dtask = 1\n[task.t]\nfor = {{ i = \"0..{count}\" }}\n{action}\n");
    std::fs::write(dir.join("sweep.toml"), script).expect("the script is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtask"));
    command.args(["sweep.toml", "-q"]).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("dtask starts")
}

/// The most memory that a process has had until now, in MiB.
fn peak(child: &Child) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// Seconds and MiB of a sweep of an expression that computes nothing.
fn sweep(dir: &Path, count: u64) -> (f64, f64) {
    let begin = Instant::now();
    let mut child = start(dir, "array = \"i\"", count);
    let mut most = 0.0;
    loop {
        most = peak(&child).unwrap_or(most);
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{status}");
            return (begin.elapsed().as_secs_f64(), most);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How long it takes until the first of ten million commands runs.
fn first_command(dir: &Path) -> Duration {
    let begin = Instant::now();
    let mut child = start(dir, "shell = \"[ -e first ] || : > first; sleep 1\"", 10_000_000);
    let limit = 10 * FIRST;
    while !dir.join("first").exists() && begin.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(1));
    }
    let elapsed = begin.elapsed();
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    child.wait().expect("it ends");
    elapsed
}

fn main() -> ExitCode {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let start = (0..3).map(|_| sweep(dir.path(), 1).0).fold(f64::INFINITY, f64::min);
    let mut costs = Vec::new();
    for count in [100_000, 1_000_000, 10_000_000] {
        let (seconds, most) = sweep(dir.path(), count);
        let cost = (seconds - start) / count as f64 * 1e6;
        println!("{count:>10} instances of a no-op array: {cost:6.2} µs each, at most {most:6.1} MiB");
        costs.push(cost);
    }
    let ratio = costs[2] / costs[0];
    println!("an instance of 10^7 costs {ratio:.2} of one of 10^5 (< {FLAT})");
    let first = first_command(dir.path());
    println!("the first of 10^7 commands runs after {:.2} s (< 1)", first.as_secs_f64());
    if ratio < FLAT && first < FIRST { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
