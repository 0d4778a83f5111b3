//! The values of parameters and variables.

use crate::arrays::exact::MAX_EXACT_INTEGER;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A typed value of a parameter or variable. Equality is by value and not by spelling: `300` and `300.0` are equal for
/// the join rule, which pairs instances of two tasks by equal values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ScriptValue {
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// A path that a file pattern matched. References can take parts of it (`{f.stem}`).
    Path(String),
}

/// The normal form of a value, by which values are compared and hashed: `300` and `300.0` have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key<'a> {
    Int(i64),
    Bits(u64),
    Text(&'a str),
    Bool(bool),
}

impl ScriptValue {
    pub(crate) fn key(&self) -> Key<'_> {
        match self {
            ScriptValue::Int(v) => Key::Int(*v),
            ScriptValue::Float(v) if v.fract() == 0.0 && v.abs() <= MAX_EXACT_INTEGER => Key::Int(*v as i64),
            ScriptValue::Float(v) if v.is_nan() => Key::Bits(f64::NAN.to_bits()),
            ScriptValue::Float(v) => Key::Bits(v.to_bits()),
            ScriptValue::Text(v) | ScriptValue::Path(v) => Key::Text(v),
            ScriptValue::Bool(v) => Key::Bool(*v),
        }
    }

    /// The name of the value's type with its article, for messages: "an integer".
    pub fn kind(&self) -> &'static str {
        match self {
            ScriptValue::Int(_) => "an integer",
            ScriptValue::Float(_) => "a float",
            ScriptValue::Text(_) => "a string",
            ScriptValue::Bool(_) => "a boolean",
            ScriptValue::Path(_) => "a path",
        }
    }

    /// Reads text as a value of the type of `self`, as `--set` needs it to replace a variable. A float accepts an
    /// integer. `None` for a text that is no value of the type.
    pub fn parse_like(&self, text: &str) -> Option<ScriptValue> {
        let digits = text.replace('_', "");
        match self {
            ScriptValue::Int(_) => digits.parse().ok().map(ScriptValue::Int),
            ScriptValue::Float(_) => digits.parse().ok().map(ScriptValue::Float),
            ScriptValue::Bool(_) => text.parse().ok().map(ScriptValue::Bool),
            ScriptValue::Text(_) => Some(ScriptValue::Text(text.to_string())),
            ScriptValue::Path(_) => Some(ScriptValue::Path(text.to_string())),
        }
    }
}

impl PartialEq for ScriptValue {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ScriptValue {}

impl std::hash::Hash for ScriptValue {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for ScriptValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptValue::Int(v) => write!(f, "{v}"),
            ScriptValue::Float(v) => f.write_str(&float(*v)),
            ScriptValue::Text(v) | ScriptValue::Path(v) => f.write_str(v),
            ScriptValue::Bool(v) => write!(f, "{v}"),
        }
    }
}

/// Writes the shortest text that reads back as the same number, with an exponent as C, Python and numpy write it.
pub(crate) fn float(value: f64) -> String {
    match value {
        v if v.is_nan() => "nan".to_string(),
        v if v.is_infinite() => if v > 0.0 { "inf" } else { "-inf" }.to_string(),
        v => exponent(&format!("{v:?}")),
    }
}

/// Converts an exponent of Rust, `1e-5`, to one of C, `1e-05`.
pub(crate) fn exponent(text: &str) -> String {
    let Some((mantissa, power)) = text.split_once(['e', 'E']) else { return text.to_string() };
    let mark = if text.contains('E') { 'E' } else { 'e' };
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
    format!("{mantissa}{mark}{sign}{digits:0>2}")
}

/// A part of a path that a reference can take, as in `{f.stem}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathPart {
    /// The file's name without its last extension.
    Stem,
    /// The file's name with its extension.
    Name,
    /// The folder; `.` where the path has none.
    Dir,
    /// The last extension without the dot; empty where there is none.
    Ext,
}

impl PathPart {
    /// The names of the parts of paths, as scripts write them.
    pub const NAMES: [&'static str; 4] = ["stem", "name", "dir", "ext"];

    /// Returns the part of a path of that name in scripts; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        let all = [PathPart::Stem, PathPart::Name, PathPart::Dir, PathPart::Ext];
        Self::NAMES.iter().position(|n| *n == name).map(|at| all[at])
    }

    /// Returns this part of the path `path`.
    pub fn of(self, path: &str) -> String {
        let path = std::path::Path::new(path);
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default()
        };
        match self {
            PathPart::Stem => text(path.file_stem()),
            PathPart::Name => text(path.file_name()),
            PathPart::Ext => text(path.extension()),
            PathPart::Dir => match path.parent() {
                Some(dir) if !dir.as_os_str().is_empty() => dir.display().to_string(),
                _ => ".".to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_by_value() {
        assert_eq!(ScriptValue::Int(300), ScriptValue::Float(300.0));
        assert_eq!(ScriptValue::Float(0.0), ScriptValue::Float(-0.0));
        assert_eq!(ScriptValue::Float(f64::NAN), ScriptValue::Float(-f64::NAN));
        assert_eq!(ScriptValue::Path("a".into()), ScriptValue::Text("a".into()));
        assert_ne!(ScriptValue::Int(1), ScriptValue::Text("1".into()));
        assert_ne!(ScriptValue::Int(1), ScriptValue::Bool(true));
        assert_ne!(ScriptValue::Float(0.1 + 0.2), ScriptValue::Float(0.3));
    }

    #[test]
    fn floats_print_as_numpy_prints_them() {
        let shown = [1.0, 0.0001, 0.00001, 1e16, 1e300, -2.5e-8, f64::NAN, f64::NEG_INFINITY]
            .map(|v| ScriptValue::Float(v).to_string());
        assert_eq!(shown, ["1.0", "0.0001", "1e-05", "1e+16", "1e+300", "-2.5e-08", "nan", "-inf"]);
    }

    #[test]
    fn overrides_take_the_type_of_the_variable() {
        assert_eq!(ScriptValue::Int(1).parse_like("1_000"), Some(ScriptValue::Int(1000)));
        assert_eq!(ScriptValue::Int(1).parse_like("1.5"), None);
        assert!(matches!(ScriptValue::Float(1.0).parse_like("3"), Some(ScriptValue::Float(v)) if v == 3.0));
        assert_eq!(ScriptValue::Bool(true).parse_like("false"), Some(ScriptValue::Bool(false)));
        assert_eq!(ScriptValue::Bool(true).parse_like("no"), None);
        assert_eq!(ScriptValue::Text(String::new()).parse_like("3"), Some(ScriptValue::Text("3".into())));
    }

    #[test]
    fn parts_of_paths() {
        let parts = |p: &str| PathPart::NAMES.map(|n| PathPart::named(n).unwrap().of(p));
        assert_eq!(parts("data/a.tar.gz"), ["a.tar", "a.tar.gz", "data", "gz"]);
        assert_eq!(parts("BSD"), ["BSD", "BSD", ".", ""]);
        assert_eq!(parts("/usr/Apache-2.0"), ["Apache-2", "Apache-2.0", "/usr", "0"]);
        assert_eq!(parts(".."), ["", "", ".", ""]);
    }
}
