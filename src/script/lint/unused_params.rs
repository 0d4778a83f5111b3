//! The warning about parameters that nothing uses, so that their instances all do the same.
//!
//! Texts are searched for the name as a word, since a parameter can be named in every key. A name that begins with `_`
//! is one of repetitions that are meant.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::plan::task::PlanTask;
use crate::script::sweep::expand::Sweeps;
use crate::script::syntax::script::{RawAction, RawScript};
use std::ops::Range;

/// Texts that make the instances of a task differ without naming a parameter: run-time facts and functions.
const OTHERWISE: &[&str] = &["dtask.index", "dtask.seed", "dtask.params", "DTASK_", "random"];

/// Warns of every parameter with several values that neither its task nor a task beside it uses.
pub(crate) fn check(
    script: &RawScript,
    sweeps: &Sweeps,
    tasks: &[Option<PlanTask>],
    cx: &mut DiagnosticCollector,
) {
    let source = cx.source.clone();
    let ranges = ranges(script, source.text().len());
    let text =
        |at: usize| ranges.get(at).and_then(|range| source.text().get(range.clone())).unwrap_or_default();
    // text before the first task, such as variables, may belong to any task
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let common = source.text().get(..first).unwrap_or_default();
    for (at, raw) in script.tasks.iter().enumerate() {
        let (Some(Some(task)), false) = (tasks.get(at), raw.sweep.params.is_empty()) else { continue };
        // the instances of a `mapreduce` are its partitions, which no parameter tells apart
        if matches!(raw.action, Some(RawAction::MapReduce(_))) {
            continue;
        }
        let own = text(at);
        if OTHERWISE.iter().any(|way| own.contains(way) || common.contains(way)) {
            continue;
        }
        for param in &raw.sweep.params {
            let name = param.name.value.as_str();
            let values = task.family.params().iter().find(|known| known.name == name).map(|p| p.values.len());
            let is_used = || {
                words(own, name) > 1
                    || param.holes.iter().any(|hole| words(own, &hole.value) > 1)
                    || common.contains(&format!("{{{name}"))
                    || (0..script.tasks.len())
                        .any(|other| meets(script, sweeps, tasks, (at, other), name, text(other)))
            };
            if values.is_none_or(|values| values < 2) || name.starts_with('_') || is_used() {
                continue;
            }
            let message = format!("nothing uses the parameter `{name}` of `{}`", task.name);
            let diagnostic = Diagnostic::new(Code::UnusedParameter, param.name.span.clone(), message)
                .label("its instances all do the same");
            cx.push(
                diagnostic
                    .help(format!("write `{{{name}}}` where it belongs; for repetitions name it `_{name}`")),
            );
        }
    }
}

/// The text of each task, from its name to that of the next.
fn ranges(script: &RawScript, length: usize) -> Vec<Range<usize>> {
    let starts: Vec<usize> = script.tasks.iter().map(|task| task.name.span.start).collect();
    let mut sorted = starts.clone();
    sorted.sort_unstable();
    let end =
        |start: &usize| sorted.get(sorted.partition_point(|other| other <= start)).copied().unwrap_or(length);
    starts.iter().map(|start| *start..end(start)).collect()
}

/// Whether a parameter matters to another task: it pairs the instances of the two tasks, or the other task names it.
/// `at` and `other` are the indices of the tasks in the script.
fn meets(
    script: &RawScript,
    sweeps: &Sweeps,
    tasks: &[Option<PlanTask>],
    (at, other): (usize, usize),
    name: &str,
    text: &str,
) -> bool {
    if at == other {
        return false;
    }
    let refers = |from: usize, to: usize| {
        tasks
            .get(from)
            .and_then(Option::as_ref)
            .is_some_and(|task| task.references.iter().any(|r| r.task == to))
    };
    let own = script.tasks.get(at).map_or("", |task| task.name.value.as_str());
    let takes_over = script
        .tasks
        .get(other)
        .is_some_and(|task| task.sweep.each.as_ref().is_some_and(|each| each.value == own));
    let has = sweeps.params.get(other).is_some_and(|params| params.iter().any(|param| param == name));
    takes_over && words(text, name) > 0
        || has && (refers(at, other) || refers(other, at))
        || refers(other, at) && words(text, name) > 0
}

/// How often a text has a word.
fn words(text: &str, word: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_word = |at: usize| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part);
    text.match_indices(word).filter(|(at, _)| is_word(*at)).count()
}
