//! The symbol table: the one namespace of tasks, variables and parameters.

use std::collections::HashMap;

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Span, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::syntax::placeholder::{self, PieceKind};
use crate::script::syntax::script::{ListItems, RawScript};
use crate::script::syntax::top_level;
use crate::script::values::value::ScriptValue;

/// The names that are known in the whole script: variables with their values, and tasks by index.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    vars: HashMap<String, ScriptValue>,
    lists: HashMap<String, ListItems>,
    /// The names of variables that are tables.
    groups: Vec<String>,
    tasks: HashMap<String, usize>,
    /// The names of all variables and tasks, sorted.
    sorted: Vec<String>,
}

impl Symbols {
    /// Collects the names of the script, applies the values of `--set` on the command line, and reports names that are
    /// used twice.
    pub(crate) fn collect(
        script: &RawScript,
        sets: &[(String, String)],
        cx: &mut DiagnosticCollector,
    ) -> Self {
        let mut names = Self::default();
        let mut places: HashMap<&str, (&str, Span)> = HashMap::new();
        for var in &script.vars {
            names.vars.insert(var.name.value.clone(), var.value.value.clone());
        }
        for name in script.variables() {
            places.insert(&name.value, ("variable", name.span.clone()));
        }
        names.lists = script.lists.iter().map(|(name, items)| (name.value.clone(), items.clone())).collect();
        names.groups = script.groups.iter().map(|name| name.value.clone()).collect();
        for (at, task) in script.tasks.iter().enumerate() {
            names.tasks.insert(task.name.value.clone(), at);
            clash(&task.name, "task", &places, cx);
            places.insert(&task.name.value, ("task", task.name.span.clone()));
        }
        for param in script.tasks.iter().flat_map(|task| task.sweep.names()) {
            clash(param, "parameter", &places, cx);
        }
        names.set(script, sets, cx);
        names.vars = super::variables::fill_all(script, &names.vars, cx);
        names.sorted =
            names.vars.keys().chain(names.lists.keys()).chain(names.tasks.keys()).cloned().collect();
        names.sorted.sort_unstable();
        names
    }

    fn set(&mut self, script: &RawScript, sets: &[(String, String)], cx: &mut DiagnosticCollector) {
        for (name, text) in sets {
            if let Some((list, _)) = script.lists.iter().find(|(list, _)| list.value == *name) {
                match top_level::read_list(name, text) {
                    Some(items) => drop(self.lists.insert(name.clone(), items)),
                    None => {
                        let message = format!("`--set {name}={text}` is not a list");
                        let diagnostic = Diagnostic::new(Code::BadSet, list.span.clone(), message);
                        let help = format!("write `--set '{name}=[1, 2]'`, texts in quotes");
                        cx.push(diagnostic.label("the variable is a list").help(help));
                    }
                }
                continue;
            }
            let Some(var) = script.vars.iter().find(|var| var.name.value == *name) else {
                let diagnostic = Diagnostic::nowhere(
                    Code::UnknownVariable,
                    format!("unknown variable `{name}` in `--set {name}={text}`"),
                );
                let all: Vec<&str> = self.vars.keys().chain(self.lists.keys()).map(String::as_str).collect();
                let mut all = all;
                all.sort_unstable();
                let listed = if all.is_empty() {
                    "the script has no `[vars]`".to_string()
                } else {
                    format!("the variables are: {}", all.join(", "))
                };
                cx.push(diagnostic.help(did_you_mean(name, all).unwrap_or(listed)));
                continue;
            };
            match var.value.value.parse_like(text) {
                Some(value) => drop(self.vars.insert(name.clone(), value)),
                None => {
                    let kind = var.value.value.kind();
                    let message = format!("`--set {name}={text}` is not {kind}");
                    cx.push(
                        Diagnostic::new(Code::BadSet, var.value.span.clone(), message)
                            .label(format!("the variable is {kind}")),
                    );
                }
            }
        }
    }

    /// Replaces the references in a text by the values of variables. Other references are reported and give `None`,
    /// because the text is needed before anything runs.
    pub(crate) fn fill(&self, text: &Text, cx: &mut DiagnosticCollector) -> Option<String> {
        self.refuse_several(text, cx)?;
        super::variables::fill(
            text,
            "the values of a parameter",
            &mut |name, _| self.vars.get(name).cloned(),
            cx,
        )
    }

    /// Replaces the references to variables in a value. A value that is nothing but a reference takes the type of the
    /// variable.
    pub(crate) fn fill_value(
        &self,
        value: &At<ScriptValue>,
        cx: &mut DiagnosticCollector,
    ) -> Option<ScriptValue> {
        if let ScriptValue::Text(content) = &value.value {
            self.refuse_several(&At { value: content.clone(), span: value.span.clone() }, cx)?;
        }
        let mut lookup = |name: &str, _: &mut DiagnosticCollector| self.vars.get(name).cloned();
        super::variables::fill_value(value, "the values of a parameter", &mut lookup, cx)
    }

    pub(crate) fn var(&self, name: &str) -> Option<&ScriptValue> {
        self.vars.get(name)
    }

    /// The items of a variable that is a list; `None` for any other name.
    pub(crate) fn list(&self, name: &str) -> Option<&ListItems> {
        self.lists.get(name)
    }

    /// Checks that a text refers to no list or table. Reports the first one, and returns `None` then.
    fn refuse_several(&self, text: &Text, cx: &mut DiagnosticCollector) -> Option<()> {
        if self.lists.is_empty() && self.groups.is_empty() {
            return Some(());
        }
        for piece in placeholder::parse(&text.value) {
            let PieceKind::Reference(raw) = piece.kind else { continue };
            let span = cx.source.inside(text, piece.range);
            if let Some(diagnostic) = self.no_single_value(&raw.path.join("."), &span) {
                cx.push(diagnostic);
                return None;
            }
        }
        Some(())
    }

    /// Makes the error for a name that is a list or a table at a place where a single value is needed. `None` if the
    /// name is neither.
    pub(crate) fn no_single_value(&self, name: &str, span: &Span) -> Option<Diagnostic> {
        let error = |what: &str| {
            let message = format!("`{name}` is {what}, and a single value is wanted here");
            Diagnostic::new(Code::ListVariable, span.clone(), message).label("several values")
        };
        if self.lists.contains_key(name) {
            let help = format!("a list gives a parameter its values: `for = {{ x = \"{{{name}}}\" }}`");
            return Some(error("a list").help(help));
        }
        if !self.groups.iter().any(|group| group == name) {
            return None;
        }
        let begin = format!("{name}.");
        let from = self.sorted.partition_point(|known| known.as_str() < begin.as_str());
        let inside = self.sorted[from..].iter().take_while(|known| known.starts_with(&begin)).take(10);
        let listed = inside.map(|known| format!("`{{{known}}}`")).collect::<Vec<_>>().join(", ");
        Some(error("a table").help(format!("it has {listed}")))
    }

    pub(crate) fn task(&self, name: &str) -> Option<usize> {
        self.tasks.get(name).copied()
    }

    /// The names of all variables and tasks, sorted, to suggest for a misspelt name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.sorted.iter().map(String::as_str)
    }

    /// Finds the index of the task that `each`, `of` or `after` (`key`) names. Reports an unknown name and returns
    /// `None`.
    pub(crate) fn want_task(&self, name: &Text, key: &str, cx: &mut DiagnosticCollector) -> Option<usize> {
        let found = self.task(&name.value);
        if found.is_none() && cx.is_full() {
            let message = format!("`{key}` of an unknown task `{}`", name.value);
            cx.push(Diagnostic::new(Code::UnknownTask, name.span.clone(), message));
        } else if found.is_none() {
            let mut tasks: Vec<&str> = self.tasks.keys().map(String::as_str).collect();
            tasks.sort_unstable();
            let diagnostic = Diagnostic::new(
                Code::UnknownTask,
                name.span.clone(),
                format!("`{key}` of an unknown task `{}`", name.value),
            );
            let listed = format!("the tasks are: {}", tasks.join(", "));
            cx.push(
                diagnostic.label("no such task").help(did_you_mean(&name.value, tasks).unwrap_or(listed)),
            );
        }
        found
    }
}

fn clash(name: &Text, what: &str, places: &HashMap<&str, (&str, Span)>, cx: &mut DiagnosticCollector) {
    if let Some((other, span)) = places.get(name.value.as_str()) {
        let message = format!("`{}` is a {what} and a {other}", name.value);
        let diagnostic =
            Diagnostic::new(Code::NameClash, name.span.clone(), message).label(format!("the {what}"));
        cx.push(
            diagnostic
                .also(span.clone(), format!("the {other}"))
                .help("a reference could mean either: rename one"),
        );
    }
}
