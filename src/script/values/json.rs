//! JSON, as it is written for other programs. Nothing here reads it.

use crate::script::values::value::{Scalar, ScriptValue};
use std::fmt;

/// A value of JSON. Members of an object keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Bool(bool),
    Int(i64),
    /// A finite number.
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A list of texts.
    pub(crate) fn texts(texts: impl IntoIterator<Item = String>) -> Json {
        Json::List(texts.into_iter().map(Json::Text).collect())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, indent: usize| write!(f, "\n{:1$}", "", indent * 2);
        match self {
            Json::Bool(truth) => write!(f, "{truth}"),
            Json::Int(number) => write!(f, "{number}"),
            Json::Float(number) => write!(f, "{number:?}"),
            Json::Text(text) => quoted(text, f),
            Json::List(items) if items.is_empty() => f.write_str("[]"),
            Json::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at == 0 { "[" } else { "," })?;
                    line(f, indent + 1)?;
                    item.write(f, indent + 1)?;
                }
                line(f, indent)?;
                f.write_str("]")
            }
            Json::Object(members) if members.is_empty() => f.write_str("{}"),
            Json::Object(members) => {
                for (at, (name, value)) in members.iter().enumerate() {
                    f.write_str(if at == 0 { "{" } else { "," })?;
                    line(f, indent + 1)?;
                    quoted(name, f)?;
                    f.write_str(": ")?;
                    value.write(f, indent + 1)?;
                }
                line(f, indent)?;
                f.write_str("}")
            }
        }
    }
}

/// Writes a text between quotes. Beside quotes and backslashes only control characters need an escape.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl From<&ScriptValue> for Json {
    fn from(value: &ScriptValue) -> Json {
        match value.scalar() {
            Scalar::Int(number) => Json::Int(number),
            Scalar::Bool(truth) => Json::Bool(truth),
            Scalar::Float(number) if number.is_finite() => Json::Float(number),
            // JSON has no infinity, and nothing for what is no number
            Scalar::Float(_) => Json::Text(value.to_string()),
            Scalar::Text(text) => Json::Text(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let text = |value: ScriptValue| Json::from(&value).to_string();
        assert_eq!(text(ScriptValue::read("0101").unwrap()), "101");
        assert_eq!(text(ScriptValue::Float(1e300)), "1e300");
        assert_eq!(text(ScriptValue::Float(f64::INFINITY)), "\"inf\"");
        assert_eq!(text(ScriptValue::Text("a\"\\\n\u{1}é".into())), "\"a\\\"\\\\\\n\\u0001é\"");
        let object = Json::Object(vec![
            ("a".into(), Json::List(vec![Json::Int(1), Json::Bool(false)])),
            ("b".into(), Json::Object(vec![])),
            ("c".into(), Json::texts(Vec::new())),
            ("d".into(), Json::Bool(true)),
        ]);
        assert_eq!(
            object.to_string(),
            "{\n  \"a\": [\n    1,\n    false\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": true\n}"
        );
    }
}
