//! The command `dtask check`, and the reading of scripts for all commands.

use super::script_file::{missing, stream};
use super::{DONE, USAGE, launch};
use crate::console::{self, counted};
use crate::script::diagnostics::diagnostic::Diagnostics;
use crate::script::load::{load, parse};
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
    match read(
        script,
        sets,
        LoadOptions { check_programs: true, check_paths: true, time_limit, ..LoadOptions::default() },
    ) {
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
    let loaded = match stream(script) {
        Some(source) => source.map(|source| parse(source, sets, options)),
        None => missing(script).map_or_else(|| Ok(load(script, sets, options)), Err),
    };
    match loaded.map_err(|why| console::error(format_args!("error: {why}")))? {
        Ok(plan) => {
            if !plan.warnings.is_empty() {
                print(&plan.warnings);
            }
            Ok(plan)
        }
        Err(diagnostics) => {
            print(&diagnostics);
            let errors = counted(diagnostics.count() as u64, "error");
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
    console::styled_error(diagnostics.render(std::io::stderr().is_terminal()));
}
