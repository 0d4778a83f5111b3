//! Histograms: the number of elements in each of several equal intervals.

use crate::arrays::error::Fault;
use crate::arrays::kernels::construct;
use crate::arrays::numeric::Numeric;
use crate::arrays::shapes::shape;
use ndarray::ArrayD;

/// Evaluates `histogram` by numpy's rules: the last interval includes its upper end, and elements outside of all
/// intervals are not counted. The intervals go from `low` to `high`, by default from the least to the greatest element.
pub(crate) fn histogram(
    x: Numeric<'_>,
    bins: f64,
    low: Option<f64>,
    high: Option<f64>,
) -> Result<ArrayD<f64>, Fault> {
    let bins = shape::length(bins)?;
    if bins == 0 {
        return Err(Fault::new("a histogram has at least one bin"));
    }
    let x = x.into_array();
    let least = x.iter().copied().reduce(crate::arrays::kernels::elementwise::minimum);
    let greatest = x.iter().copied().reduce(crate::arrays::kernels::elementwise::maximum);
    let (mut low, mut high) = (low.or(least).unwrap_or(0.0), high.or(greatest).unwrap_or(1.0));
    if !low.is_finite() || !high.is_finite() {
        let fault = Fault::new(format!("a histogram cannot go from {low} to {high}"));
        return Err(fault.help("give its ends: `histogram(x, 10, min = 0, max = 1)`"));
    }
    if low > high {
        return Err(Fault::new(format!(
            "a histogram goes from its least to its greatest value, not {low} to {high}"
        )));
    }
    if low == high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let edges = construct::linspace(low, high, (bins + 1) as f64)?;
    let mut counts = shape::zeros(&[bins])?;
    for x in x.iter().copied().filter(|x| (low..=high).contains(x)) {
        let mut bin = (((x - low) / (high - low) * bins as f64) as usize).min(bins - 1);
        // the quotient is rounded, so the edges decide
        if x < edges[bin] {
            bin -= 1;
        } else if bin + 1 < bins && x >= edges[bin + 1] {
            bin += 1;
        }
        counts[bin] += 1.0;
    }
    Ok(counts)
}
