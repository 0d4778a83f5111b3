//! The operators of reductions: `reduce = { of = "x", with = "add" }`.
//!
//! Each is applied pair by pair in the order of the [`tree`](super::tree). Arrays have equal shapes, or one
//! of the two is a single number, which goes with every element. `mean` needs more than the arrays: see
//! [`Mean`].

use super::broadcast::{self, kernel};
use super::error::Fault;
use super::function::Aggregate;
use super::item::Numeric;
use super::{aggregate, ops, shape};
use ndarray::{ArrayD, CowArray};
use serde::{Deserialize, Serialize};

/// An operator on two arrays, element by element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum With {
    /// The sum.
    Add,
    /// The product.
    Mul,
    /// The lesser; not a number if either is none.
    Min,
    /// The greater; not a number if either is none.
    Max,
}

/// Why two partial results cannot be combined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReduceError {
    /// What is wrong, shapes included.
    pub message: String,
    /// What to do, where that can be said.
    pub help: Option<String>,
}

impl From<Fault> for ReduceError {
    fn from(Fault { message, help }: Fault) -> Self {
        ReduceError { message, help }
    }
}

impl With {
    /// The operators by their names in a script.
    pub const NAMES: [(&'static str, With); 4] =
        [("add", With::Add), ("mul", With::Mul), ("min", With::Min), ("max", With::Max)];

    /// The operator of that name.
    pub fn of(name: &str) -> Option<With> {
        With::NAMES.iter().find(|(known, _)| *known == name).map(|(_, with)| *with)
    }

    /// The operator's name in a script.
    pub fn name(self) -> &'static str {
        match self {
            With::Add => "add",
            With::Mul => "mul",
            With::Min => "min",
            With::Max => "max",
        }
    }
}

fn add(x: f64, y: f64) -> f64 {
    x + y
}

fn mul(x: f64, y: f64) -> f64 {
    x * y
}

/// `a with b`, as a new array.
pub fn combine(with: With, a: &ArrayD<f64>, b: &ArrayD<f64>) -> Result<ArrayD<f64>, ReduceError> {
    fits(with.name(), a.shape(), b.shape())?;
    let (a, b) = (CowArray::from(a).into(), CowArray::from(b).into());
    let combined: Numeric<'_> = match with {
        With::Add => ops::apply(a, b, add),
        With::Mul => ops::apply(a, b, mul),
        With::Min => ops::apply(a, b, ops::minimum),
        With::Max => ops::apply(a, b, ops::maximum),
    }?;
    Ok(combined.into_owned())
}

/// `a = a with b`, in the memory of `a`; the bits are those of [`combine`].
pub fn combine_into(with: With, a: &mut ArrayD<f64>, b: &ArrayD<f64>) -> Result<(), ReduceError> {
    fits(with.name(), a.shape(), b.shape())?;
    if a.ndim() < b.ndim() {
        *a = combine(with, a, b)?;
        return Ok(());
    }
    let b = CowArray::from(b).into();
    Ok(match with {
        With::Add => broadcast::update(a, &b, &kernel(add)),
        With::Mul => broadcast::update(a, &b, &kernel(mul)),
        With::Min => broadcast::update(a, &b, &kernel(ops::minimum)),
        With::Max => broadcast::update(a, &b, &kernel(ops::maximum)),
    }?)
}

/// The inputs of one step of the tree, combined from left to right.
pub fn fold(with: With, inputs: &[&ArrayD<f64>]) -> Result<ArrayD<f64>, ReduceError> {
    match inputs {
        [] => Err(Fault::new("a reduction of no instances has no result").into()),
        [only] => Ok((*only).clone()),
        [a, b, rest @ ..] => {
            let mut result = combine(with, a, b)?;
            for next in rest {
                combine_into(with, &mut result, next)?;
            }
            Ok(result)
        }
    }
}

fn fits(name: &str, a: &[usize], b: &[usize]) -> Result<(), ReduceError> {
    if a == b || a.is_empty() || b.is_empty() {
        return Ok(());
    }
    let message =
        format!("`{name}` cannot reduce arrays of shapes {} and {}", shape::display(a), shape::display(b));
    let help = "instances of a family that is reduced have equal shapes; `axis = 0` with `mean`, or a task with \
                `array = \"sum(x, axis = 0)\"` before it, takes away an axis of unequal length";
    Err(Fault::new(message).help(help).into())
}

/// The partial result of `with = "mean"`: a sum and how much it is the sum of, so that blocks of unequal
/// length weigh correctly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The sum.
    pub sum: ArrayD<f64>,
    /// How many arrays, or rows along the axis, went into it.
    pub count: u64,
}

impl Mean {
    /// The leaf of one instance. Without an axis instances are averaged element by element, each with weight
    /// 1; with one, the instance is summed along it and weighs as many as it is long (negative axes count
    /// from the last).
    pub fn of(array: &ArrayD<f64>, axis: Option<i64>) -> Result<Mean, ReduceError> {
        let Some(axis) = axis else {
            return Ok(Mean { sum: array.clone(), count: 1 });
        };
        let place = shape::axis(axis as f64, array.ndim())?;
        let sum = aggregate::aggregate(Aggregate::Sum, CowArray::from(array).into(), Some(axis as f64))?;
        Ok(Mean { sum: sum.into_owned(), count: array.shape()[place] as u64 })
    }

    /// Adds the partial result to the right of this one.
    pub fn merge(&mut self, right: &Mean) -> Result<(), ReduceError> {
        fits("mean", self.sum.shape(), right.sum.shape())?;
        combine_into(With::Add, &mut self.sum, &right.sum)?;
        self.count += right.count;
        Ok(())
    }

    /// The mean: not a number, as in numpy, if nothing went into it.
    pub fn finish(self) -> Result<ArrayD<f64>, ReduceError> {
        let count = self.count as f64;
        Ok(ops::map_with(self.sum.into(), |x| x / count)?.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, array};

    type Outcome = Result<(), ReduceError>;

    #[test]
    fn operators() -> Outcome {
        let (a, b) = (array![1.0, 5.0, f64::NAN].into_dyn(), array![4.0, 2.0, 3.0].into_dyn());
        assert_eq!(combine(With::Add, &a, &b)?.as_slice().map(|s| &s[..2]), Some(&[5.0, 7.0][..]));
        assert_eq!(combine(With::Mul, &a, &b)?.as_slice().map(|s| &s[..2]), Some(&[4.0, 10.0][..]));
        for (with, expected) in [(With::Min, [1.0, 2.0]), (With::Max, [4.0, 5.0])] {
            for (x, y) in [(&a, &b), (&b, &a)] {
                let both = combine(with, x, y)?;
                assert_eq!([both[0], both[1]], expected);
                assert!(both[2].is_nan());
            }
        }
        Ok(())
    }

    #[test]
    fn in_place_has_the_same_bits() -> Outcome {
        let n = 100_001;
        let a = ArrayD::from_shape_fn(vec![n], |i| (i[0] as f64).sin());
        let b = ArrayD::from_shape_fn(vec![n], |i| (i[0] as f64).cos());
        for (name, with) in With::NAMES {
            assert_eq!((With::of(name), with.name()), (Some(with), name));
            let mut c = a.clone();
            combine_into(with, &mut c, &b)?;
            assert_eq!(c, combine(with, &a, &b)?);
        }
        assert_eq!(With::of("sum"), None);
        Ok(())
    }

    #[test]
    fn single_numbers_go_with_every_element() -> Outcome {
        let (a, one) = (array![1.0, 2.0].into_dyn(), arr0(1.0).into_dyn());
        assert_eq!(combine(With::Add, &a, &one)?, array![2.0, 3.0].into_dyn());
        assert_eq!(combine(With::Add, &one, &a)?, array![2.0, 3.0].into_dyn());
        let mut c = one.clone();
        combine_into(With::Add, &mut c, &a)?;
        assert_eq!(c, array![2.0, 3.0].into_dyn());
        assert_eq!(fold(With::Add, &[&one, &one, &one])?, arr0(3.0).into_dyn());
        Ok(())
    }

    #[test]
    fn unequal_shapes_are_named() {
        let (a, b) = (array![1.0, 2.0].into_dyn(), array![1.0].into_dyn());
        let error = combine(With::Add, &a, &b).map_err(|e| e.to_string());
        assert_eq!(error, Err("`add` cannot reduce arrays of shapes (2,) and (1,)".to_owned()));
        assert!(combine_into(With::Max, &mut a.clone(), &b).is_err());
    }

    #[test]
    fn means_of_unequal_blocks_weigh_correctly() -> Outcome {
        let (a, b) = (array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].into_dyn(), array![[7.0, 9.0]].into_dyn());
        for axis in [0, -2] {
            let mut mean = Mean::of(&a, Some(axis))?;
            mean.merge(&Mean::of(&b, Some(axis))?)?;
            assert_eq!(mean.count, 4);
            assert_eq!(mean.finish()?, array![4.0, 5.25].into_dyn());
        }
        let mut mean = Mean::of(&a, None)?;
        assert!(mean.merge(&Mean::of(&b, None)?).is_err());
        assert!(Mean::of(&a, Some(2)).is_err());
        mean.merge(&Mean::of(&a, None)?)?;
        assert_eq!(mean.finish()?, a);
        Ok(())
    }

    #[test]
    fn mean_of_numbers() -> Outcome {
        let mut mean = Mean::of(&arr0(1.0).into_dyn(), None)?;
        mean.merge(&Mean::of(&arr0(2.0).into_dyn(), None)?)?;
        assert_eq!(mean.finish()?, arr0(1.5).into_dyn());
        Ok(())
    }
}
