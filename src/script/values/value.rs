//! The values of parameters and variables.
//!
//! A number that a person has written keeps its spelling: `0101` and `1.10` are that wherever a text is wanted, and
//! 101 and 1.1 in expressions. [`ScriptValue::scalar`] is the view of a value in expressions, its `Display` the text.

use crate::arrays::exact::{float_of, integer_of};
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
    /// A number or boolean in another spelling than dtask would write it, such as `0101`.
    Spelled(Box<SpelledValue>),
}

/// A number or boolean with the text in which a person has written it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpelledValue {
    /// The number or boolean; never a text or a path.
    value: ScriptValue,
    /// The text, such as `1.10`.
    text: String,
}

impl SpelledValue {
    /// The text in which the value was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The value that a parameter or variable has in expressions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bool(bool),
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
    /// The value in expressions, whatever its spelling.
    pub(crate) fn scalar(&self) -> Scalar<'_> {
        match self {
            ScriptValue::Int(v) => Scalar::Int(*v),
            ScriptValue::Float(v) => Scalar::Float(*v),
            ScriptValue::Text(v) | ScriptValue::Path(v) => Scalar::Text(v),
            ScriptValue::Bool(v) => Scalar::Bool(*v),
            ScriptValue::Spelled(spelled) => spelled.value.scalar(),
        }
    }

    /// Makes a value that is written `text` wherever a text is wanted.
    pub(crate) fn spelled(self, text: &str) -> ScriptValue {
        if self.to_string() == text {
            return self;
        }
        ScriptValue::Spelled(Box::new(SpelledValue { value: self, text: text.to_owned() }))
    }

    /// Reads a text that was not typed by its writer, such as a cell of a table, as a number or boolean in that
    /// spelling. `None` for any other text, and for an integer that does not fit into 64 bits.
    pub(crate) fn read(text: &str) -> Option<ScriptValue> {
        let plain = text.trim();
        let is_integer = || plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'));
        let value = match plain {
            "true" | "True" | "TRUE" => ScriptValue::Bool(true),
            "false" | "False" | "FALSE" => ScriptValue::Bool(false),
            _ => match plain.parse() {
                Ok(number) => ScriptValue::Int(number),
                Err(_) if is_integer() => return None,
                Err(_) => ScriptValue::Float(plain.parse().ok()?),
            },
        };
        Some(value.spelled(text))
    }

    pub(crate) fn key(&self) -> Key<'_> {
        match self.scalar() {
            Scalar::Int(v) => Key::Int(v),
            Scalar::Float(v) => match integer_of(v) {
                Some(v) => Key::Int(v),
                None if v.is_nan() => Key::Bits(f64::NAN.to_bits()),
                None => Key::Bits(v.to_bits()),
            },
            Scalar::Text(v) => Key::Text(v),
            Scalar::Bool(v) => Key::Bool(v),
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
            ScriptValue::Spelled(spelled) => spelled.value.kind(),
        }
    }

    /// Reads text as a value of the type of `self`, as `--set` needs it to replace a variable. A float accepts an
    /// integer. Numbers keep their spelling, but for underscores.
    pub fn parse_like(&self, text: &str) -> Option<ScriptValue> {
        let digits = text.replace('_', "");
        let value = match self {
            ScriptValue::Int(_) => ScriptValue::Int(digits.parse().ok()?),
            ScriptValue::Float(_) => match digits.parse::<i64>() {
                Ok(number) => float_of(number).map_or(ScriptValue::Int(number), ScriptValue::Float),
                Err(_) => ScriptValue::Float(digits.parse().ok()?),
            },
            ScriptValue::Bool(_) => ScriptValue::Bool(text.parse().ok()?),
            ScriptValue::Text(_) => return Some(ScriptValue::Text(text.to_string())),
            ScriptValue::Path(_) => return Some(ScriptValue::Path(text.to_string())),
            ScriptValue::Spelled(spelled) => return spelled.value.parse_like(text),
        };
        Some(value.spelled(&digits))
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
            ScriptValue::Spelled(spelled) => f.write_str(&spelled.text),
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
        // beyond 2^53 as well, where several integers share a float
        assert_eq!(ScriptValue::Int(1 << 60), ScriptValue::Float(1e0 * (1u64 << 60) as f64));
        assert_eq!(ScriptValue::Int(i64::MIN), ScriptValue::Float(i64::MIN as f64));
        assert_ne!(ScriptValue::Int(i64::MAX), ScriptValue::Float(i64::MAX as f64));
        assert_ne!(ScriptValue::Int((1 << 53) + 1), ScriptValue::Int(1 << 53));
        assert_eq!(ScriptValue::read("007"), Some(ScriptValue::Int(7)));
    }

    #[test]
    fn what_is_written_stays_as_it_is_written() {
        let read = |text: &str| ScriptValue::read(text).map(|value| (value.kind(), value.to_string()));
        for (text, kind) in [
            ("0101", "an integer"),
            ("1.10", "a float"),
            (" 7", "an integer"),
            ("+5", "an integer"),
            ("-0", "an integer"),
            ("1e5", "a float"),
            ("9223372036854775807", "an integer"),
            ("True", "a boolean"),
        ] {
            assert_eq!(read(text), Some((kind, text.to_owned())));
        }
        for text in ["", " ", "1_000", "0x1f", "9223372036854775808", "-9223372036854775809", "1 2", "a"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(matches!(ScriptValue::read("101"), Some(ScriptValue::Int(101))));
        assert!(matches!(ScriptValue::read("1.5"), Some(ScriptValue::Float(_))));
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
        let three = ScriptValue::Float(1.0).parse_like("3").unwrap();
        assert_eq!((three.scalar(), three.to_string()), (Scalar::Float(3.0), "3".to_owned()));
        let large = ScriptValue::Float(1.0).parse_like("9007199254740993").unwrap();
        assert_eq!(large.scalar(), Scalar::Int((1 << 53) + 1));
        assert_eq!(ScriptValue::Int(1).parse_like("007").unwrap().to_string(), "007");
        assert_eq!(ScriptValue::Int(1).parse_like("1_000").unwrap().to_string(), "1000");
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
