//! `dot` and `matmul` for vectors and matrices.

use super::aggregate::sum_by;
use super::broadcast;
use super::error::Fault;
use super::item::{Cows, Numeric};
use super::ops;
use super::shape;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Ix1, Ix2};
use rayon::prelude::*;

/// The matrix product, with numpy's rules for vectors: one on the left is a row, one on the right a column.
pub(super) fn matmul<'s>(a: Numeric<'s>, b: Numeric<'s>) -> Result<Numeric<'s>, Fault> {
    match (a, b) {
        (Numeric::Array(a), Numeric::Array(b)) => product(a, b),
        _ => Err(Fault::new("`matmul` takes arrays, not single numbers").help("write `a * b`")),
    }
}

/// As `matmul`, and the ordinary product where one of the two is a number.
pub(super) fn dot<'s>(a: Numeric<'s>, b: Numeric<'s>) -> Result<Numeric<'s>, Fault> {
    match (a, b) {
        (Numeric::Array(a), Numeric::Array(b)) => product(a, b),
        (a, b) => ops::apply(a, b, |x, y| x * y),
    }
}

fn product<'s>(a: Cows<'s>, b: Cows<'s>) -> Result<Numeric<'s>, Fault> {
    let (m, n) = (a.ndim(), b.ndim());
    if m > 2 || n > 2 {
        return Err(Fault::new(format!(
            "matrix products are of vectors and matrices, not of shapes {} and {}",
            shape::display(a.shape()),
            shape::display(b.shape())
        )));
    }
    let (inner, other) = (a.shape()[m - 1], b.shape()[0]);
    if inner != other {
        return Err(Fault::new(format!(
            "the last axis of the left array, {inner}, is not as long as the first of the right one, {other}: shapes {} and {}",
            shape::display(a.shape()),
            shape::display(b.shape())
        )));
    }
    if m == 1 && n == 1 {
        let products = ops::apply(Numeric::Array(a), Numeric::Array(b), |x, y| x * y)?;
        let products = products.into_owned();
        return Ok(Numeric::Scalar(sum_by(products.as_slice().unwrap_or(&[]), |x| x)));
    }
    let shape: Vec<usize> = a.shape()[..m - 1].iter().chain(&b.shape()[n - 1..][..n - 1]).copied().collect();
    let fault = |_| Fault::new("an operand of a matrix product has more axes than it said");
    // Vectors become matrices of one row or column, so that there is one product to write.
    let left = match m {
        1 => a.into_dimensionality::<Ix1>().map_err(fault)?.insert_axis(Axis(0)),
        _ => a.into_dimensionality::<Ix2>().map_err(fault)?,
    };
    let right = match n {
        1 => b.into_dimensionality::<Ix1>().map_err(fault)?.insert_axis(Axis(1)),
        _ => b.into_dimensionality::<Ix2>().map_err(fault)?,
    };
    let (rows, columns) = (left.nrows(), right.ncols());
    let out = shape::zeros(&[rows, columns])?;
    let mut out = out.into_dimensionality::<Ix2>().map_err(fault)?;
    // Rows in fixed blocks: the kernel's order of additions does not depend on how many threads share them.
    const ROWS: usize = 64;
    let work = rows.saturating_mul(columns).saturating_mul(inner);
    let blocks = out.axis_chunks_iter_mut(Axis(0), ROWS).into_par_iter();
    let blocks = blocks.zip(left.axis_chunks_iter(Axis(0), ROWS));
    let multiply = |(mut out, left): (ArrayViewMut2<'_, f64>, ArrayView2<'_, f64>)| {
        general_mat_mul(1.0, &left, &right, 0.0, &mut out);
    };
    if work > broadcast::PARALLEL {
        blocks.for_each(multiply);
    } else {
        blocks.with_min_len(rows.max(1)).for_each(multiply);
    }
    let out = out
        .into_shape_with_order(shape)
        .map_err(|e| Fault::new(format!("cannot reshape the product: {e}")))?;
    Ok(out.into())
}
