//! Element types: which there are, what an operation on two of them gives, and how its numbers are fitted to it.
//!
//! Arrays are computed in `f64`, each with the type that its elements have; after every operation they are
//! fitted to the type of the result. For `f32` that gives the bits of single precision: sums, products,
//! quotients and roots of two such numbers, computed in `f64` and then rounded, are rounded right. Integers wrap
//! around as in numpy, except for `i64`, where a result that `f64` does not hold exactly is an error.

use super::error::Fault;
use crate::arrays::eval::operand::Numeric;
use crate::arrays::exact::MAX_EXACT_INTEGER;
use crate::arrays::kernels::elementwise;
use crate::arrays::syntax::ast::{BinaryOp, UnaryOp};
use crate::arrays::syntax::function::{Aggregate, Map};
use ndarray::ArrayD;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the types'")]
pub enum ElementType {
    U8,
    I32,
    I64,
    F32,
    F64,
}

impl ElementType {
    /// All of them with the names that scripts use.
    pub const NAMES: [(&'static str, ElementType); 5] = [
        ("f64", ElementType::F64),
        ("f32", ElementType::F32),
        ("i64", ElementType::I64),
        ("i32", ElementType::I32),
        ("u8", ElementType::U8),
    ];

    /// The type of that name.
    pub fn named(name: &str) -> Option<ElementType> {
        ElementType::NAMES.iter().find(|(known, _)| *known == name).map(|(_, element)| *element)
    }

    /// The name in scripts.
    pub fn name(self) -> &'static str {
        ElementType::NAMES.iter().find(|(_, element)| *element == self).map_or("", |(name, _)| name)
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            ElementType::U8 => 1,
            ElementType::I32 | ElementType::F32 => 4,
            ElementType::I64 | ElementType::F64 => 8,
        }
    }

    fn is_integer(self) -> bool {
        matches!(self, ElementType::U8 | ElementType::I32 | ElementType::I64)
    }

    /// The numbers that an integer type has; `None` for the others.
    fn range(self) -> Option<(f64, f64)> {
        match self {
            ElementType::U8 => Some((0.0, 255.0)),
            ElementType::I32 => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
            ElementType::I64 => Some((-MAX_EXACT_INTEGER, MAX_EXACT_INTEGER)),
            ElementType::F32 | ElementType::F64 => None,
        }
    }
}

/// The type of a part of an expression. Numbers that stand in the text have none of their own, as in numpy: they
/// take that of the array they meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExprType {
    /// A whole number of the text or of a parameter, and what a comparison gives.
    Whole,
    /// Any other number of the text or of a parameter.
    Number,
    Of(ElementType),
}

impl ExprType {
    pub(crate) const F64: ExprType = ExprType::Of(ElementType::F64);
    pub(crate) const I64: ExprType = ExprType::Of(ElementType::I64);

    /// What the value of a whole expression has.
    pub(crate) fn settled(self) -> ElementType {
        match self {
            ExprType::Whole | ExprType::Number => ElementType::F64,
            ExprType::Of(element) => element,
        }
    }

    /// The type of `a + b`.
    pub(crate) fn with(self, other: ExprType) -> ExprType {
        use ElementType::{F32, F64, I32, I64, U8};
        match (self, other) {
            (ExprType::Whole, other) | (other, ExprType::Whole) => other,
            (ExprType::Number, ExprType::Number) => ExprType::Number,
            (ExprType::Number, ExprType::Of(element)) | (ExprType::Of(element), ExprType::Number) => {
                if element.is_integer() {
                    ExprType::F64
                } else {
                    ExprType::Of(element)
                }
            }
            (ExprType::Of(a), ExprType::Of(b)) => ExprType::Of(match (a, b) {
                (a, b) if a == b => a,
                (U8, other) | (other, U8) => other,
                (I32, I64) | (I64, I32) => I64,
                (F32, I32 | I64) | (I32 | I64, F32) | (F64, _) | (_, F64) => F64,
                (a, _) => a,
            }),
        }
    }

    /// The type of a quotient, a root or a mean.
    fn fractional(self) -> ExprType {
        match self {
            ExprType::Whole => ExprType::Number,
            ExprType::Of(element) if element.is_integer() => ExprType::F64,
            other => other,
        }
    }

    /// The type of an aggregate of such elements.
    pub(crate) fn of_aggregate(self, function: Aggregate) -> ExprType {
        match function {
            Aggregate::Min | Aggregate::Max => self,
            Aggregate::Argmin | Aggregate::Argmax => ExprType::I64,
            Aggregate::Sum => match self {
                ExprType::Of(element) if element.is_integer() => ExprType::I64,
                other => other,
            },
            Aggregate::Mean | Aggregate::Std | Aggregate::Var | Aggregate::Norm => self.fractional(),
        }
    }

    /// The type of an element-wise function of such elements.
    pub(crate) fn of_map(self, function: Map) -> ExprType {
        match function {
            Map::Abs | Map::Floor => self,
            _ => self.fractional(),
        }
    }

    /// The type of what is put together of such parts: without any, `f64`.
    pub(crate) fn joined(types: impl IntoIterator<Item = ExprType>) -> ExprType {
        match types.into_iter().reduce(ExprType::with) {
            Some(ExprType::Of(element)) => ExprType::Of(element),
            _ => ExprType::F64,
        }
    }
}

/// Numbers and the type that they have.
#[derive(Debug)]
pub(crate) struct TypedNumbers<'s> {
    pub(crate) numbers: Numeric<'s>,
    pub(crate) kind: ExprType,
}

impl<'s> TypedNumbers<'s> {
    /// Numbers that an operation has made, fitted to their type.
    pub(crate) fn fitted(numbers: Numeric<'s>, kind: ExprType) -> Result<TypedNumbers<'s>, Fault> {
        let numbers = match kind {
            ExprType::Whole | ExprType::Number | ExprType::F64 => numbers,
            ExprType::Of(ElementType::F32) => elementwise::map_with(numbers, |x| f64::from(x as f32))?,
            ExprType::Of(ElementType::I32) => {
                elementwise::map_with(exact(numbers, ElementType::I32)?, |x| wrap_i32(x as i64))?
            }
            ExprType::Of(ElementType::U8) => {
                elementwise::map_with(exact(numbers, ElementType::U8)?, |x| wrap_u8(x as i64))?
            }
            ExprType::I64 => exact(numbers, ElementType::I64)?,
        };
        Ok(TypedNumbers { numbers, kind })
    }

    /// The same numbers as another type: fractions are cut off for integers.
    pub(crate) fn cast(self, to: ElementType) -> Result<TypedNumbers<'s>, Fault> {
        let whole = self.numbers;
        let numbers = if to.is_integer() { elementwise::map_with(whole, f64::trunc)? } else { whole };
        TypedNumbers::fitted(numbers, ExprType::Of(to))
    }
}

fn wrap_i32(x: i64) -> f64 {
    f64::from(x as i32)
}

fn wrap_u8(x: i64) -> f64 {
    f64::from(x as u8)
}

/// An error if there is a number that is no whole one, or that stands for several.
fn exact(numbers: Numeric<'_>, element: ElementType) -> Result<Numeric<'_>, Fault> {
    let inexact = |x: f64| x.is_nan() || x.abs() >= MAX_EXACT_INTEGER;
    let found = match &numbers {
        Numeric::Scalar(x) => inexact(*x).then_some(*x),
        Numeric::Array(array) => match array.as_slice() {
            Some(elements) => elements.par_iter().with_min_len(1 << 14).copied().find_first(|x| inexact(*x)),
            None => array.iter().copied().find(|x| inexact(*x)),
        },
    };
    match found {
        None => Ok(numbers),
        Some(x) if x.is_nan() => {
            Err(Fault::new(format!("a result is no number of the type {}", element.name()))
                .help("it is not a number, or overflowed: compute with `cast(x, \"f64\")`"))
        }
        Some(x) => Err(Fault::new(format!("{x:e} is beyond 2**53, up to where integers are computed with"))
            .help("compute with `cast(x, \"f64\")`")),
    }
}

/// `a op b`, element by element.
pub(crate) fn binary<'s>(
    op: BinaryOp,
    a: TypedNumbers<'s>,
    b: TypedNumbers<'s>,
) -> Result<TypedNumbers<'s>, Fault> {
    let kind = match op {
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Rem | BinaryOp::Pow => a.kind.with(b.kind),
        BinaryOp::Div => a.kind.with(b.kind).fractional(),
        _ => {
            return Ok(TypedNumbers {
                numbers: elementwise::binary(op, a.numbers, b.numbers)?,
                kind: ExprType::Whole,
            });
        }
    };
    let ExprType::Of(element) = kind else {
        return Ok(TypedNumbers { numbers: elementwise::binary(op, a.numbers, b.numbers)?, kind });
    };
    let Some((low, high)) = element.range() else {
        return TypedNumbers::fitted(elementwise::binary(op, a.numbers, b.numbers)?, kind);
    };
    for side in [&a, &b] {
        if let (ExprType::Whole, Numeric::Scalar(x)) = (side.kind, &side.numbers)
            && !(low..=high).contains(x)
        {
            return Err(Fault::new(format!("{x} is no number of the type {}", element.name()))
                .help("`cast(x, \"i64\")` makes room for it"));
        }
    }
    let (x, y) = (a.numbers, b.numbers);
    let numbers = match op {
        BinaryOp::Mul => elementwise::apply(x, y, product(element))?,
        BinaryOp::Rem => {
            elementwise::apply(x, y, |x, y| if y == 0.0 { 0.0 } else { elementwise::modulo(x, y) + 0.0 })?
        }
        BinaryOp::Pow => {
            if some(&y, |y| y < 0.0) {
                return Err(Fault::new("integers have no negative powers").help(
                    "compute with `cast(x, \"f64\")`, or write an exponent with a point: `x ** -1.0`",
                ));
            }
            elementwise::apply(x, y, power(element))?
        }
        op => elementwise::binary(op, x, y)?,
    };
    TypedNumbers::fitted(numbers, kind)
}

fn some(numbers: &Numeric<'_>, is: impl Fn(f64) -> bool) -> bool {
    match numbers {
        Numeric::Scalar(x) => is(*x),
        Numeric::Array(array) => array.iter().any(|x| is(*x)),
    }
}

/// The product of two integers: exact where it fits, what is left of it where it wraps, else not a number.
fn product(element: ElementType) -> impl Fn(f64, f64) -> f64 + Sync {
    move |x, y| {
        // what has overflowed stays so in a power
        if x.is_nan() || y.is_nan() {
            return f64::NAN;
        }
        let (x, y) = (x as i64, y as i64);
        match element {
            ElementType::I32 => wrap_i32(x.wrapping_mul(y)),
            ElementType::U8 => wrap_u8(x.wrapping_mul(y)),
            _ => x.checked_mul(y).map_or(f64::NAN, |product| product as f64),
        }
    }
}

/// A power of an integer, in the same way.
fn power(element: ElementType) -> impl Fn(f64, f64) -> f64 + Sync {
    let multiply = product(element);
    move |x, y| {
        let (mut result, mut base, mut exponent) = (1.0, x, y as u64);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = multiply(result, base);
            }
            exponent >>= 1;
            if exponent > 0 {
                base = multiply(base, base);
            }
        }
        result
    }
}

/// `op a`, element by element.
pub(crate) fn unary(op: UnaryOp, a: TypedNumbers<'_>) -> Result<TypedNumbers<'_>, Fault> {
    let numbers = elementwise::unary(op, a.numbers)?;
    match op {
        UnaryOp::Neg => TypedNumbers::fitted(numbers, a.kind),
        UnaryOp::Not => Ok(TypedNumbers { numbers, kind: ExprType::Whole }),
    }
}

/// The numbers in memory of their own type.
pub(crate) fn stored(numbers: ArrayD<f64>, element: ElementType) -> super::ArrayValue {
    use super::ArrayValue;
    match element {
        ElementType::F64 => ArrayValue::F64(numbers),
        ElementType::F32 => ArrayValue::F32(numbers.mapv(|x| x as f32)),
        ElementType::I64 => ArrayValue::I64(numbers.mapv(|x| x as i64)),
        ElementType::I32 => ArrayValue::I32(numbers.mapv(|x| x as i32)),
        ElementType::U8 => ArrayValue::U8(numbers.mapv(|x| x as u8)),
    }
}
