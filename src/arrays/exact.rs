//! Integers of 64 bits: where they and `f64` are the same numbers, and what operators make of them. Arrays and formulas
//! compute with the functions here.

use crate::arrays::syntax::ast::BinaryOp;
use std::cmp::Ordering;

/// The integer 2^53. Every integer up to this one has an exact `f64`; beyond it neighbouring integers share one.
pub(crate) const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// Returns the integer that a float is; `None` where it is none, or does not fit into 64 bits.
pub(crate) fn integer_of(value: f64) -> Option<i64> {
    // the range of `i64` ends at -2^63, which is an `f64`, and at 2^63 - 1, which is none
    let fits = value >= i64::MIN as f64 && value < -(i64::MIN as f64);
    (fits && value.fract() == 0.0).then_some(value as i64)
}

/// Returns the float that an integer is; `None` where `f64` has only a neighbour of it.
pub(crate) fn float_of(value: i64) -> Option<f64> {
    (integer_of(value as f64) == Some(value)).then_some(value as f64)
}

/// The message about an integer that is no `f64`.
pub(crate) fn no_float(value: i64) -> String {
    format!("{value} is beyond 2**53, and no 64-bit float")
}

/// The sign of an operator of arithmetic other than division, for messages.
pub(crate) fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Rem => "%",
        _ => "**",
    }
}

/// Computes with integers as Python does; `None` where the result does not fit into 64 bits, or there is none.
pub(crate) fn whole_result(op: BinaryOp, x: i64, y: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => x.checked_add(y),
        BinaryOp::Sub => x.checked_sub(y),
        BinaryOp::Mul => x.checked_mul(y),
        // the sign of the rest is that of the divisor
        BinaryOp::Rem if y != 0 => {
            let rest = x.wrapping_rem(y);
            Some(if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest })
        }
        BinaryOp::Rem => None,
        _ => match (x, u32::try_from(y)) {
            (_, Ok(power)) => x.checked_pow(power),
            (0 | 1, Err(_)) => Some(x),
            (-1, Err(_)) => Some(if y % 2 == 0 { 1 } else { -1 }),
            _ => None,
        },
    }
}

/// Whether a comparison of two integers holds, or `&&` and `||` on "is not zero".
pub(crate) fn holds(op: BinaryOp, x: i64, y: i64) -> bool {
    match op {
        BinaryOp::And => x != 0 && y != 0,
        BinaryOp::Or => x != 0 || y != 0,
        op => ordered(op, Some(x.cmp(&y))),
    }
}

/// Whether a comparison holds between two numbers in that order; `None` is the order of what is no number.
pub(crate) fn ordered(op: BinaryOp, order: Option<Ordering>) -> bool {
    match op {
        BinaryOp::Less => order == Some(Ordering::Less),
        BinaryOp::LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        BinaryOp::Equal => order == Some(Ordering::Equal),
        BinaryOp::GreaterEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        BinaryOp::Greater => order == Some(Ordering::Greater),
        _ => order != Some(Ordering::Equal),
    }
}

/// Compares an integer with a float, without rounding either. `None` for a float that is no number.
pub(crate) fn compare(x: i64, y: f64) -> Option<Ordering> {
    if y.is_nan() {
        return None;
    }
    match integer_of(y.trunc()) {
        Some(whole) => Some(x.cmp(&whole).then(0.0.partial_cmp(&y.fract())?)),
        None => Some(if y > 0.0 { Ordering::Less } else { Ordering::Greater }),
    }
}
