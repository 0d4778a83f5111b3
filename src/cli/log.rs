//! The command `dtask log`.
//!
//! Logs are for bad nights: they are found and printed also when the script has been changed since, has mistakes now,
//! or is gone.

use super::check::read;
use super::script_file::is_stream;
use super::{DONE, FAILED, LogArgs, STARTUP, USAGE};
use crate::batch::head::failures::failures_file::{self, FAILURES};
use crate::batch::head::run_folder::{EARLIER, LAST_WORDS, RunFolder};
use crate::batch::head::run_record::RunRecord;
use crate::batch::rank::logs::{self, LabelPattern};
use crate::console::{self, counted};
use crate::journal::lock::RunLock;
use crate::script::diagnostics::source::ScriptSource;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::load::load;
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, StreamTarget};
use crate::script::syntax::top_level;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The most instances that are searched for one that matches the user's pattern.
const LOOKED_THROUGH: u64 = 1_000_000;

/// Prints what instances of a task have written, from the logs of a run of the script, or lists the runs. Returns the
/// exit code.
pub(super) fn log(args: &LogArgs) -> u8 {
    let Some((folder, plan)) = place(args) else { return USAGE };
    let runs: Vec<u32> =
        (0..=EARLIER).filter(|run| has_run(&RunFolder::path_of_run(&folder, *run))).collect();
    let shown = args.script.display();
    if runs.is_empty() {
        let folder = folder.display();
        console::error(format_args!("error: `{shown}` has not run: there is no run in `{folder}`"));
        return FAILED;
    }
    if !runs.contains(&args.run) {
        let runs: Vec<String> = runs.iter().map(u32::to_string).collect();
        console::error(format_args!(
            "error: the logs of run {} are not kept; there are those of run {}, where 0 is the last one",
            args.run,
            runs.join(", ")
        ));
        return FAILED;
    }
    match &args.instance {
        Some(instance) => print(args, instance, &RunFolder::path_of_run(&folder, args.run), plan.as_ref()),
        None => {
            runs.iter().for_each(|run| console::output(overview(&folder, *run)));
            let (source, first) = (shown.to_string(), plan.as_ref().and_then(|plan| plan.tasks.first()));
            let label = first.map_or_else(|| "task[T=300]".to_owned(), |task| task.label(0));
            let line = console::line_to_type(&["log", &source, &label]);
            console::output(format_args!("what an instance has written: {line}"));
            DONE
        }
    }
}

/// Whether a folder has a log or a record of a run.
fn has_run(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    RunRecord::read(folder).is_some()
        || entries.into_iter().any(|entry| entry.path().extension().is_some_and(|ending| ending == "index"))
}

/// Finds the run folder that the arguments mean, and reads the script's plan if the script can be read. `None` if
/// neither can be found; the user has been told so then.
fn place(args: &LogArgs) -> Option<(PathBuf, Option<Plan>)> {
    let script = &args.script;
    if script.is_dir() && has_run(script) {
        return Some((script.clone(), None));
    }
    let source = if is_stream(script) { None } else { ScriptSource::read(script).ok() };
    let name = source.as_ref().and_then(top_level::name_of);
    let name = name.or_else(|| Some(script.file_stem()?.to_string_lossy().into_owned()));
    let folder = script.parent().unwrap_or(Path::new("")).join(format!("{}.dtask", name.unwrap_or_default()));
    let loaded = source.is_some().then(|| load(script, &args.set, LoadOptions::default()));
    match loaded {
        Some(Ok(plan)) => Some((RunFolder::path_of(&plan), Some(plan))),
        Some(Err(diagnostics)) if has_run(&folder) => {
            let errors = counted(diagnostics.list.len() as u64, "error");
            let shown = script.display().to_string();
            let line = console::line_to_type(&["check", &shown]);
            console::error(format_args!(
                "note: `{shown}` has {errors} now, see `{line}`; this is what was printed when it ran"
            ));
            Some((folder, None))
        }
        None if has_run(&folder) => {
            console::error(format_args!(
                "note: there is no script `{}` any more; this is what was printed when it ran",
                script.display()
            ));
            Some((folder, None))
        }
        _ => read(script, &args.set, LoadOptions::default())
            .ok()
            .map(|plan| (RunFolder::path_of(&plan), Some(plan))),
    }
}

/// Tells how a run went, in a line or two.
fn overview(folder: &Path, run: u32) -> String {
    let place = RunFolder::path_of_run(folder, run);
    let told = RunRecord::read(&place)
        .map_or_else(|| "has no record".to_owned(), |record| record.told(RunLock::is_held(&place)));
    let failures = place.join(FAILURES);
    let failures =
        if failures.exists() { format!("\n       failures: {}", failures.display()) } else { String::new() };
    let words = fs::read_to_string(place.join(LAST_WORDS)).unwrap_or_default();
    let words = words.lines().next().map(|line| format!("\n       {line}")).unwrap_or_default();
    format!("run {run}  {told}{words}{failures}")
}

/// Replaces the number of a table's row by the row's name in the user's pattern for instances.
fn with_row_names(instance: &str, plan: Option<&Plan>) -> String {
    let Some((name, values)) = instance.split_once('[') else { return instance.to_owned() };
    let Some(values) = values.trim_end().strip_suffix(']') else { return instance.to_owned() };
    let task = plan.and_then(|plan| plan.tasks.get(plan.find(name.trim())?));
    let value = |text: &str| {
        let (table, row) = text.split_once('=')?;
        task?.family.row_name(table.trim(), row.trim().parse().ok()?)
    };
    let values: Vec<String> =
        values.split(',').map(|text| value(text).unwrap_or_else(|| text.to_owned())).collect();
    format!("{name}[{}]", values.join(","))
}

/// Prints a stream of the instances that match the user's pattern; if there is none, says why.
fn print(args: &LogArgs, instance: &str, folder: &Path, plan: Option<&Plan>) -> u8 {
    let instance = with_row_names(instance, plan);
    let pattern = LabelPattern::new(&instance);
    let streams = if args.stderr { ["stderr", "stdout"] } else { ["stdout", "stderr"] };
    let [found, other] = streams.map(|stream| logs::find(folder, &pattern, stream));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let folder = folder.display();
            console::error(format_args!("error: the logs in `{folder}` cannot be read: {error}"));
            return STARTUP;
        }
    };
    if found.is_empty() {
        let others = other.map_or(0, |other| other.len());
        return nothing(args, &pattern, folder, plan, streams, others);
    }
    let several = found.len() > 1;
    let mut out = io::BufWriter::new(console::Output);
    let mut copy = || -> io::Result<()> {
        for one in &found {
            if several {
                writeln!(out, "==> {} <==", one.label)?;
            }
            one.copy(&mut out)?;
        }
        out.flush()
    };
    match copy() {
        Ok(()) => DONE,
        // a reader that closes the pipe early is no error
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(_) if console::failure().is_some() => STARTUP,
        Err(error) => {
            console::error(format_args!("error: the log could not be copied: {error}"));
            STARTUP
        }
    }
}

/// Says why the log has nothing of the instances that match the user's pattern. Returns the exit code.
fn nothing(
    args: &LogArgs,
    pattern: &LabelPattern<'_>,
    folder: &Path,
    plan: Option<&Plan>,
    [stream, other]: [&str; 2],
    others: usize,
) -> u8 {
    let name = pattern.task();
    let task = plan.and_then(|plan| plan.tasks.get(plan.find(name)?));
    let mut text = format!("error: the log has nothing that `{}` has written to {stream}", pattern.text());
    if let (Some(plan), None) = (plan, task) {
        let near = did_you_mean(name, plan.tasks.iter().map(|task| task.name.as_str()));
        let near = near.map(|near| format!("; {near}")).unwrap_or_default();
        console::error(format_args!("error: the script has no task `{name}`, and the log has none{near}"));
        return USAGE;
    }
    if let Some(task) = task.filter(|task| !is_there(task, pattern)) {
        let (first, last) = (task.label(0), task.label(task.family.len().saturating_sub(1)));
        console::error(format_args!(
            "error: the task `{name}` has no instance `{}`; its {} are {first} .. {last}",
            pattern.text(),
            counted(task.family.len(), "instance")
        ));
        return USAGE;
    }
    if others > 0 {
        let (script, option) = (args.script.display().to_string(), (other == "stderr").then_some("--stderr"));
        let words: Vec<&str> = ["log", &script, pattern.text()].into_iter().chain(option).collect();
        text += &format!(", but to {other}: {}", console::line_to_type(&words));
    } else if let Some(failure) = failures_file::find(folder, pattern) {
        text += &format!("; it failed: {failure}");
    } else if let Some(place) = task.and_then(|task| elsewhere(task, stream)) {
        text += &format!("; it goes to {place}, as the script says");
    } else {
        let record = RunRecord::read(folder);
        text += match record.as_ref().and_then(|record| Some((record.end?.done == record.instances, record)))
        {
            Some((true, _)) => "; it has run, and printed nothing",
            _ => "; it has printed nothing, or was not run",
        };
        text += &record
            .map(|record| format!(" (the run {})", record.told(RunLock::is_held(folder))))
            .unwrap_or_default();
    }
    console::error(text);
    FAILED
}

/// Whether the script has an instance that matches the pattern. True if it has too many instances to look at each.
fn is_there(task: &PlanTask, pattern: &LabelPattern<'_>) -> bool {
    let count = task.family.len();
    count > LOOKED_THROUGH || (0..count).any(|index| pattern.fits(&logs::one_line(&task.label(index))))
}

/// The place to which the script sends a stream of a task, in words for the user; `None` if that is the log.
fn elsewhere(task: &PlanTask, stream: &str) -> Option<&'static str> {
    match if stream == "stderr" { &task.stderr } else { &task.stdout } {
        StreamTarget::Log => None,
        StreamTarget::Null => Some("nowhere"),
        StreamTarget::Path(_) => Some("a file"),
    }
}
