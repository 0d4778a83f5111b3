//! Checks the paths of saved files: each instance has its own path, which lies in the script's folder.
//!
//! For up to 100 000 instances every path is written out and compared. More would take too long. Of a larger plain
//! product the check is by parameter: different values must be written differently. Of other large families only the
//! first instances are compared. Start at [`check`].

use crate::arrays::slab::Slab;
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::ScriptValue;
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{ScriptSource, Span};
use crate::script::plan::runtime_vars::{RuntimeVar, RuntimeVars};
use crate::script::plan::task::PlanTask;
use crate::script::plan::template::{Fill, RenderScope, Template, TemplatePart};
use crate::script::sweep::expand::Sweeps;
use crate::script::sweep::family::{Bindings, Sweep};
use crate::script::syntax::script::RawScript;
use crate::script::values::format::written;

/// The most paths that are compared one by one.
const COMPARED: u64 = 100_000;

/// Checks every `save` and `target` of the script.
pub(crate) fn check(
    script: &RawScript,
    sweeps: &Sweeps,
    tasks: &[Option<PlanTask>],
    cx: &mut DiagnosticCollector,
) {
    let mut seen: HashMap<String, (String, Span)> = HashMap::new();
    for (at, task) in tasks.iter().enumerate() {
        let (Some(raw), Some(task), Some(Some(family))) =
            (script.tasks.get(at), task, sweeps.families.get(at))
        else {
            continue;
        };
        let saves = raw.saves.iter().zip(&task.saves).map(|(raw, save)| (&raw.path, &save.path));
        let targets = raw.targets.iter().zip(&task.targets);
        for (path, template) in saves.chain(targets) {
            let together = together(task, template);
            let check = Check { task: &task.name, family, template, span: &path.span, together };
            check.run(&mut seen, cx);
        }
    }
}

struct Check<'a> {
    task: &'a str,
    family: &'a Sweep,
    template: &'a Template,
    span: &'a Span,
    /// The number of the parameter whose values are parts of one dataset, so that its instances share a path.
    together: Option<usize>,
}

impl Check<'_> {
    fn run(&self, seen: &mut HashMap<String, (String, Span)>, cx: &mut DiagnosticCollector) {
        // A path has no inputs in it; this one stands for a reference that was wrong and has been reported.
        if self
            .template
            .parts
            .iter()
            .any(|part| matches!(part, TemplatePart::Fill { what: Fill::Input(_), .. }))
        {
            return;
        }
        let whole = self.family.len() <= COMPARED && seen.len() as u64 + self.family.len() <= COMPARED;
        if self.leaves_tree(whole, cx) || (self.family.is_plain() && self.forgets_parameter(cx)) {
            return;
        }
        if !whole && self.family.is_plain() {
            return self.confuses_values(cx);
        }
        let first_part = |instance: &u64| {
            self.together.is_none_or(|at| {
                let first = self.family.params().get(at).map(|param| param.values.get(0));
                self.family.bindings(*instance).get(at) == first.as_ref()
            })
        };
        for instance in (0..self.family.len().min(COMPARED)).filter(first_part) {
            let Some(path) = self.path(&self.family.bindings(instance), instance) else { return };
            let label = self.family.label(self.task, instance);
            let normal = normal(&path, &cx.source).unwrap_or(path);
            if let Some((other, span)) = seen.insert(normal.clone(), (label.clone(), self.span.clone())) {
                let mut diagnostic = same_path(&other, &label, &normal, self.span);
                if span != *self.span {
                    diagnostic = diagnostic.also(span, "the other one");
                }
                return cx.push(diagnostic.label("not told apart by this path"));
            }
        }
    }

    fn path(&self, values: &Bindings, index: u64) -> Option<String> {
        let facts = RuntimeVars { index, ..RuntimeVars::default() };
        let scope = RenderScope { values, inputs: &[], outs: &[], facts: &facts, env: &|_| None };
        self.template.render(&scope).ok()
    }

    fn leaves_tree(&self, whole: bool, cx: &mut DiagnosticCollector) -> bool {
        // Numbers cannot lead out of the folder; in large families it is enough to check each value of each parameter
        // once.
        let by_instance = whole || !self.family.is_plain();
        let far = if by_instance {
            self.family.len().min(COMPARED)
        } else {
            self.family.params().iter().map(|p| p.values.len()).max().unwrap_or(1).min(COMPARED)
        };
        for number in 0..far {
            let values: Bindings = match by_instance {
                true => self.family.bindings(number),
                false => self
                    .family
                    .params()
                    .iter()
                    .map(|p| p.values.get(number % p.values.len().max(1)))
                    .collect(),
            };
            let Some(path) = self.path(&values, number) else { return true };
            let (code, label) = match normal(&path, &cx.source) {
                Some(normal) if normal.is_empty() || path.ends_with('/') => (Code::BadValue, "names no file"),
                Some(_) => continue,
                None => (Code::OutsideTree, "leads out of the folder"),
            };
            let message = match code {
                Code::BadValue => format!("`{path}` is no path of a file"),
                _ => format!("`{path}` is outside of the script's folder"),
            };
            cx.push(
                Diagnostic::new(code, self.span.clone(), message)
                    .label(label)
                    .help("save below the script's folder; a link in it may lead elsewhere"),
            );
            return true;
        }
        false
    }

    /// Reports a parameter that is not in the path at all: two of its values give one path. Returns whether there is
    /// one.
    fn forgets_parameter(&self, cx: &mut DiagnosticCollector) -> bool {
        let used = |axis: usize| {
            self.template.parts.iter().any(|part| match part {
                TemplatePart::Fill { what: Fill::Fact(RuntimeVar::Index), .. } => true,
                TemplatePart::Fill { what: Fill::Param(at, _), .. } => {
                    self.family.params().get(*at).is_some_and(|param| param.axis == axis)
                }
                _ => false,
            })
        };
        let together = self.together.and_then(|at| Some(self.family.params().get(at)?.axis));
        let forgotten = self
            .family
            .axes()
            .iter()
            .enumerate()
            .find(|(axis, size)| size.len > 1 && Some(*axis) != together && !used(*axis));
        let Some((axis, size)) = forgotten else { return false };
        let name = self
            .family
            .params()
            .iter()
            .find(|param| param.axis == axis)
            .map_or("", |param| param.name.as_str());
        let (first, second) = (self.family.label(self.task, 0), self.family.label(self.task, size.stride));
        let path = self.path(&self.family.bindings(0), 0).unwrap_or_default();
        let diagnostic = same_path(&first, &second, &path, self.span).label(format!("`{name}` is not in it"));
        cx.push(diagnostic.help(format!("add `{{{name}}}` to the path")));
        true
    }

    /// Reports two values of a parameter that are written alike, such as 1.01 and 1.02 with one decimal.
    fn confuses_values(&self, cx: &mut DiagnosticCollector) {
        for part in &self.template.parts {
            let TemplatePart::Fill { what: Fill::Param(at, path_part), format, .. } = part else { continue };
            let Some(param) = self.family.params().get(*at) else { continue };
            let mut texts = HashSet::new();
            for place in 0..param.values.len().min(COMPARED) {
                let value = param.values.get(place);
                let text = match path_part {
                    Some(part) => Ok(part.of(&value.to_string())),
                    None => written(&value, format.as_ref()),
                };
                let Ok(text) = text else { return };
                if !texts.insert(text.clone()) {
                    let message = format!(
                        "two instances of `{}` save to the same path: several values of `{}` are written `{text}`",
                        self.task, param.name
                    );
                    return cx.push(
                        Diagnostic::new(Code::SamePath, self.span.clone(), message)
                            .label(format!("more digits for `{}`?", param.name)),
                    );
                }
            }
        }
    }
}

fn same_path(first: &str, second: &str, path: &str, span: &Span) -> Diagnostic {
    let message = if first == second {
        format!("`{first}` saves two outputs to `{path}`")
    } else {
        format!("`{first}` and `{second}` both save to `{path}`")
    };
    Diagnostic::new(Code::SamePath, span.clone(), message)
}

/// Returns the path relative to the script's folder, without `.` and `..`; `None` where it leads out of the folder.
fn normal(path: &str, source: &ScriptSource) -> Option<String> {
    let path = Path::new(path);
    let path = if path.is_absolute() { path.strip_prefix(source.dir()).ok()? } else { path };
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Finds the parameter of a family whose instances save the parts of one dataset: its values are blocks, and the path
/// does not contain it.
fn together(task: &PlanTask, path: &Template) -> Option<usize> {
    let literal = |part: &TemplatePart| matches!(part, TemplatePart::Text(text) if text.contains(":/"));
    if task.action.is_command() || !path.parts.iter().any(literal) {
        return None;
    }
    let named = |at: usize| {
        path.parts.iter().any(
            |part| matches!(part, TemplatePart::Fill { what: Fill::Param(param, _), .. } if *param == at),
        )
    };
    let is_block = |values: &ParamValues| match values {
        ParamValues::List(list) => {
            list.first().is_some_and(|value| matches!(value, ScriptValue::Path(text) if is_part(text)))
        }
        ParamValues::Range(_) | ParamValues::Spaced(_) => false,
    };
    let mut params = task.family.params().iter().enumerate();
    params.find(|(at, param)| !named(*at) && is_block(&param.values)).map(|(at, _)| at)
}

fn is_part(text: &str) -> bool {
    Slab::parse(text).is_some_and(|slab| !slab.part.is_empty())
}
