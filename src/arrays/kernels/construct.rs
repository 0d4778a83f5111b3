//! Construction of arrays from numbers and from other arrays: `arange linspace eye concat stack reshape transpose`.

use super::broadcast;
use crate::arrays::error::Fault;
use crate::arrays::numeric::{Computed, Numeric};
use crate::arrays::shapes::shape;
use ndarray::{ArrayD, Axis, Slice};
use rayon::prelude::*;

/// Makes a vector of `length` elements `f(position)`, on several threads if it is long.
fn fill(length: usize, f: impl Fn(f64) -> f64 + Sync) -> Result<ArrayD<f64>, Fault> {
    let mut array = shape::zeros(&[length])?;
    const CHUNK: usize = 1 << 14;
    let part = |(i, part): (usize, &mut [f64])| {
        for (j, x) in part.iter_mut().enumerate() {
            *x = f((i * CHUNK + j) as f64);
        }
    };
    if let Some(all) = array.as_slice_mut() {
        if all.len() > broadcast::PARALLEL {
            all.par_chunks_mut(CHUNK).enumerate().for_each(part);
        } else {
            all.chunks_mut(CHUNK).enumerate().for_each(part);
        }
    }
    Ok(array)
}

/// Evaluates `arange`: `start, start + step, ..` up to but without `stop`, with the same bits as numpy's.
pub(crate) fn arange(start: f64, stop: f64, step: f64) -> Result<ArrayD<f64>, Fault> {
    let length = arange_length(start, stop, step)?;
    // numpy adds multiples of the difference of the first two numbers, which differs from `step` by a rounding.
    let difference = (start + step) - start;
    fill(length, |i| start + i * difference)
}

/// The number of elements that [`arange`] with these arguments has.
pub(crate) fn arange_length(start: f64, stop: f64, step: f64) -> Result<usize, Fault> {
    if step == 0.0 || [start, stop, step].iter().any(|x| !x.is_finite()) {
        return Err(Fault::new(format!("`arange` cannot go from {start} to {stop} in steps of {step}")));
    }
    shape::length(((stop - start) / step).ceil().max(0.0))
}

/// Evaluates `linspace`: `num` evenly spaced numbers from `start` to `stop`, both included, with the same bits as
/// numpy's.
pub(crate) fn linspace(start: f64, stop: f64, num: f64) -> Result<ArrayD<f64>, Fault> {
    let length = shape::length(num)?;
    let gaps = length.saturating_sub(1) as f64;
    let width = stop - start;
    let step = width / gaps;
    // numpy's two orders of the operations: the step first, or, where the step underflows to 0, the product first.
    let mut array = if step == 0.0 {
        fill(length, |i| i / gaps * width + start)?
    } else {
        fill(length, |i| if gaps == 0.0 { start } else { i * step + start })?
    };
    if let (Some(last), true) = (array.last_mut(), length > 1) {
        *last = stop;
    }
    Ok(array)
}

/// Evaluates `eye`: a matrix with ones on the diagonal and zeros elsewhere.
pub(crate) fn eye(rows: usize, columns: usize) -> Result<ArrayD<f64>, Fault> {
    let mut array = shape::zeros(&[rows, columns])?;
    if let Some(elements) = array.as_slice_mut() {
        elements.iter_mut().step_by(columns + 1).take(rows.min(columns)).for_each(|x| *x = 1.0);
    }
    Ok(array)
}

/// Evaluates `concat`: joins arrays along an existing axis. Scalars count as arrays of one element, so that a gather of
/// numbers becomes a vector.
pub(crate) fn concat<'s, T: Computed>(
    parts: Vec<Numeric<'s, T>>,
    axis: f64,
) -> Result<Numeric<'s, T>, Fault> {
    let mut arrays = Vec::with_capacity(parts.len());
    for part in parts {
        arrays.push(match part {
            Numeric::Scalar(number) => shape::from_vec(&[1], vec![number])?.into(),
            Numeric::Array(array) => array,
        });
    }
    let whole = shape::joined(&arrays.iter().map(|array| array.shape()).collect::<Vec<_>>(), axis)?;
    if arrays.len() == 1 {
        return Ok(arrays.swap_remove(0).into());
    }
    let axis = Axis(shape::axis(axis, whole.len())?);
    let mut joined = shape::zeros(&whole)?;
    let mut from = 0;
    for array in arrays {
        let to = from + array.len_of(axis);
        broadcast::copy(joined.slice_axis_mut(axis, Slice::from(from..to)), &array.view());
        from = to;
    }
    Ok(joined.into())
}

/// Evaluates `stack`: puts arrays of equal shapes on a new axis.
pub(crate) fn stack<'s, T: Computed>(parts: Vec<Numeric<'s, T>>, axis: f64) -> Result<Numeric<'s, T>, Fault> {
    let shape = shape::stacked(&parts.iter().map(Numeric::shape).collect::<Vec<_>>(), axis)?;
    let mut stacked = shape::zeros(&shape)?;
    let axis = Axis(shape::axis(axis, shape.len())?);
    for (mut place, part) in stacked.axis_iter_mut(axis).zip(&parts) {
        match part {
            Numeric::Scalar(number) => place.fill(*number),
            Numeric::Array(array) => broadcast::copy(place, &array.view()),
        }
    }
    Ok(stacked.into())
}

/// Evaluates `reshape`: the elements in C order under another shape. A length of -1 stands for what the other lengths
/// leave.
pub(crate) fn reshape<'s, T: Computed>(x: Numeric<'s, T>, sizes: &[f64]) -> Result<Numeric<'s, T>, Fault> {
    let x = x.into_array();
    let new = shape::reshaped(x.shape(), sizes)?;
    // A view remains a view if its order allows it.
    let ordered = if x.is_standard_layout() { x } else { x.as_standard_layout().into_owned().into() };
    let reshaped =
        ordered.into_shape_with_order(new).map_err(|e| Fault::new(format!("cannot reshape: {e}")))?;
    Ok(reshaped.into())
}

/// Evaluates `transpose`: an array with its axes in reverse, or in the given order.
pub(crate) fn transpose<'s, T: Computed>(x: Numeric<'s, T>, order: &[f64]) -> Result<Numeric<'s, T>, Fault> {
    let x = match x {
        Numeric::Array(x) => x,
        scalar if order.is_empty() => return Ok(scalar),
        Numeric::Scalar(_) => return Err(Fault::new("a single number has no axes")),
    };
    if order.is_empty() {
        return Ok(x.reversed_axes().into());
    }
    let axes = order.iter().map(|axis| shape::axis(*axis, x.ndim())).collect::<Result<Vec<_>, _>>()?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted != (0..x.ndim()).collect::<Vec<_>>() {
        return Err(Fault::new(format!(
            "`transpose` of an array of shape {} names each axis from 0 to {} once",
            shape::display(x.shape()),
            x.ndim() - 1
        )));
    }
    Ok(x.permuted_axes(axes).into())
}
