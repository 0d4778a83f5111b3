//! Ranges of numbers: `"a..b"`, `"a..=b"`, `"a..b by s"`.
//!
//! A range is kept as whole multiples of a power of ten. So `"0..1 by 0.1"` has ten values, of which the fourth equals
//! `0.3` exactly, as the join rule needs it. A range takes the same memory whatever its length.

use crate::arrays::exact::MAX_EXACT_INTEGER;
use serde::{Deserialize, Serialize};

use crate::script::values::value::{Key, ScriptValue};

/// A range of numbers at equal distances, as in `"0..1 by 0.1"`. Values are computed in decimal, without rounding
/// errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumRange {
    start: i64,
    step: i64,
    /// The number of decimal places of the values: the stored integers are divided by ten to this power. `None` if the
    /// values are integers.
    scale: Option<u32>,
    len: u64,
}

/// The reason why a text is not accepted as a range of numbers, such as `"0..1 by 0.1"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RangeError {
    /// The text does not look like a range, as it has no `..`.
    NoRange,
    /// The text looks like a range but has a mistake, which the string describes for the user.
    Bad(String),
    /// The range has no values, as `"5..1"`. The text suggests a correction; `None` if there is no suggestion.
    Empty(Option<String>),
}

/// The largest number of decimal places in a range. Ten to this power is still exact as a 64-bit float.
const MAX_SCALE: u32 = 18;
/// The largest integer up to which all integers are exact as 64-bit floats.
const EXACT: i128 = MAX_EXACT_INTEGER as i128;

/// A number in the text of a range: its digits as an integer, which are divided by ten to the power `scale`, and
/// whether the number is written as an integer.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    scale: i32,
    integer: bool,
}

impl NumRange {
    /// Makes the range of the integers from 0 to `len - 1`. `len` must be at least 1.
    pub(crate) fn counting(len: u64) -> Self {
        NumRange { start: 0, step: 1, scale: None, len }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, RangeError> {
        let (start, rest) = text.split_once("..").ok_or(RangeError::NoRange)?;
        let (inclusive, rest) = rest.strip_prefix('=').map_or((false, rest), |rest| (true, rest));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (end, step) = match words[..] {
            [end] => (end, "1"),
            [end, "by", step] => (end, step),
            [] | ["by", ..] => return Err(RangeError::Bad("the end is missing".to_string())),
            [_, "by"] => return Err(RangeError::Bad("the step is missing".to_string())),
            [_, other, ..] => return Err(RangeError::Bad(format!("`{other}` is not understood"))),
        };
        if start.trim().is_empty() {
            return Err(RangeError::Bad("the start is missing".to_string()));
        }
        Self::between(decimal(start.trim())?, decimal(end)?, decimal(step)?, inclusive)
    }

    fn between(start: Decimal, end: Decimal, step: Decimal, inclusive: bool) -> Result<Self, RangeError> {
        let too_long = || RangeError::Bad("the numbers have too many digits".to_string());
        let scale = start.scale.max(end.scale).max(step.scale).max(0) as u32;
        let integer = start.integer && end.integer && step.integer;
        let fits = |v: &i128| if integer { i64::try_from(*v).is_ok() } else { v.abs() <= EXACT };
        let whole = |d: Decimal| {
            let power = u32::try_from(scale as i32 - d.scale).ok()?;
            d.digits.checked_mul(10i128.checked_pow(power)?).filter(fits)
        };
        if scale > MAX_SCALE {
            return Err(too_long());
        }
        let (a, b, s) = (
            whole(start).ok_or_else(too_long)?,
            whole(end).ok_or_else(too_long)?,
            whole(step).ok_or_else(too_long)?,
        );
        if s == 0 {
            return Err(RangeError::Bad("the step is zero".to_string()));
        }
        let (distance, stride) = if s > 0 { (b - a, s) } else { (a - b, -s) };
        let len = match inclusive {
            true if distance >= 0 => distance / stride + 1,
            false if distance > 0 => (distance + stride - 1) / stride,
            _ => {
                return Err(RangeError::Empty(
                    (s > 0 && distance < 0).then(|| "to count down, write `by -1`".to_string()),
                ));
            }
        };
        let fits = |v: i128| i64::try_from(v).ok();
        match (fits(a), fits(s), u64::try_from(len)) {
            (Some(start), Some(step), Ok(len)) => {
                Ok(Self { start, step, scale: (!integer).then_some(scale), len })
            }
            _ => Err(too_long()),
        }
    }

    /// The number of values in the range; never 0.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the range has no values. The result is always false, since a script with an empty range is refused.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the value of the range at position `at`, counted from 0.
    pub fn value(&self, at: u64) -> ScriptValue {
        // Both ends fit by construction, and so do all values between; a position past the end wraps rather than
        // panics.
        let whole = self.start.wrapping_add(self.step.wrapping_mul(at as i64));
        match self.scale {
            None => ScriptValue::Int(whole),
            Some(scale) => ScriptValue::Float(whole as f64 / 10f64.powi(scale as i32)),
        }
    }

    /// Returns the number of positions by which a value that is larger by `difference` stands later in the range;
    /// `None` if the range does not have such values.
    pub(crate) fn positions_apart(&self, difference: i64) -> Option<i64> {
        let power = 10i64.checked_pow(self.scale.unwrap_or(0))?;
        let whole = difference.checked_mul(power)?;
        (whole.checked_rem(self.step)? == 0).then(|| whole / self.step)
    }

    /// Returns the position of a value in the range; `None` where the range does not have it.
    pub fn position(&self, value: &ScriptValue) -> Option<u64> {
        let power = 10i128.pow(self.scale.unwrap_or(0).min(MAX_SCALE));
        let whole = match value.key() {
            Key::Int(v) => i128::from(v) * power,
            Key::Bits(bits) => {
                let v = f64::from_bits(bits);
                let scaled = (v * power as f64).round();
                let exact = scaled.abs() <= MAX_EXACT_INTEGER && scaled / power as f64 == v;
                exact.then_some(scaled as i128)?
            }
            _ => return None,
        };
        let (from, step) = (whole - i128::from(self.start), i128::from(self.step));
        let at = u64::try_from((step != 0 && from % step == 0).then(|| from / step)?).ok()?;
        (at < self.len).then_some(at)
    }
}

fn decimal(text: &str) -> Result<Decimal, RangeError> {
    read_decimal(text).ok_or_else(|| RangeError::Bad(format!("`{text}` is no number")))
}

fn read_decimal(text: &str) -> Option<Decimal> {
    let plain = text.replace('_', "");
    let (number, power) = match plain.split_once(['e', 'E']) {
        Some((number, power)) => (number, power.parse::<i16>().ok()?),
        None => (plain.as_str(), 0),
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |t: &str| !t.is_empty() && t.len() <= 19 && t.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let integer = plain.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'+');
    // Trailing zeros have no meaning and would use up the digits that are exact.
    let fraction = fraction.trim_end_matches('0');
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = fraction.len() as i32 - i32::from(power);
    Some(Decimal { digits: if negative { -digits } else { digits }, scale, integer })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<ScriptValue> {
        let range = NumRange::parse(text).unwrap();
        (0..range.len()).map(|at| range.value(at)).collect()
    }

    fn ints(text: &str) -> Vec<i64> {
        values(text)
            .iter()
            .map(|v| if let ScriptValue::Int(v) = v { *v } else { panic!("{v:?} is no integer") })
            .collect()
    }

    #[test]
    fn integer_ranges() {
        assert_eq!(ints("0..4"), [0, 1, 2, 3]);
        assert_eq!(ints("1..=101 by 25"), [1, 26, 51, 76, 101]);
        assert_eq!(ints("1..101 by 25"), [1, 26, 51, 76]);
        assert_eq!(ints("-2 .. 2"), [-2, -1, 0, 1]);
        assert_eq!(ints("5..=0 by -2"), [5, 3, 1]);
        assert_eq!(ints("3..0 by -1"), [3, 2, 1]);
        assert_eq!(NumRange::parse("0..10_000_000").unwrap().len(), 10_000_000);
        assert_eq!(ints("9223372036854775806..=9223372036854775807").len(), 2);
        assert_eq!(NumRange::parse("-9223372036854775807..9223372036854775807").unwrap().len(), u64::MAX - 1);
        assert_eq!(ints("-9223372036854775808..=-9223372036854775807"), [i64::MIN, i64::MIN + 1]);
        let high = NumRange::parse("9007199254740992..=9007199254740994").unwrap();
        assert_eq!(high.position(&ScriptValue::Int((1 << 53) + 1)), Some(1));
        assert_eq!(high.position(&ScriptValue::Float(9_007_199_254_740_994.0)), Some(2));
    }

    #[test]
    fn float_ranges_hit_the_numbers_that_are_written() {
        let tenths: Vec<f64> = vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
        assert_eq!(values("0..1 by 0.1"), tenths.iter().map(|v| ScriptValue::Float(*v)).collect::<Vec<_>>());
        assert_eq!(values("0.1..=0.3 by 0.1").len(), 3);
        assert_eq!(values("1..=-1 by -0.5").len(), 5);
        assert_eq!(values("1e-3..=3e-3 by 1e-3"), [0.001, 0.002, 0.003].map(ScriptValue::Float));
        assert!(matches!(values("0.0..2.0")[1], ScriptValue::Float(v) if v == 1.0));
    }

    #[test]
    fn positions_are_the_inverse() {
        for text in [
            "0..7",
            "5..=-9 by -2",
            "0..1 by 0.1",
            "-0.35..1 by 0.07",
            "1e3..2e3 by 1e2",
            "0.1..=12345.7 by 0.1",
        ] {
            let range = NumRange::parse(text).unwrap();
            assert!((0..range.len()).all(|at| range.position(&range.value(at)) == Some(at)), "{text}");
            assert_eq!(range.position(&ScriptValue::Int(77_777)), None);
            assert_eq!(range.position(&ScriptValue::Text("1".into())), None);
            assert_eq!(range.position(&ScriptValue::Float(f64::NAN)), None);
        }
    }

    #[test]
    fn what_is_no_range() {
        let bad = |t: &str| NumRange::parse(t).unwrap_err();
        assert_eq!(bad("abc"), RangeError::NoRange);
        assert_eq!(bad("0.."), RangeError::Bad("the end is missing".into()));
        assert_eq!(bad("..5"), RangeError::Bad("the start is missing".into()));
        assert_eq!(bad("0..x"), RangeError::Bad("`x` is no number".into()));
        assert_eq!(bad("0..5 by"), RangeError::Bad("the step is missing".into()));
        assert_eq!(bad("0..5 in 2"), RangeError::Bad("`in` is not understood".into()));
        assert_eq!(bad("0..5 by 0"), RangeError::Bad("the step is zero".into()));
        assert_eq!(bad("0..1e300"), RangeError::Bad("the numbers have too many digits".into()));
        assert_eq!(bad("0..1e-30"), RangeError::Bad("the numbers have too many digits".into()));
        assert_eq!(
            bad("0..99999999999999999999"),
            RangeError::Bad("`99999999999999999999` is no number".into())
        );
        assert_eq!(bad("0..0"), RangeError::Empty(None));
        assert_eq!(bad("5..0"), RangeError::Empty(Some("to count down, write `by -1`".into())));
    }
}
