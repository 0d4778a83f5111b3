//! The operators and element-wise functions on numbers. The loop over arrays is in `broadcast`.

use super::broadcast::{self, kernel};
use crate::arrays::error::Fault;
use crate::arrays::numeric::{Computed, Numeric};
use crate::arrays::syntax::ast::{BinaryOp, UnaryOp};
use crate::arrays::syntax::function::Map;

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Python's modulo, whose sign is that of the divisor.
pub(crate) fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        rest.copysign(b)
    } else if (rest < 0.0) == (b < 0.0) {
        rest
    } else {
        rest + b
    }
}

/// The smaller of two numbers; NaN if either is NaN, as in numpy.
pub(crate) fn minimum(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

/// The larger of two numbers; NaN if either is NaN, as in numpy.
pub(crate) fn maximum(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// Evaluates an infix operator element by element, with broadcasting.
pub(crate) fn binary<'s>(op: BinaryOp, a: Numeric<'s>, b: Numeric<'s>) -> Result<Numeric<'s>, Fault> {
    match op {
        BinaryOp::Or => apply(a, b, |x, y| truth(x != 0.0 || y != 0.0)),
        BinaryOp::And => apply(a, b, |x, y| truth(x != 0.0 && y != 0.0)),
        BinaryOp::Less => apply(a, b, |x, y| truth(x < y)),
        BinaryOp::LessEqual => apply(a, b, |x, y| truth(x <= y)),
        BinaryOp::Equal => apply(a, b, |x, y| truth(x == y)),
        BinaryOp::NotEqual => apply(a, b, |x, y| truth(x != y)),
        BinaryOp::GreaterEqual => apply(a, b, |x, y| truth(x >= y)),
        BinaryOp::Greater => apply(a, b, |x, y| truth(x > y)),
        BinaryOp::Add => apply(a, b, |x, y| x + y),
        BinaryOp::Sub => apply(a, b, |x, y| x - y),
        BinaryOp::Mul => apply(a, b, |x, y| x * y),
        BinaryOp::Div => apply(a, b, |x, y| x / y),
        BinaryOp::Rem => apply(a, b, modulo),
        BinaryOp::Pow => match b {
            // Common powers are exact and many times as fast without `pow`, as in numpy.
            Numeric::Scalar(2.0) => map_with(a, |x| x * x),
            Numeric::Scalar(0.5) => map_with(a, f64::sqrt),
            b => apply(a, b, f64::powf),
        },
    }
}

/// Evaluates a prefix operator element by element.
pub(crate) fn unary(op: UnaryOp, a: Numeric<'_>) -> Result<Numeric<'_>, Fault> {
    match op {
        UnaryOp::Neg => map_with(a, |x| -x),
        UnaryOp::Not => map_with(a, |x| truth(x == 0.0)),
    }
}

/// Evaluates a function of one argument element by element.
pub(crate) fn map(function: Map, a: Numeric<'_>) -> Result<Numeric<'_>, Fault> {
    match function {
        Map::Sqrt => map_with(a, f64::sqrt),
        Map::Exp => map_with(a, f64::exp),
        Map::Log => map_with(a, f64::ln),
        Map::Sin => map_with(a, f64::sin),
        Map::Cos => map_with(a, f64::cos),
        Map::Tan => map_with(a, f64::tan),
        Map::Abs => map_with(a, f64::abs),
        Map::Floor => map_with(a, f64::floor),
        Map::Ceil => map_with(a, f64::ceil),
        // halves to even, as in numpy
        Map::Round => map_with(a, f64::round_ties_even),
        Map::Isnan => map_with(a, |x| truth(x.is_nan())),
    }
}

/// Evaluates `clip`: limits `x` to the range from `low` to `high`, which may be arrays.
pub(crate) fn clip<'s>(x: Numeric<'s>, low: Numeric<'s>, high: Numeric<'s>) -> Result<Numeric<'s>, Fault> {
    apply(apply(x, low, maximum)?, high, minimum)
}

/// Applies `f` to each element of an array, or to a number.
pub(crate) fn map_with<T: Computed>(
    a: Numeric<'_, T>,
    f: impl Fn(T) -> T + Sync,
) -> Result<Numeric<'_, T>, Fault> {
    // The kernel ignores its second operand.
    apply(a, Numeric::Scalar(T::ZERO), |x, _| f(x))
}

/// Applies `f` to each pair of elements of `a` and `b`, with broadcasting.
pub(crate) fn apply<'s, T: Computed>(
    a: Numeric<'s, T>,
    b: Numeric<'s, T>,
    f: impl Fn(T, T) -> T + Sync,
) -> Result<Numeric<'s, T>, Fault> {
    match (a, b) {
        (Numeric::Scalar(x), Numeric::Scalar(y)) => Ok(Numeric::Scalar(f(x, y))),
        (a, b) => broadcast::apply(a, b, &kernel(f)),
    }
}
