//! Functions along an axis: each lane, the elements in a line along it, becomes a number or another lane.

use crate::arrays::error::Fault;
use crate::arrays::kernels::order;
use crate::arrays::numeric::{Cows, Numeric};
use crate::arrays::shapes::shape;
use ndarray::{Axis, Zip};

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

/// Computes the running sums along an axis; without one those of all elements in their order.
pub(crate) fn cumsum<'s>(x: Numeric<'_>, axis: Option<f64>) -> Result<Numeric<'s>, Fault> {
    let x = x.into_array();
    let (x, axis) = match axis {
        Some(axis) => (x.to_owned(), shape::axis(axis, x.ndim())?),
        None => (flat(&x), 0),
    };
    let mut sums = x;
    for mut lane in sums.lanes_mut(Axis(axis)) {
        let mut sum = 0.0;
        for x in &mut lane {
            sum += *x;
            *x = sum;
        }
    }
    Ok(sums.into())
}

/// Computes the differences of neighbours along an axis, `times` times; each time the axis is one shorter.
pub(crate) fn diff<'s>(x: Numeric<'_>, times: usize, axis: f64) -> Result<Numeric<'s>, Fault> {
    let x = x.into_array();
    let axis = Axis(shape::axis(axis, x.ndim())?);
    let mut x = x.to_owned();
    for _ in 0..times.min(x.len_of(axis)) {
        let length = x.len_of(axis);
        let (before, after) = (
            x.slice_axis(axis, ndarray::Slice::from(0..length - 1)),
            x.slice_axis(axis, ndarray::Slice::from(1..length)),
        );
        x = Zip::from(&after).and(&before).map_collect(|after, before| after - before);
    }
    Ok(x.into())
}

/// Sorts along an axis.
pub(crate) fn sort<'s>(x: Numeric<'_>, axis: f64) -> Result<Numeric<'s>, Fault> {
    let x = x.into_array();
    let axis = shape::axis(axis, x.ndim())?;
    let mut x = x.to_owned();
    for mut lane in x.lanes_mut(Axis(axis)) {
        let mut sorted = lane.to_vec();
        order::sort(&mut sorted);
        lane.iter_mut().zip(sorted).for_each(|(x, sorted)| *x = sorted);
    }
    Ok(x.into())
}

/// The different elements of an array in ascending order, with one axis.
pub(crate) fn unique<'s>(x: Numeric<'_>) -> Numeric<'s> {
    let all = order::unique(x.into_array().iter().copied().collect());
    ndarray::Array1::from_vec(all).into_dyn().into()
}

fn flat(x: &Cows<'_>) -> ndarray::ArrayD<f64> {
    x.iter().copied().collect::<ndarray::Array1<f64>>().into_dyn()
}
