//! The brackets of `{sim[T = 300]}` and `{x[2*i]}`: which instances of another task a reference is to.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::sweep::expression::{Formula, FormulaError, FormulaType, NameInput};
use crate::script::sweep::family::Sweep;
use crate::script::sweep::join_search::Pin;
use crate::script::syntax::symbols::Symbols;
use crate::script::values::value::ScriptValue;

/// A mistake in the brackets of a reference such as `{sim[T = 300]}`, which choose instances of another task.
#[derive(Debug)]
pub(crate) struct IndexError {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The instances that brackets choose.
#[derive(Debug)]
pub(crate) struct BracketChoice {
    /// For each parameter whose value is chosen, its number and the formula of its value.
    pub(crate) pins: Vec<Pin>,
    /// The name of the parameter that is chosen as `last`: the last instance of a loop that has run. Its pin has the
    /// first value, so that the pins choose the first instance of each loop.
    pub(crate) last: Option<String>,
}

/// Reads the text between the brackets of a reference to `target`, the instances of the task that is read. Returns a
/// [`Pin`] for each parameter whose value is chosen: its number and the formula of its value. The formula can use the
/// parameters of `own`, the instances of the reading task. `path` is the reference before the brackets, for messages.
pub(crate) fn read(
    text: &str,
    path: &[String],
    target: &Sweep,
    own: &Sweep,
    names: &Symbols,
) -> Result<BracketChoice, IndexError> {
    let (task, path) = (path.first().map_or("", String::as_str), path.join("."));
    let params: Vec<&str> = target
        .params()
        .iter()
        .filter(|param| !param.column)
        .map(|param| param.name.as_str())
        .chain(target.derived().iter().map(|derived| derived.name.as_str()))
        .collect();
    let bad = |code, message: String, help: Option<String>| IndexError { code, message, help };
    let mut pins: Vec<Pin> = Vec::new();
    let mut last = None;
    for part in split(text) {
        let (name, expression) = match named(part) {
            Some((name, expression)) => (name, expression),
            None => match target.params() {
                [only] => (only.name.as_str(), part),
                [] => {
                    let message = format!("`{task}` is one task, and there is nothing to choose");
                    return Err(bad(Code::NotFamily, message, Some(format!("write `{{{path}}}`"))));
                }
                _ => {
                    let message = format!(
                        "`{task}` has several parameters, and the brackets do not say which is meant"
                    );
                    let first = params.first().copied().unwrap_or("name");
                    return Err(bad(
                        Code::UnknownParam,
                        message,
                        Some(format!("write `{{{path}[{first} = {part}]}}`")),
                    ));
                }
            },
        };
        let Some(at) = params.contains(&name).then(|| target.param(name)).flatten() else {
            let message = format!("`{task}` has no parameter `{name}` to choose by");
            let listed = format!("its parameters are: {}", params.join(", "));
            let help = did_you_mean(name, params.iter().copied()).unwrap_or(listed);
            return Err(bad(Code::UnknownParam, message, Some(help)));
        };
        if pins.iter().any(|(pin, _)| *pin == at) {
            return Err(bad(
                Code::BadExpression,
                format!("`{name}` is chosen twice"),
                Some("leave one out".into()),
            ));
        }
        if expression == "last" && lookup(own, names, "last").is_none() {
            let first = target.params().get(at).map(|param| param.values.get(0));
            let value = first.unwrap_or(ScriptValue::Int(0));
            let known =
                |_: &str| Some((NameInput::Var(value.clone()), FormulaType::of(&value), value.clone()));
            let formula = Formula::new(expression, &known);
            pins.push((at, formula.map_err(|error| wrong(error, own, names))?));
            last = Some(name.to_owned());
            continue;
        }
        let formula = Formula::new(expression, &|name| lookup(own, names, name));
        pins.push((at, formula.map_err(|error| wrong(error, own, names))?));
    }
    Ok(BracketChoice { pins, last })
}

fn wrong(error: FormulaError, own: &Sweep, names: &Symbols) -> IndexError {
    let FormulaError { message, help, unknown, .. } = error;
    match unknown {
        None => IndexError { code: Code::BadExpression, message, help },
        Some(name) => {
            let own = own.params().iter().map(|param| param.name.as_str());
            let help = did_you_mean(&name, own.chain(names.all()));
            let text = "a string stands in single quotes: `{sim[model = 'small']}`".to_string();
            IndexError { code: Code::UnknownName, message, help: help.or(Some(text)) }
        }
    }
}

/// Looks up a name that stands in a formula of a task: returns its meaning, its type, and a value that it can have.
/// `None` for an unknown name.
fn lookup(own: &Sweep, names: &Symbols, name: &str) -> Option<(NameInput, FormulaType, ScriptValue)> {
    if let Some(at) = own.params().iter().position(|param| param.name == name) {
        let values = &own.params()[at].values;
        return Some((NameInput::Param(at), values.kind(), values.sample()));
    }
    if let Some(at) = own.derived().iter().position(|derived| derived.name == name) {
        let sample = own.bindings(0).into_iter().nth(own.params().len() + at)?;
        return Some((NameInput::Derived(at), own.derived()[at].formula.kind(), sample));
    }
    names.var(name).map(|value| (NameInput::Var(value.clone()), FormulaType::of(value), value.clone()))
}

/// Splits the text between the brackets of a reference at its commas, except those inside inner brackets or quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut quote) = (Vec::new(), 0, 0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}

/// Splits the text `name = expression` into the name and the expression. `None` where `part` is something else, such as
/// the comparison `a == b`.
fn named(part: &str) -> Option<(&str, &str)> {
    let (name, expression) = part.split_once('=')?;
    let name = name.trim();
    (crate::script::syntax::toml::is_identifier(name) && !expression.starts_with('='))
        .then_some((name, expression.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_taken_apart() {
        assert_eq!(split("T = 300, p = f(a, b)"), ["T = 300", "p = f(a, b)"]);
        assert_eq!(split("m = 'a,b', 3"), ["m = 'a,b'", "3"]);
        assert_eq!((named("T = 300"), named("2*i"), named("a == b")), (Some(("T", "300")), None, None));
    }
}
