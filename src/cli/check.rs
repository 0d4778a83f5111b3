//! The command `dtask check`, and the reading of scripts for all commands.

use super::{DONE, USAGE, launch};
use crate::console::{self, counted};
use crate::script::diagnostics::diagnostic::Diagnostics;
use crate::script::load::load;
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

/// Prints everything that is wrong with a script; returns the exit code. Under an MPI launcher only rank 0 prints,
/// since every rank has the same script.
pub(super) fn check(script: &Path, sets: &[(String, String)], time_limit: Option<Duration>) -> u8 {
    if !launch::speaks() {
        return DONE;
    }
    match read(script, sets, LoadOptions { check_programs: true, check_paths: true, time_limit }) {
        Ok(plan) => {
            let (tasks, instances) = (plan.tasks.len() as u64, plan.instances());
            let (tasks, instances) = (counted(tasks, "task"), counted(instances, "instance"));
            console::output(format_args!("{}: {tasks}, {instances}, no errors", script.display()));
            DONE
        }
        Err(()) => USAGE,
    }
}

/// Reads a script, and prints its errors and warnings. `Err` if there were errors, so that nothing can be run.
pub(super) fn read(script: &Path, sets: &[(String, String)], options: LoadOptions) -> Result<Plan, ()> {
    if let Some(why) = unreadable(script) {
        console::error(format_args!("error: {why}"));
        return Err(());
    }
    match load(script, sets, options) {
        Ok(plan) => {
            if !plan.warnings.is_empty() {
                print(&plan.warnings);
            }
            Ok(plan)
        }
        Err(diagnostics) => {
            print(&diagnostics);
            let errors = counted(diagnostics.list.len() as u64, "error");
            let code = diagnostics
                .list
                .first()
                .map(|first| format!("; more about it: dtask explain {}", first.code));
            let code = code.unwrap_or_default();
            console::error(format_args!("\nerror: {errors} in {}{code}", script.display()));
            Err(())
        }
    }
}

fn print(diagnostics: &Diagnostics) {
    console::error(diagnostics.render(std::io::stderr().is_terminal()));
}

/// The reason why there is no script to read (no such file, a folder), in one line; `None` if there is a script.
fn unreadable(script: &Path) -> Option<String> {
    let shown = script.display();
    match std::fs::metadata(script) {
        Ok(found) if found.is_dir() => Some(format!("`{shown}` is a folder, not a script")),
        Ok(found) if !found.is_file() => Some(format!("`{shown}` is no file that can be read as a script")),
        Ok(_) => std::fs::File::open(script)
            .err()
            .map(|error| format!("the script `{shown}` cannot be read: {error}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let help =
                if script.extension().is_none() { "; see `dtask --help` for what dtask can do" } else { "" };
            Some(format!("there is no script `{shown}`{help}"))
        }
        Err(error) => Some(format!("the script `{shown}` cannot be read: {error}")),
    }
}
