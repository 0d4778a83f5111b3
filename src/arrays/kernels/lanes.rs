//! Functions along an axis: each lane, the elements in a line along it, becomes a number or another lane.

use crate::arrays::error::Fault;
use crate::arrays::kernels::order;
use crate::arrays::numeric::{Computed, Numeric};
use crate::arrays::shapes::shape;
use ndarray::{Array1, Axis, Zip};

/// Computes a quantile of all elements, or along an axis.
pub(crate) fn quantile<'s>(x: Numeric<'_>, q: f64, axis: Option<f64>) -> Result<Numeric<'s>, Fault> {
    let x = x.into_array();
    let Some(axis) = axis else {
        let all: Vec<f64> = x.iter().copied().collect();
        return Ok(Numeric::Scalar(order::quantile(&all, q)));
    };
    let axis = shape::axis(axis, x.ndim())?;
    Ok(x.map_axis(Axis(axis), |lane| order::quantile(&lane.to_vec(), q)).into())
}

/// Computes the running sums along an axis; without one those of all elements in their order. `None` if a sum does not
/// fit, as `add` says.
pub(crate) fn cumsum<'s, T: Computed>(
    x: Numeric<'_, T>,
    axis: Option<f64>,
    add: impl Fn(T, T) -> Option<T>,
) -> Result<Option<Numeric<'s, T>>, Fault> {
    let x = x.into_array();
    let (mut sums, axis) = match axis {
        Some(axis) => (x.to_owned(), shape::axis(axis, x.ndim())?),
        None => (x.iter().copied().collect::<Array1<T>>().into_dyn(), 0),
    };
    for mut lane in sums.lanes_mut(Axis(axis)) {
        let mut sum = T::ZERO;
        for x in &mut lane {
            let Some(next) = add(sum, *x) else { return Ok(None) };
            sum = next;
            *x = sum;
        }
    }
    Ok(Some(sums.into()))
}

/// Computes the differences of neighbours along an axis, `times` times; each time the axis is one shorter. `None` if a
/// difference does not fit, as `subtract` says.
pub(crate) fn diff<'s, T: Computed>(
    x: Numeric<'_, T>,
    times: usize,
    axis: f64,
    subtract: impl Fn(T, T) -> Option<T>,
) -> Result<Option<Numeric<'s, T>>, Fault> {
    let x = x.into_array();
    let axis = Axis(shape::axis(axis, x.ndim())?);
    let mut x = x.to_owned();
    for _ in 0..times.min(x.len_of(axis)) {
        let length = x.len_of(axis);
        let (before, after) = (
            x.slice_axis(axis, ndarray::Slice::from(0..length - 1)),
            x.slice_axis(axis, ndarray::Slice::from(1..length)),
        );
        let mut fits = true;
        x = Zip::from(&after).and(&before).map_collect(|&after, &before| {
            subtract(after, before).unwrap_or_else(|| {
                fits = false;
                T::ZERO
            })
        });
        if !fits {
            return Ok(None);
        }
    }
    Ok(Some(x.into()))
}

/// Sorts along an axis by `sort`.
pub(crate) fn sort<'s, T: Computed>(
    x: Numeric<'_, T>,
    axis: f64,
    sort: impl Fn(&mut [T]),
) -> Result<Numeric<'s, T>, Fault> {
    let x = x.into_array();
    let axis = shape::axis(axis, x.ndim())?;
    let mut x = x.to_owned();
    for mut lane in x.lanes_mut(Axis(axis)) {
        let mut sorted = lane.to_vec();
        sort(&mut sorted);
        lane.iter_mut().zip(sorted).for_each(|(x, sorted)| *x = sorted);
    }
    Ok(x.into())
}

/// The different elements of an array in ascending order, as `unique` finds them, with one axis.
pub(crate) fn unique<'s, T: Computed>(
    x: Numeric<'_, T>,
    unique: impl Fn(Vec<T>) -> Vec<T>,
) -> Numeric<'s, T> {
    Array1::from_vec(unique(x.into_array().iter().copied().collect())).into_dyn().into()
}
