//! Format specifications: the part after the colon in references such as `{i:03}` or `{lr:.2e}`.
//!
//! The grammar is `[[fill]align][sign][#][0][width][.precision][type]` as in Python and Rust, with the types `d s f e E
//! x X o b`. Where the two languages differ: a precision without a type counts decimals (`{re:.0}` is `316`, as in
//! Rust), and an exponent has a sign and two digits (`1e-04`, as in C and Python), because formats are used for
//! commands and file names.

use serde::{Deserialize, Serialize};

use super::value::{self, Scalar, ScriptValue};

/// A format of a reference, as `.2f` in `{x:.2f}`, after parsing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatSpec {
    fill: Option<char>,
    align: Option<char>,
    plus: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

/// The largest width and precision of a format. A larger one is a mistake, and would cost that much memory.
const WIDEST: usize = 1000;

impl FormatSpec {
    /// Parses the text after the colon of a reference; `None` where the text is no format.
    pub fn parse(text: &str) -> Option<Self> {
        let mut format = Self::default();
        let mut rest: Vec<char> = text.chars().rev().collect();
        let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '^'));
        if rest.len() > 1 && is_align(rest.get(rest.len() - 2)) {
            format.fill = rest.pop();
            format.align = rest.pop();
        } else if is_align(rest.last()) {
            format.align = rest.pop();
        }
        let take = |rest: &mut Vec<char>, wanted: char| rest.pop_if(|c| *c == wanted).is_some();
        format.plus = take(&mut rest, '+');
        if !format.plus {
            take(&mut rest, '-');
        }
        format.alternate = take(&mut rest, '#');
        format.zero = take(&mut rest, '0');
        format.width = number(&mut rest)?.unwrap_or(0);
        if take(&mut rest, '.') {
            format.precision = Some(number(&mut rest)??);
        }
        format.kind = rest.pop_if(|c| "dsfeExXob".contains(*c));
        rest.is_empty().then_some(format)
    }

    /// Writes a value in this format. The error says why the format does not fit the value. A format that only pads
    /// leaves a number in the spelling in which it was written.
    pub fn apply(&self, value: &ScriptValue) -> Result<String, String> {
        let scalar = value.scalar();
        let only_pads = !self.zero && !self.plus && !self.alternate && self.precision.is_none();
        let body = match (self.kind, scalar) {
            (None | Some('s'), _) if only_pads => value.to_string(),
            (Some('x' | 'X' | 'o' | 'b' | 'd'), Scalar::Int(v)) => self.integer(v),
            (Some(kind @ ('x' | 'X' | 'o' | 'b' | 'd')), _) => {
                return Err(format!("`{kind}` is for integers, and this is {}", value.kind()));
            }
            (Some('s'), Scalar::Int(_) | Scalar::Float(_)) => {
                return Err(format!("`s` is for strings, and this is {}", value.kind()));
            }
            (None, Scalar::Int(v)) if self.precision.is_none() => self.integer(v),
            (_, Scalar::Int(v)) => self.decimals(v),
            (_, Scalar::Float(v)) => self.float(v),
            (Some(kind @ ('e' | 'E' | 'f')), _) => {
                return Err(format!("`{kind}` is for numbers, and this is {}", value.kind()));
            }
            _ if self.zero || self.plus || self.alternate => {
                return Err(format!("signs and zeros are for numbers, and this is {}", value.kind()));
            }
            (_, Scalar::Bool(_)) if self.precision.is_some() => {
                return Err("a boolean has no decimals".to_string());
            }
            _ => value.to_string().chars().take(self.precision.unwrap_or(usize::MAX)).collect(),
        };
        let number = self.kind != Some('s') && matches!(scalar, Scalar::Int(_) | Scalar::Float(_));
        Ok(self.pad(body, number))
    }

    /// Writes an integer as a float is written, with all its digits.
    fn decimals(&self, value: i64) -> String {
        let decimals = self.precision.unwrap_or(6);
        let text = match self.kind {
            Some('e') => value::exponent(&format!("{value:.decimals$e}")),
            Some('E') => value::exponent(&format!("{value:.decimals$E}")),
            _ if decimals == 0 => value.to_string(),
            _ => format!("{value}.{}", "0".repeat(decimals)),
        };
        if self.plus && value >= 0 { format!("+{text}") } else { text }
    }

    fn integer(&self, value: i64) -> String {
        let size = value.unsigned_abs();
        let (prefix, digits) = match self.kind {
            Some('x') => ("0x", format!("{size:x}")),
            Some('X') => ("0X", format!("{size:X}")),
            Some('o') => ("0o", format!("{size:o}")),
            Some('b') => ("0b", format!("{size:b}")),
            _ => ("", size.to_string()),
        };
        let sign = if value < 0 {
            "-"
        } else if self.plus {
            "+"
        } else {
            ""
        };
        format!("{sign}{}{digits}", if self.alternate { prefix } else { "" })
    }

    fn float(&self, value: f64) -> String {
        let decimals = self.precision.unwrap_or(6);
        let text = match self.kind {
            _ if !value.is_finite() => value::float(value),
            Some('e') => value::exponent(&format!("{value:.decimals$e}")),
            Some('E') => value::exponent(&format!("{value:.decimals$E}")),
            Some('f') => format!("{value:.decimals$}"),
            _ => match self.precision {
                Some(decimals) => format!("{value:.decimals$}"),
                None => value::float(value),
            },
        };
        if self.plus && !text.starts_with('-') { format!("+{text}") } else { text }
    }

    fn pad(&self, body: String, number: bool) -> String {
        let missing = self.width.saturating_sub(body.chars().count());
        if missing == 0 {
            return body;
        }
        if self.zero && self.align.is_none() {
            // Zeros go between the sign or prefix and the digits.
            let sign = usize::from(body.starts_with(['-', '+']));
            let prefix =
                if self.alternate && matches!(self.kind, Some('x' | 'X' | 'o' | 'b')) { 2 } else { 0 };
            if let Some((head, tail)) = body
                .split_at_checked(sign + prefix)
                .filter(|(_, tail)| tail.starts_with(|c: char| c.is_ascii_hexdigit()))
            {
                return format!("{head}{}{tail}", "0".repeat(missing));
            }
        }
        let before = match self.align.unwrap_or(if number { '>' } else { '<' }) {
            '>' => missing,
            '^' => missing / 2,
            _ => 0,
        };
        let fill = self.fill.unwrap_or(' ').to_string();
        format!("{}{body}{}", fill.repeat(before), fill.repeat(missing - before))
    }
}

/// Reads a number from the end of `rest`, a reversed text, and removes its digits. No digit gives `Some(None)`, a
/// number above [`WIDEST`] `None`.
fn number(rest: &mut Vec<char>) -> Option<Option<usize>> {
    let mut found = None;
    while let Some(digit) = rest.last().and_then(|c| c.to_digit(10)) {
        let value = found.unwrap_or(0) * 10 + digit as usize;
        if value > WIDEST {
            return None;
        }
        found = Some(value);
        rest.pop();
    }
    Some(found)
}

/// Writes a value in the format, or in its plain spelling if `format` is `None`.
pub(crate) fn written(value: &ScriptValue, format: Option<&FormatSpec>) -> Result<String, String> {
    format.map_or_else(|| Ok(value.to_string()), |format| format.apply(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(format: &str, value: ScriptValue) -> String {
        match FormatSpec::parse(format) {
            None => "no format".to_string(),
            Some(format) => format.apply(&value).unwrap_or_else(|e| e),
        }
    }

    #[test]
    fn integers() {
        let int = |f: &str| show(f, ScriptValue::Int(-7));
        assert_eq!(
            [int("03"), int("3"), int("<4"), int("*^6"), int("+"), int("d")],
            ["-07", " -7", "-7  ", "**-7**", "-7", "-7"]
        );
        let int = |f: &str| show(f, ScriptValue::Int(255));
        assert_eq!(
            [int("x"), int("#X"), int("b"), int("#o"), int("#06x"), int("+d"), int(".2")],
            ["ff", "0XFF", "11111111", "0o377", "0x00ff", "+255", "255.00"]
        );
    }

    #[test]
    fn large_integers_keep_their_digits() {
        let shown = ["", ".0", ".2f", "25", "#x", "+.1"].map(|f| show(f, ScriptValue::Int(i64::MAX)));
        let digits = "9223372036854775807";
        assert_eq!(shown[..3], [digits.to_owned(), digits.to_owned(), format!("{digits}.00")]);
        assert_eq!(
            shown[3..],
            [format!("      {digits}"), "0x7fffffffffffffff".into(), format!("+{digits}.0")]
        );
        assert_eq!(show(".18e", ScriptValue::Int(i64::MAX)), "9.223372036854775807e+18");
        assert_eq!(show(".1", ScriptValue::Int(i64::MIN)), "-9223372036854775808.0");
    }

    #[test]
    fn spellings_stay_where_a_format_only_pads() {
        let shown = ["s", "6", "<6s", "_^7"].map(|f| show(f, ScriptValue::read("0101").unwrap()));
        assert_eq!(shown, ["0101", "  0101", "0101  ", "_0101__"]);
        let shown = ["d", "06", ".1", "+", "x"].map(|f| show(f, ScriptValue::read("0101").unwrap()));
        assert_eq!(shown, ["101", "000101", "101.0", "+101", "65"]);
        assert_eq!(show(".2f", ScriptValue::read("1.10").unwrap()), "1.10");
    }

    #[test]
    fn floats() {
        let float = |f: &str| show(f, ScriptValue::Float(1e-4));
        assert_eq!(
            [float(""), float(".2e"), float(".0e"), float(".1"), float("e"), float("f")],
            ["0.0001", "1.00e-04", "1e-04", "0.0", "1.000000e-04", "0.000100"]
        );
        assert_eq!(
            [
                show(".0", ScriptValue::Float(316.2)),
                show("08.2", ScriptValue::Float(-3.25)),
                show(".1E", ScriptValue::Float(12345.0))
            ],
            ["316", "-0003.25", "1.2E+04"]
        );
        assert_eq!(
            [
                show(".2e", ScriptValue::Float(f64::INFINITY)),
                show("06", ScriptValue::Float(f64::NEG_INFINITY))
            ],
            ["inf", "  -inf"]
        );
    }

    #[test]
    fn texts_and_misfits() {
        let text = |f: &str| show(f, ScriptValue::Text("mesh".into()));
        assert_eq!([text(">6"), text(".2"), text("s"), text("_<6")], ["  mesh", "me", "mesh", "mesh__"]);
        assert_eq!(text("03"), "signs and zeros are for numbers, and this is a string");
        assert_eq!(text(".2e"), "`e` is for numbers, and this is a string");
        assert_eq!(show("x", ScriptValue::Float(1.0)), "`x` is for integers, and this is a float");
        assert_eq!(show("03s", ScriptValue::Int(1)), "`s` is for strings, and this is an integer");
        for bad in ["q", "3q", "..", ".", "99999999999", "e3", "ä"] {
            assert_eq!(show(bad, ScriptValue::Int(1)), "no format", "{bad}");
        }
    }
}
