//! Checks the paths of files that are written: no two writers have one path, and no value of a parameter leads a path out
//! of the folder that the script names.
//!
//! For up to 100 000 instances every path is written out and compared. More would take too long. Of a larger plain
//! product (without `where`, `exclude`, `include` and `let`) the check is by parameter: different values must be
//! written differently. Of other large families only the first instances are compared. Start at [`check`].

use crate::arrays::slab::{self, Slab};
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::ScriptValue;
use std::collections::HashSet;

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{Span, Text};
use crate::script::lint::writers::{self, PathWriter, WriteKind, Writers, normal};
use crate::script::plan::execution::Dir;
use crate::script::plan::runtime_vars::{RuntimeVar, RuntimeVars};
use crate::script::plan::task::{OutputFile, PlanTask, Save, Select, StreamTarget};
use crate::script::plan::template::{Fill, RenderScope, Template, TemplatePart};
use crate::script::sweep::expand::Sweeps;
use crate::script::sweep::family::{Bindings, Sweep};
use crate::script::syntax::script::RawScript;
use crate::script::syntax::symbols::Symbols;
use crate::script::values::format::written;

/// The most paths of a script that are compared one by one, to find two that are equal. More would take too long.
const COMPARED: u64 = 100_000;

/// Checks every path that the script writes (`save`, `target`, `stdout` and `stderr`), so that no two instances
/// overwrite each other's files.
pub(crate) fn check(
    script: &RawScript,
    names: &Symbols,
    sweeps: &Sweeps,
    tasks: &[Option<PlanTask>],
    cx: &mut DiagnosticCollector,
) {
    let mut seen = Writers::default();
    for (at, task) in tasks.iter().enumerate() {
        let (Some(raw), Some(task), Some(Some(family))) =
            (script.tasks.get(at), task, sweeps.families.get(at))
        else {
            continue;
        };
        let check = |path: &'_ Text, template, kind| Check {
            task: &task.name,
            family,
            template,
            span: path.span.clone(),
            kind,
            makes_array: !task.action.is_command(),
            together: together(task, template),
        };
        for (raw, save) in raw.saves.iter().zip(&task.saves) {
            let is_folder = is_folder(task, save);
            // a file at the path of a folder has been reported
            let is_wrong =
                matches!(save.select, Select::File(_)) && save.path.ends_with_slash() && !is_folder;
            if !is_wrong && !written_wrong(&raw.path, cx) {
                let kind = if is_folder { WriteKind::Folder } else { WriteKind::Save };
                check(&raw.path, &save.path, kind).run(&mut seen, cx);
            }
        }
        for (raw, target) in raw.targets.iter().zip(&task.targets) {
            if !written_wrong(raw, cx) {
                check(raw, target, WriteKind::Target).run(&mut seen, cx);
            }
        }
        for (raw, out) in raw.outs.iter().zip(&task.outs) {
            let check = check(&raw.file, &out.file, WriteKind::Save);
            let _ = check.value_leads_out(cx) || check.is_too_long(cx);
        }
        if let (Some(raw), Dir::Path(dir)) = (&raw.execution.dir, &task.execution.dir)
            && !written_wrong(raw, cx)
        {
            let check = check(raw, dir, WriteKind::Save);
            let _ = check.value_leads_out(cx) || check.is_too_long(cx);
        }
        let streams =
            [(&raw.stdout, &task.stdout, WriteKind::Stdout), (&raw.stderr, &task.stderr, WriteKind::Stderr)];
        for (raw, stream, kind) in streams {
            if let (Some(raw), StreamTarget::Path(template)) = (raw, stream)
                && !written_wrong(raw, cx)
            {
                check(raw, template, kind).run_stream(&mut seen, cx);
            }
        }
    }
    seen.finish(script, names, tasks, cx);
}

/// Whether a `save` puts a folder somewhere.
pub(super) fn is_folder(task: &PlanTask, save: &Save) -> bool {
    matches!(save.select, Select::File(at) if task.outs.get(at).is_some_and(OutputFile::is_folder))
}

/// The most bytes that the name of a file may have.
const LONGEST_NAME: usize = 255;

struct Check<'a> {
    task: &'a str,
    family: &'a Sweep,
    template: &'a Template,
    span: Span,
    kind: WriteKind,
    makes_array: bool,
    /// The index of a parameter whose values are parts of one dataset: instances may then save to one path. `None` if
    /// the task has none.
    together: Option<usize>,
}

impl Check<'_> {
    fn run(&self, seen: &mut Writers, cx: &mut DiagnosticCollector) {
        // A path cannot contain the result of a task. The resolver leaves an input in place of a wrong reference, which
        // it has reported, and without its value there is no path to compare.
        if self
            .template
            .parts
            .iter()
            .any(|part| matches!(part, TemplatePart::Fill { what, .. } if !what.inputs().is_empty()))
        {
            return;
        }
        if self.value_leads_out(cx) || self.is_too_long(cx) {
            return;
        }
        let whole = self.family.len() <= COMPARED && seen.len() as u64 + self.family.len() <= COMPARED;
        if self.names_no_file(whole, cx) || (self.family.is_plain() && self.forgets_parameter(cx)) {
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
            if !self.note(&path, instance, seen, cx) {
                return;
            }
        }
    }

    /// Checks the path of a `stdout` or `stderr`, which several instances and tasks may share.
    fn run_stream(&self, seen: &mut Writers, cx: &mut DiagnosticCollector) {
        if self.value_leads_out(cx) || self.is_too_long(cx) {
            return;
        }
        let is_certain = |part: &TemplatePart| match part {
            TemplatePart::Text(_) => true,
            TemplatePart::Fill { what, .. } => {
                matches!(what, Fill::Param(..) | Fill::Fact(RuntimeVar::Index))
            }
        };
        let one = self.template.as_literal().is_some();
        let room = seen.len() as u64 + self.family.len() <= COMPARED;
        if !self.template.parts.iter().all(is_certain) || !(one || room) {
            return;
        }
        let count = if one { self.family.len().min(1) } else { self.family.len() };
        for instance in 0..count {
            let Some(path) = self.path(&self.family.bindings(instance), instance) else { return };
            if !self.note(&path, instance, seen, cx) {
                return;
            }
        }
    }

    /// Notes an instance as a writer of a path; `false` where another instance writes that path already, which is
    /// reported.
    fn note(&self, path: &str, instance: u64, seen: &mut Writers, cx: &mut DiagnosticCollector) -> bool {
        let label = self.family.label(self.task, instance);
        let dataset = if self.makes_array && self.kind == WriteKind::Save { slab::split(path) } else { None };
        // Links are followed only in a path without references: of others there may be one for each instance, and each
        // look at the file system takes time.
        let file = |file: &str| match self.template.as_literal() {
            Some(_) => writers::without_links(file, &cx.source),
            None => writers::key(file, &cx.source),
        };
        let mut noted = Vec::with_capacity(2);
        match dataset {
            Some((of, dataset)) => {
                let of = file(of);
                noted.push((writers::key(&format!("{of}:{dataset}"), &cx.source), WriteKind::Save));
                noted.push((of, WriteKind::Datasets));
            }
            None => noted.push((file(path), self.kind)),
        }
        for (path, kind) in noted {
            let writer = PathWriter { label: label.clone(), span: self.span.clone(), kind };
            if let Some(other) = seen.note(&path, writer.clone()) {
                let label = match self.kind {
                    WriteKind::Stdout | WriteKind::Stderr => "the same path",
                    _ => "not told apart by this path",
                };
                cx.push(writers::clash(&other, &writer, &path).label(label));
                return false;
            }
        }
        true
    }

    fn path(&self, values: &Bindings, index: u64) -> Option<String> {
        self.render(self.template, values, index)
    }

    fn render(&self, template: &Template, values: &Bindings, index: u64) -> Option<String> {
        let facts = RuntimeVars { index, ..RuntimeVars::default() };
        let scope = RenderScope { values, inputs: &[], outs: &[], facts: &facts, env: &|_| None };
        template.render(&scope).ok()
    }

    /// Whether a value of a parameter leads a path outside (by `..`, or as an absolute path), which is reported. A path
    /// that contains values must stay below the folder that the script itself names.
    fn value_leads_out(&self, cx: &mut DiagnosticCollector) -> bool {
        let is_param = |part: &TemplatePart| matches!(part, TemplatePart::Fill { what: Fill::Param(..), .. });
        let params: Vec<(usize, Template)> = (self.template.parts.iter().enumerate())
            .filter(|(_, part)| is_param(part))
            .map(|(at, part)| (at, Template { parts: vec![part.clone()] }))
            .collect();
        if params.is_empty() {
            return false;
        }
        for (number, values) in self.samples(self.family.len() <= COMPARED).enumerate() {
            for (at, part) in &params {
                let Some(text) = self.render(part, &values, number as u64) else { return false };
                let is_elsewhere = *at == 0 && text.starts_with('/') && normal(&text, &cx.source).is_none();
                if is_elsewhere || climbs(&text) {
                    let message = format!("the value `{text}` leads out of the folder of this path");
                    let help =
                        "a value names a file or folder below; write in the path itself what leads elsewhere";
                    let diagnostic = Diagnostic::new(Code::OutsideTree, self.span.clone(), message);
                    cx.push(diagnostic.label("leads out of the folder").help(help));
                    return true;
                }
            }
        }
        false
    }

    /// Whether a name in a path is longer than a file system allows, which is reported.
    fn is_too_long(&self, cx: &mut DiagnosticCollector) -> bool {
        for (number, values) in self.samples(self.family.len() <= COMPARED).enumerate() {
            let Some(path) = self.path(&values, number as u64) else { return false };
            let Some(name) = path.split('/').find(|name| name.len() > LONGEST_NAME) else {
                if self.template.as_literal().is_some() {
                    return false;
                }
                continue;
            };
            let begin: String = name.chars().take(40).collect();
            let message =
                format!("the name `{begin}…` has {} bytes, and a file's may have {LONGEST_NAME}", name.len());
            let diagnostic = Diagnostic::new(Code::BadValue, self.span.clone(), message);
            cx.push(diagnostic.label("too long").help("use fewer parameters in it, or `{dtask.index}`"));
            return true;
        }
        false
    }

    /// The values of the parameters of every instance if `whole`; else, for large families, of enough instances to see
    /// each value of each parameter once. Gives at most [`COMPARED`] instances.
    fn samples(&self, whole: bool) -> impl Iterator<Item = Bindings> + '_ {
        let by_instance = whole || !self.family.is_plain();
        let far = if by_instance {
            self.family.len().min(COMPARED)
        } else {
            self.family.params().iter().map(|p| p.values.len()).max().unwrap_or(1).min(COMPARED)
        };
        (0..far).map(move |number| match by_instance {
            true => self.family.bindings(number),
            false => {
                self.family.params().iter().map(|p| p.values.get(number % p.values.len().max(1))).collect()
            }
        })
    }

    /// Whether a path is that of a folder, which is reported. It may lead anywhere: the script's author has written it.
    fn names_no_file(&self, whole: bool, cx: &mut DiagnosticCollector) -> bool {
        for (number, values) in self.samples(whole).enumerate() {
            let Some(path) = self.path(&values, number as u64) else { return true };
            let is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("..");
            if self.kind == WriteKind::Folder && normal(&path, &cx.source).is_none_or(|path| !path.is_empty())
            {
                continue;
            }
            if !is_folder && normal(&path, &cx.source).is_none_or(|normal| !normal.is_empty()) {
                continue;
            }
            let what = if self.kind == WriteKind::Folder { "folder" } else { "file" };
            let message = format!("`{path}` is no path of a {what}");
            let diagnostic = Diagnostic::new(Code::BadValue, self.span.clone(), message);
            let diagnostic = diagnostic.label(format!("names no {what}"));
            cx.push(
                diagnostic
                    .help(format!("the path is that of a {what}, below the script's folder or elsewhere")),
            );
            return true;
        }
        false
    }

    /// Reports a parameter that does not occur in the path at all, so that two of its values give one path. Returns
    /// whether there is such a parameter.
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
        let writer = |label| PathWriter { label, span: self.span.clone(), kind: self.kind };
        let diagnostic = writers::clash(&writer(first), &writer(second), &path);
        let diagnostic = diagnostic.label(format!("`{name}` is not in it"));
        cx.push(diagnostic.help(format!("add `{{{name}}}` to the path")));
        true
    }

    /// Reports two values of a parameter that the path's format writes alike, such as 1.01 and 1.02 with one decimal.
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

/// Reports `~` and `$NAME` in a path, which only a shell would replace. Returns whether there was one.
fn written_wrong(text: &Text, cx: &mut DiagnosticCollector) -> bool {
    let path = text.value.as_str();
    let name = path.split('$').skip(1).find_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (!rest.starts_with(|c: char| c.is_ascii_digit()) && end > 0).then(|| &rest[..end])
    });
    let (found, name) = match name {
        Some(name) => (format!("${name}"), name),
        None if path == "~" || path.starts_with("~/") => ("~".to_owned(), "HOME"),
        None => return false,
    };
    let message = format!("`{found}` in a path is replaced by nobody: no shell reads it");
    let diagnostic = Diagnostic::new(Code::BadValue, text.span.clone(), message);
    cx.push(diagnostic.label("would be a name as it is").help(format!("write `{{env:{name}}}`")));
    true
}

/// Whether a path leads by `..` above the folder that it starts from.
fn climbs(path: &str) -> bool {
    let mut depth = 0i64;
    path.split('/').any(|part| {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        depth < 0
    })
}

/// Finds the parameter of a family (the instances of one task) that save the parts of one dataset: the values of the
/// parameter are blocks of a dataset, and the path does not contain it. `None` if there is none.
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
