//! Numbers with their element type, and the operators on them.
//!
//! Arrays are computed in `f64`, each with the type that its elements have. After every operation they are fitted to
//! the type of the result. For `f32` that gives the bits of single precision: sums, products, quotients and roots of
//! two such numbers, computed in `f64` and then rounded, are correctly rounded. Integers wrap around as in numpy,
//! except for `i64`, where a result that `f64` does not hold exactly is an error.

use crate::arrays::error::Fault;
use crate::arrays::exact::MAX_EXACT_INTEGER;
use crate::arrays::kernels::elementwise;
use crate::arrays::numeric::Numeric;
use crate::arrays::syntax::ast::{BinaryOp, UnaryOp};
use crate::arrays::types::{ElementType, ExprType};
use crate::arrays::value::{ArrayBinding, ArrayValue};
use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn};
use rayon::prelude::*;

/// An operand of arithmetic: numbers in `f64`, and the element type that they stand for.
#[derive(Debug)]
pub(crate) struct TypedNumbers<'s> {
    pub(crate) numbers: Numeric<'s>,
    pub(crate) kind: ExprType,
}

impl<'s> TypedNumbers<'s> {
    /// Fits the result of an operation in `f64` to its element type: rounds `f32`, wraps small integers around, or
    /// fails if an `i64` is not exact.
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

    /// Converts the numbers to another element type. For integers, fractions are cut off.
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

/// Checks that all results of an operation on integers are below 2^53, where each `f64` stands for one integer. NaN,
/// which marks an overflow, fails too.
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

/// Evaluates an infix operator element by element, with broadcasting.
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

/// Multiplies two integers: exactly if the product fits into `f64`, modulo the type's range if it wraps around, else
/// the result is NaN.
fn product(element: ElementType) -> impl Fn(f64, f64) -> f64 + Sync {
    move |x, y| {
        // NaN marks an overflow of an earlier product in a power; `fitted` turns it into an error
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

/// Raises an integer to a power, with the overflow rules of [`product`].
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

/// Evaluates a prefix operator element by element.
pub(crate) fn unary(op: UnaryOp, a: TypedNumbers<'_>) -> Result<TypedNumbers<'_>, Fault> {
    let numbers = elementwise::unary(op, a.numbers)?;
    match op {
        UnaryOp::Neg => TypedNumbers::fitted(numbers, a.kind),
        UnaryOp::Not => Ok(TypedNumbers { numbers, kind: ExprType::Whole }),
    }
}

/// Converts numbers in `f64` to an array in the memory format of the element type.
pub(crate) fn stored(numbers: ArrayD<f64>, element: ElementType) -> ArrayValue {
    match element {
        ElementType::F64 => ArrayValue::F64(numbers),
        ElementType::F32 => ArrayValue::F32(numbers.mapv(|x| x as f32)),
        ElementType::I64 => ArrayValue::I64(numbers.mapv(|x| x as i64)),
        ElementType::I32 => ArrayValue::I32(numbers.mapv(|x| x as i32)),
        ElementType::U8 => ArrayValue::U8(numbers.mapv(|x| x as u8)),
    }
}

impl ArrayValue {
    /// Converts the owned array to an operand of arithmetic, with its elements as `f64`; an error if an `i64` is not
    /// exact.
    pub(crate) fn into_typed<'s>(self) -> Result<TypedNumbers<'s>, Fault> {
        let element = self.element_type();
        if let ArrayValue::I64(array) = &self {
            all_exact(array.view())?;
        }
        Ok(TypedNumbers { numbers: self.into_f64().into(), kind: ExprType::Of(element) })
    }
}

impl<'a> ArrayBinding<'a> {
    /// Converts the borrowed array to an operand of arithmetic, with its elements as `f64`; an error if an `i64` is not
    /// exact.
    pub(crate) fn into_typed(self) -> Result<TypedNumbers<'a>, Fault> {
        let (numbers, element): (CowArray<'a, f64, IxDyn>, _) = match self {
            ArrayBinding::F64(view) => (view.into(), ElementType::F64),
            ArrayBinding::F32(view) => (view.mapv(f64::from).into(), ElementType::F32),
            ArrayBinding::I64(view) => {
                all_exact(view.view())?;
                (view.mapv(|x| x as f64).into(), ElementType::I64)
            }
            ArrayBinding::I32(view) => (view.mapv(f64::from).into(), ElementType::I32),
            ArrayBinding::U8(view) => (view.mapv(f64::from).into(), ElementType::U8),
        };
        Ok(TypedNumbers { numbers: Numeric::from(numbers), kind: ExprType::Of(element) })
    }
}

/// Checks that `f64` represents all integers of an array exactly: none is beyond ±2^53.
fn all_exact(array: ArrayViewD<'_, i64>) -> Result<(), Fault> {
    match array.iter().find(|x| x.unsigned_abs() >= MAX_EXACT_INTEGER as u64) {
        None => Ok(()),
        Some(x) => Err(Fault::new(format!("{x} is beyond 2**53, up to where integers are computed with"))),
    }
}
