//! The command `dtask plan`.

use super::check::read;
use super::plan_commands::{self, CommandFormat};
use super::{DONE, STARTUP, USAGE};
use crate::batch::RunFolder;
use crate::batch::resume::run_journal::PlanStatus;
use crate::batch::resume::why;
use crate::console::{self, Output, counted};
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::Fingerprints;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
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
pub(super) struct Details<'a> {
    /// Whether to print why tasks would run and are not taken from an earlier run (`--why`).
    pub why: bool,
    /// Whether to print the key of every instance (`--keys`), a hash of what the instance does and reads.
    pub keys: bool,
    /// The instances whose commands are printed instead of the table (`--commands`): those that this text names, or all
    /// if it is empty; with the form.
    pub commands: Option<(&'a str, CommandFormat)>,
}

/// Prints what a run of the script would do; returns the exit code.
pub(super) fn plan(script: &Path, sets: &[(String, String)], details: Details<'_>) -> u8 {
    let Ok(plan) = read(script, sets, LoadOptions::default()) else { return USAGE };
    if let Some((wanted, format)) = details.commands {
        return plan_commands::print(&plan, wanted, format);
    }
    let status = match PlanStatus::read(&plan, &RunFolder::path_of(&plan), &[]) {
        Ok(status) => status,
        Err(error) => {
            let folder = RunFolder::path_of(&plan);
            console::error(format_args!(
                "error: the journal in `{}` cannot be read: {error}",
                folder.display()
            ));
            return STARTUP;
        }
    };
    console::output(table(&plan, &status, details.why).trim_end_matches('\n'));
    if details.keys && plan.instances() > KEYS {
        let count = plan.instances();
        console::error(format_args!(
            "error: the keys of {count} instances are too many to print: at most {KEYS}"
        ));
        return USAGE;
    }
    if details.keys {
        let _ = write_keys(&plan, &status.keys);
    }
    DONE
}

/// Formats the table of tasks. If the journal has something as done, the table tells how much is done and how much
/// would run.
fn table(plan: &Plan, status: &PlanStatus, why: bool) -> String {
    let is_known = status.todo.skipped() > 0;
    let header = ["task", "instances", "done", "to run", "reads", "fan-in"].map(String::from);
    let mut rows = vec![header];
    for (at, task) in plan.tasks.iter().enumerate() {
        let needs: Vec<&str> =
            plan.needs(at).into_iter().map(|need| plan.tasks[need].name.as_str()).collect();
        let fan_in = task.references.iter().map(|reference| task.fan_in(reference)).max();
        let done = status.todo.tasks.get(at).map_or(0, |todo| todo.skipped());
        rows.push([
            task.name.clone(),
            task.family.len().to_string(),
            done.to_string(),
            (task.family.len() - done).to_string(),
            if needs.is_empty() { "-".to_string() } else { needs.join(", ") },
            fan_in.map_or("-".to_string(), |count| count.to_string()),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    let mut text = format!(
        "{}: {}, {}",
        plan.name,
        counted(plan.tasks.len() as u64, "task"),
        counted(plan.instances(), "instance")
    );
    if is_known {
        let done = status.todo.skipped();
        let _ = write!(text, ": {done} done, {} to run", plan.instances() - done);
    }
    text.push_str("\n\n");
    for (at, row) in rows.iter().enumerate() {
        let [task, instances, done, left, reads, fan_in] = row;
        let known = match is_known {
            true => format!("{done:>0$}  {left:>1$}  ", widths[2], widths[3]),
            false => String::new(),
        };
        let line = format!(
            "  {task:0$}  {instances:>1$}  {known}{reads:2$}  {fan_in:>3$}",
            widths[0], widths[1], widths[4], widths[5]
        );
        let _ = writeln!(text, "{}", line.trim_end());
        if let (true, Some(number)) = (why, at.checked_sub(1)) {
            explain(&mut text, plan, status, number, widths[0]);
        }
    }
    let path: Vec<&PlanTask> = plan.critical_path().into_iter().map(|at| &plan.tasks[at]).collect();
    let names: Vec<&str> = path.iter().map(|task| task.name.as_str()).collect();
    let time: Duration = path.iter().filter_map(|task| task.time).sum();
    let time = if time.is_zero() { String::new() } else { format!(", {} by their `time`", words(time)) };
    let tasks = counted(path.len() as u64, "task");
    let _ = write!(text, "\ncritical path   {} ({tasks}{time})\n", names.join(" -> "));
    for task in &plan.tasks {
        if let Some(when) = &task.when {
            let (name, condition, all) = (&task.name, &when.text, counted(task.family.len(), "instance"));
            let runs = match run_by_condition(task) {
                Some(count) => format!("{count} of {all} run"),
                None => format!("known when the run comes to it, at most {all}"),
            };
            let _ = writeln!(text, "when            `{name}` where `{condition}` holds: {runs}");
        }
        if let Some(until) = &task.until {
            let (least, most) = (until.least(&task.family), counted(task.family.len(), "instance"));
            let (name, along, condition) = (&task.name, &until.along, &until.condition.text);
            let _ = writeln!(
                text,
                "until           `{name}` stops along `{along}` where `{condition}` holds: {least} to {most}"
            );
        }
    }
    if let Some((task, other, count)) = plan.largest_fan_in() {
        let (task, other) = (&plan.tasks[task].name, &plan.tasks[other].name);
        let _ = writeln!(text, "largest fan-in  `{task}` reads {} of `{other}`", counted(count, "instance"));
    }
    text
}

/// The number of instances for which the `when` of a task holds, if that is known before the run.
fn run_by_condition(task: &PlanTask) -> Option<u64> {
    const LOOKED: u64 = 1_000_000;
    let when = task.when.as_ref().filter(|when| when.is_decided() && task.family.len() <= LOOKED)?;
    let all = (0..task.family.len()).map(|instance| when.holds(&task.family.bindings(instance)));
    all.map(|holds| holds.map(u64::from)).sum()
}

/// Adds the reasons why instances of a task would run.
fn explain(text: &mut String, plan: &Plan, status: &PlanStatus, number: usize, width: usize) {
    let PlanStatus { keys, state, known, todo } = status;
    if state.families.is_empty() {
        let all = counted(plan.tasks[number].family.len(), "instance");
        let _ = writeln!(text, "  {:width$}  {all} would run: no earlier run is recorded", "");
        return;
    }
    for line in why::reasons(plan, keys, state, known, todo, number) {
        let _ = writeln!(text, "  {:width$}  {line}", "");
    }
}

fn write_keys(plan: &Plan, keys: &KeyPlan) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(Output);
    let prints = Fingerprints::new(keys);
    writeln!(out)?;
    for (at, task) in plan.tasks.iter().enumerate() {
        for (instance, key) in (0..).zip(prints.of(at)) {
            writeln!(out, "{key:032x}  {}", task.label(instance))?;
        }
    }
    out.flush()
}
