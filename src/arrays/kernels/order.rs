//! What depends on the order of elements: `sort unique median percentile quantile`.
//!
//! As in numpy, what is no number (`nan`) comes last, and makes a median or a quantile `nan`.

use rayon::prelude::*;
use std::cmp::Ordering;

/// The number of elements from which on several threads sort.
const PARALLEL: usize = 1 << 16;

/// Sorts in ascending order; `nan` comes last.
pub(crate) fn sort(x: &mut [f64]) {
    let order = |a: &f64, b: &f64| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    };
    // equal elements have equal bits but for zeros, which keep their order
    if x.len() < PARALLEL { x.sort_by(order) } else { x.par_sort_by(order) }
}

/// The different elements in ascending order.
pub(crate) fn unique(mut x: Vec<f64>) -> Vec<f64> {
    sort(&mut x);
    x.dedup_by(|b, a| a == b || (a.is_nan() && b.is_nan()));
    x
}

/// The element in the middle, or the mean of the two there; `nan` of none.
pub(crate) fn median(x: &[f64]) -> f64 {
    let mut sorted = x.to_vec();
    sort(&mut sorted);
    let middle = sorted.len() / 2;
    match sorted.last() {
        None => f64::NAN,
        Some(last) if last.is_nan() => f64::NAN,
        Some(_) if sorted.len() % 2 == 1 => sorted[middle],
        Some(_) => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// The value below which the part `q` (0 to 1) of the elements lies, with linear interpolation as in numpy; `nan` of
/// none.
pub(crate) fn quantile(x: &[f64], q: f64) -> f64 {
    let mut sorted = x.to_vec();
    sort(&mut sorted);
    match sorted.last() {
        None => return f64::NAN,
        Some(last) if last.is_nan() => return f64::NAN,
        Some(_) => {}
    }
    let place = q * (sorted.len() - 1) as f64;
    let below = (place.floor() as usize).min(sorted.len() - 1);
    let (a, b, part) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)], place - below as f64);
    // from the nearer end, so that both ends are exact
    if part >= 0.5 { b - (b - a) * (1.0 - part) } else { a + (b - a) * part }
}
