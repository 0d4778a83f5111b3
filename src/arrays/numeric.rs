//! Operands of arithmetic: a scalar, or an array that is borrowed or owned.

use crate::arrays::error::Fault;
use crate::arrays::shapes::shape;
use ndarray::{ArrayD, CowArray, IxDyn};

/// An array that is borrowed from the scope, or owned by the subexpression that made it (copy on write).
pub(crate) type Cows<'s> = CowArray<'s, f64, IxDyn>;

/// Numbers as an operand of every operator, in `f64`. The element type that they stand for is kept beside them, in
/// `typed_numbers`.
#[derive(Debug)]
pub(crate) enum Numeric<'s> {
    /// A single number. Arrays without axes are always converted to this variant, so that scalar arithmetic does not
    /// allocate.
    Scalar(f64),
    /// An array of at least one axis.
    Array(Cows<'s>),
}

impl<'s> From<Cows<'s>> for Numeric<'s> {
    fn from(array: Cows<'s>) -> Self {
        match (array.ndim(), array.first()) {
            (0, Some(number)) => Numeric::Scalar(*number),
            _ => Numeric::Array(array),
        }
    }
}

impl From<ArrayD<f64>> for Numeric<'_> {
    fn from(array: ArrayD<f64>) -> Self {
        CowArray::from(array).into()
    }
}

impl<'s> Numeric<'s> {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Numeric::Scalar(_) => &[],
            Numeric::Array(array) => array.shape(),
        }
    }

    /// Converts the numbers to an array; a scalar becomes an array without axes.
    pub(crate) fn into_array(self) -> Cows<'s> {
        match self {
            Numeric::Scalar(number) => ndarray::arr0(number).into_dyn().into(),
            Numeric::Array(array) => array,
        }
    }

    /// Converts the numbers to an owned array in C order, whose memory holds exactly its elements: a view of a larger
    /// array is copied.
    pub(crate) fn into_owned(self) -> ArrayD<f64> {
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
    pub(crate) fn into_number(self, what: &str) -> Result<f64, Fault> {
        match self {
            Numeric::Scalar(number) => Ok(number),
            Numeric::Array(array) => Err(Fault::new(format!(
                "{what} is one number, not an array of shape {}",
                shape::display(array.shape())
            ))),
        }
    }
}
