//! Replaces variables in texts that are needed before anything runs: other variables, and the values of parameters.

use std::collections::HashMap;

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::syntax::placeholder::{self, PieceKind, RawReference};
use crate::script::syntax::script::RawScript;
use crate::script::values::format::FormatSpec;
use crate::script::values::format::written;
use crate::script::values::value::ScriptValue;

/// A function that looks up the value of a variable; `None` where there is no such variable. Mistakes in the value are
/// reported.
type Lookup<'l> = &'l mut dyn FnMut(&str, &mut DiagnosticCollector) -> Option<ScriptValue>;

/// The longest chain of variables whose values contain references to each other. A longer one is reported as a cycle.
const DEEPEST: usize = 100;

/// Returns the values of all variables, with references to other variables replaced. A value given by `--set` (where
/// `given` differs from the script) is taken literally.
pub(crate) fn fill_all(
    script: &RawScript,
    given: &HashMap<String, ScriptValue>,
    cx: &mut DiagnosticCollector,
) -> HashMap<String, ScriptValue> {
    let mut all = Variables { script, given, done: HashMap::new(), path: Vec::new(), places: HashMap::new() };
    all.places = script.vars.iter().enumerate().map(|(at, var)| (var.name.value.as_str(), at)).collect();
    for var in &script.vars {
        all.value(&var.name.value, cx);
    }
    all.done
}

struct Variables<'a> {
    script: &'a RawScript,
    given: &'a HashMap<String, ScriptValue>,
    places: HashMap<&'a str, usize>,
    done: HashMap<String, ScriptValue>,
    path: Vec<String>,
}

impl Variables<'_> {
    fn value(&mut self, name: &str, cx: &mut DiagnosticCollector) -> Option<ScriptValue> {
        if let Some(value) = self.done.get(name) {
            return Some(value.clone());
        }
        let var = self.places.get(name).and_then(|at| self.script.vars.get(*at))?;
        let given = self.given.get(name)?;
        let begin = self.path.iter().position(|known| known == name);
        let written = &var.value.value;
        if begin.is_some() || self.path.len() > DEEPEST {
            let circle = self.path.get(begin.unwrap_or(0)..).unwrap_or_default().join(" -> ");
            let message = format!("variables that refer to each other: {circle} -> {name}");
            cx.push(Diagnostic::new(Code::Cycle, var.value.span.clone(), message).label("has no value"));
            self.done.insert(name.to_string(), given.clone());
            return Some(given.clone());
        }
        let own = given == written;
        let value = if own {
            self.path.push(name.to_string());
            let at = At { value: written.clone(), span: var.value.span.clone() };
            let filled = fill_value(&at, "a variable", &mut |name, cx| self.value(name, cx), cx);
            self.path.pop();
            filled.unwrap_or_else(|| given.clone())
        } else {
            given.clone()
        };
        Some(self.done.entry(name.to_string()).or_insert(value).clone())
    }
}

/// Replaces the references to variables in a value. A value that is nothing but a reference takes the type of the
/// variable. `place` names the value in messages.
pub(crate) fn fill_value(
    value: &At<ScriptValue>,
    place: &str,
    lookup: Lookup<'_>,
    cx: &mut DiagnosticCollector,
) -> Option<ScriptValue> {
    let ScriptValue::Text(content) = &value.value else { return Some(value.value.clone()) };
    let text = Text { value: content.clone(), span: value.span.clone() };
    if let [piece] = &placeholder::parse(content)[..]
        && let PieceKind::Reference(RawReference { path, index: None, format: None, otherwise: None }) =
            &piece.kind
        && let Some(value) = lookup(&path.join("."), cx)
    {
        return Some(value);
    }
    fill(&text, place, lookup, cx).map(ScriptValue::Text)
}

/// Replaces the references to variables in a text. `place` names the text in messages.
pub(crate) fn fill(
    text: &Text,
    place: &str,
    lookup: Lookup<'_>,
    cx: &mut DiagnosticCollector,
) -> Option<String> {
    let mut filled = String::new();
    let mut failed = false;
    for piece in placeholder::parse(&text.value) {
        let whole = text.value.get(piece.range.clone()).unwrap_or_default();
        let reference = match &piece.kind {
            PieceKind::Plain => {
                filled.push_str(whole);
                continue;
            }
            PieceKind::Escaped => {
                filled.push_str(whole.get(1..whole.len() - 1).unwrap_or_default());
                continue;
            }
            PieceKind::Reference(reference) => reference,
        };
        let value = match &reference.index {
            None => lookup(&reference.path.join("."), cx),
            Some(_) => None,
        };
        let format = reference.format.as_deref().map(FormatSpec::parse);
        let wrong = match (value, format) {
            (Some(_), Some(None)) => format!("`{whole}` has no format that is understood"),
            (Some(value), format) => match written(&value, format.flatten().as_ref()) {
                Ok(text) => {
                    filled.push_str(&text);
                    continue;
                }
                Err(why) => format!("the format does not fit: {why}"),
            },
            (None, _) => format!("`{whole}` cannot stand in {place}"),
        };
        let span = cx.source.inside(text, piece.range.clone());
        let code = if wrong.contains("format") { Code::BadFormat } else { Code::NotHere };
        cx.push(
            Diagnostic::new(code, span, wrong)
                .label("only variables are known here")
                .help(format!("write `{{{whole}}}` for literal braces")),
        );
        failed = true;
    }
    (!failed).then_some(filled)
}
