//! The operators and functions on integers of 64 bits. A result that does not fit is an error, never a float nearby.

use super::aggregate::of_lanes;
use super::elementwise;
use crate::arrays::error::Fault;
use crate::arrays::exact;
use crate::arrays::numeric::{Cows, Numeric};
use crate::arrays::syntax::ast::BinaryOp;
use crate::arrays::syntax::function::Aggregate;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Integers as an operand of every operator.
pub(crate) type Integers<'s> = Numeric<'s, i64>;

/// The help of every message about an integer that is too large.
pub(crate) const AS_FLOATS: &str = "`cast(x, \"f64\")` computes with floats, which are rounded";

/// The error of an integer that is too large.
pub(crate) fn too_large(what: impl Into<String>) -> Fault {
    Fault::new(what).help(AS_FLOATS)
}

/// Evaluates an operator of arithmetic other than division, element by element. The rest of a division by 0 is 0, as in
/// numpy.
pub(crate) fn arithmetic<'s>(op: BinaryOp, a: Integers<'s>, b: Integers<'s>) -> Result<Integers<'s>, Fault> {
    let told = match (&a, &b) {
        (Numeric::Scalar(x), Numeric::Scalar(y)) => {
            format!("{x} {} {y} does not fit into 64 bits", exact::sign(op))
        }
        _ => format!("a result of `{}` does not fit into 64 bits", exact::sign(op)),
    };
    checked(a, b, told, |x, y| match (op, y) {
        (BinaryOp::Rem, 0) => Some(0),
        _ => exact::whole_result(op, x, y),
    })
}

/// Applies `f` to each pair of elements; the error `told` where it has no result.
fn checked<'s>(
    a: Integers<'s>,
    b: Integers<'s>,
    told: String,
    f: impl Fn(i64, i64) -> Option<i64> + Sync,
) -> Result<Integers<'s>, Fault> {
    let failed = AtomicBool::new(false);
    let found = elementwise::apply(a, b, |x, y| {
        f(x, y).unwrap_or_else(|| {
            failed.store(true, Relaxed);
            0
        })
    })?;
    if failed.into_inner() { Err(too_large(told)) } else { Ok(found) }
}

/// Evaluates a comparison, or `&&` and `||` on "is not zero"; 1 where it holds, else 0.
pub(crate) fn compare<'s>(op: BinaryOp, a: Integers<'s>, b: Integers<'s>) -> Result<Integers<'s>, Fault> {
    elementwise::apply(a, b, |x, y| i64::from(exact::holds(op, x, y)))
}

/// Evaluates `-x`.
pub(crate) fn negative(x: Integers<'_>) -> Result<Integers<'_>, Fault> {
    let told = "the negative of -2**63 does not fit into 64 bits".to_owned();
    checked(x, Numeric::Scalar(0), told, |x, _| x.checked_neg())
}

/// Evaluates `abs(x)`.
pub(crate) fn magnitude(x: Integers<'_>) -> Result<Integers<'_>, Fault> {
    checked(x, Numeric::Scalar(0), "2**63 does not fit into 64 bits".to_owned(), |x, _| x.checked_abs())
}

/// Evaluates `sum`, `min`, `max`, `argmin` or `argmax`, over all elements or along `axis`.
pub(crate) fn aggregate<'s>(
    function: Aggregate,
    x: Integers<'s>,
    axis: Option<f64>,
) -> Result<Integers<'s>, Fault> {
    let x = x.into_array();
    let failed = AtomicBool::new(false);
    let lane = |lane: &mut dyn Iterator<Item = i64>| -> i64 {
        let found = match function {
            Aggregate::Sum => i64::try_from(lane.map(i128::from).sum::<i128>()).ok(),
            Aggregate::Min => lane.min(),
            Aggregate::Max => lane.max(),
            // the first of several: `max_by_key` takes the last of equal ones, so the greatest comes first
            Aggregate::Argmin => lane.enumerate().min_by_key(|(_, x)| *x).map(|(at, _)| at as i64),
            _ => lane.enumerate().min_by_key(|(_, x)| std::cmp::Reverse(*x)).map(|(at, _)| at as i64),
        };
        found.unwrap_or_else(|| {
            failed.store(true, Relaxed);
            0
        })
    };
    let found = of_lanes(function, &x, axis, &lane)?;
    if failed.into_inner() {
        return Err(too_large("a sum of integers does not fit into 64 bits"));
    }
    Ok(found)
}

/// Evaluates `mean` of integers: the exact sum, divided by the number of elements.
pub(crate) fn mean<'s>(x: Integers<'s>, axis: Option<f64>) -> Result<Numeric<'s>, Fault> {
    let x = x.into_array();
    let lane = |lane: &mut dyn Iterator<Item = i64>| -> f64 {
        let (mut sum, mut count) = (0i128, 0u64);
        lane.for_each(|x| (sum, count) = (sum + i128::from(x), count + 1));
        sum as f64 / count as f64
    };
    of_lanes(Aggregate::Mean, &x, axis, &lane)
}

/// The product of two matrices: the sums of products must fit into 64 bits, what lies between need not.
pub(crate) fn multiply(
    left: ndarray::ArrayView2<'_, i64>,
    right: ndarray::ArrayView2<'_, i64>,
    out: &mut ndarray::ArrayViewMut2<'_, i64>,
) -> Result<(), Fault> {
    for (row, mut places) in left.rows().into_iter().zip(out.rows_mut()) {
        for (column, place) in right.columns().into_iter().zip(places.iter_mut()) {
            *place = inner(row.iter().zip(column).map(|(x, y)| (*x, *y)))?;
        }
    }
    Ok(())
}

/// The sum of the products of pairs.
pub(crate) fn inner(pairs: impl Iterator<Item = (i64, i64)>) -> Result<i64, Fault> {
    let sum = pairs
        .map(|(x, y)| i128::from(x) * i128::from(y))
        .try_fold(0i128, |sum, product| sum.checked_add(product))
        .and_then(|sum| i64::try_from(sum).ok());
    sum.ok_or_else(|| too_large("a sum of products of integers does not fit into 64 bits"))
}

/// The largest magnitude of the elements.
pub(crate) fn largest(x: &Cows<'_, i64>) -> u64 {
    x.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0)
}

/// Limits `x` to the range from `low` to `high`, which may be arrays.
pub(crate) fn clip<'s>(
    x: Integers<'s>,
    low: Integers<'s>,
    high: Integers<'s>,
) -> Result<Integers<'s>, Fault> {
    elementwise::apply(elementwise::apply(x, low, i64::max)?, high, i64::min)
}

/// Makes 1 of each number that is not zero, for conditions.
pub(crate) fn truths<'s>(x: Numeric<'_>) -> Result<Integers<'s>, Fault> {
    x.converted(|x| i64::from(x != 0.0))
}
