//! Operands of arithmetic: a scalar, or an array that is borrowed or owned.

use crate::arrays::error::Fault;
use crate::arrays::shapes::shape;
use ndarray::{ArrayD, CowArray, IxDyn};

/// A type that arithmetic is done in: `i64` for integers, `f64` for all other numbers.
pub(crate) trait Computed: Copy + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    const ZERO: Self;
}

impl Computed for f64 {
    const ZERO: f64 = 0.0;
}

impl Computed for i64 {
    const ZERO: i64 = 0;
}

/// An array that is borrowed from the scope, or owned by the subexpression that made it (copy on write).
pub(crate) type Cows<'s, T = f64> = CowArray<'s, T, IxDyn>;

/// Numbers as an operand of every operator. The element type that they stand for is kept beside them, in
/// `typed_numbers`.
#[derive(Debug)]
pub(crate) enum Numeric<'s, T: Computed = f64> {
    /// A single number. Arrays without axes are always converted to this variant, so that scalar arithmetic does not
    /// allocate.
    Scalar(T),
    /// An array of at least one axis.
    Array(Cows<'s, T>),
}

impl<'s, T: Computed> From<Cows<'s, T>> for Numeric<'s, T> {
    fn from(array: Cows<'s, T>) -> Self {
        match (array.ndim(), array.first()) {
            (0, Some(number)) => Numeric::Scalar(*number),
            _ => Numeric::Array(array),
        }
    }
}

impl<T: Computed> From<ArrayD<T>> for Numeric<'_, T> {
    fn from(array: ArrayD<T>) -> Self {
        CowArray::from(array).into()
    }
}

impl<'s, T: Computed> Numeric<'s, T> {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Numeric::Scalar(_) => &[],
            Numeric::Array(array) => array.shape(),
        }
    }

    /// Converts the numbers to an array; a scalar becomes an array without axes.
    pub(crate) fn into_array(self) -> Cows<'s, T> {
        match self {
            Numeric::Scalar(number) => ndarray::arr0(number).into_dyn().into(),
            Numeric::Array(array) => array,
        }
    }

    /// Converts the numbers to an owned array in C order, whose memory holds exactly its elements: a view of a larger
    /// array is copied.
    pub(crate) fn into_owned(self) -> ArrayD<T> {
        let array = self.into_array();
        if array.is_view() || !array.is_standard_layout() {
            return array.as_standard_layout().into_owned();
        }
        // A slice of a temporary is a small part of a large buffer, which must not live as long as the result.
        let shape = array.shape().to_vec();
        let length = array.len();
        let owned = array.into_owned();
        if owned.is_empty() {
            return owned;
        }
        let (mut elements, offset) = owned.into_raw_vec_and_offset();
        if elements.len() != length {
            let offset = offset.unwrap_or(0);
            elements = elements[offset..offset + length].to_vec();
        }
        ArrayD::from_shape_vec(shape, elements)
            .unwrap_or_else(|_| unreachable!("as many elements as the shape had"))
    }

    /// The value as a single number. An array with axes is an error, whose message names the argument as `what`.
    pub(crate) fn into_number(self, what: &str) -> Result<T, Fault> {
        match self {
            Numeric::Scalar(number) => Ok(number),
            Numeric::Array(array) => Err(Fault::new(format!(
                "{what} is one number, not an array of shape {}",
                shape::display(array.shape())
            ))),
        }
    }

    /// The first number for which `is` holds, if there is one.
    pub(crate) fn first(&self, is: impl Fn(T) -> bool + Sync) -> Option<T> {
        use rayon::prelude::*;
        match self {
            Numeric::Scalar(x) => is(*x).then_some(*x),
            Numeric::Array(array) => match array.as_slice() {
                Some(elements) if elements.len() > 1 << 16 => {
                    elements.par_iter().with_min_len(1 << 14).copied().find_first(|x| is(*x))
                }
                _ => array.iter().copied().find(|x| is(*x)),
            },
        }
    }

    /// Converts each number to the other type of arithmetic, in an array of its own.
    pub(crate) fn converted<'r, U: Computed>(&self, f: impl Fn(T) -> U) -> Result<Numeric<'r, U>, Fault> {
        Ok(match self {
            Numeric::Scalar(x) => Numeric::Scalar(f(*x)),
            Numeric::Array(array) => {
                shape::room::<U>(array.len())?;
                Numeric::Array(array.map(|x| f(*x)).into())
            }
        })
    }
}
