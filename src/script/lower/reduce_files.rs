//! Lowers a `reduce` of files, by a command that merges two files into one.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::lower::reduce_arrays::{check_family, check_over, order};
use crate::script::lower::task::Compiler;
use crate::script::plan::task::TaskAction;
use crate::script::resolve::output_select;
use crate::script::resolve::resolver::Resolver;
use crate::script::syntax::placeholder::{self, PieceKind};
use crate::script::syntax::script::{RawAction, RawReduce, RawTask};

/// The names of the files that each step of a reduction by a command reads (`a`, `b`) and writes (`out`).
const FILES: [&str; 3] = ["a", "b", "out"];

impl Compiler<'_> {
    /// Lowers a `reduce` that has a command, which merges two files into one until one file is left.
    pub(crate) fn merge(
        &self,
        task: &RawTask,
        raw: &RawReduce,
        command: &RawAction,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        check_options(raw, cx);
        check_names(task, resolver, cx);
        let order = order(raw, cx);
        let target = raw.of.as_ref().and_then(|of| {
            let (target, select) = output_select::named(of, "of", (resolver.script, resolver.names), cx)?;
            check_family(target, of, resolver, cx);
            check_over(task, raw.over.as_ref(), target, of, resolver, cx);
            // Noted before the references of the command, so that the family is the first of the task's dependencies.
            Some((target, resolver.depend(target, select, None, of.span.clone())))
        });
        if raw.of.is_none() {
            let diagnostic = Diagnostic::new(Code::BadReduction, raw.span.clone(), "`reduce` of what?")
                .label("`of` is missing");
            cx.push(
                diagnostic.help("write `reduce = { of = \"part\", run = \"./merge {a} {b} -o {out}\" }`"),
            );
        }
        check_texts(task, command, target.map(|(target, _)| target), resolver, cx);
        if let [_, second, ..] = &task.outs[..] {
            let message = "a reduction makes one file, and this task has several outputs";
            let diagnostic = Diagnostic::new(Code::BadReduction, second.file.span.clone(), message);
            cx.push(diagnostic.label("the second one").help(
                "what is merged is what the next step reads: put all into one file, or reduce each in a task of \
                 its own",
            ));
        }
        let action = self.action(task, command, resolver, cx)?;
        Some(TaskAction::Merge { of: target?.1, command: Box::new(action), order: order? })
    }
}

/// Reports options of a `reduce` of files that only a `reduce` of arrays can have, such as `with`.
fn check_options(raw: &RawReduce, cx: &mut DiagnosticCollector) {
    if let Some(with) = &raw.with {
        let message = "`reduce` has two operations, `with` and a command";
        let diagnostic = Diagnostic::new(Code::BadReduction, with.span.clone(), message).label("one of them");
        cx.push(diagnostic.help("`with` is for arrays, a command is for files: remove one"));
    }
    if let Some(arity) = raw.arity.as_ref().filter(|arity| arity.value != 2) {
        let message = format!("a command merges two files, `{{a}}` and `{{b}}`, not {}", arity.value);
        cx.push(
            Diagnostic::new(Code::BadReduction, arity.span.clone(), message)
                .label("for arrays")
                .help("remove `arity`"),
        );
    }
    if let Some(axis) = &raw.axis {
        let diagnostic =
            Diagnostic::new(Code::BadReduction, axis.span.clone(), "`axis` means nothing beside a command");
        cx.push(diagnostic.label("for arrays").help("remove `axis`"));
    }
}

/// Reports a parameter of the task that is named `a`, `b` or `out`. In the command these names mean the merged files,
/// so the command could not use the parameter.
fn check_names(task: &RawTask, resolver: &Resolver<'_>, cx: &mut DiagnosticCollector) {
    let params = resolver.sweeps.params.get(resolver.task).map_or(&[][..], Vec::as_slice);
    for name in FILES.iter().filter(|name| params.iter().any(|param| param == *name)) {
        let own = task.sweep.names().find(|param| param.value == **name);
        let span = own.map_or(task.name.span.clone(), |param| param.span.clone());
        let message = format!("`{{{name}}}` is a file that the command merges, and a parameter");
        cx.push(
            Diagnostic::new(Code::NameClash, span, message)
                .label("a parameter")
                .help("give the parameter another name"),
        );
    }
}

/// Checks the texts of a merging command, of its standard input and of its environment. The texts together must name
/// all three files `{a}`, `{b}` and `{out}`, and must not read the reduced task's files in any other way.
fn check_texts(
    task: &RawTask,
    command: &RawAction,
    target: Option<usize>,
    resolver: &Resolver<'_>,
    cx: &mut DiagnosticCollector,
) {
    let own: Vec<&Text> = match command {
        RawAction::Words(text) | RawAction::Shell(text, _) => vec![text],
        RawAction::Argv(words, _) => words.iter().collect(),
        _ => return,
    };
    let texts = own.into_iter().chain(&task.stdin).chain(task.env.iter().map(|(_, value)| value));
    let mut missing = FILES.to_vec();
    for text in texts {
        for piece in placeholder::parse(&text.value) {
            let PieceKind::Reference(reference) = &piece.kind else { continue };
            let name = reference.name();
            missing.retain(|file| *file != name);
            if !FILES.contains(&name)
                && target.is_some_and(|target| resolver.names.task(name) == Some(target))
            {
                let span = cx.source.inside(text, piece.range.clone());
                let message = format!("a step merges two files at a time, not all of `{name}`");
                cx.push(
                    Diagnostic::new(Code::NotHere, span, message)
                        .label("all of them?")
                        .help("write `{a}` and `{b}`"),
                );
            }
        }
    }
    // An empty command has been reported already.
    let is_empty =
        matches!(command, RawAction::Words(text) | RawAction::Shell(text, _) if text.value.trim().is_empty());
    if missing.is_empty() || is_empty || matches!(command, RawAction::Argv(words, _) if words.is_empty()) {
        return;
    }
    let missing: Vec<String> = missing.iter().map(|file| format!("`{{{file}}}`")).collect();
    let message = format!("the command of a reduction without {}", missing.join(" and "));
    let diagnostic =
        Diagnostic::new(Code::IncompleteMerge, command.span(), message).label("merges two files into one");
    cx.push(diagnostic.help("write for example `run = \"./merge {a} {b} -o {out}\"`"));
}
