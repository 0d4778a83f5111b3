//! Shapes of arrays: limits, broadcasting, and the allocation of results.

use crate::arrays::error::Fault;
use crate::arrays::exact::MAX_EXACT_INTEGER;
use crate::arrays::numeric::Computed;
use crate::task::allocation;
use ndarray::ArrayD;

/// The largest number of axes that an array may have.
pub(crate) const MAX_AXES: usize = 32;

/// Formats a shape as Python does, for messages: `(3, 4)`.
pub(crate) fn display(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The number of elements of a shape. An error if no array can have that shape.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, Fault> {
    if shape.len() > MAX_AXES {
        return Err(Fault::new(format!("an array has at most {MAX_AXES} axes, not {}", shape.len())));
    }
    // An axis of length 0 leaves no elements. The product of the others must not overflow even so: ndarray computes
    // strides from it.
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

/// Makes an array of zeros. Lack of memory is an error of the task, and does not abort the rank (the MPI process).
pub(crate) fn zeros<T: Computed>(shape: &[usize]) -> Result<ArrayD<T>, Fault> {
    filled(shape, T::ZERO)
}

/// Checks that there is memory for `length` elements.
pub(crate) fn room<T>(length: usize) -> Result<(), Fault> {
    allocation::check::<T>(length).map_err(|_| {
        let gib = length as f64 * size_of::<T>() as f64 / f64::from(1 << 30);
        Fault::new(format!("no memory for an array of {length} elements ({gib:.1} GiB)"))
            .help("make more and smaller blocks, one per instance of the task")
    })
}

/// Makes an array of a shape in which every element is `value`.
pub(crate) fn filled<T: Computed>(shape: &[usize], value: T) -> Result<ArrayD<T>, Fault> {
    let length = elements(shape)?;
    room::<T>(length)?;
    // `vec![0.0; n]` asks the system for zeroed memory, which costs nothing until a page is first used. So the threads
    // that fill the array share that cost, and a page lies near the core that fills it (NUMA).
    from_vec(shape, vec![value; length])
}

/// Makes an array of a shape from its elements in C order.
pub(crate) fn from_vec<T>(shape: &[usize], elements: Vec<T>) -> Result<ArrayD<T>, Fault> {
    let length = elements.len();
    ArrayD::from_shape_vec(shape, elements)
        .map_err(|_| Fault::new(format!("{length} elements do not fill the shape {}", display(shape))))
}

/// The common shape of two shapes by numpy's rules of broadcasting.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Fault> {
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

/// Converts a number to the length of an axis; an error unless it is an integer that an axis can have.
pub(crate) fn length(value: f64) -> Result<usize, Fault> {
    if value.fract() != 0.0 || !value.is_finite() {
        return Err(Fault::new(format!("a size is a whole number, not {value}")));
    }
    if value < 0.0 {
        return Err(Fault::new(format!("a size cannot be negative: {value}")));
    }
    // Beyond 2^53 the number may have been rounded; no array is that long.
    if value > MAX_EXACT_INTEGER {
        return Err(Fault::new(format!("an axis of {value} elements is longer than can be addressed")));
    }
    Ok(value as usize)
}

/// Converts a number to the index of an axis, in an array of `axes` axes. Negative numbers count from the last.
pub(crate) fn axis(axis: f64, axes: usize) -> Result<usize, Fault> {
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

/// The shape of the array that is made by joining arrays along an existing axis.
pub(crate) fn joined(shapes: &[&[usize]], along: f64) -> Result<Vec<usize>, Fault> {
    let Some(first) = shapes.first() else {
        return Err(Fault::new("there is nothing to join"));
    };
    let axis = axis(along, first.len())?;
    let mut whole = first.to_vec();
    whole[axis] = 0;
    for (at, shape) in shapes.iter().enumerate() {
        let fits = shape.len() == whole.len()
            && shape.iter().zip(*first).enumerate().all(|(i, (m, n))| i == axis || m == n);
        if !fits {
            return Err(Fault::new(format!(
                "arrays to join along axis {axis} may differ in that axis only: number 0 has shape {}, number {at} has {}",
                display(first),
                display(shape)
            )));
        }
        whole[axis] = whole[axis].saturating_add(shape[axis]);
    }
    elements(&whole)?;
    Ok(whole)
}

/// The shape of an array that is made by putting arrays of equal shapes on a new axis.
pub(crate) fn stacked(shapes: &[&[usize]], along: f64) -> Result<Vec<usize>, Fault> {
    let first: &[usize] = shapes.first().copied().unwrap_or(&[]);
    if let Some((at, odd)) = shapes.iter().enumerate().find(|(_, shape)| **shape != first) {
        return Err(Fault::new(format!(
            "a list of unequal shapes is no array: number 0 has shape {}, number {at} has {}",
            display(first),
            display(odd)
        ))
        .help("`concat(..)` joins blocks of unequal lengths"));
    }
    let axis = axis(along, first.len() + 1)?;
    let mut shape = first.to_vec();
    shape.insert(axis, shapes.len());
    elements(&shape)?;
    Ok(shape)
}

/// The shape that `sizes` specify for an array of `shape`. A size of -1, of which there can be one, stands for what the
/// other sizes leave.
pub(crate) fn reshaped(shape: &[usize], sizes: &[f64]) -> Result<Vec<usize>, Fault> {
    let length = elements(shape)?;
    let open = sizes.iter().filter(|size| **size == -1.0).count();
    if open > 1 {
        return Err(Fault::new("only one size can be -1"));
    }
    let known = sizes.iter().filter(|size| **size != -1.0).map(|size| self::length(*size));
    let known = known.collect::<Result<Vec<_>, _>>()?;
    let product = elements(&known)?;
    let left = length.checked_div(product).unwrap_or(0);
    let mut given = known.into_iter();
    let new: Vec<usize> =
        sizes.iter().map(|size| if *size == -1.0 { left } else { given.next().unwrap_or(0) }).collect();
    if elements(&new)? != length || (open == 1 && product == 0) {
        return Err(Fault::new(format!(
            "an array of shape {} has {length} elements, which do not fill ({})",
            display(shape),
            sizes.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
        )));
    }
    Ok(new)
}

/// The shape of a matrix product. The leading axes of stacks of matrices are broadcast.
pub(crate) fn product(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Fault> {
    let (m, n) = (a.len(), b.len());
    if m == 0 || n == 0 {
        return Err(Fault::new("matrix products are of arrays, not of single numbers"));
    }
    let (inner, other) = (a[m - 1], b[n.saturating_sub(2)]);
    if inner != other {
        let which = if n <= 2 { "first" } else { "last but one" };
        return Err(Fault::new(format!(
            "the last axis of the left array, {inner}, is not as long as the {which} of the right one, {other}: shapes {} and {}",
            display(a),
            display(b)
        )));
    }
    let mut shape = broadcast(&a[..m.saturating_sub(2)], &b[..n.saturating_sub(2)])?;
    shape.extend(&a[m.saturating_sub(2)..m - 1]);
    if n > 1 {
        shape.push(b[n - 1]);
    }
    elements(&shape)?;
    Ok(shape)
}
