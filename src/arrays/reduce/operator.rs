//! The operators of reductions: `reduce = { of = "x", with = "add" }`.
//!
//! A leaf of the [`tree`](super::tree) becomes a partial result ([`Reduce::leaf`]), partial results are merged from
//! left to right ([`Reduce::merge`]), and at the root the last one becomes the result ([`Reduce::finish`]). For most
//! operators all three are arrays of the same kind. `mean` along an axis and `moments` need more to weigh blocks of
//! unequal length correctly, and carry it on a first axis of their own: the count and the sum; or the count, the mean
//! and the sum of squared deviations. Both give `f64` for any element type.

use crate::arrays::error::Fault;
use crate::arrays::kernels::{aggregate, construct, elementwise};
use crate::arrays::numeric::Numeric;
use crate::arrays::shapes::shape;
use crate::arrays::syntax::ast::BinaryOp;
use crate::arrays::syntax::function::Aggregate;
use crate::arrays::typed_functions;
use crate::arrays::typed_numbers::{self, TypedNumbers};
use crate::arrays::types::ElementType;
use crate::arrays::{ArrayBinding, ArrayValue};
use ndarray::{ArrayD, ArrayViewD, Axis};
use serde::{Deserialize, Serialize};

/// The operator of a reduction, which merges the results of many instances (the leaves) to one array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReduceOperator {
    /// The element-wise sum of all leaves (the arrays that are merged).
    Add,
    /// The element-wise product of all leaves (the arrays that are merged).
    Mul,
    /// The element-wise minimum; NaN if either element is NaN.
    Min,
    /// The element-wise maximum; NaN if either element is NaN.
    Max,
    /// All leaves (the arrays that are merged), joined along an axis.
    Concat,
    /// The element-wise mean of all leaves (the arrays that are merged).
    Mean,
    /// The count, the mean and the variance of each element over all leaves, on a new first axis of length 3.
    Moments,
}

/// A reduction of the results of many instances to one array: its operator and axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reduce {
    /// The operator that merges two partial results.
    pub with: ReduceOperator,
    /// The axis of each array that is reduced too, or for `concat` the axis along which arrays are joined. Negative
    /// axes count from the last. `None` means that arrays are merged element by element.
    pub axis: Option<i64>,
}

/// The error of arrays that cannot be merged, since their shapes do not match or an axis is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReduceError {
    /// The message for the user, which includes the shapes.
    pub message: String,
    /// Advice on how to correct the script, if there is any.
    pub help: Option<String>,
}

impl From<Fault> for ReduceError {
    fn from(Fault { message, help }: Fault) -> Self {
        ReduceError { message, help }
    }
}

impl ReduceOperator {
    /// The operators of reductions with their names in scripts.
    pub const NAMES: [(&'static str, ReduceOperator); 7] = [
        ("add", ReduceOperator::Add),
        ("mul", ReduceOperator::Mul),
        ("min", ReduceOperator::Min),
        ("max", ReduceOperator::Max),
        ("concat", ReduceOperator::Concat),
        ("mean", ReduceOperator::Mean),
        ("moments", ReduceOperator::Moments),
    ];

    /// Finds the operator of a reduction by its name in scripts; `None` if there is none.
    pub fn of(name: &str) -> Option<ReduceOperator> {
        ReduceOperator::NAMES.iter().find(|(known, _)| *known == name).map(|(_, with)| *with)
    }

    /// The name of the operator in scripts.
    pub fn name(self) -> &'static str {
        ReduceOperator::NAMES.iter().find(|(_, with)| *with == self).map_or("", |(name, _)| name)
    }
}

impl Reduce {
    /// Whether the reduction merges the results of instances (leaves) as they are, without converting them to partial
    /// results first.
    pub fn takes_leaves(self) -> bool {
        match self.with {
            ReduceOperator::Concat => true,
            ReduceOperator::Moments => false,
            // merged element by element, all leaves weigh the same: a mean is a sum until the root divides it by their
            // number
            ReduceOperator::Add
            | ReduceOperator::Mul
            | ReduceOperator::Min
            | ReduceOperator::Max
            | ReduceOperator::Mean => self.axis.is_none(),
        }
    }

    /// Whether the result of a reduction of a single leaf is that leaf itself, without any computation.
    pub fn keeps_single(self) -> bool {
        self.takes_leaves() && self.with != ReduceOperator::Mean
    }

    fn own_axis(self) -> bool {
        !self.takes_leaves() && matches!(self.with, ReduceOperator::Mean | ReduceOperator::Moments)
    }

    /// Converts a leaf, the result of one instance, to a partial result, which other partial results can be merged
    /// with.
    ///
    /// # Errors
    /// When the leaf does not have the reduction's axis.
    pub fn leaf(self, value: &ArrayValue) -> Result<ArrayValue, ReduceError> {
        Ok(match (self.with, self.axis) {
            _ if self.takes_leaves() => value.clone(),
            (ReduceOperator::Mean, Some(axis)) => {
                let (sum, count) = summed(value, axis)?;
                stacked(&[ArrayD::from_elem(sum.raw_dim(), count as f64), sum])?
            }
            (ReduceOperator::Moments, axis) => moments(value, axis)?,
            (ReduceOperator::Mul, Some(axis)) => {
                let axis = shape::axis(axis as f64, value.shape().len())?;
                let mut lengths = value.shape().to_vec();
                let length = lengths.remove(axis);
                let ones = TypedNumbers::floats(shape::filled(&lengths, 1.0)?);
                let mut product = ones.cast(value.element_type())?;
                for at in 0..length {
                    product = typed_numbers::binary(BinaryOp::Mul, product, part(value, axis, at))?;
                }
                product.stored()
            }
            (with, Some(axis)) => {
                let function = match with {
                    ReduceOperator::Min => Aggregate::Min,
                    ReduceOperator::Max => Aggregate::Max,
                    _ => Aggregate::Sum,
                };
                typed_functions::aggregate(function, typed(value), Some(axis as f64))?.stored()
            }
            (_, None) => value.clone(),
        })
    }

    /// Merges the partial results of one step of the reduction tree, from left to right.
    ///
    /// # Errors
    /// When their shapes do not match.
    pub fn merge(self, partials: &[&ArrayValue]) -> Result<ArrayValue, ReduceError> {
        let (first, rest) = match partials {
            [] => return Err(Fault::new("a reduction of no instances has no result").into()),
            [only] => return Ok((*only).clone()),
            [first, rest @ ..] => (first, rest),
        };
        match self.with {
            ReduceOperator::Concat => {
                let items = partials.iter().map(|part| typed(part)).collect();
                Ok(typed_functions::join(items, self.axis.unwrap_or(0) as f64, false)?.stored())
            }
            ReduceOperator::Moments => {
                let mut merged = first.to_f64().into_owned();
                for next in rest {
                    self.fits(merged.shape(), next.shape())?;
                    merge_moments(&mut merged, next.to_f64().view());
                }
                Ok(ArrayValue::F64(merged))
            }
            with => {
                let mut merged = self.partial(first)?;
                for next in rest {
                    self.fits(merged.shape(), next.shape())?;
                    merged = combine(with, merged, self.partial(next)?)?;
                }
                Ok(merged.stored())
            }
        }
    }

    /// Converts the partial result at the root of the tree, merged from `leaves` leaves, to the result (a mean: divides
    /// the sum by the count).
    ///
    /// # Errors
    /// When there is not enough memory for the result.
    pub fn finish(self, partial: ArrayValue, leaves: u64) -> Result<ArrayValue, ReduceError> {
        let row = |at: usize| partial.to_f64().index_axis(Axis(0), at).to_owned();
        match self.with {
            ReduceOperator::Mean if self.own_axis() => Ok(ArrayValue::F64(row(1) / row(0))),
            ReduceOperator::Mean => {
                let count = leaves as f64;
                Ok(ArrayValue::F64(
                    elementwise::map_with(partial.into_f64().into(), |x| x / count)?.into_owned(),
                ))
            }
            ReduceOperator::Moments => {
                let variance = row(2) / row(0);
                let mut all = partial.into_f64();
                all.index_axis_mut(Axis(0), 2).assign(&variance);
                Ok(ArrayValue::F64(all))
            }
            _ => Ok(partial),
        }
    }

    /// The shape that a leaf (the result of one instance) has after the reduction along its own axis.
    ///
    /// # Errors
    /// When the leaf does not have the axis.
    pub fn leaf_shape(self, shape: &[usize]) -> Result<Vec<usize>, ReduceError> {
        let mut shape = shape.to_vec();
        match (self.with, self.axis) {
            (ReduceOperator::Concat, _) if shape.is_empty() => shape.push(1),
            (ReduceOperator::Concat, _) | (_, None) => {}
            (_, Some(axis)) => drop(shape.remove(shape::axis(axis as f64, shape.len())?)),
        }
        Ok(shape)
    }

    /// The shape of two merged values whose shapes are `a` and `b`, as [`Reduce::leaf_shape`] returns them.
    ///
    /// # Errors
    /// When the shapes do not match.
    pub fn merged_shape(self, a: &[usize], b: &[usize]) -> Result<Vec<usize>, ReduceError> {
        if self.with == ReduceOperator::Concat {
            return Ok(shape::joined(&[a, b], self.axis.unwrap_or(0) as f64)?);
        }
        if a == b || !self.own_axis() && (a.is_empty() || b.is_empty()) {
            return Ok(if a.is_empty() { b.to_vec() } else { a.to_vec() });
        }
        Err(self.misfit(a, b))
    }

    /// Converts a partial result to numbers for computing. The partial results of a mean become `f64`, since sums of
    /// integers could wrap around.
    fn partial(self, value: &ArrayValue) -> Result<TypedNumbers<'_>, Fault> {
        if self.with == ReduceOperator::Mean { typed(value).cast(ElementType::F64) } else { Ok(typed(value)) }
    }

    /// Checks that two partial results, of the shapes `a` and `b`, can be merged: they have equal shapes, or one is a
    /// single number, which is merged with every element.
    fn fits(self, a: &[usize], b: &[usize]) -> Result<(), ReduceError> {
        let own = usize::from(self.own_axis());
        if a == b || (own == 0 && (a.is_empty() || b.is_empty())) {
            return Ok(());
        }
        Err(self.misfit(&a[own..], &b[own..]))
    }

    fn misfit(self, a: &[usize], b: &[usize]) -> ReduceError {
        let (a, b) = (shape::display(a), shape::display(b));
        let message = format!("`{}` cannot reduce arrays of shapes {a} and {b}", self.with.name());
        let help = "instances of a family that is reduced have equal shapes; `axis = 0` takes away an axis of unequal length";
        Fault::new(message).help(help).into()
    }
}

fn combine<'s>(
    with: ReduceOperator,
    a: TypedNumbers<'s>,
    b: TypedNumbers<'s>,
) -> Result<TypedNumbers<'s>, Fault> {
    match with {
        ReduceOperator::Min => typed_functions::extreme(a, b, false),
        ReduceOperator::Max => typed_functions::extreme(a, b, true),
        ReduceOperator::Mul => typed_numbers::binary(BinaryOp::Mul, a, b),
        _ => typed_numbers::binary(BinaryOp::Add, a, b),
    }
}

/// The part of an array at a position of an axis, without a copy.
fn part(value: &ArrayValue, axis: usize, at: usize) -> TypedNumbers<'_> {
    let axis = Axis(axis);
    let part = match value {
        ArrayValue::F64(array) => ArrayBinding::F64(array.index_axis(axis, at)),
        ArrayValue::F32(array) => ArrayBinding::F32(array.index_axis(axis, at)),
        ArrayValue::I64(array) => ArrayBinding::I64(array.index_axis(axis, at)),
        ArrayValue::I32(array) => ArrayBinding::I32(array.index_axis(axis, at)),
        ArrayValue::U8(array) => ArrayBinding::U8(array.index_axis(axis, at)),
    };
    part.into_typed()
}

fn typed(value: &ArrayValue) -> TypedNumbers<'_> {
    ArrayBinding::from(value).into_typed()
}

/// The sum along an axis, and the length of that axis.
fn summed(value: &ArrayValue, axis: i64) -> Result<(ArrayD<f64>, usize), Fault> {
    let place = shape::axis(axis as f64, value.shape().len())?;
    let sum = aggregate::aggregate(Aggregate::Sum, value.to_f64().into(), Some(axis as f64))?;
    Ok((sum.into_owned(), value.shape()[place]))
}

fn stacked(rows: &[ArrayD<f64>]) -> Result<ArrayValue, Fault> {
    let rows = rows.iter().map(|row| Numeric::from(row.clone())).collect();
    Ok(ArrayValue::F64(construct::stack(rows, 0.0)?.into_owned()))
}

fn moments(value: &ArrayValue, axis: Option<i64>) -> Result<ArrayValue, Fault> {
    let Some(axis) = axis else {
        let mean = value.to_f64().into_owned();
        let (ones, zeros) = (ArrayD::ones(mean.raw_dim()), ArrayD::zeros(mean.raw_dim()));
        return stacked(&[ones, mean, zeros]);
    };
    let (sum, count) = summed(value, axis)?;
    let variance =
        aggregate::aggregate(Aggregate::Var, value.to_f64().into(), Some(axis as f64))?.into_owned();
    let count_of = |x: f64| if count == 0 { 0.0 } else { x };
    let mean = sum.mapv(|x| count_of(x / count as f64));
    let squares = variance.mapv(|x| count_of(x * count as f64));
    stacked(&[ArrayD::from_elem(mean.raw_dim(), count as f64), mean, squares])
}

/// Merges moments (count, mean, sum of squared deviations) by the update of Chan, Golub and LeVeque: `left` becomes the
/// moments of the data of both.
fn merge_moments(left: &mut ArrayD<f64>, right: ArrayViewD<'_, f64>) {
    let (left_rows, right_rows) = (left.len() / 3, right.len() / 3);
    let (Some(left), Some(right)) = (left.as_slice_mut(), right.as_slice()) else { return };
    for at in 0..left_rows.min(right_rows) {
        let [(n, mean, squares), (m, other, more)] =
            [&*left, right].map(|rows| (rows[at], rows[at + left_rows], rows[at + 2 * left_rows]));
        let both = n + m;
        if both == 0.0 {
            continue;
        }
        let delta = other - mean;
        left[at] = both;
        left[at + left_rows] = mean + delta * (m / both);
        left[at + 2 * left_rows] = squares + more + delta * delta * (n * m / both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, array};

    type Outcome = Result<(), ReduceError>;

    fn reduce(
        with: ReduceOperator,
        axis: Option<i64>,
        leaves: &[ArrayValue],
    ) -> Result<ArrayValue, ReduceError> {
        let reduce = Reduce { with, axis };
        let partials = leaves.iter().map(|leaf| reduce.leaf(leaf)).collect::<Result<Vec<_>, _>>()?;
        // in the order of a tree: the last two first
        let (last, rest) = partials.split_at(partials.len() - 2);
        let last_two = reduce.merge(&rest.iter().collect::<Vec<_>>())?;
        let all: Vec<&ArrayValue> = last.iter().chain([&last_two]).collect();
        reduce.finish(reduce.merge(&all)?, leaves.len() as u64)
    }

    fn numbers(value: ArrayValue) -> Vec<f64> {
        value.into_f64().into_iter().collect()
    }

    fn values(arrays: &[&[f64]]) -> Vec<ArrayValue> {
        arrays.iter().map(|a| ArrayValue::from(ndarray::ArrayView1::from(*a).to_owned().into_dyn())).collect()
    }

    #[test]
    fn operators() -> Outcome {
        let of = values(&[&[1.0, 5.0], &[4.0, 2.0], &[2.0, 3.0]]);
        assert_eq!(numbers(reduce(ReduceOperator::Add, None, &of)?), [7.0, 10.0]);
        assert_eq!(numbers(reduce(ReduceOperator::Mul, None, &of)?), [8.0, 30.0]);
        assert_eq!(numbers(reduce(ReduceOperator::Min, None, &of)?), [1.0, 2.0]);
        assert_eq!(numbers(reduce(ReduceOperator::Max, None, &of)?), [4.0, 5.0]);
        assert_eq!(numbers(reduce(ReduceOperator::Concat, None, &of)?), [1.0, 5.0, 4.0, 2.0, 2.0, 3.0]);
        assert_eq!(numbers(reduce(ReduceOperator::Add, Some(0), &of)?), [17.0]);
        assert_eq!(numbers(reduce(ReduceOperator::Mul, Some(0), &of)?), [240.0]);
        assert_eq!(numbers(reduce(ReduceOperator::Max, Some(-1), &of)?), [5.0]);
        let nan = values(&[&[1.0], &[f64::NAN], &[2.0]]);
        assert!(numbers(reduce(ReduceOperator::Min, None, &nan)?)[0].is_nan());
        for (name, with) in ReduceOperator::NAMES {
            assert_eq!((ReduceOperator::of(name), with.name()), (Some(with), name));
        }
        Ok(())
    }

    #[test]
    fn element_types_are_kept_and_meet_as_in_expressions() -> Outcome {
        let of: Vec<ArrayValue> = [200u8, 100, 3].map(|x| array![x].into_dyn().into()).into();
        assert_eq!(reduce(ReduceOperator::Add, None, &of)?, array![47u8].into_dyn().into());
        assert_eq!(reduce(ReduceOperator::Mean, None, &of)?, array![101.0].into_dyn().into());
        let mixed = vec![
            array![1i32].into_dyn().into(),
            array![2i64].into_dyn().into(),
            array![1u8].into_dyn().into(),
        ];
        assert_eq!(reduce(ReduceOperator::Concat, None, &mixed)?, array![1i64, 2, 1].into_dyn().into());
        Ok(())
    }

    #[test]
    fn single_numbers_go_with_every_element() -> Outcome {
        let one = ArrayValue::from(arr0(1.0).into_dyn());
        let of = [one.clone(), array![1.0, 2.0].into_dyn().into(), one];
        assert_eq!(numbers(reduce(ReduceOperator::Add, None, &of)?), [3.0, 4.0]);
        Ok(())
    }

    #[test]
    fn unequal_shapes_are_named() {
        let of = values(&[&[1.0, 2.0], &[1.0], &[1.0]]);
        let error = |with| reduce(with, None, &of).map_err(|e| e.to_string());
        assert_eq!(
            error(ReduceOperator::Add),
            Err("`add` cannot reduce arrays of shapes (2,) and (1,)".to_owned())
        );
        assert_eq!(
            error(ReduceOperator::Mean),
            Err("`mean` cannot reduce arrays of shapes (2,) and (1,)".to_owned())
        );
        assert!(reduce(ReduceOperator::Mean, Some(3), &of).is_err());
    }

    #[test]
    fn means_and_moments_of_unequal_blocks_weigh_correctly() -> Outcome {
        let blocks: [ArrayValue; 3] = [
            array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].into_dyn().into(),
            array![[7.0, 9.0]].into_dyn().into(),
            array![[1.5, -2.0], [0.25, 8.0]].into_dyn().into(),
        ];
        let columns = [[1.0, 3.0, 5.0, 7.0, 1.5, 0.25], [2.0, 4.0, 6.0, 9.0, -2.0, 8.0]];
        let mean = columns.map(|c| c.iter().sum::<f64>() / 6.0);
        let variance = [0, 1].map(|i| columns[i].iter().map(|x| (x - mean[i]).powi(2)).sum::<f64>() / 6.0);
        for axis in [0, -2] {
            assert_eq!(numbers(reduce(ReduceOperator::Mean, Some(axis), &blocks)?), mean);
            let found = numbers(reduce(ReduceOperator::Moments, Some(axis), &blocks)?);
            let expected = [6.0, 6.0, mean[0], mean[1], variance[0], variance[1]];
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        }
        let of = values(&[&[1.0, 5.0], &[4.0, 2.0], &[4.0, 2.0]]);
        assert_eq!(numbers(reduce(ReduceOperator::Mean, None, &of)?), [3.0, 3.0]);
        assert_eq!(reduce(ReduceOperator::Moments, None, &of)?.shape(), [3, 2]);
        Ok(())
    }
}
