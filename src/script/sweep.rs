//! From `for` and `each` to families.

use std::collections::HashMap;

use super::codes::Code;
use super::diagnostic::{Collector, Diagnostic};
use super::family::{Family, Values};
use super::keys::not_yet;
use super::names::Names;
use super::range::{NumRange, RangeError};
use super::schema::{RawParam, RawScript, RawTask, RawValues};
use super::source::{At, Span, Text};
use super::syntax::{self, PieceKind};
use super::value::{Key, Value};

/// The parameters of every task.
#[derive(Debug)]
pub(super) struct Sweeps {
    /// By task; `None` where something was wrong, which has been reported.
    pub(super) families: Vec<Option<Family>>,
    /// The names of the parameters, known even where their values are wrong.
    pub(super) params: Vec<Vec<String>>,
}

impl Sweeps {
    pub(super) fn collect(script: &RawScript, names: &Names, cx: &mut Collector) -> Self {
        let own: Vec<Option<Family>> = script.tasks.iter().map(|task| own_family(task, names, cx)).collect();
        let sources: Vec<Option<usize>> =
            (0..script.tasks.len()).map(|at| source_of(at, script, names, cx)).collect();
        let names_of = |at: usize| {
            script
                .tasks
                .get(at)
                .map_or(Vec::new(), |t| t.params.iter().map(|p| p.name.value.clone()).collect())
        };
        Self {
            families: sources
                .iter()
                .map(|source| source.and_then(|at| own.get(at).cloned().flatten()))
                .collect(),
            params: sources.iter().map(|source| source.map_or(Vec::new(), names_of)).collect(),
        }
    }
}

/// The task whose `for` a task has, by following `each`; `None` where that leads nowhere.
fn source_of(start: usize, script: &RawScript, names: &Names, cx: &mut Collector) -> Option<usize> {
    let mut chain = vec![start];
    loop {
        let task = script.tasks.get(*chain.last()?)?;
        let Some(each) = &task.each else { return chain.last().copied() };
        // Reported at the task itself, not at all those that follow it.
        let next =
            if chain.len() == 1 { names.want_task(each, "each", cx) } else { names.task(&each.value) }?;
        if let Some(begin) = chain.iter().position(|at| *at == next) {
            if begin == 0 && chain.iter().all(|at| *at >= start) {
                let mut circle: Vec<&str> = chain
                    .iter()
                    .filter_map(|at| script.tasks.get(*at))
                    .map(|t| t.name.value.as_str())
                    .collect();
                circle.extend(circle.first().copied());
                let span = script.tasks.get(start)?.each.as_ref()?.span.clone();
                cx.push(
                    Diagnostic::new(
                        Code::Cycle,
                        span,
                        format!("`each` goes in a circle: {}", circle.join(" -> ")),
                    )
                    .label("the parameters are nowhere"),
                );
            }
            return None;
        }
        chain.push(next);
    }
}

fn own_family(task: &RawTask, names: &Names, cx: &mut Collector) -> Option<Family> {
    if let (Some(each), Some(_)) = (&task.each, task.params.first()) {
        cx.push(not_yet("`each` together with `for`", each.span.clone()));
        return None;
    }
    let all: Vec<Option<(String, Values)>> =
        task.params.iter().map(|param| Some((param.name.value.clone(), values(param, names, cx)?))).collect();
    let all: Vec<(String, Values)> = all.into_iter().collect::<Option<_>>()?;
    let family = Family::product(all);
    if family.is_none() {
        let message = format!("`{}` has more instances than can be counted", task.name.value);
        cx.push(
            Diagnostic::new(Code::TooLarge, task.name.span.clone(), message)
                .label("too many")
                .help("make its ranges shorter"),
        );
    }
    family
}

fn values(param: &RawParam, names: &Names, cx: &mut Collector) -> Option<Values> {
    match param.values.as_ref()? {
        RawValues::List(items, span) => list(&param.name.value, items, span, names, cx),
        RawValues::Range(text) => range(&fill_vars(text, names, cx)?, text, cx).map(Values::Range),
        RawValues::Glob(text) => paths(&fill_vars(text, names, cx)?, text, cx).map(Values::List),
    }
}

fn list(name: &str, items: &[At<Value>], span: &Span, names: &Names, cx: &mut Collector) -> Option<Values> {
    if items.is_empty() {
        let diagnostic =
            Diagnostic::new(Code::EmptySweep, span.clone(), format!("the parameter `{name}` has no values"));
        cx.push(
            diagnostic.label("empty").help("the task would have no instances; remove it, or give it a value"),
        );
        return None;
    }
    let mut seen: HashMap<Key<'_>, &Span> = HashMap::new();
    let mut repeated = false;
    for item in items {
        if let Value::Text(text) = &item.value {
            names.no_references(&Text { value: text.clone(), span: item.span.clone() }, "a list", cx);
        }
        if let Some(first) = seen.insert(item.value.key(), &item.span) {
            let message = format!("the parameter `{name}` has the value {} twice", item.value);
            cx.push(
                Diagnostic::new(Code::RepeatedValue, item.span.clone(), message)
                    .label("again")
                    .also(first.clone(), "first here"),
            );
            repeated = true;
        }
    }
    (!repeated).then(|| Values::List(items.iter().map(|item| item.value.clone()).collect()))
}

fn range(filled: &str, text: &Text, cx: &mut Collector) -> Option<NumRange> {
    let error = match NumRange::parse(filled) {
        Ok(range) => return Some(range),
        Err(error) => error,
    };
    let bad = |code, message: String| Diagnostic::new(code, text.span.clone(), message);
    cx.push(match error {
        RangeError::NoRange => bad(Code::BadRange, format!("`{filled}` is no range"))
            .label("expected `a..b`")
            .help(format!("write `[\"{filled}\"]` for a list of one string")),
        RangeError::Bad(why) => bad(Code::BadRange, format!("`{filled}` is no range: {why}"))
            .label("expected `a..b`, `a..=b`, either with `by s`")
            .help("ranges are `\"0..10\"` (without 10), `\"1..=10\"`, `\"0..1 by 0.1\"`"),
        RangeError::Empty(help) => bad(Code::EmptySweep, format!("the range `{filled}` is empty"))
            .label("no values")
            .help(help.unwrap_or_else(|| "`a..b` goes without b; `a..=b` goes with it".to_string())),
    });
    None
}

fn paths(pattern: &str, text: &Text, cx: &mut Collector) -> Option<Vec<Value>> {
    let dir = cx.source.dir().to_path_buf();
    // The folder's own name may hold characters that a pattern gives a meaning.
    let absolute = pattern.starts_with('/');
    let full = if absolute {
        pattern.to_string()
    } else {
        format!("{}/{pattern}", glob::Pattern::escape(&dir.to_string_lossy()))
    };
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let found = match glob::glob_with(&full, options) {
        Ok(found) => found,
        Err(error) => {
            cx.push(
                Diagnostic::new(
                    Code::BadValue,
                    text.span.clone(),
                    format!("`{pattern}` is no pattern: {}", error.msg),
                )
                .label("see here"),
            );
            return None;
        }
    };
    let mut all = Vec::new();
    for path in found {
        let problem = match &path {
            Ok(path) => {
                let shown = if absolute { path.as_path() } else { path.strip_prefix(&dir).unwrap_or(path) };
                match shown.to_str() {
                    Some(shown) => {
                        all.push(shown.to_string());
                        continue;
                    }
                    None => format!("the name {} is no UTF-8", shown.display()),
                }
            }
            Err(error) => error.to_string(),
        };
        cx.push(Diagnostic::new(Code::Unreadable, text.span.clone(), problem).label("matched by this"));
        return None;
    }
    if all.is_empty() {
        let diagnostic =
            Diagnostic::new(Code::EmptySweep, text.span.clone(), format!("no file matches `{pattern}`"))
                .label("no match");
        cx.push(diagnostic.help(if absolute {
            "look at the path".to_string()
        } else {
            format!("patterns start from the script's folder, {}", dir.display())
        }));
        return None;
    }
    all.sort_unstable();
    all.dedup();
    Some(all.into_iter().map(Value::Path).collect())
}

/// A text in which only variables may be referred to, because it is needed before anything runs.
fn fill_vars(text: &Text, names: &Names, cx: &mut Collector) -> Option<String> {
    let mut filled = String::new();
    let mut failed = false;
    for piece in syntax::parse(&text.value) {
        let whole = text.value.get(piece.range.clone()).unwrap_or_default();
        match &piece.kind {
            PieceKind::Plain => filled.push_str(whole),
            PieceKind::Escaped => filled.push_str(whole.get(1..whole.len() - 1).unwrap_or_default()),
            PieceKind::Reference(reference) => match (names.var(reference.name()), &reference.path[..]) {
                (Some(value), [_]) if reference.index.is_none() && reference.format.is_none() => {
                    filled.push_str(&value.to_string())
                }
                _ => {
                    let span = cx.source.inside(text, piece.range.clone());
                    let message = format!("`{whole}` cannot stand in the values of a parameter");
                    let all = names.all();
                    let vars: Vec<&str> =
                        all.iter().copied().filter(|name| names.var(name).is_some()).collect();
                    let diagnostic =
                        Diagnostic::new(Code::NotHere, span, message).label("only variables are known here");
                    cx.push(diagnostic.maybe_help(super::suggest::did_you_mean(reference.name(), vars)));
                    failed = true;
                }
            },
        }
    }
    (!failed).then_some(filled)
}
