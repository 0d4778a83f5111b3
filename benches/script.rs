//! How long the front end takes for scripts with many tasks: `cargo bench --bench script`.
//!
//! The graph of a workflow of 2,000 tasks with 4,000 references is to be read in under a second, one of 20,000 in under
//! five. Reading ten times as much may take fifteen times as long; what is quadratic takes a hundred times and fails
//! here.

use dtask::internal::script::ScriptSource;
use dtask::internal::script::{LoadOptions, parse};
use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A workflow: each task reads two that stand somewhere before it.
fn workflow(tasks: usize) -> String {
    let mut text = String::from("dtask = 1\nname = \"workflow\"\n");
    let mut state = 1u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % end.max(1)
    };
    for at in 0..tasks {
        let _ = writeln!(text, "[task.step_{at}]");
        let inputs = if at < 2 {
            String::new()
        } else {
            format!(", \"{{step_{}}}\", \"{{step_{}}}\"", below(at), below(at))
        };
        let _ = write!(
            text,
            "run = [\"./work\", \"--number\", \"{at}\", \"-o\", \"{{out}}\"{inputs}]\nout = \"part_{at}.bin\"\n"
        );
        if at % 10 == 0 {
            let _ = writeln!(text, "save = \"results/{at}.bin\"");
        }
    }
    text
}

fn read(tasks: usize) -> Duration {
    let text = workflow(tasks);
    let best = (0..3).map(|_| {
        let source = ScriptSource::new("workflow.toml", "/nowhere", text.clone());
        let start = Instant::now();
        let plan = parse(source, &[], LoadOptions::default());
        let elapsed = start.elapsed();
        assert_eq!(plan.map(|plan| plan.tasks.len()).unwrap_or_else(|errors| panic!("{errors}")), tasks);
        elapsed
    });
    best.min().unwrap_or_default()
}

fn main() -> ExitCode {
    let small = read(2_000);
    let large = read(20_000);
    let factor = large.as_secs_f64() / small.as_secs_f64();
    println!("2,000 tasks with 4,000 references    {:8.1} ms", small.as_secs_f64() * 1e3);
    println!(
        "20,000 tasks with 40,000 references  {:8.1} ms, {factor:.1} times as long",
        large.as_secs_f64() * 1e3
    );
    if small > Duration::from_secs(1) || large > Duration::from_secs(5) || factor > 15.0 {
        println!("too slow");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
