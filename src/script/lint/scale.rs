//! Warnings about scripts that work but strain the system at scale: many files, many arguments.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Span;
use crate::script::plan::task::{PlanTask, Select, StreamTarget};
use crate::script::plan::template::{Template, TemplatePart};
use crate::script::syntax::script::{RawScript, RawTask};

/// The number of files of a task above which a warning says that they strain a shared file system.
const MANY_FILES: u64 = 10_000;
/// The number of arguments of a command above which a warning says that they are too many. Near a hundred thousand, the
/// system refuses to start the command.
const MANY_INPUTS: u64 = 1_000;

/// Warns of every task that makes more than [`MANY_FILES`] files, or gets more than [`MANY_INPUTS`] arguments.
pub(crate) fn check(script: &RawScript, tasks: &[Option<PlanTask>], cx: &mut DiagnosticCollector) {
    for (raw, task) in script.tasks.iter().zip(tasks) {
        if let Some(task) = task {
            files(raw, task, cx);
            inputs(task, script, cx);
        }
    }
}

/// Whether a path has references, so that it can differ from instance to instance.
fn differs(template: &Template) -> bool {
    template.parts.iter().any(|part| matches!(part, TemplatePart::Fill { .. }))
}

fn files(raw: &RawTask, task: &PlanTask, cx: &mut DiagnosticCollector) {
    let count = task.family.len();
    if count <= MANY_FILES {
        return;
    }
    let streams = [(&raw.stdout, &task.stdout, "stdout"), (&raw.stderr, &task.stderr, "stderr")];
    let streams = streams.into_iter().filter_map(|(raw, stream, key)| match stream {
        StreamTarget::Path(template) if differs(template) => Some((raw.as_ref()?.span.clone(), key)),
        _ => None,
    });
    let saves = raw.saves.iter().zip(&task.saves).filter(|(_, save)| differs(&save.path));
    let all: Vec<(Span, &str)> =
        streams.chain(saves.map(|(raw, _)| (raw.path.span.clone(), "save"))).collect();
    for (span, key) in all {
        let message = format!("`{key}` of `{}` makes {count} files", task.name);
        let diagnostic = Diagnostic::new(Code::ManyFiles, span, message).label("a file for each instance");
        cx.push(diagnostic.help(if key == "save" {
            "gather them in a task that saves one file, or save arrays into one HDF5 file"
        } else {
            "a path without parameters collects all outputs in one file, in index order"
        }));
    }
}

fn inputs(task: &PlanTask, script: &RawScript, cx: &mut DiagnosticCollector) {
    if !task.action.is_command() {
        return;
    }
    for (number, reference) in task.references.iter().enumerate() {
        let count = if reference.is_gather() { task.fan_in(reference) } else { 0 };
        if count <= MANY_INPUTS || !is_argument(task, number) {
            continue;
        }
        let other = script.tasks.get(reference.task).map_or("", |other| other.name.value.as_str());
        let output = if reference.select == Select::Stdout { ".stdout" } else { "" };
        let message = format!("`{}` gets {count} paths of `{other}` in one command", task.name);
        let diagnostic =
            Diagnostic::new(Code::WideFanIn, reference.span.clone(), message).label("an argument for each");
        cx.push(diagnostic.help(format!("`{{{other}{output}.list}}` is a file with the paths in it")));
    }
}

/// Whether the input number `number` of a task stands among the arguments of its command, where each path of a gather
/// (the files of several instances) is one argument.
fn is_argument(task: &PlanTask, number: usize) -> bool {
    let has = |template: &Template| template.inputs().contains(&number);
    task.action.templates().into_iter().any(has)
}

/// Warns of a script file that every user may change: its commands run with the rights of the user who calls dtask.
pub(crate) fn writable(path: &std::path::Path, cx: &mut DiagnosticCollector) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(meta) = std::fs::metadata(path) else { return };
    if meta.permissions().mode() & 0o002 != 0 {
        let message =
            format!("{} may be written by every user, and what it says runs in your name", path.display());
        cx.push(
            Diagnostic::nowhere(Code::OthersWrite, message).help(format!("chmod o-w {}", path.display())),
        );
    }
}
