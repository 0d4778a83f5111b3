//! The output of a task that a reference means: a file, the standard output, or the array.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Span, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::plan::task::Select;
use crate::script::resolve::written::{TextContext, Written};
use crate::script::syntax::placeholder::RawReference;
use crate::script::syntax::script::{RawAction, RawScript, RawTask};
use crate::script::syntax::symbols::Symbols;

/// Whether a reference ends in `.list`. A reference `{x.list}` stands for one file with the paths of all results of
/// task `x`.
pub(crate) fn is_list(reference: &Written<'_>) -> bool {
    reference.raw.path.len() > 1 && reference.raw.path.last().is_some_and(|part| part == "list")
}

/// Finds the output of `task` that a reference `{task}` or `{task.name}` reads: a file, standard output, or an array.
/// `place` is the kind of text with the reference: standard output stands in for a file only where bytes are wanted.
pub(crate) fn select(
    task: &RawTask,
    reference: &Written<'_>,
    place: TextContext,
) -> Result<Select, Box<Diagnostic>> {
    let found = output(task, reference, place)?;
    if matches!(place, TextContext::Stdin | TextContext::Array) && !is_list(reference) {
        refuse_folder(task, found, reference.span.clone())?;
    }
    Ok(found)
}

fn output(task: &RawTask, reference: &Written<'_>, place: TextContext) -> Result<Select, Box<Diagnostic>> {
    let makes_array = task.action.as_ref().is_some_and(|action| !action.is_command());
    let rest = &reference.raw.path[1..];
    let part = match is_list(reference).then(|| rest.split_last()).flatten().map_or(rest, |(_, rest)| rest) {
        [] => None,
        [part] => Some(part.as_str()),
        [_, part, ..] => return Err(unknown(task, part, reference)),
    };
    match part {
        None if makes_array => Ok(Select::Value),
        None => main(task, reference, place),
        Some("stdout") if !makes_array => Ok(Select::Stdout),
        Some(part) => {
            match task.outs.iter().position(|out| out.name.as_ref().is_some_and(|name| name.value == part)) {
                Some(at) => Ok(Select::File(at)),
                // A wrong action has been reported, and the missing output may follow from it.
                None if task.action.is_none() => Ok(Select::Value),
                None => Err(unknown(task, part, reference)),
            }
        }
    }
}

/// Refuses a folder where bytes are wanted.
pub(crate) fn refuse_folder(task: &RawTask, select: Select, span: Span) -> Result<(), Box<Diagnostic>> {
    let Select::File(at) = select else { return Ok(()) };
    let Some(out) = task.outs.get(at).filter(|out| out.file.value.ends_with('/')) else { return Ok(()) };
    let message = format!("the output `{}` of `{}` is a folder", out.file.value, task.name.value);
    let diagnostic = Diagnostic::new(Code::FolderAsBytes, span, message).label("bytes are wanted here");
    let part = out.name.as_ref().map(|name| format!(".{}", name.value)).unwrap_or_default();
    let help = format!("a command gets its path: `shell = \"cat {{{}{part}}}/*\"`", task.name.value);
    Err(Box::new(diagnostic.also(out.file.span.clone(), "the folder").help(help)))
}

fn main(task: &RawTask, reference: &Written<'_>, place: TextContext) -> Result<Select, Box<Diagnostic>> {
    let name = &task.name.value;
    match task.outs.len() {
        1 => Ok(Select::File(0)),
        _ if task.action.is_none() => Ok(Select::Value),
        // The result of a `mapreduce` is the lines of its partitions, which count as its standard output. A command
        // gets them as files.
        0 if matches!(task.action, Some(RawAction::MapReduce(_))) => Ok(Select::Stdout),
        // Where bytes are wanted, a command without output files gives its standard output.
        0 if matches!(place, TextContext::Stdin | TextContext::Array) && !is_list(reference) => {
            Ok(Select::Stdout)
        }
        0 => {
            let diagnostic =
                Diagnostic::new(Code::NoFile, reference.span.clone(), format!("`{name}` has no output file"))
                    .label("a path is wanted here");
            Err(Box::new(
                diagnostic.help(format!(
                    "write `{{{name}.stdout}}` for what it prints, or give it `out = \"file\"`"
                )),
            ))
        }
        _ => {
            let named: Vec<String> = names(task).iter().map(|out| format!("`{{{name}.{out}}}`")).collect();
            let diagnostic = Diagnostic::new(
                Code::NoFile,
                reference.span.clone(),
                format!("`{name}` has several output files"),
            )
            .label("which one?");
            Err(Box::new(diagnostic.help(format!("write {}", named.join(" or ")))))
        }
    }
}

/// Finds the task, by its index in the script, and its output that `of = "task"` or `of = "task.name"` names; `key` is
/// the name of the key in messages. The output is chosen as for a standard input, which takes bytes. Mistakes are
/// reported, and give `None`.
pub(crate) fn named(
    text: &Text,
    key: &str,
    (script, names): (&RawScript, &Symbols),
    cx: &mut DiagnosticCollector,
) -> Option<(usize, Select)> {
    let (name, part) = text.value.split_once('.').map_or((text.value.as_str(), None), |(n, p)| (n, Some(p)));
    let name = At { value: name.to_owned(), span: text.span.clone() };
    let target = names.want_task(&name, key, cx)?;
    let task = script.tasks.get(target)?;
    let path = [Some(name.value), part.map(str::to_owned)].into_iter().flatten().collect();
    let raw = RawReference::new(path, None);
    let written = Written { raw: &raw, span: text.span.clone() };
    match output(task, &written, TextContext::Stdin) {
        Ok(select) => Some((target, select)),
        Err(diagnostic) => {
            cx.push(*diagnostic);
            None
        }
    }
}

/// Finds the number of the output file that `{out}` or `{out.name}` means in a command of the task that writes it;
/// `part` is the name after the dot, if there is one.
pub(crate) fn own(
    task: &RawTask,
    part: Option<&str>,
    reference: &Written<'_>,
) -> Result<usize, Box<Diagnostic>> {
    let position = match part {
        None if task.outs.len() == 1 => Some(0),
        None => None,
        Some(part) => {
            task.outs.iter().position(|out| out.name.as_ref().is_some_and(|name| name.value == part))
        }
    };
    position.ok_or_else(|| match (part, names(task)) {
        (Some(part), all) => {
            let diagnostic = Diagnostic::new(
                Code::UnknownOutput,
                reference.span.clone(),
                format!("this task has no output `{part}`"),
            )
            .label("no such output");
            Box::new(diagnostic.maybe_help(did_you_mean(part, all)))
        }
        (None, all) if all.is_empty() => {
            let diagnostic =
                Diagnostic::new(Code::NoFile, reference.span.clone(), "this task has no output file")
                    .label("no `out`");
            Box::new(diagnostic.help("add `out = \"file\"`"))
        }
        (None, all) => {
            let named: Vec<String> = all.iter().map(|out| format!("`{{out.{out}}}`")).collect();
            let diagnostic =
                Diagnostic::new(Code::NoFile, reference.span.clone(), "this task has several output files")
                    .label("which one?");
            Box::new(diagnostic.help(format!("write {}", named.join(" or "))))
        }
    })
}

fn unknown(task: &RawTask, part: &str, reference: &Written<'_>) -> Box<Diagnostic> {
    let mut all = names(task);
    if task.action.as_ref().is_some_and(RawAction::is_command) {
        all.push("stdout");
    }
    let label = if all.is_empty() {
        "it makes one array".to_string()
    } else {
        format!("outputs of `{}`: {}", task.name.value, all.join(", "))
    };
    let message = format!("`{}` has no output `{part}`", task.name.value);
    Box::new(
        Diagnostic::new(Code::UnknownOutput, reference.span.clone(), message)
            .label(label)
            .maybe_help(did_you_mean(part, all)),
    )
}

/// Returns the names of a task's output files. The only file of a task with `out = "file"` has no name and is not among
/// them.
pub(crate) fn names(task: &RawTask) -> Vec<&str> {
    task.outs.iter().filter_map(|out| out.name.as_ref()).map(|name| name.value.as_str()).collect()
}
