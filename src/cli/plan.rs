//! The command `dtask plan`.

use super::check::read;
use super::{DONE, USAGE};
use crate::console::{self, Output, counted};
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::Fingerprints;
use crate::script::plan::task::PlanTask;
use crate::script::values::units::words;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// The most instances whose keys are printed. A key takes 16 bytes of memory.
const KEYS: u64 = 100_000_000;

/// Options of `dtask plan`: details to print beside the table of tasks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Details {
    /// Whether to print why tasks would run and are not taken from an earlier run (`--why`).
    pub why: bool,
    /// Whether to print the key of every instance (`--keys`), a hash of what the instance does and reads.
    pub keys: bool,
}

/// Prints what a run of the script would do; returns the exit code.
pub(super) fn plan(script: &Path, sets: &[(String, String)], details: Details) -> u8 {
    let Ok(plan) = read(script, sets, LoadOptions::default()) else { return USAGE };
    console::output(table(&plan, details.why).trim_end_matches('\n'));
    if details.keys && plan.instances() > KEYS {
        let count = plan.instances();
        console::error(format_args!(
            "error: the keys of {count} instances are too many to print: at most {KEYS}"
        ));
        return USAGE;
    }
    if details.keys {
        let _ = write_keys(&plan);
    }
    DONE
}

fn table(plan: &Plan, why: bool) -> String {
    let header = ["task", "instances", "reads", "fan-in"].map(String::from);
    let mut rows = vec![header];
    for (at, task) in plan.tasks.iter().enumerate() {
        let needs: Vec<&str> =
            plan.needs(at).into_iter().map(|need| plan.tasks[need].name.as_str()).collect();
        let fan_in = task.references.iter().map(|reference| task.fan_in(reference)).max();
        rows.push([
            task.name.clone(),
            task.family.len().to_string(),
            if needs.is_empty() { "-".to_string() } else { needs.join(", ") },
            fan_in.map_or("-".to_string(), |count| count.to_string()),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let mut text = format!(
        "{}: {}, {}\n\n",
        plan.name,
        counted(plan.tasks.len() as u64, "task"),
        counted(plan.instances(), "instance")
    );
    for (at, row) in rows.iter().enumerate() {
        let [task, instances, reads, fan_in] = row;
        let line = format!(
            "  {task:0$}  {instances:>1$}  {reads:2$}  {fan_in:>3$}",
            widths[0], widths[1], widths[2], widths[3]
        );
        let _ = writeln!(text, "{}", line.trim_end());
        if let (true, Some(task)) = (why, at.checked_sub(1).and_then(|at| plan.tasks.get(at))) {
            let all = counted(task.family.len(), "instance");
            let _ = writeln!(text, "  {:1$}  {all} would run: no earlier run is recorded", "", widths[0]);
        }
    }
    let path: Vec<&PlanTask> = plan.critical_path().into_iter().map(|at| &plan.tasks[at]).collect();
    let names: Vec<&str> = path.iter().map(|task| task.name.as_str()).collect();
    let time: Duration = path.iter().filter_map(|task| task.time).sum();
    let time = if time.is_zero() { String::new() } else { format!(", {} by their `time`", words(time)) };
    let tasks = counted(path.len() as u64, "task");
    let _ = write!(text, "\ncritical path   {} ({tasks}{time})\n", names.join(" -> "));
    if let Some((task, other, count)) = plan.largest_fan_in() {
        let (task, other) = (&plan.tasks[task].name, &plan.tasks[other].name);
        let _ = writeln!(text, "largest fan-in  `{task}` reads {} of `{other}`", counted(count, "instance"));
    }
    text
}

fn write_keys(plan: &Plan) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(Output);
    let mut keys = Fingerprints::new(plan);
    writeln!(out)?;
    for (at, task) in plan.tasks.iter().enumerate() {
        for (instance, key) in (0..).zip(keys.of(at)) {
            writeln!(out, "{key:032x}  {}", task.label(instance))?;
        }
    }
    out.flush()
}
