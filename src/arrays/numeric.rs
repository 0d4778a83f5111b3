//! Numbers as operators take them: a scalar, or an array that is borrowed or owned.

use crate::arrays::error::Fault;
use crate::arrays::shapes::shape;
use ndarray::{ArrayD, CowArray, IxDyn};

/// An array, borrowed from the scope or made by a part of the expression.
pub(crate) type Cows<'s> = CowArray<'s, f64, IxDyn>;

/// Numbers: the operand of every operator. Their type is beside them, in `typed_numbers`.
#[derive(Debug)]
pub(crate) enum Numeric<'s> {
    /// One number. Arrays without axes are always turned into this, so that scalar arithmetic allocates
    /// nothing.
    Scalar(f64),
    /// At least one axis.
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

    /// As an array; without axes, if it is one number.
    pub(crate) fn into_array(self) -> Cows<'s> {
        match self {
            Numeric::Scalar(number) => ndarray::arr0(number).into_dyn().into(),
            Numeric::Array(array) => array,
        }
    }

    /// As an array in C order whose memory holds its elements and nothing else.
    pub(crate) fn into_owned(self) -> ArrayD<f64> {
        let array = self.into_array();
        if array.is_view() || !array.is_standard_layout() {
            return array.as_standard_layout().into_owned();
        }
        // A slice of a temporary is a small window on a large buffer, which should not live as long as the
        // result.
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

    /// The only number in it.
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
