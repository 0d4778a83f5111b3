//! Intermediate values of the evaluation.

use crate::arrays::csv;
use crate::arrays::error::Fault;
use crate::arrays::numeric::Numeric;
use crate::arrays::typed_functions;
use crate::arrays::typed_numbers::TypedNumbers;
use crate::arrays::types::ExprType;
use std::borrow::Cow;

/// The value of a subexpression during the evaluation.
#[derive(Debug)]
pub(crate) enum Intermediate<'s> {
    Numeric(TypedNumbers<'s>),
    /// A gather (the results of several instances), or a list `[a, b]` in the text. Where an array is needed it is
    /// stacked, as numpy does with lists.
    List(Vec<Intermediate<'s>>),
    Text(Cow<'s, str>),
    /// The output of a command. Where an array is needed it is read as a table of numbers.
    Bytes(Cow<'s, [u8]>),
}

impl<'s> Intermediate<'s> {
    /// Makes a number without an element type of its own: it takes that of the array with which it is combined.
    pub(crate) fn number(number: f64) -> Self {
        let kind = if number.fract() == 0.0 { ExprType::Whole } else { ExprType::Number };
        Intermediate::Numeric(TypedNumbers { numbers: Numeric::Scalar(number).into(), kind })
    }

    /// Converts the value to an operand of arithmetic: stacks a list, reads the output of a command as a table.
    pub(crate) fn into_typed(self) -> Result<TypedNumbers<'s>, Fault> {
        match self {
            Intermediate::Numeric(typed) => Ok(typed),
            Intermediate::List(items) => {
                let items = items.into_iter().map(Intermediate::into_typed).collect::<Result<_, _>>()?;
                typed_functions::join(items, 0.0, true)
            }
            Intermediate::Text(text) => Err(Fault::new(format!("the text `{text}` is no number"))),
            Intermediate::Bytes(bytes) => Ok(csv::numbers(&bytes).map_err(Fault::new)?.into_typed()),
        }
    }

    /// The value as a single number; an error for an array, and for an integer that is no float.
    pub(crate) fn into_number(self, what: &str) -> Result<f64, Fault> {
        self.into_typed()?.into_floats()?.into_number(what)
    }
}

impl<'s> From<TypedNumbers<'s>> for Intermediate<'s> {
    fn from(typed: TypedNumbers<'s>) -> Self {
        Intermediate::Numeric(typed)
    }
}
