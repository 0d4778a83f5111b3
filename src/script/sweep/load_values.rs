//! Loads the values of one parameter: from a list, range, pattern, file, table, dataset or space.

use std::collections::{HashMap, HashSet};

use super::range::{NumRange, RangeError};
use crate::arrays::exact::{float_of, no_float};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Span, Text};
use crate::script::sweep::param_values::{LoadedValues, ParamValues, Spaced};
use crate::script::sweep::sources::{date_range, file_match, list_variable, range_arithmetic};
use crate::script::sweep::{csv_table, hdf5_blocks, user_files};
use crate::script::syntax::script::ListItems;
use crate::script::syntax::sweep::{RawParam, RawValues};
use crate::script::syntax::symbols::Symbols;
use crate::script::values::value::{Key, Scalar, ScriptValue};

/// Loads the values that a task's parameter takes, or the columns of a table. A repeated value is reported, since it
/// would make equal instances, except for a parameter in a `zip`. `None` where the values are wrong, which is reported.
pub(crate) fn load(param: &RawParam, names: &Symbols, cx: &mut DiagnosticCollector) -> Option<LoadedValues> {
    let name = &param.name.value;
    let one = |values: Option<ParamValues>| values.map(LoadedValues::One);
    match param.values.as_ref()? {
        RawValues::List(items, span) => one(list(name, items, span, param.zipped, names, cx)),
        RawValues::Range(text) => match list_variable::named(text, names) {
            Some(ListItems::Values(items)) => one(list(name, items, &text.span, param.zipped, names, cx)),
            Some(ListItems::Rows(rows)) => list_variable::table(rows, text, names, cx),
            Some(ListItems::Wrong) => None,
            None => one(range(&names.fill(text, cx)?, text, names, cx)),
        },
        RawValues::Match(text) => file_match::load(text, &param.holes, names, cx),
        RawValues::Glob(text) => {
            one(user_files::paths(&names.fill(text, cx)?, text, Code::EmptySweep, cx).map(ParamValues::from))
        }
        RawValues::Lines(text) => {
            one(lines(&names.fill(text, cx)?, text, param.zipped, cx).map(ParamValues::from))
        }
        RawValues::Blocks(dataset, size) => {
            let filled = names.fill(dataset, cx)?;
            one(hdf5_blocks::values(&filled, dataset, size, cx).map(ParamValues::from))
        }
        RawValues::Csv(text, separator) => csv_table::read(&names.fill(text, cx)?, *separator, text, cx),
        RawValues::Spaced(items, span, log) => {
            one(spaced(items, span, *log, names, cx).map(ParamValues::Spaced))
        }
    }
}

fn list(
    name: &str,
    items: &[At<ScriptValue>],
    span: &Span,
    repeats: bool,
    names: &Symbols,
    cx: &mut DiagnosticCollector,
) -> Option<ParamValues> {
    if items.is_empty() {
        let diagnostic =
            Diagnostic::new(Code::EmptySweep, span.clone(), format!("the parameter `{name}` has no values"));
        cx.push(
            diagnostic.label("empty").help("the task would have no instances; remove it, or give it a value"),
        );
        return None;
    }
    let values: Vec<Option<ScriptValue>> = items.iter().map(|item| names.fill_value(item, cx)).collect();
    let values: Vec<ScriptValue> = values.into_iter().collect::<Option<_>>()?;
    let mut seen: HashMap<Key<'_>, &Span> = HashMap::new();
    let mut repeated = false;
    for (value, item) in values.iter().zip(items).filter(|_| !repeats) {
        // as many errors are collected as are printed
        if repeated && cx.is_full() {
            break;
        }
        if let Some(first) = seen.insert(value.key(), &item.span) {
            let message = format!("the parameter `{name}` has the value {value} twice");
            cx.push(
                Diagnostic::new(Code::RepeatedValue, item.span.clone(), message)
                    .label("again")
                    .also(first.clone(), "first here"),
            );
            repeated = true;
        }
    }
    drop(seen);
    (!repeated).then(|| values.into())
}

/// Puts braces around the names of variables in a range, as in `0..n`. `None` where it has none.
fn with_braces(range: &str, names: &Symbols) -> Option<String> {
    if !range.contains("..") {
        return None;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut made, mut rest, mut found) = (String::new(), range, false);
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(if length == 0 { c.len_utf8() } else { length });
        let is_variable = word != "by" && names.var(word).is_some();
        found |= is_variable;
        made.push_str(&if is_variable { format!("{{{word}}}") } else { word.to_owned() });
        rest = after;
    }
    found.then_some(made)
}

fn range(filled: &str, text: &Text, names: &Symbols, cx: &mut DiagnosticCollector) -> Option<ParamValues> {
    let dates = date_range::parse(filled);
    let is_of_dates = dates.is_some();
    let parsed = match dates {
        Some(dates) => dates.map(ParamValues::from),
        None => NumRange::parse(filled)
            .or_else(|error| match range_arithmetic::computed(text, names) {
                Some(computed) => NumRange::parse(&computed),
                None => Err(error),
            })
            .map(ParamValues::Range),
    };
    let error = match parsed {
        Ok(values) => return Some(values),
        Err(error) => error,
    };
    if let Some(meant) = with_braces(filled, names) {
        let message = format!("`{filled}` is no range: a name in it needs braces");
        let diagnostic = Diagnostic::new(Code::BadRange, text.span.clone(), message);
        cx.push(diagnostic.label("expected numbers").help(format!("write `\"{meant}\"`")));
        return None;
    }
    let bad = |code, message: String| Diagnostic::new(code, text.span.clone(), message);
    cx.push(match error {
        RangeError::NoRange => bad(Code::BadRange, format!("`{filled}` is no range"))
            .label("expected `a..b`")
            .help(format!("write `[\"{filled}\"]` for a list of one string")),
        RangeError::Bad(why) if is_of_dates => bad(Code::BadRange, format!("`{filled}` is no range: {why}"))
            .label("expected dates")
            .help("a range of dates is `\"2020-01-01..=2020-12-31 by 1 month\"`; without a step it has every day"),
        RangeError::Bad(why) => bad(Code::BadRange, format!("`{filled}` is no range: {why}"))
            .label("expected `a..b`, `a..=b`, either with `by s`")
            .help("ranges are `\"0..10\"` (without 10), `\"1..=10\"`, `\"0..1 by 0.1\"`"),
        RangeError::Empty(help) => bad(Code::EmptySweep, format!("the range `{filled}` is empty"))
            .label("no values")
            .help(help.unwrap_or_else(|| "`a..b` goes without b; `a..=b` goes with it".to_string())),
    });
    None
}

fn spaced(
    items: &[At<ScriptValue>],
    span: &Span,
    log: bool,
    names: &Symbols,
    cx: &mut DiagnosticCollector,
) -> Option<Spaced> {
    let key = if log { "logspace" } else { "linspace" };
    let bad = |span: &Span, message: String, label: &str| {
        Diagnostic::new(Code::BadRange, span.clone(), message).label(label).help(if log {
            "`{ logspace = [2, 4, 9] }` are nine values from 10**2 to 10**4"
        } else {
            "`{ linspace = [0.0, 1.0, 11] }` are eleven values from 0 to 1, both included"
        })
    };
    let values: Vec<Option<ScriptValue>> = items.iter().map(|item| names.fill_value(item, cx)).collect();
    let values: Vec<ScriptValue> = values.into_iter().collect::<Option<_>>()?;
    let number = |value: &ScriptValue| match value.scalar() {
        Scalar::Int(number) => float_of(number),
        Scalar::Float(number) if number.is_finite() => Some(number),
        _ => None,
    };
    let [start, end, count] = &values[..] else {
        cx.push(bad(
            span,
            format!("`{key}` is an array of first, last and how many"),
            "expected three numbers",
        ));
        return None;
    };
    for (value, item) in values.iter().zip(items) {
        if number(value).is_none() {
            let message = match value.scalar() {
                Scalar::Int(number) => no_float(number),
                _ => format!("`{key}` is made of numbers, and this is {}", value.kind()),
            };
            cx.push(bad(&item.span, message, "no number for this"));
            return None;
        }
    }
    let count = match count.scalar() {
        Scalar::Int(count) if count > 0 => count as u64,
        _ => {
            let span = items.last().map_or(span, |item| &item.span);
            cx.push(bad(span, format!("`{key}` of how many values?"), "expected an integer above zero"));
            return None;
        }
    };
    let spaced = Spaced { start: number(start)?, end: number(end)?, count, log };
    let values = ParamValues::Spaced(spaced);
    let same = count > 1 && values.get(0) == values.get(1);
    if same || [0, count - 1].iter().any(|at| !number(&values.get(*at)).is_some_and(f64::is_finite)) {
        let why = if same { "its values are all the same" } else { "its values are too large" };
        cx.push(bad(span, format!("`{key}` makes no sense: {why}"), "see here"));
        return None;
    }
    Some(spaced)
}

fn lines(name: &str, text: &Text, repeats: bool, cx: &mut DiagnosticCollector) -> Option<Vec<ScriptValue>> {
    let content = user_files::read(name, text, cx)?;
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut values = Vec::new();
    for (at, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if let (Some(first), false) = (seen.insert(line, at), repeats) {
            let message = format!("lines {} and {} of `{name}` are the same", first + 1, at + 1);
            let diagnostic = Diagnostic::new(Code::RepeatedValue, text.span.clone(), message);
            cx.push(diagnostic.label("read from here").help("instances are told apart by their values"));
            return None;
        }
        values.push(ScriptValue::Text(line.to_string()));
    }
    drop(seen);
    if values.is_empty() {
        let diagnostic =
            Diagnostic::new(Code::EmptySweep, text.span.clone(), format!("`{name}` has no lines"));
        cx.push(diagnostic.label("no values").help("empty lines do not count"));
        return None;
    }
    Some(numbers(values, repeats))
}

/// Makes numbers of lines that all are numbers, in their spelling. They stay texts where two would be one number, as
/// `1.1` and `1.10`: instances are told apart by their values.
fn numbers(lines: Vec<ScriptValue>, repeats: bool) -> Vec<ScriptValue> {
    let read = |line: &ScriptValue| ScriptValue::read(&line.to_string());
    let Some(numbers) = lines.iter().map(read).collect::<Option<Vec<_>>>() else { return lines };
    let mut seen = HashSet::new();
    if !repeats && !numbers.iter().all(|number| seen.insert(number.key())) {
        return lines;
    }
    drop(seen);
    csv_table::alike(numbers)
}
