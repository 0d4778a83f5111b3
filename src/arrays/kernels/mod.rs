//! Numeric kernels: the loops that compute, in parallel with rayon.
//!
//! `elementwise` (operators and functions of single elements, whose loop is in `broadcast`), `aggregate` (sums,
//! extremes, variance), `integers` (both of integers, which do not round), `construct` (ranges, stacking, reshaping),
//! `linalg` (matrix products), `histogram`, `order` (sorting, quantiles), `lanes` (along an axis), and random numbers
//! (`random`, from the counter-based generator `philox`).

pub(crate) mod aggregate;
pub(crate) mod broadcast;
pub(crate) mod construct;
pub(crate) mod elementwise;
pub(crate) mod histogram;
pub(crate) mod integers;
pub(crate) mod lanes;
pub(crate) mod linalg;
pub(crate) mod order;
pub(crate) mod philox;
pub(crate) mod random;
