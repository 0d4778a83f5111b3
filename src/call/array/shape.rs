//! Shapes: limits, broadcasting, and the allocation of results.

use super::error::Fault;
use ndarray::ArrayD;

/// The most axes an array may have.
pub(super) const MAX_AXES: usize = 32;

/// A shape as Python writes it, for messages: `(3, 4)`.
pub(super) fn display(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The number of elements, if an array of that shape can exist at all.
pub(super) fn elements(shape: &[usize]) -> Result<usize, Fault> {
    if shape.len() > MAX_AXES {
        return Err(Fault::new(format!("an array has at most {MAX_AXES} axes, not {}", shape.len())));
    }
    // Axes of length 0 are left out of the product, as ndarray does: strides are computed without them.
    let product = shape.iter().filter(|n| **n != 0).try_fold(1_usize, |product, n| product.checked_mul(*n));
    let limit = isize::MAX as usize / size_of::<f64>();
    match product {
        Some(product) if product <= limit => Ok(if shape.contains(&0) { 0 } else { product }),
        _ => Err(Fault::new(format!(
            "an array of shape {} has more elements than can be addressed",
            display(shape)
        ))),
    }
}

/// An array of zeros; an error, not the end of the rank, where the memory for it cannot be had.
pub(super) fn zeros(shape: &[usize]) -> Result<ArrayD<f64>, Fault> {
    filled(shape, 0.0)
}

/// An array of equal numbers.
pub(super) fn filled(shape: &[usize], value: f64) -> Result<ArrayD<f64>, Fault> {
    let length = elements(shape)?;
    reserve(length)?;
    // `vec![0.0; n]` asks for zeroed memory: its pages are touched first by the threads that fill them.
    from_vec(shape, vec![value; length])
}

/// An error if memory for `length` elements cannot be reserved.
///
/// A failed `vec![..]` aborts the process, and with it the MPI job. `try_reserve` does not, but then its
/// memory could be filled by one thread only; so it is asked first, and given back at once: for a large array
/// that is one `mmap`.
fn reserve(length: usize) -> Result<(), Fault> {
    const WORTH_ASKING: usize = 1 << 17;
    if length < WORTH_ASKING || Vec::<f64>::new().try_reserve_exact(length).is_ok() {
        return Ok(());
    }
    let gib = length as f64 * size_of::<f64>() as f64 / f64::from(1 << 30);
    Err(Fault::new(format!("no memory for an array of {length} elements ({gib:.1} GiB)"))
        .help("make more and smaller blocks, one per instance of the task"))
}

/// An array of `shape` over elements in C order.
pub(super) fn from_vec(shape: &[usize], elements: Vec<f64>) -> Result<ArrayD<f64>, Fault> {
    let length = elements.len();
    ArrayD::from_shape_vec(shape, elements)
        .map_err(|_| Fault::new(format!("{length} elements do not fill the shape {}", display(shape))))
}

/// The shape that arrays of shapes `a` and `b` have together.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Fault> {
    let axes = a.len().max(b.len());
    // Lengths are matched from the last axis; missing ones count as 1.
    let length =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(axes).map_or(1, |i| shape[i]);
    let mut shape = Vec::with_capacity(axes);
    for axis in 0..axes {
        shape.push(match (length(a, axis), length(b, axis)) {
            (m, n) if m == n => m,
            (1, n) => n,
            (m, 1) => m,
            (m, n) => {
                return Err(Fault::new(format!(
                    "shapes {} and {} do not go together: {m} against {n}",
                    display(a),
                    display(b)
                ))
                .help("lengths are matched from the last axis, and must be equal or 1; `reshape` adds axes of length 1"));
            }
        });
    }
    elements(&shape)?;
    Ok(shape)
}

/// A whole number as the length of an axis.
pub(super) fn length(value: f64) -> Result<usize, Fault> {
    if value.fract() != 0.0 || !value.is_finite() {
        return Err(Fault::new(format!("a size is a whole number, not {value}")));
    }
    if value < 0.0 {
        return Err(Fault::new(format!("a size cannot be negative: {value}")));
    }
    // Beyond 2^53 the number need not be the one that was meant; no array is that long.
    if value > 9_007_199_254_740_992.0 {
        return Err(Fault::new(format!("an axis of {value} elements is longer than can be addressed")));
    }
    Ok(value as usize)
}

/// The axis that `axis` means in an array of `axes` axes; negative ones count from the last.
pub(super) fn axis(axis: f64, axes: usize) -> Result<usize, Fault> {
    if axis.fract() != 0.0 || !axis.is_finite() {
        return Err(Fault::new(format!("an axis is a whole number, not {axis}")));
    }
    let from_first = if axis < 0.0 { axis + axes as f64 } else { axis };
    if from_first < 0.0 || from_first >= axes as f64 {
        let axes = if axes == 1 { "1 axis".to_owned() } else { format!("{axes} axes") };
        return Err(Fault::new(format!("axis {axis} is out of range for an array of {axes}"))
            .help("axes are counted from 0; -1 is the last"));
    }
    Ok(from_first as usize)
}
