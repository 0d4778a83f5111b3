//! Matrix products: `dot` and `matmul` of vectors, matrices and stacks of matrices.

use super::aggregate::sum_by;
use super::broadcast;
use crate::arrays::error::Fault;
use crate::arrays::exact::MAX_EXACT_INTEGER;
use crate::arrays::kernels::construct;
use crate::arrays::kernels::{elementwise, integers};
use crate::arrays::numeric::{Computed, Cows, Numeric};
use crate::arrays::shapes::shape;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Dimension, Ix1, Ix2};
use rayon::prelude::*;

/// A type that matrix products are computed in.
pub(crate) trait Multiplied: Computed {
    /// The scalar product of two vectors.
    fn inner(a: Cows<'_, Self>, b: Cows<'_, Self>) -> Result<Self, Fault>;
    /// The product of a block of rows and a matrix.
    fn multiply(
        left: ArrayView2<'_, Self>,
        right: ArrayView2<'_, Self>,
        out: &mut ArrayViewMut2<'_, Self>,
    ) -> Result<(), Fault>;
    /// The product of arrays of any number of axes.
    fn product<'s>(a: Cows<'s, Self>, b: Cows<'s, Self>) -> Result<Numeric<'s, Self>, Fault> {
        product(a, b)
    }
}

impl Multiplied for f64 {
    fn inner(a: Cows<'_>, b: Cows<'_>) -> Result<f64, Fault> {
        let products = elementwise::apply(Numeric::Array(a), Numeric::Array(b), |x, y| x * y)?.into_owned();
        Ok(sum_by(products.as_slice().unwrap_or(&[]), |x| x))
    }

    fn multiply(
        left: ArrayView2<'_, f64>,
        right: ArrayView2<'_, f64>,
        out: &mut ArrayViewMut2<'_, f64>,
    ) -> Result<(), Fault> {
        general_mat_mul(1.0, &left, &right, 0.0, out);
        Ok(())
    }
}

impl Multiplied for i64 {
    fn inner(a: Cows<'_, i64>, b: Cows<'_, i64>) -> Result<i64, Fault> {
        integers::inner(a.iter().zip(b.iter()).map(|(x, y)| (*x, *y)))
    }

    fn multiply(
        left: ArrayView2<'_, i64>,
        right: ArrayView2<'_, i64>,
        out: &mut ArrayViewMut2<'_, i64>,
    ) -> Result<(), Fault> {
        integers::multiply(left, right, out)
    }

    fn product<'s>(a: Cows<'s, i64>, b: Cows<'s, i64>) -> Result<Numeric<'s, i64>, Fault> {
        match small_integers(&a, &b)? {
            Some(found) => Ok(found),
            None => product(a, b),
        }
    }
}

/// Multiplies integers so small that no sum of products reaches 2^53 as floats, which takes a tenth of the time.
fn small_integers<'r>(a: &Cows<'_, i64>, b: &Cows<'_, i64>) -> Result<Option<Numeric<'r, i64>>, Fault> {
    let inner = a.shape().last().copied().unwrap_or(0) as u128;
    let bound = u128::from(integers::largest(a)) * u128::from(integers::largest(b));
    if bound.saturating_mul(inner) >= MAX_EXACT_INTEGER as u128 {
        return Ok(None);
    }
    let floats = |x: &Cows<'_, i64>| -> Result<Cows<'static>, Fault> {
        shape::room::<f64>(x.len())?;
        Ok(x.map(|x| *x as f64).into())
    };
    product(floats(a)?, floats(b)?)?.converted(|x| x as i64).map(Some)
}

/// Evaluates `matmul`, with numpy's rules for vectors: on the left a vector is a row, on the right a column.
pub(crate) fn matmul<'s, T: Multiplied>(
    a: Numeric<'s, T>,
    b: Numeric<'s, T>,
) -> Result<Numeric<'s, T>, Fault> {
    match (a, b) {
        (Numeric::Array(a), Numeric::Array(b)) => T::product(a, b),
        _ => Err(Fault::new("`matmul` takes arrays, not single numbers").help("write `a * b`")),
    }
}

/// Evaluates `dot` of arrays: as [`matmul`], but without stacks of matrices on the right.
pub(crate) fn dot<'s, T: Multiplied>(a: Numeric<'s, T>, b: Numeric<'s, T>) -> Result<Numeric<'s, T>, Fault> {
    match (a, b) {
        (Numeric::Array(a), Numeric::Array(b)) if b.ndim() > 2 => Err(Fault::new(format!(
            "`dot` takes a vector or a matrix on the right, not an array of shape {}",
            shape::display(b.shape())
        ))
        .help(format!(
            "`matmul` multiplies stacks of matrices, here of shape {}",
            shape::display(a.shape())
        ))),
        (a, b) => matmul(a, b),
    }
}

fn product<'s, T: Multiplied>(a: Cows<'s, T>, b: Cows<'s, T>) -> Result<Numeric<'s, T>, Fault> {
    let shape = shape::product(a.shape(), b.shape())?;
    if b.ndim() > 2 {
        return batches(a, b, &shape);
    }
    // All rows of all matrices on the left are multiplied by the single matrix on the right.
    let a = match a.ndim() {
        0..=2 => a,
        _ => {
            let rows = shape::reshaped(a.shape(), &[-1.0, b.shape()[0] as f64])?;
            match construct::reshape(Numeric::Array(a), &rows.iter().map(|n| *n as f64).collect::<Vec<_>>())?
            {
                Numeric::Array(a) => a,
                Numeric::Scalar(_) => return Err(Fault::new("an operand of a matrix product has no axes")),
            }
        }
    };
    let (m, n) = (a.ndim(), b.ndim());
    let inner = b.shape()[0];
    if m == 1 && n == 1 {
        return Ok(Numeric::Scalar(T::inner(a, b)?));
    }
    let fault = |_| Fault::new("an operand of a matrix product has more axes than it said");
    // Vectors become matrices of one row or column, so that one product handles all cases.
    let left = match m {
        1 => a.into_dimensionality::<Ix1>().map_err(fault)?.insert_axis(Axis(0)),
        _ => a.into_dimensionality::<Ix2>().map_err(fault)?,
    };
    let right = match n {
        1 => b.into_dimensionality::<Ix1>().map_err(fault)?.insert_axis(Axis(1)),
        _ => b.into_dimensionality::<Ix2>().map_err(fault)?,
    };
    let (rows, columns) = (left.nrows(), right.ncols());
    let out = shape::zeros::<T>(&[rows, columns])?;
    let mut out = out.into_dimensionality::<Ix2>().map_err(fault)?;
    // Blocks of rows have a fixed size, so the order of additions does not depend on the number of threads.
    const ROWS: usize = 64;
    let work = rows.saturating_mul(columns).saturating_mul(inner);
    let blocks = out.axis_chunks_iter_mut(Axis(0), ROWS).into_par_iter();
    let blocks = blocks.zip(left.axis_chunks_iter(Axis(0), ROWS));
    let multiply = |(mut out, left): (ArrayViewMut2<'_, T>, ArrayView2<'_, T>)| {
        T::multiply(left, right.view(), &mut out)
    };
    if work > broadcast::PARALLEL {
        blocks.try_for_each(multiply)?;
    } else {
        blocks.with_min_len(rows.max(1)).try_for_each(multiply)?;
    }
    let out = out
        .into_shape_with_order(shape)
        .map_err(|e| Fault::new(format!("cannot reshape the product: {e}")))?;
    Ok(out.into())
}

/// Evaluates a matrix product whose right side is a stack of matrices (an array of three or more axes): pairs of
/// matrices are multiplied, as in numpy's `matmul`.
fn batches<'s, T: Multiplied>(
    a: Cows<'s, T>,
    b: Cows<'s, T>,
    shape: &[usize],
) -> Result<Numeric<'s, T>, Fault> {
    let row = a.ndim() == 1;
    let own = if row { 1 } else { 2 };
    let (batch, rest) = shape.split_at(shape.len() - own);
    let spread = |x: &Cows<'s, T>, axes: usize| -> Result<Vec<usize>, Fault> {
        Ok(batch.iter().chain(&x.shape()[x.ndim() - axes..]).copied().collect())
    };
    let (left_shape, right_shape) = (spread(&a, own)?, spread(&b, 2)?);
    let fault = || Fault::new("an operand of a matrix product has more axes than it said");
    let left = a.broadcast(left_shape).ok_or_else(fault)?;
    let right = b.broadcast(right_shape).ok_or_else(fault)?;
    let mut parts = Vec::with_capacity(batch.iter().product());
    for at in ndarray::indices(batch) {
        let (mut x, mut y) = (left.view(), right.view());
        for place in at.slice() {
            (x, y) = (x.index_axis_move(Axis(0), *place), y.index_axis_move(Axis(0), *place));
        }
        parts.extend(product(x.to_owned().into(), y.to_owned().into())?.into_owned());
    }
    debug_assert_eq!(parts.len(), batch.iter().chain(rest).product::<usize>());
    Ok(shape::from_vec(shape, parts)?.into())
}
