//! The range of integers that `f64` represents exactly.

/// 2^53. Up to here every integer has an exact `f64`; beyond it neighbouring integers share one.
pub(crate) const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
