//! Which integers an `f64` holds.

/// 2^53. Up to here every integer is an `f64`; beyond it neighbouring integers are one `f64`.
pub(crate) const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
