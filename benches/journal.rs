//! What the journal costs, and how soon a run goes on after 10^6 instances that are done: `cargo bench --bench journal`.
//!
//! There is no run without a journal. Its cost is the processor time of its thread beside that of all others; what rank
//! 0's loop does for it is some additions to ranges.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Beyond these the bench fails: processor time with the journal by that without, and the time to the first command.
const COST: f64 = 1.3;
const FIRST: Duration = Duration::from_secs(3);

fn start(dir: &Path, script: &str) -> Child {
    std::fs::write(dir.join("journal.toml"), format!("dtask = 1\n{script}")).expect("the script is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtask"));
    command.args(["journal.toml", "-q"]).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("dtask starts")
}

/// The ticks of processor time in a `stat` file.
fn ticks(stat: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(stat).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The ticks of a process's thread of the journal, and of all its threads.
fn of_journal(pid: u32) -> Option<(u64, u64)> {
    let all = ticks(Path::new(&format!("/proc/{pid}/stat")))?;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let thread = thread.ok()?.path();
        if std::fs::read_to_string(thread.join("comm")).ok()?.trim() == "dtask-journal" {
            return Some((ticks(&thread.join("stat"))?, all));
        }
    }
    None
}

/// Runs a script; processor time with the journal by that without it.
fn cost(dir: &Path, what: &str, script: &str) -> f64 {
    let begin = Instant::now();
    let mut child = start(dir, script);
    let (mut own, mut all) = (0, 1);
    loop {
        (own, all) = of_journal(child.id()).unwrap_or((own, all));
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{status}");
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let cost = all as f64 / all.saturating_sub(own).max(1) as f64;
    let bytes = std::fs::metadata(dir.join("journal.dtask/journal")).map_or(0, |found| found.len());
    println!(
        "{what}: {:.2} s; processor time {cost:.3} of that without a journal (< {COST}); {bytes} bytes",
        begin.elapsed().as_secs_f64()
    );
    cost
}

/// How long it takes until the first command of a run starts.
fn first_command(dir: &Path, what: &str, script: &str) -> Duration {
    let _ = std::fs::remove_file(dir.join("first"));
    let begin = Instant::now();
    let mut child = start(dir, &format!("{script}[task.new]\nafter = ['t']\nshell = ': > first; sleep 9'\n"));
    while !dir.join("first").exists() && begin.elapsed() < 10 * FIRST {
        std::thread::sleep(Duration::from_millis(1));
    }
    let elapsed = begin.elapsed();
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    child.wait().expect("it ends");
    println!(
        "{what}: the first new command runs after {:.2} s (< {})",
        elapsed.as_secs_f64(),
        FIRST.as_secs()
    );
    elapsed
}

fn main() -> ExitCode {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    let fresh = || drop(std::fs::remove_dir_all(dir.join("journal.dtask")));
    let sweep = |count: u64, rest: &str| format!("[task.t]\nfor = {{ i = '0..{count}' }}\n{rest}\n");

    let saved =
        cost(dir, "10^5 no-op arrays, each saved", &sweep(100_000, "array = 'i'\nsave = 'r/{i}.npy'"));
    let after_saved = first_command(
        dir,
        "10^5 that are saved and done",
        &sweep(100_000, "array = 'i'\nsave = 'r/{i}.npy'"),
    );
    fresh();
    let commands = cost(dir, "5,000 commands, each saved", &sweep(5_000, "run = 'true'\nsave = 'c/{i}'"));
    fresh();
    let shared =
        cost(dir, "10^6 no-op arrays, one file", &sweep(1_000_000, "array = 'i'\nstdout = 'all.txt'"));
    let after_shared =
        first_command(dir, "10^6 that are in one file", &sweep(1_000_000, "array = 'i'\nstdout = 'all.txt'"));
    fresh();
    let plain = cost(dir, "10^6 no-op arrays", &sweep(1_000_000, "array = 'i'"));
    let same = first_command(dir, "10^6 that are done", &sweep(1_000_000, "array = 'i'"));
    let more =
        first_command(dir, "10^6 that are done of 10^6 + 1, by their keys", &sweep(1_000_001, "array = 'i'"));
    let costs = [saved, commands, shared, plain];
    let firsts = [after_saved, after_shared, same, more];
    let is_good = costs.iter().all(|cost| *cost < COST) && firsts.iter().all(|first| *first < FIRST);
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
