//! The warning about results that are neither used by another task nor saved (dead results).

use std::collections::HashSet;

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::plan::task::{PlanTask, Select};
use crate::script::syntax::script::{RawAction, RawScript};

/// Warns of every output file and array that no task uses and no `save` keeps. Standard output is excepted, since it is
/// in the log anyway.
pub(crate) fn check(script: &RawScript, tasks: &[Option<PlanTask>], cx: &mut DiagnosticCollector) {
    let wanted: HashSet<(usize, Select)> =
        tasks.iter().flatten().flat_map(|task| task.references.iter().map(|r| (r.task, r.select))).collect();
    for (at, raw) in script.tasks.iter().enumerate() {
        let Some(Some(task)) = tasks.get(at) else { continue };
        let saved = |select| task.saves.iter().any(|save| save.select == select);
        for (number, out) in raw.outs.iter().enumerate() {
            let select = Select::File(number);
            if wanted.contains(&(at, select)) || saved(select) {
                continue;
            }
            let name = out
                .name
                .as_ref()
                .map_or_else(|| raw.name.value.clone(), |out| format!("{}.{}", raw.name.value, out.value));
            warn(&name, out.file.span.clone(), "`save = \"path\"` keeps it", cx);
        }
        let partitions = matches!(raw.action, Some(RawAction::MapReduce(_))) && raw.stdout.is_none();
        if partitions && !wanted.contains(&(at, Select::Stdout)) && !saved(Select::Stdout) {
            let help = "`save = \"counts.tsv\"` keeps it: all partitions, one after the other";
            warn(&raw.name.value, raw.name.span.clone(), help, cx);
        }
        let makes_array = raw.action.as_ref().is_some_and(|action| !action.is_command());
        let kept = raw.stdout.is_some() || saved(Select::Value);
        if makes_array && !wanted.contains(&(at, Select::Value)) && !kept {
            warn(&raw.name.value, raw.name.span.clone(), "`save = \"file.npy\"` keeps it", cx);
        }
    }
}

fn warn(
    name: &str,
    span: crate::script::diagnostics::source::Span,
    help: &str,
    cx: &mut DiagnosticCollector,
) {
    let diagnostic =
        Diagnostic::new(Code::UnusedResult, span, format!("the result `{name}` is neither used nor saved"));
    cx.push(diagnostic.label("made for nothing").help(help));
}
