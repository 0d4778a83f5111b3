//! Lowers a `reduce` of arrays, and the checks that it shares with a `reduce` of files.

use crate::arrays::reduce::operator::{Reduce, ReduceOperator};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::lower::task::Compiler;
use crate::script::plan::task::{ReduceOrder, Select, TaskAction};
use crate::script::resolve::resolver::Resolver;
use crate::script::syntax::script::{RawAction, RawReduce, RawTask};

/// The largest `arity`, which is the number of arrays that one step of a reduction tree merges. With more of them a
/// reduction is a list and no tree.
const WIDEST: i64 = 1024;

impl Compiler<'_> {
    /// Lowers a `reduce` key, which merges the results of all instances of another task to one. The merging is done by
    /// a command if the user gives one, otherwise by an operation on arrays.
    pub(crate) fn reduction(
        &self,
        task: &RawTask,
        raw: &RawReduce,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        match &raw.command {
            Some(command) => self.merge(task, raw, command, resolver, cx),
            None => arrays(task, raw, resolver, cx),
        }
    }
}

/// Lowers a `reduce` without a command: compiles the reduction of another task's arrays to the plan.
fn arrays(
    task: &RawTask,
    raw: &RawReduce,
    resolver: &mut Resolver<'_>,
    cx: &mut DiagnosticCollector,
) -> Option<TaskAction> {
    let with = with(raw, cx).map(|with| Reduce { with, axis: raw.axis.as_ref().map(|axis| axis.value) });
    let arity = arity(raw, cx);
    let order = order(raw, cx);
    let Some(of) = &raw.of else {
        let diagnostic = Diagnostic::new(Code::BadReduction, raw.span.clone(), "`reduce` of what?")
            .label("`of` is missing");
        cx.push(diagnostic.help("write `reduce = { of = \"x\", with = \"add\" }`"));
        return None;
    };
    let target = resolver.names.want_task(of, "of", cx)?;
    if are_arrays(target, of, resolver, cx) {
        check_family(target, of, resolver, cx);
    }
    check_over(task, raw.over.as_ref(), target, of, resolver, cx);
    let of = resolver.depend(target, Select::Value, None, of.span.clone());
    Some(TaskAction::Reduce { of, with: with?, arity: arity?, order: order? })
}

fn with(raw: &RawReduce, cx: &mut DiagnosticCollector) -> Option<ReduceOperator> {
    let Some(with) = &raw.with else {
        let diagnostic =
            Diagnostic::new(Code::BadReduction, raw.span.clone(), "`reduce` with which operation?")
                .label("`with` is missing");
        cx.push(
            diagnostic
                .help("write `with = \"add\"`, or for files a command: `run = \"./merge {a} {b} -o {out}\"`"),
        );
        return None;
    };
    let found = ReduceOperator::of(&with.value);
    if found.is_none() {
        let known = ReduceOperator::NAMES.map(|(name, _)| name);
        let listed = format!("reductions are: {}", known.join(", "));
        let diagnostic = Diagnostic::new(
            Code::UnknownReduction,
            with.span.clone(),
            format!("unknown reduction `{}`", with.value),
        );
        cx.push(
            diagnostic.label("no such reduction").help(did_you_mean(&with.value, known).unwrap_or(listed)),
        );
    }
    found
}

fn arity(raw: &RawReduce, cx: &mut DiagnosticCollector) -> Option<usize> {
    let Some(arity) = &raw.arity else { return Some(2) };
    if (2..=WIDEST).contains(&arity.value) {
        return usize::try_from(arity.value).ok();
    }
    let message = format!("`arity` is how many are merged at a time: 2 to {WIDEST}");
    cx.push(Diagnostic::new(Code::BadReduction, arity.span.clone(), message).label("out of range"));
    None
}

pub(crate) fn order(raw: &RawReduce, cx: &mut DiagnosticCollector) -> Option<ReduceOrder> {
    match raw.order.as_ref().map(|order| order.value.as_str()) {
        None | Some("fixed") => Some(ReduceOrder::Fixed),
        Some("any") => Some(ReduceOrder::Any),
        Some(other) => {
            let span = raw.order.as_ref().map_or(raw.span.clone(), |order| order.span.clone());
            let diagnostic = Diagnostic::new(
                Code::BadReduction,
                span,
                format!("`order` is \"fixed\" or \"any\", not \"{other}\""),
            );
            cx.push(diagnostic.label("no such order").maybe_help(did_you_mean(other, ["fixed", "any"])));
            None
        }
    }
}

/// Whether the task `target`, whose results are reduced, makes arrays. Reports a task that makes files instead.
fn are_arrays(target: usize, of: &Text, resolver: &Resolver<'_>, cx: &mut DiagnosticCollector) -> bool {
    let task = resolver.script.tasks.get(target);
    let Some(task) = task.filter(|task| task.action.as_ref().is_some_and(RawAction::is_command)) else {
        return true;
    };
    let message = format!("`{}` makes no array that could be reduced", task.name.value);
    let diagnostic = Diagnostic::new(Code::BadReduction, of.span.clone(), message).label("a command");
    cx.push(diagnostic.help(
        "merge its files by a command, `run = \"./merge {a} {b} -o {out}\"` in `with`'s place; or read them with \
         an `array` task in between: `each` of it, `array = \"from_csv(..)\"`",
    ));
    false
}

/// Reports a `reduce` of a task `target` that has no parameters and so one instance, whose result needs no reduction.
pub(crate) fn check_family(target: usize, of: &Text, resolver: &Resolver<'_>, cx: &mut DiagnosticCollector) {
    let Some(task) = resolver.script.tasks.get(target) else { return };
    let name = &task.name.value;
    if resolver.sweeps.families.get(target).and_then(Option::as_ref).is_some_and(|family| family.is_single())
    {
        let diagnostic = Diagnostic::new(
            Code::NotFamily,
            of.span.clone(),
            format!("`{name}` is one task, and there is nothing to reduce"),
        );
        cx.push(diagnostic.label("no family").help(format!(
            "give `{name}` parameters with `for`, or reduce one array with `sum`, `max` and the like"
        )));
    }
}

/// Checks the key `over` of a `reduce`, with which the user repeats the parameters that are reduced over. The list must
/// name exactly the parameters that the reduced task, `target`, has and `task` lacks.
pub(crate) fn check_over(
    task: &RawTask,
    over: Option<&At<Vec<Text>>>,
    target: usize,
    of: &Text,
    resolver: &Resolver<'_>,
    cx: &mut DiagnosticCollector,
) {
    let params = |at: usize| resolver.sweeps.params.get(at).map_or(&[][..], Vec::as_slice);
    let (own, theirs) = (params(resolver.task), params(target));
    let Some(over) = over else {
        let all_shared = !theirs.is_empty() && theirs.iter().all(|param| own.contains(param));
        if all_shared && target != resolver.task {
            let message = format!(
                "`{}` has every parameter of `{}`, and there is nothing left to reduce over",
                task.name.value, of.value
            );
            let help = format!("leave one of them out: {}", theirs.join(", "));
            cx.push(
                Diagnostic::new(Code::BadReduction, of.span.clone(), message)
                    .label("one instance for each instance")
                    .help(help),
            );
        }
        return;
    };
    let mut wrong = false;
    for name in &over.value {
        let (message, label) = if !theirs.contains(&name.value) {
            (format!("`{}` has no parameter `{}` to reduce over", of.value, name.value), "no such parameter")
        } else if own.contains(&name.value) {
            (
                format!(
                    "`{}` is a parameter of `{}` as well, so it is not reduced over",
                    name.value, task.name.value
                ),
                "a parameter of both",
            )
        } else {
            continue;
        };
        wrong = true;
        let help = did_you_mean(&name.value, theirs.iter().map(String::as_str));
        cx.push(
            Diagnostic::new(Code::BadReduction, name.span.clone(), message).label(label).maybe_help(help),
        );
    }
    let left: Vec<&String> =
        theirs.iter().filter(|p| !own.contains(p) && over.value.iter().all(|o| o.value != **p)).collect();
    if let (false, Some(param)) = (wrong, left.first()) {
        let message = format!("`{param}` is neither reduced over nor a parameter of `{}`", task.name.value);
        let help = format!("add it to `over`, or write `for = {{ {param} = .. }}`");
        cx.push(
            Diagnostic::new(Code::BadReduction, over.span.clone(), message)
                .label(format!("`{param}` is missing"))
                .help(help),
        );
    }
}
