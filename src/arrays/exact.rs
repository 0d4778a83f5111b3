//! Where integers and `f64` are the same numbers.

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
