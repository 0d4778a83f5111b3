//! The script as a tree of TOML values with their places, in the order of the file.
//!
//! The `toml` crate gives tables sorted by key. Parameters nest in the order in which they are written, so that order
//! is restored here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, ScriptSource, Span, Text};
use crate::script::values::value::ScriptValue;

/// A TOML value and its place in the script.
pub(crate) type Node = At<TomlKind>;

/// A TOML value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TomlKind {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Date,
    List(Vec<Node>),
    Table(Vec<TomlEntry>),
}

/// A key of a table with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TomlEntry {
    pub(crate) key: Text,
    pub(crate) value: Node,
}

/// Parses the script's text as TOML. Syntax errors are reported, and the rest is returned nevertheless (error
/// recovery).
pub(crate) fn parse(cx: &mut DiagnosticCollector) -> Vec<TomlEntry> {
    let text = cx.source.text().to_string();
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let mut parts = error.message().splitn(2, ", expected ");
        let message = parts.next().unwrap_or_default().to_string();
        let diagnostic = Diagnostic::new(Code::Syntax, error.span().unwrap_or(0..0), message);
        cx.push(match parts.next() {
            Some(expected) if expected != "nothing" => diagnostic.label(format!("expected {expected}")),
            _ => diagnostic,
        });
    }
    entries(table.get_ref(), cx)
}

fn entries(table: &DeTable<'_>, cx: &mut DiagnosticCollector) -> Vec<TomlEntry> {
    let mut list: Vec<TomlEntry> = table
        .iter()
        .map(|(key, value)| TomlEntry {
            key: At { value: key.get_ref().to_string(), span: key.span() },
            value: node(value, cx),
        })
        .collect();
    list.sort_by_key(|entry| entry.key.span.start);
    list
}

fn node(value: &Spanned<DeValue<'_>>, cx: &mut DiagnosticCollector) -> Node {
    let span = value.span();
    let kind = match value.get_ref() {
        DeValue::String(v) => TomlKind::Text(v.to_string()),
        DeValue::Integer(v) => {
            TomlKind::Int(i64::from_str_radix(v.as_str(), v.radix()).unwrap_or_else(|_| {
                cx.push(
                    Diagnostic::new(Code::Syntax, span.clone(), "this integer does not fit into 64 bits")
                        .label("too large"),
                );
                0
            }))
        }
        // `inf` and `nan` are floats in TOML and Rust alike.
        DeValue::Float(v) => TomlKind::Float(v.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(v) => TomlKind::Bool(*v),
        DeValue::Datetime(_) => TomlKind::Date,
        DeValue::Array(v) => TomlKind::List(v.iter().map(|item| node(item, cx)).collect()),
        DeValue::Table(v) => TomlKind::Table(entries(v, cx)),
    };
    At { value: kind, span }
}

impl TomlKind {
    /// The name of the value's type with its article, for messages: "a string".
    pub(crate) fn name(&self) -> &'static str {
        match self {
            TomlKind::Text(_) => "a string",
            TomlKind::Int(_) => "an integer",
            TomlKind::Float(_) => "a float",
            TomlKind::Bool(_) => "a boolean",
            TomlKind::Date => "a date",
            TomlKind::List(_) => "an array",
            TomlKind::Table(_) => "a table",
        }
    }
}

/// Makes the error of a value (of `what`, such as `` `run` ``) that has another type than the wanted one.
pub(crate) fn wrong_type(what: &str, wanted: &str, found: &Node) -> Diagnostic {
    let message = format!("{what} must be {wanted}, not {}", found.value.name());
    Diagnostic::new(Code::WrongType, found.span.clone(), message).label(format!("expected {wanted}"))
}

impl Node {
    /// Returns the string. Reports a value of any other type as a mistake; `what` names the key in the message.
    pub(crate) fn text(&self, what: &str, cx: &mut DiagnosticCollector) -> Option<Text> {
        match &self.value {
            TomlKind::Text(value) => Some(At { value: value.clone(), span: self.span.clone() }),
            _ => self.reject(what, "a string", cx),
        }
    }

    /// Returns the integer. Reports a value of any other type as a mistake; `what` names the key in the message.
    pub(crate) fn int(&self, what: &str, cx: &mut DiagnosticCollector) -> Option<At<i64>> {
        match self.value {
            TomlKind::Int(value) => Some(At { value, span: self.span.clone() }),
            _ => self.reject(what, "an integer", cx),
        }
    }

    /// Returns the boolean. Reports a value of any other type as a mistake; `what` names the key in the message.
    pub(crate) fn flag(&self, what: &str, cx: &mut DiagnosticCollector) -> Option<bool> {
        match self.value {
            TomlKind::Bool(value) => Some(value),
            _ => self.reject(what, "`true` or `false`", cx),
        }
    }

    /// Returns the items of an array. Reports a value of any other type as a mistake; in the message, `what` names the
    /// key, and `wanted` the type that it must have.
    pub(crate) fn list(&self, what: &str, wanted: &str, cx: &mut DiagnosticCollector) -> Option<&[Node]> {
        match &self.value {
            TomlKind::List(items) => Some(items),
            _ => self.reject(what, wanted, cx),
        }
    }

    /// Returns the strings of an array. Reports a value of any other type as a mistake; `what` names the key in the
    /// message.
    pub(crate) fn texts(&self, what: &str, cx: &mut DiagnosticCollector) -> Option<Vec<Text>> {
        let items = self.list(what, "an array of strings", cx)?;
        let texts: Vec<Option<Text>> =
            items.iter().map(|item| item.text(&format!("an item of {what}"), cx)).collect();
        texts.into_iter().collect()
    }

    /// Returns the entries of a table. Reports a value of any other type as a mistake; `what` names the key in the
    /// message.
    pub(crate) fn table(&self, what: &str, cx: &mut DiagnosticCollector) -> Option<&[TomlEntry]> {
        match &self.value {
            TomlKind::Table(entries) => Some(entries),
            _ => self.reject(what, "a table", cx),
        }
    }

    /// Returns the value as one of a parameter or variable; `None` for arrays and tables, which these cannot
    /// have. A number is inserted as it is written in `source`, but for underscores: `1.10` and `0x1f` stay that.
    pub(crate) fn scalar(&self, source: &ScriptSource) -> Option<ScriptValue> {
        let value = match &self.value {
            TomlKind::Text(v) => return Some(ScriptValue::Text(v.clone())),
            TomlKind::Bool(v) => return Some(ScriptValue::Bool(*v)),
            TomlKind::Int(v) => ScriptValue::Int(*v),
            TomlKind::Float(v) => ScriptValue::Float(*v),
            // a date of TOML becomes the text in which it is written
            TomlKind::Date => {
                return source.text().get(self.span.clone()).map(|text| ScriptValue::Text(text.to_owned()));
            }
            _ => return None,
        };
        Some(match source.text().get(self.span.clone()) {
            Some(text) if text.contains('_') => value.spelled(&text.replace('_', "")),
            Some(text) => value.spelled(text),
            None => value,
        })
    }

    fn reject<T>(&self, what: &str, wanted: &str, cx: &mut DiagnosticCollector) -> Option<T> {
        cx.push(wrong_type(what, wanted, self));
        None
    }
}

/// Whether `name` can be written in a reference (`{name}`): letters, digits and `_`, with no digit first.
pub(crate) fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Names that tasks, parameters and variables cannot have, since they mean something else in a reference.
const RESERVED: [&str; 5] = ["dtask", "env", "out", "true", "false"];

/// Whether a task, parameter or variable can have this name. Reports one that cannot; `what` is "task", "parameter" or
/// "variable".
pub(crate) fn check_name(what: &str, name: &str, span: &Span, cx: &mut DiagnosticCollector) -> bool {
    if RESERVED.contains(&name) {
        let message = format!("`{name}` cannot be the name of a {what}");
        cx.push(
            Diagnostic::new(Code::BadName, span.clone(), message)
                .label(format!("`{name}` has a meaning of its own")),
        );
        return false;
    }
    if is_identifier(name) {
        return true;
    }
    let mended: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let mended = if mended.starts_with(|c: char| c.is_ascii_digit()) { format!("_{mended}") } else { mended };
    let diagnostic =
        Diagnostic::new(Code::BadName, span.clone(), format!("`{name}` cannot be the name of a {what}"))
            .label("letters, digits and `_`, and no digit first");
    cx.push(if is_identifier(&mended) { diagnostic.help(format!("write `{mended}`")) } else { diagnostic });
    false
}
