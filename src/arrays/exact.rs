//! The range of integers that `f64` represents exactly.

/// The integer 2^53. Every integer up to this one has an exact `f64`; beyond it neighbouring integers share one.
pub(crate) const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
