//! The command `dtask status`: prints the progress of a script, from its journal.

use super::check::read;
use super::{DONE, STARTUP, StatusArgs, USAGE};
use crate::batch::RunFolder;
use crate::batch::resume::left::{TaskProgress, progress};
use crate::batch::resume::run_journal::PlanStatus;
use crate::console::{self, counted};
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use std::fmt::Write as _;

/// Prints how many instances are done, have failed and are left; returns the exit code.
pub(super) fn status(args: &StatusArgs) -> u8 {
    let Ok(plan) = read(&args.script, &args.set, LoadOptions::default()) else { return USAGE };
    let folder = RunFolder::path_of(&plan);
    let status = match PlanStatus::read(&plan, &folder, &[]) {
        Ok(status) => status,
        Err(error) => {
            console::error(format_args!(
                "error: the journal in `{}` cannot be read: {error}",
                folder.display()
            ));
            return STARTUP;
        }
    };
    let counts = progress(&plan, &status.known, &status.todo);
    match args.left {
        true => console::output(counts.iter().map(|count| count.left).sum::<u64>()),
        false => console::output(table(&plan, &status, &counts).trim_end()),
    }
    DONE
}

fn table(plan: &Plan, status: &PlanStatus, counts: &[TaskProgress]) -> String {
    let sum = |of: fn(&TaskProgress) -> u64| counts.iter().map(of).sum();
    let all = TaskProgress {
        done: sum(|count| count.done),
        failed: sum(|count| count.failed),
        blocked: sum(|count| count.blocked),
        left: sum(|count| count.left),
    };
    let instances = counted(plan.instances(), "instance");
    let mut text = format!("{}: {instances}: {}\n", plan.name, words(&all));
    let width = plan.tasks.iter().map(|task| task.name.len()).max().unwrap_or(0);
    for (task, count) in plan.tasks.iter().zip(counts) {
        let _ = writeln!(text, "  {:width$}  {}", task.name, words(count));
    }
    let runs = counted(status.state.runs.len() as u64, "run");
    let _ = match (status.state.runs.is_empty(), status.state.ended) {
        (true, _) => writeln!(text, "it has not been run"),
        (false, Some(_)) => writeln!(text, "{runs} so far; the last one has ended"),
        (false, None) => writeln!(text, "{runs} so far; the last one is under way, or was killed"),
    };
    text
}

fn words(count: &TaskProgress) -> String {
    let TaskProgress { done, failed, blocked, left } = *count;
    let mut text = format!("{done} done");
    for (count, what) in [(failed, "failed"), (blocked, "held up by failures"), (left, "left")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}
