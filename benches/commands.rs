//! What a command costs: thousands of `/bin/true` as one family, from the start of dtask to its end, beside `xargs -P`
//! with as many processes at a time, in the same run.
//!
//! `cargo bench --bench commands [-- COUNT]`

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 5;

/// The middle of some measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn row(what: &str, value: &str, beside: &str) {
    println!("{what:<58} {value:>12}  {beside}");
}

/// Microseconds until the command has ended. It gets what a shell would give it: cargo adds dozens of variables, with
/// which every program takes longer to start.
fn micros(command: &mut Command) -> f64 {
    let cargo = |name: &str| name.starts_with("CARGO") || name == "LD_LIBRARY_PATH";
    for (name, _) in std::env::vars().filter(|(name, _)| cargo(name)) {
        command.env_remove(name);
    }
    let begin = Instant::now();
    let status = command.stdout(Stdio::null()).status().expect("it can be started");
    assert!(status.success(), "{command:?}: {status}");
    begin.elapsed().as_secs_f64() * 1e6
}

fn dtask(dir: &Path, count: usize, rounds: &mut Vec<f64>) {
    let script = format!("dtask = 1\n[task.t]\nfor = {{ i = \"0..{count}\" }}\nrun = \"/bin/true\"\n");
    std::fs::write(dir.join("true.toml"), script).expect("the script is written");
    rounds.push(micros(Command::new(env!("CARGO_BIN_EXE_dtask")).args(["true.toml", "-q"]).current_dir(dir)));
}

fn xargs(cores: usize, count: usize, rounds: &mut Vec<f64>) {
    let script = format!("seq {count} | xargs -P{cores} -n1 /bin/true");
    rounds.push(micros(Command::new("sh").args(["-c", &script])));
}

fn main() {
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(5000);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut ours, mut theirs, mut start) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        xargs(cores, count, &mut theirs);
        dtask(dir.path(), count, &mut ours);
        dtask(dir.path(), 1, &mut start);
    }
    let per_command = |rounds: Vec<f64>| median(rounds) / count as f64;
    let (ours, theirs) = (per_command(ours), per_command(theirs));
    let shown = |micros: f64| format!("{micros:.0} µs");
    println!("{count} × /bin/true on {cores} cores, end to end, median of {ROUNDS}");
    row(&format!("xargs -P{cores} -n1, a command"), &shown(theirs), "");
    row("dtask, a command", &shown(ours), &format!("{:.2} of xargs", ours / theirs));
    row("dtask, one command alone, from start to end", &shown(median(start)), "");
}
