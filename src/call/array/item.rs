//! What an expression's parts are while it is evaluated.

use super::error::Fault;
use super::shape;
use ndarray::{ArrayD, Axis, CowArray, IxDyn};
use std::borrow::Cow;

/// An array, borrowed from the scope or made by a part of the expression.
pub(super) type Cows<'s> = CowArray<'s, f64, IxDyn>;

/// Numbers: the operand of every operator. Later element types are later variants.
#[derive(Debug)]
pub(super) enum Numeric<'s> {
    /// One number. Arrays without axes are always turned into this, so that scalar arithmetic allocates
    /// nothing.
    Scalar(f64),
    /// At least one axis.
    Array(Cows<'s>),
}

/// The value of a part of an expression.
#[derive(Debug)]
pub(super) enum Item<'s> {
    Numeric(Numeric<'s>),
    /// A gather, or `[a, b]` in the text. Where an array is wanted it is stacked, as numpy does with lists.
    List(Vec<Item<'s>>),
    Text(Cow<'s, str>),
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
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Numeric::Scalar(_) => &[],
            Numeric::Array(array) => array.shape(),
        }
    }

    /// As an array; without axes, if it is one number.
    pub(super) fn into_array(self) -> Cows<'s> {
        match self {
            Numeric::Scalar(number) => ndarray::arr0(number).into_dyn().into(),
            Numeric::Array(array) => array,
        }
    }

    /// As an array in C order whose memory holds its elements and nothing else.
    pub(super) fn into_owned(self) -> ArrayD<f64> {
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
    pub(super) fn into_number(self, what: &str) -> Result<f64, Fault> {
        match self {
            Numeric::Scalar(number) => Ok(number),
            Numeric::Array(array) => Err(Fault::new(format!(
                "{what} is one number, not an array of shape {}",
                shape::display(array.shape())
            ))),
        }
    }
}

impl<'s> Item<'s> {
    pub(super) fn number(number: f64) -> Self {
        Item::Numeric(Numeric::Scalar(number))
    }

    /// As an operand of arithmetic.
    pub(super) fn into_numeric(self) -> Result<Numeric<'s>, Fault> {
        match self {
            Item::Numeric(numeric) => Ok(numeric),
            Item::List(items) => stack(items),
            Item::Text(text) => Err(Fault::new(format!("the text `{text}` is no number"))),
        }
    }

    pub(super) fn into_number(self, what: &str) -> Result<f64, Fault> {
        self.into_numeric()?.into_number(what)
    }
}

impl<'s> From<Numeric<'s>> for Item<'s> {
    fn from(numeric: Numeric<'s>) -> Self {
        Item::Numeric(numeric)
    }
}

/// Puts the items on a new first axis.
fn stack<'s>(items: Vec<Item<'s>>) -> Result<Numeric<'s>, Fault> {
    let parts = items.into_iter().map(Item::into_numeric).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = parts.first() else {
        return Ok(ArrayD::zeros(IxDyn(&[0])).into());
    };
    if let Some((at, odd)) = parts.iter().enumerate().find(|(_, part)| part.shape() != first.shape()) {
        return Err(Fault::new(format!(
            "a list of unequal shapes is no array: number 0 has shape {}, number {at} has {}",
            shape::display(first.shape()),
            shape::display(odd.shape())
        ))
        .help("`concat(..)` joins blocks of unequal lengths"));
    }
    let mut shape = vec![parts.len()];
    shape.extend(first.shape());
    let mut stacked = shape::zeros(&shape)?;
    for (mut place, part) in stacked.axis_iter_mut(Axis(0)).zip(&parts) {
        match part {
            Numeric::Scalar(number) => place.fill(*number),
            Numeric::Array(array) => place.assign(array),
        }
    }
    Ok(stacked.into())
}
