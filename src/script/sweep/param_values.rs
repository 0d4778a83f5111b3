//! The values of a parameter, listed or computed by position.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use std::collections::HashSet;

use super::range::NumRange;
use crate::arrays::exact::float_of;
use crate::script::sweep::expression::FormulaType;
use crate::script::values::value::{Scalar, ScriptValue};

/// The values that a task's parameter takes, one for each position on its axis. Values are listed or computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ParamValues {
    /// Values that are listed one by one. Families that share a parameter share the list.
    List(Arc<[ScriptValue]>),
    /// Numbers at equal distances, as in `"0..1 by 0.1"`, computed in decimal without rounding errors.
    Range(NumRange),
    /// Numbers at equal distances (`linspace`) or with equal ratios (`logspace`), computed in floating point as numpy
    /// does.
    Spaced(Spaced),
}

/// The values of `linspace` and `logspace`: `count` values from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spaced {
    /// The first value; for `logspace` its exponent: the first value is ten to this power.
    pub start: f64,
    /// The last value; for `logspace` its exponent: the last value is ten to this power.
    pub end: f64,
    /// The number of values that the parameter takes; never 0.
    pub count: u64,
    /// Whether this is a `logspace`, whose values are powers of ten.
    pub log: bool,
}

impl Spaced {
    fn exponent(&self, at: u64) -> f64 {
        match at {
            0 => self.start,
            // The last value is exact, as in numpy.
            at if at + 1 >= self.count => self.end,
            at => at as f64 * ((self.end - self.start) / (self.count - 1) as f64) + self.start,
        }
    }

    fn get(&self, at: u64) -> f64 {
        let value = self.exponent(at);
        if self.log { 10f64.powf(value) } else { value }
    }

    fn position(&self, value: f64) -> Option<u64> {
        let place = if self.log { value.log10() } else { value };
        let step = (self.end - self.start) / (self.count.max(2) - 1) as f64;
        let near = if step == 0.0 { 0.0 } else { ((place - self.start) / step).round() };
        // The logarithm is rounded, so the neighbours are tried as well.
        let at = (near >= 0.0 && near < self.count as f64).then_some(near as u64)?;
        [at, at.saturating_sub(1), at + 1].into_iter().find(|at| *at < self.count && self.get(*at) == value)
    }
}

impl From<Vec<ScriptValue>> for ParamValues {
    fn from(list: Vec<ScriptValue>) -> Self {
        ParamValues::List(list.into())
    }
}

impl ParamValues {
    /// The number of values that the parameter takes; never 0.
    pub fn len(&self) -> u64 {
        match self {
            ParamValues::List(list) => list.len() as u64,
            ParamValues::Range(range) => range.len(),
            ParamValues::Spaced(spaced) => spaced.count,
        }
    }

    /// Whether the parameter has no values. The result is always false, since a script with such a parameter is
    /// refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value at position `at`, counted from 0.
    pub fn get(&self, at: u64) -> ScriptValue {
        self.borrowed(at).into_owned()
    }

    /// Returns the value at position `at` as [`ParamValues::get`] does, without a copy where it is listed.
    pub(crate) fn borrowed(&self, at: u64) -> Cow<'_, ScriptValue> {
        match self {
            ParamValues::List(list) => match usize::try_from(at).ok().and_then(|at| list.get(at)) {
                Some(value) => Cow::Borrowed(value),
                None => Cow::Owned(ScriptValue::Int(0)),
            },
            ParamValues::Range(range) => Cow::Owned(range.value(at)),
            ParamValues::Spaced(spaced) => Cow::Owned(ScriptValue::Float(spaced.get(at))),
        }
    }

    /// Returns the first position that has this value; `None` if none has it. A list is searched from the front.
    pub fn position(&self, value: &ScriptValue) -> Option<u64> {
        match self {
            ParamValues::List(list) => list.iter().position(|known| known == value).map(|at| at as u64),
            ParamValues::Range(range) => range.position(value),
            ParamValues::Spaced(spaced) => match value.scalar() {
                Scalar::Float(number) => spaced.position(number),
                Scalar::Int(number) => spaced.position(float_of(number)?),
                _ => None,
            },
        }
    }

    /// Returns enough values to check whether a format fits all: one of each type.
    pub(crate) fn samples(&self) -> Vec<ScriptValue> {
        let ParamValues::List(list) = self else { return vec![self.get(0)] };
        let mut found: Vec<&ScriptValue> = Vec::new();
        for value in list.iter() {
            if found.iter().all(|known| known.kind() != value.kind()) {
                found.push(value);
            }
        }
        found.into_iter().cloned().collect()
    }

    /// A value that stands for all in a check of types: of texts the first that reads as no number, which a message can
    /// show.
    pub(crate) fn sample(&self) -> ScriptValue {
        let odd = match self {
            ParamValues::List(list) => list.iter().find(|value| match value {
                ScriptValue::Text(text) => ScriptValue::read(text).is_none(),
                _ => false,
            }),
            _ => None,
        };
        odd.cloned().unwrap_or_else(|| self.get(0))
    }

    /// Whether two of the values are written alike. Computed values never are.
    pub(crate) fn repeats(&self) -> bool {
        let mut seen = HashSet::new();
        matches!(self, ParamValues::List(list) if !list.iter().all(|value| seen.insert(value.to_string())))
    }

    pub(crate) fn kind(&self) -> FormulaType {
        match self {
            ParamValues::List(list) => {
                let kind = list.iter().map(FormulaType::of).reduce(FormulaType::and);
                let is_no_float = |value: &ScriptValue| match value.scalar() {
                    Scalar::Int(number) => float_of(number).is_none(),
                    _ => false,
                };
                match kind {
                    // an integer that no float represents has no place among floats
                    Some(FormulaType::Number) if list.iter().any(is_no_float) => FormulaType::Mixed,
                    kind => kind.unwrap_or(FormulaType::Mixed),
                }
            }
            _ => FormulaType::of(&self.get(0)),
        }
    }
}

/// The values of a parameter as they were loaded from the script or from a file: of one parameter or of a table.
pub(crate) enum LoadedValues {
    /// The values of a single parameter, not of a table.
    One(ParamValues),
    /// The values of a table: the number of its rows, and its columns with their names, each of which is a parameter.
    Table(u64, Vec<(String, ParamValues)>),
    /// The paths of the files that a `match` pattern fits, and its parameters by name, whose values are in the same
    /// order.
    Matched(ParamValues, Vec<(String, ParamValues)>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(start: f64, end: f64, count: u64, log: bool) -> ParamValues {
        ParamValues::Spaced(Spaced { start, end, count, log })
    }

    #[test]
    fn spaces_are_numpys() {
        let all = |values: &ParamValues| (0..values.len()).map(|at| values.get(at)).collect::<Vec<_>>();
        assert_eq!(all(&spaced(0.0, 1.0, 5, false)), [0.0, 0.25, 0.5, 0.75, 1.0].map(ScriptValue::Float));
        assert_eq!(all(&spaced(-4.0, -2.0, 3, true)), [1e-4, 1e-3, 1e-2].map(ScriptValue::Float));
        assert_eq!(all(&spaced(3.0, 9.0, 1, false)), [ScriptValue::Float(3.0)]);
        let decades = all(&spaced(2.0, 4.0, 9, true));
        assert_eq!(
            (decades.len(), decades[0].clone(), decades[8].clone()),
            (9, ScriptValue::Int(100), ScriptValue::Int(10_000))
        );
        assert!(matches!(decades[1], ScriptValue::Float(v) if (v - 177.827_941).abs() < 1e-6));
    }

    #[test]
    fn positions_are_the_inverse() {
        for values in [
            spaced(0.0, 1.0, 11, false),
            spaced(2.0, 4.0, 9, true),
            spaced(5.0, -3.0, 101, false),
            spaced(1.0, 1.0, 1, true),
        ] {
            assert!((0..values.len()).all(|at| values.position(&values.get(at)) == Some(at)), "{values:?}");
            assert_eq!(values.position(&ScriptValue::Float(1234.5)), None);
            assert_eq!(values.position(&ScriptValue::Float(f64::NAN)), None);
            assert_eq!(values.position(&ScriptValue::Text("1".into())), None);
        }
    }
}
