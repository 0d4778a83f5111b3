//! Lowers `until`: the condition over an instance's own results, and the chains along which instances run.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::lower::array::{NamePlace, binding, parsed, places};
use crate::script::lower::task::Compiler;
use crate::script::plan::condition::Condition;
use crate::script::plan::task::{ArrayName, NameSource};
use crate::script::plan::until::Until;
use crate::script::resolve::output_select;
use crate::script::resolve::resolver::{Resolver, always_there};
use crate::script::resolve::written::{TextContext, Written};
use crate::script::sweep::family::{Axis, Sweep};
use crate::script::syntax::until::RawUntil;

/// The most instances of a family with gaps that are looked at in search of a gap inside of a chain.
const LOOKED: u64 = 1_000_000;

impl Compiler<'_> {
    /// Lowers the key `until` of the task of index `at` in the script.
    pub(crate) fn until(
        &self,
        at: usize,
        raw: &RawUntil,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<Until> {
        let condition = self.own_condition(at, &raw.condition, resolver, cx);
        let family = self.sweeps.families.get(at)?.as_ref()?;
        let axis = axis(family, &raw.along, cx)?;
        let (along, required) = (raw.along.value.clone(), raw.required);
        Some(Until { condition: condition?, along, axis, required })
    }

    /// Compiles the condition, whose names are the instance's own results, parameters and variables.
    fn own_condition(
        &self,
        at: usize,
        text: &Text,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<Condition> {
        let expr = parsed("until", text, cx)?;
        let mut all: Vec<NamePlace> = Vec::new();
        places(expr.root(), &[], &mut all);
        let ranges: Vec<_> = all.iter().map(|place| place.range.clone()).collect();
        let (mut names, before) = (Vec::with_capacity(all.len()), cx.errors());
        let task = self.script.tasks.get(at)?;
        let own_name = task.name.value.as_str();
        for (place, span) in all.into_iter().zip(cx.source.all_inside(text, &ranges)) {
            let raw = self.raw_reference(&place.name, resolver);
            let written = Written { raw: &raw, span: span.clone() };
            let name = raw.name();
            let is_task = self.names.task(name).is_some() && !self.is_parameter(name, resolver);
            let found = if place.optional {
                Err(always_there(&raw, span))
            } else if is_task && (name != own_name || raw.index.is_some()) {
                let message = format!("`{}` is not a result of the instance itself", place.name);
                let help = format!(
                    "`until` reads results of `{own_name}` without brackets, parameters and variables"
                );
                Err(Box::new(
                    Diagnostic::new(Code::UntilOthers, span, message).label("not its own").help(help),
                ))
            } else if is_task {
                output_select::select(task, &written, TextContext::Array).map(NameSource::Own)
            } else {
                resolver.quiet = cx.is_full();
                resolver.meaning(&written, TextContext::Array).and_then(|meaning| binding(meaning, &written))
            };
            match found {
                Ok(binding) => names.push(ArrayName { name: place.name, binding }),
                Err(diagnostic) => cx.push(*diagnostic),
            }
        }
        if cx.errors() == before && !names.iter().any(|name| matches!(name.binding, NameSource::Own(_))) {
            let message = "`until` reads no result of the instance: what it says is known before the run";
            let help =
                format!("read one, as in `number({own_name}.stdout) < 1e-8`, or give the range another end");
            let diagnostic = Diagnostic::new(Code::UntilWithoutResult, text.span.clone(), message);
            cx.push(diagnostic.label("no result").help(help));
        }
        Some(Condition { text: text.value.clone(), expr, names })
    }
}

/// Finds the axis along which the loops go. Reports a parameter that the family does not have, and chains with gaps.
fn axis(family: &Sweep, along: &Text, cx: &mut DiagnosticCollector) -> Option<Axis> {
    let params = || family.params().iter().filter(|param| !param.column);
    let mut refuse = |message: String, label: &str, help: String| {
        let diagnostic = Diagnostic::new(Code::BadUntil, along.span.clone(), message);
        cx.push(diagnostic.label(label).help(help));
        None
    };
    let Some(param) = params().find(|param| param.name == along.value) else {
        let names: Vec<&str> = params().map(|param| param.name.as_str()).collect();
        let help = match &names[..] {
            [] => format!("give it one: `for = {{ {} = \"0..1000\" }}`", along.value),
            names => did_you_mean(&along.value, names.iter().copied())
                .unwrap_or_else(|| format!("its parameters are: {}", names.join(", "))),
        };
        return refuse(
            format!("the task has no parameter `{}` of `for` or `zip`", along.value),
            "along what?",
            help,
        );
    };
    let axis = family.axis_of(param);
    if !family.inner().rows.is_empty() {
        let help = "put the values into `for`, or leave `until` out".to_owned();
        return refuse("rows of `include` stand on no chain".to_owned(), "along this", help);
    }
    if family.inner().kept.is_none() {
        return Some(axis);
    }
    if family.len() > LOOKED {
        let message =
            format!("`where` or `exclude` of more than {LOOKED} instances cannot be looked through for gaps");
        return refuse(message, "along this", "choose the values in `for`".to_owned());
    }
    let gap = (0..family.len()).find(|instance| {
        let cell = family.cell(*instance).unwrap_or(0);
        axis.position(cell) > 0 && family.index(cell - axis.stride).is_none()
    });
    match gap {
        None => Some(axis),
        Some(instance) => {
            let label = family.label("", instance);
            let message = format!("`where` or `exclude` leaves out the instance before {}", label.trim());
            refuse(message, "a chain with a gap", "leave out whole chains, or only their ends".to_owned())
        }
    }
}
