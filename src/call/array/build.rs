//! Arrays from numbers and from other arrays: `arange linspace concat reshape transpose`.

use super::broadcast;
use super::error::Fault;
use super::item::{Item, Numeric};
use super::shape;
use ndarray::{ArrayD, Slice};
use rayon::prelude::*;

/// Fills an axis with `f(place)`, in parallel where it is long.
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

/// `start, start + step, ..` as long as it is before `stop`; numpy's numbers to the bit.
pub(super) fn arange(start: f64, stop: f64, step: f64) -> Result<ArrayD<f64>, Fault> {
    if step == 0.0 || [start, stop, step].iter().any(|x| !x.is_finite()) {
        return Err(Fault::new(format!("`arange` cannot go from {start} to {stop} in steps of {step}")));
    }
    let length = shape::length(((stop - start) / step).ceil().max(0.0))?;
    // numpy continues the difference of the first two numbers, which differs from `step` by a rounding.
    let difference = (start + step) - start;
    fill(length, |i| start + i * difference)
}

/// `num` numbers from `start` to `stop`, both included; numpy's numbers to the bit.
pub(super) fn linspace(start: f64, stop: f64, num: f64) -> Result<ArrayD<f64>, Fault> {
    let length = shape::length(num)?;
    let gaps = length.saturating_sub(1) as f64;
    let width = stop - start;
    let step = width / gaps;
    // numpy's two orders of the operations: the second keeps precision where the step underflows.
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

/// Joins arrays along an axis they have. Single numbers count as arrays of one element, so that a gather of
/// numbers becomes an array.
pub(super) fn concat<'s>(items: Vec<Item<'s>>, axis: f64) -> Result<Numeric<'s>, Fault> {
    let mut parts = Vec::with_capacity(items.len());
    for item in items {
        parts.push(match item.into_numeric()? {
            Numeric::Scalar(number) => shape::from_vec(&[1], vec![number])?.into(),
            Numeric::Array(array) => array,
        });
    }
    let Some(first) = parts.first() else {
        return Err(Fault::new("there is nothing to join"));
    };
    let axis = shape::axis(axis, first.ndim())?;
    let mut whole = first.shape().to_vec();
    whole[axis] = 0;
    for (at, part) in parts.iter().enumerate() {
        let fits = part.ndim() == whole.len()
            && part.shape().iter().zip(first.shape()).enumerate().all(|(i, (m, n))| i == axis || m == n);
        if !fits {
            return Err(Fault::new(format!(
                "arrays to join along axis {axis} may differ in that axis only: number 0 has shape {}, number {at} has {}",
                shape::display(first.shape()),
                shape::display(part.shape())
            )));
        }
        whole[axis] = whole[axis].saturating_add(part.shape()[axis]);
    }
    if parts.len() == 1 {
        return Ok(parts.swap_remove(0).into());
    }
    let mut joined = shape::zeros(&whole)?;
    let mut from = 0;
    for part in parts {
        let to = from + part.shape()[axis];
        let place = joined.slice_axis_mut(ndarray::Axis(axis), Slice::from(from..to));
        broadcast::copy(place, &part.view());
        from = to;
    }
    Ok(joined.into())
}

/// The same elements in C order under another shape, one of whose lengths may be -1: whatever is left.
pub(super) fn reshape<'s>(x: Numeric<'s>, sizes: &[f64]) -> Result<Numeric<'s>, Fault> {
    let x = x.into_array();
    let length = x.len();
    let open = sizes.iter().filter(|size| **size == -1.0).count();
    if open > 1 {
        return Err(Fault::new("only one size can be -1"));
    }
    let known = sizes.iter().filter(|size| **size != -1.0).map(|size| shape::length(*size));
    let known = known.collect::<Result<Vec<_>, _>>()?;
    let product = shape::elements(&known)?;
    let left = length.checked_div(product).unwrap_or(0);
    let mut given = known.into_iter();
    let new: Vec<usize> =
        sizes.iter().map(|size| if *size == -1.0 { left } else { given.next().unwrap_or(0) }).collect();
    if shape::elements(&new)? != length || (open == 1 && product == 0) {
        return Err(Fault::new(format!(
            "an array of shape {} has {length} elements, which do not fill ({})",
            shape::display(x.shape()),
            sizes.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
        )));
    }
    // A view stays one where its order allows.
    let ordered = if x.is_standard_layout() { x } else { x.as_standard_layout().into_owned().into() };
    let reshaped =
        ordered.into_shape_with_order(new).map_err(|e| Fault::new(format!("cannot reshape: {e}")))?;
    Ok(reshaped.into())
}

/// The axes reversed, or in the order given.
pub(super) fn transpose<'s>(x: Numeric<'s>, order: &[f64]) -> Result<Numeric<'s>, Fault> {
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
