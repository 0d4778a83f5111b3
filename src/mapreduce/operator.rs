//! The built-in combiners and reducers: operators that combine all values of a key into one.

use crate::error::Failure;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::io::{self, Write};

/// An operator that combines all values of one key, as a combiner or reducer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The sum of the values of a key. Whole numbers stay whole unless they overflow.
    Sum,
    /// The number of values of a key.
    Count,
    /// The smallest value of a key; all values must be numbers.
    Min,
    /// The largest value of a key; all values must be numbers.
    Max,
    /// The first value of a key, in the order of the input.
    First,
    /// All values of a key, in the order of the input, separated by commas.
    Concat,
}

/// The combined value of a key, over the values read so far.
#[derive(Debug, Clone, PartialEq)]
pub enum Accumulator {
    /// A whole number that fits into 64 bits.
    Int(i64),
    /// A number that is not whole, or too large for 64 bits.
    Float(f64),
    /// A text as bytes, for the operators `first` and `concat`.
    Text(Vec<u8>),
}

impl Operator {
    /// The operators with their names in scripts.
    pub const NAMES: [(&'static str, Operator); 6] = [
        ("sum", Operator::Sum),
        ("count", Operator::Count),
        ("min", Operator::Min),
        ("max", Operator::Max),
        ("first", Operator::First),
        ("concat", Operator::Concat),
    ];

    /// Finds an operator by its name in scripts; `None` if there is none.
    pub fn named(name: &str) -> Option<Operator> {
        Operator::NAMES.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// The operator that combines partial results of this one: counts of parts are summed, so that `count` gives `sum`;
    /// the others combine as they are.
    pub fn of_parts(self) -> Operator {
        if self == Operator::Count { Operator::Sum } else { self }
    }

    /// Makes the accumulator of a key from the key's first value.
    ///
    /// # Errors
    /// When the operator needs a number and the value is none.
    pub fn begin(self, value: &[u8]) -> Result<Accumulator, Failure> {
        match self {
            Operator::Count => Ok(Accumulator::Int(1)),
            Operator::First | Operator::Concat => Ok(Accumulator::Text(value.into())),
            Operator::Sum | Operator::Min | Operator::Max => number(value),
        }
    }

    /// Combines a further value of the key with the accumulator.
    ///
    /// # Errors
    /// As for [`Operator::begin`].
    pub fn add(self, so_far: &mut Accumulator, value: &[u8]) -> Result<(), Failure> {
        match self {
            Operator::First => {}
            Operator::Count => *so_far = sum(so_far, &Accumulator::Int(1)),
            Operator::Concat => {
                if let Accumulator::Text(text) = so_far {
                    text.push(b',');
                    text.extend_from_slice(value);
                }
            }
            Operator::Sum => *so_far = sum(so_far, &number(value)?),
            Operator::Min | Operator::Max => {
                let next = number(value)?;
                let wanted = if self == Operator::Min { Ordering::Less } else { Ordering::Greater };
                let replaces = compare(&next, so_far) == Some(wanted);
                if replaces {
                    *so_far = next;
                }
            }
        }
        Ok(())
    }
}

impl Accumulator {
    /// Writes the combined value as it appears in an output line.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Accumulator::Int(number) => write!(to, "{number}"),
            Accumulator::Float(number) => write!(to, "{number:?}"),
            Accumulator::Text(text) => to.write_all(text),
        }
    }

    /// The memory that the accumulator takes on the heap, in bytes, for the memory budget of a table.
    pub fn heap(&self) -> usize {
        if let Accumulator::Text(text) = self { text.len() } else { 0 }
    }
}

fn number(value: &[u8]) -> Result<Accumulator, Failure> {
    let text = value.trim_ascii();
    if text == b"1" {
        return Ok(Accumulator::Int(1)); // the only value that most mappers emit
    }
    let text = std::str::from_utf8(text).unwrap_or("");
    if let Ok(number) = text.parse() {
        return Ok(Accumulator::Int(number));
    }
    match text.parse() {
        Ok(number) => Ok(Accumulator::Float(number)),
        Err(_) => {
            let shown: String = String::from_utf8_lossy(value).chars().take(40).collect();
            Err(Failure::new(format!("the value `{shown}` is no number")))
        }
    }
}

/// Compares two numbers; two whole numbers exactly, since large ones have no exact float. `None` if either is NaN or a
/// text.
fn compare(a: &Accumulator, b: &Accumulator) -> Option<Ordering> {
    match (a, b) {
        (Accumulator::Int(a), Accumulator::Int(b)) => Some(a.cmp(b)),
        _ => as_float(a).partial_cmp(&as_float(b)),
    }
}

fn as_float(number: &Accumulator) -> f64 {
    match number {
        Accumulator::Int(number) => *number as f64,
        Accumulator::Float(number) => *number,
        Accumulator::Text(_) => f64::NAN,
    }
}

fn sum(a: &Accumulator, b: &Accumulator) -> Accumulator {
    if let (Accumulator::Int(a), Accumulator::Int(b)) = (a, b)
        && let Some(sum) = a.checked_add(*b)
    {
        return Accumulator::Int(sum);
    }
    Accumulator::Float(as_float(a) + as_float(b))
}
