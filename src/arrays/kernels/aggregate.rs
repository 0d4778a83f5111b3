//! `sum mean min max std var norm argmin argmax median any all nansum nanmean`, of a whole array or along one axis.
//!
//! The order of the additions depends on the shape alone, never on the number of threads: whole arrays and
//! single lanes are summed pairwise (error grows with log n) over chunks of fixed length, other axes row
//! after row, as in numpy.

use super::broadcast::PARALLEL;
use crate::arrays::buffer_pool;
use crate::arrays::error::Fault;
use crate::arrays::kernels::elementwise::{maximum, minimum};
use crate::arrays::kernels::order;
use crate::arrays::numeric::{Computed, Cows, Numeric};
use crate::arrays::shapes::shape;
use crate::arrays::syntax::function::Aggregate;
use ndarray::{Axis, Zip};
use rayon::prelude::*;

/// The number of elements that one thread combines to one partial result. The bits of sums depend on it: a change of it
/// changes results.
const CHUNK: usize = 1 << 15;

/// The number of elements up to which one thread computes an aggregate alone, in about a millisecond. With more, other
/// threads help; while a thread waits for them, it may start another task on top of this one, with memory of its own.
const ALONE: usize = 1 << 21;

/// The number of columns that a thread takes at a time when the rows of a matrix are added up.
const COLUMNS: usize = 1 << 12;

/// Computes the aggregate of `x`, over all elements or along `axis`.
pub(crate) fn aggregate<'s>(
    function: Aggregate,
    x: Numeric<'s>,
    axis: Option<f64>,
) -> Result<Numeric<'s>, Fault> {
    let x = x.into_array();
    let result = of_array(function, &x, axis);
    if !x.is_view() {
        buffer_pool::give(x.into_owned());
    }
    result
}

fn of_array<'s>(function: Aggregate, x: &Cows<'_>, axis: Option<f64>) -> Result<Numeric<'s>, Fault> {
    let data = x.as_standard_layout();
    let Some(elements) = data.as_slice() else {
        return Err(Fault::new("this array has no standard layout"));
    };
    let Some(axis) = axis else {
        nonempty(function, elements.len())?;
        return Ok(Numeric::Scalar(whole(function, elements)));
    };
    let axis = shape::axis(axis, x.ndim())?;
    along(function, x, elements, axis)
}

/// Computes an aggregate of integers: `lane` of all elements, or of each lane along `axis`.
pub(crate) fn of_lanes<'s, T: Computed>(
    function: Aggregate,
    x: &Cows<'_, i64>,
    axis: Option<f64>,
    lane: &(dyn Fn(&mut dyn Iterator<Item = i64>) -> T + Sync),
) -> Result<Numeric<'s, T>, Fault> {
    let Some(axis) = axis else {
        nonempty(function, x.len())?;
        return Ok(Numeric::Scalar(match x.as_slice() {
            Some(elements) => lane(&mut elements.iter().copied()),
            None => lane(&mut x.iter().copied()),
        }));
    };
    let axis = Axis(shape::axis(axis, x.ndim())?);
    let mut lengths = x.shape().to_vec();
    lengths.remove(axis.index());
    let mut out = shape::zeros(&lengths)?;
    if !out.is_empty() {
        nonempty(function, x.len_of(axis))?;
    }
    let large = x.len() > PARALLEL;
    let each = Zip::from(&mut out).and(x.lanes(axis));
    if large {
        each.par_for_each(|out, of| *out = lane(&mut of.iter().copied()));
    } else {
        each.for_each(|out, of| *out = lane(&mut of.iter().copied()));
    }
    Ok(out.into())
}

fn nonempty(function: Aggregate, length: usize) -> Result<(), Fault> {
    let name = match function {
        Aggregate::Min => "min",
        Aggregate::Max => "max",
        Aggregate::Argmin => "argmin",
        Aggregate::Argmax => "argmax",
        _ => return Ok(()),
    };
    if length > 0 { Ok(()) } else { Err(Fault::new(format!("`{name}` of no elements has no value"))) }
}

/// Computes the aggregate of all elements of `x`.
fn whole(function: Aggregate, x: &[f64]) -> f64 {
    match function {
        Aggregate::Sum => sum_by(x, |x| x),
        Aggregate::Mean => sum_by(x, |x| x) / x.len() as f64,
        Aggregate::Min => extreme(x, minimum),
        Aggregate::Max => extreme(x, maximum),
        Aggregate::Var => {
            let mean = sum_by(x, |x| x) / x.len() as f64;
            sum_by(x, |x| (x - mean) * (x - mean)) / x.len() as f64
        }
        Aggregate::Std => whole(Aggregate::Var, x).sqrt(),
        Aggregate::Norm => sum_by(x, |x| x * x).sqrt(),
        Aggregate::Argmin => place(x, |x, y| x < y),
        Aggregate::Argmax => place(x, |x, y| x > y),
        Aggregate::Median => order::median(x),
        // what is no number is true, as anything but zero
        Aggregate::Any => f64::from(u8::from(x.iter().any(|x| *x != 0.0))),
        Aggregate::All => f64::from(u8::from(x.iter().all(|x| *x != 0.0))),
        Aggregate::Nansum => sum_by(x, |x| if x.is_nan() { 0.0 } else { x }),
        Aggregate::Nanmean => {
            let count = x.iter().filter(|x| !x.is_nan()).count();
            whole(Aggregate::Nansum, x) / count as f64
        }
    }
}

/// The position of the smallest or largest element (`argmin`, `argmax`), the first one of several: `before(a, b)` tells
/// whether `a` precedes `b`. NaN precedes every number.
fn place(x: &[f64], before: impl Fn(f64, f64) -> bool) -> f64 {
    let mut best = (0, f64::NAN);
    for (at, x) in x.iter().enumerate() {
        if x.is_nan() {
            return at as f64;
        }
        if at == 0 || before(*x, best.1) {
            best = (at, *x);
        }
    }
    best.0 as f64
}

/// The sum of `f(x)` over all elements (pairwise summation). Its bits do not depend on the number of threads.
pub(crate) fn sum_by(x: &[f64], f: impl Fn(f64) -> f64 + Sync + Copy) -> f64 {
    if x.len() <= CHUNK {
        return pairwise(x, f);
    }
    // Chunks have a fixed length whether or not threads share them, so that the result has the same bits.
    let parts: Vec<f64> = if x.len() > ALONE {
        x.par_chunks(CHUNK).map(|part| pairwise(part, f)).collect()
    } else {
        x.chunks(CHUNK).map(|part| pairwise(part, f)).collect()
    };
    pairwise(&parts, |x| x)
}

fn pairwise(x: &[f64], f: impl Fn(f64) -> f64 + Copy) -> f64 {
    const LANES: usize = 8;
    const BLOCK: usize = 128;
    if x.len() <= BLOCK {
        // Eight sums side by side fill the vector registers.
        let mut lanes = [0.0; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += f(*x);
            }
        }
        let [a, b, c, d, e, g, h, i] = lanes;
        return rest.iter().fold(((a + b) + (c + d)) + ((e + g) + (h + i)), |sum, x| sum + f(*x));
    }
    let (left, right) = x.split_at((x.len() / 2).next_multiple_of(LANES));
    pairwise(left, f) + pairwise(right, f)
}

/// The smallest or the largest element of `x`, which must not be empty: `f(a, b)` returns the smaller or the larger of
/// two.
fn extreme(x: &[f64], f: impl Fn(f64, f64) -> f64 + Sync + Copy) -> f64 {
    let of = |part: &[f64]| part.iter().copied().reduce(f).unwrap_or(f64::NAN);
    if x.len() <= ALONE {
        return of(x);
    }
    let parts: Vec<f64> = x.par_chunks(CHUNK).map(of).collect();
    of(&parts)
}

/// Computes the aggregate along an axis. The array is seen as `outer` blocks of `n` rows of `inner` elements, and the
/// `n` rows of each block are combined to one.
fn along<'s>(function: Aggregate, x: &Cows<'_>, data: &[f64], axis: usize) -> Result<Numeric<'s>, Fault> {
    let (before, n, after) = (&x.shape()[..axis], x.shape()[axis], &x.shape()[axis + 1..]);
    let rows = Rows { data, n, inner: after.iter().product() };
    let mut out = shape::zeros(&[before, after].concat())?;
    if out.is_empty() {
        return Ok(out.into());
    }
    nonempty(function, n)?;
    if let Some(out) = out.as_slice_mut() {
        rows.aggregate(function, out);
    }
    Ok(out.into())
}

struct Rows<'d> {
    data: &'d [f64],
    n: usize,
    inner: usize,
}

impl Rows<'_> {
    fn aggregate(&self, function: Aggregate, out: &mut [f64]) {
        if self.n == 0 {
            out.fill(whole(function, &[]));
        } else if self.inner == 1 {
            let lanes = |(out, lane): (&mut f64, &[f64])| *out = whole(function, lane);
            if self.data.len() > PARALLEL {
                out.par_iter_mut().zip(self.data.par_chunks_exact(self.n)).for_each(lanes);
            } else {
                out.iter_mut().zip(self.data.chunks_exact(self.n)).for_each(lanes);
            }
        } else {
            self.columns(out, |outer, from, out| self.block(function, outer, from, out));
        }
    }

    /// Calls `f(outer, first column, part of out)` for parts of at most `COLUMNS` columns of each block (`n` rows that
    /// become one row of `out`), on several threads.
    fn columns(&self, out: &mut [f64], f: impl Fn(usize, usize, &mut [f64]) + Sync) {
        if self.data.len() > PARALLEL {
            out.par_chunks_mut(self.inner).enumerate().for_each(|(outer, row)| {
                row.par_chunks_mut(COLUMNS).enumerate().for_each(|(i, part)| f(outer, i * COLUMNS, part));
            });
        } else {
            for (outer, row) in out.chunks_mut(self.inner).enumerate() {
                row.chunks_mut(COLUMNS).enumerate().for_each(|(i, part)| f(outer, i * COLUMNS, part));
            }
        }
    }

    /// The `n` rows of block number `outer`, restricted to `width` columns from column `from` on.
    fn rows(&self, outer: usize, from: usize, width: usize) -> impl Iterator<Item = &[f64]> {
        (0..self.n).map(move |row| {
            let start = (outer * self.n + row) * self.inner + from;
            &self.data[start..start + width]
        })
    }

    fn block(&self, function: Aggregate, outer: usize, from: usize, out: &mut [f64]) {
        let count = self.n as f64;
        let fold = |out: &mut [f64], f: fn(f64, f64) -> f64| {
            let mut rows = self.rows(outer, from, out.len());
            if let Some(first) = rows.next() {
                out.copy_from_slice(first);
            }
            for row in rows {
                for (out, x) in out.iter_mut().zip(row) {
                    *out = f(*out, *x);
                }
            }
        };
        match function {
            Aggregate::Sum => fold(out, |a, b| a + b),
            Aggregate::Min => fold(out, minimum),
            Aggregate::Max => fold(out, maximum),
            Aggregate::Norm => {
                out.fill(0.0);
                for row in self.rows(outer, from, out.len()) {
                    out.iter_mut().zip(row).for_each(|(out, x)| *out += x * x);
                }
                out.iter_mut().for_each(|x| *x = x.sqrt());
            }
            Aggregate::Argmin
            | Aggregate::Argmax
            | Aggregate::Median
            | Aggregate::Any
            | Aggregate::All
            | Aggregate::Nansum
            | Aggregate::Nanmean => {
                let lane = |column: usize| -> Vec<f64> {
                    self.rows(outer, from, out.len()).filter_map(|row| row.get(column)).copied().collect()
                };
                let places: Vec<f64> = (0..out.len()).map(|column| whole(function, &lane(column))).collect();
                out.copy_from_slice(&places);
            }
            Aggregate::Mean => {
                fold(out, |a, b| a + b);
                out.iter_mut().for_each(|x| *x /= count);
            }
            Aggregate::Var | Aggregate::Std => {
                let mut mean = vec![0.0; out.len()];
                self.block(Aggregate::Mean, outer, from, &mut mean);
                out.fill(0.0);
                for row in self.rows(outer, from, out.len()) {
                    for ((out, x), mean) in out.iter_mut().zip(row).zip(&mean) {
                        *out += (x - mean) * (x - mean);
                    }
                }
                for out in out {
                    *out /= count;
                    if function == Aggregate::Std {
                        *out = out.sqrt();
                    }
                }
            }
        }
    }
}
