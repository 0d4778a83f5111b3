//! Numbers with their element type, and the operators on them.
//!
//! Integers of 64 bits are computed in `i64`, where a result that does not fit is an error; all other numbers in `f64`,
//! each with the type that its elements have. After every operation these are fitted to the type of the result. For
//! `f32` that gives the bits of single precision: sums, products, quotients and roots of two such numbers, computed in
//! `f64` and then rounded, are correctly rounded. `i32` and `u8` wrap around as in numpy. An integer becomes a float only
//! where it is exactly one, unless the script says `cast(x, "f64")`.

use crate::arrays::error::Fault;
use crate::arrays::exact::{self, MAX_EXACT_INTEGER};
use crate::arrays::kernels::elementwise;
use crate::arrays::kernels::integers::{self, AS_FLOATS, Integers};
use crate::arrays::numeric::Numeric;
use crate::arrays::syntax::ast::{BinaryOp, UnaryOp};
use crate::arrays::types::{ElementType, ExprType};
use crate::arrays::value::{ArrayBinding, ArrayValue};
use ndarray::{CowArray, IxDyn};

/// The numbers of an operand, in the type that arithmetic on them is done in.
#[derive(Debug)]
pub(crate) enum Numbers<'s> {
    /// Numbers of every type but `i64`. Results of comparisons are here or among the integers.
    Floats(Numeric<'s>),
    /// Numbers of the type `i64`, and integers of the text and of parameters.
    Integers(Integers<'s>),
}

impl<'s> From<Numeric<'s>> for Numbers<'s> {
    fn from(numbers: Numeric<'s>) -> Self {
        Numbers::Floats(numbers)
    }
}

impl<'s> From<Integers<'s>> for Numbers<'s> {
    fn from(numbers: Integers<'s>) -> Self {
        Numbers::Integers(numbers)
    }
}

/// An operand of arithmetic: numbers, and the element type that they stand for.
#[derive(Debug)]
pub(crate) struct TypedNumbers<'s> {
    pub(crate) numbers: Numbers<'s>,
    pub(crate) kind: ExprType,
}

impl<'s> TypedNumbers<'s> {
    /// Numbers of the type `f64`.
    pub(crate) fn floats(numbers: impl Into<Numeric<'s>>) -> TypedNumbers<'s> {
        TypedNumbers { numbers: Numbers::Floats(numbers.into()), kind: ExprType::F64 }
    }

    /// A single integer of the text or of a parameter, which takes the type of what it meets.
    pub(crate) fn whole(number: i64) -> TypedNumbers<'s> {
        TypedNumbers { numbers: Numbers::Integers(Numeric::Scalar(number)), kind: ExprType::Whole }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match &self.numbers {
            Numbers::Floats(numbers) => numbers.shape(),
            Numbers::Integers(numbers) => numbers.shape(),
        }
    }

    /// The numbers as floats; an error if an integer is none.
    pub(crate) fn into_floats(self) -> Result<Numeric<'s>, Fault> {
        match self.numbers {
            Numbers::Floats(numbers) => Ok(numbers),
            Numbers::Integers(numbers) => match numbers.first(|x| exact::float_of(x).is_none()) {
                None => numbers.converted(|x| x as f64),
                Some(x) => Err(Fault::new(exact::no_float(x)).help(AS_FLOATS)),
            },
        }
    }

    /// The numbers of an integer type as integers.
    pub(crate) fn into_integers(self) -> Result<Integers<'s>, Fault> {
        match self.numbers {
            Numbers::Integers(numbers) => Ok(numbers),
            // numbers of integer types are whole and below 2^53 wherever they are floats
            Numbers::Floats(numbers) => numbers.converted(|x| x as i64),
        }
    }

    /// A condition: 1 for each number that is not zero.
    pub(crate) fn into_truths(self) -> Result<Integers<'s>, Fault> {
        match self.numbers {
            Numbers::Integers(numbers) => Ok(numbers),
            Numbers::Floats(numbers) => integers::truths(numbers),
        }
    }

    /// Whether the numbers are computed in `i64`.
    pub(crate) fn is_integers(&self) -> bool {
        matches!(self.numbers, Numbers::Integers(_))
    }

    fn is_of_integers(&self) -> bool {
        match self.kind {
            ExprType::Whole => true,
            ExprType::Number => false,
            ExprType::Of(element) => element.is_integer(),
        }
    }

    /// Fits the result of an operation in `f64` to its element type: rounds `f32`, wraps small integers around.
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
            ExprType::I64 => {
                if let Some(x) = numbers.first(|x| exact::integer_of(x.trunc()).is_none()) {
                    return Err(no_integer(x));
                }
                let numbers = numbers.converted(|x| x as i64)?.into();
                return Ok(TypedNumbers { numbers, kind });
            }
        };
        Ok(TypedNumbers { numbers: numbers.into(), kind })
    }

    /// Converts the numbers to another element type. For integers, fractions are cut off; floats are rounded.
    pub(crate) fn cast(self, to: ElementType) -> Result<TypedNumbers<'s>, Fault> {
        let kind = ExprType::Of(to);
        match self.numbers {
            Numbers::Integers(numbers) => match to {
                ElementType::I64 => Ok(TypedNumbers { numbers: numbers.into(), kind }),
                ElementType::I32 => Ok(TypedNumbers { numbers: numbers.converted(wrap_i32)?.into(), kind }),
                ElementType::U8 => Ok(TypedNumbers { numbers: numbers.converted(wrap_u8)?.into(), kind }),
                ElementType::F32 => {
                    Ok(TypedNumbers { numbers: numbers.converted(|x| f64::from(x as f32))?.into(), kind })
                }
                ElementType::F64 => Ok(TypedNumbers::floats(numbers.converted(|x| x as f64)?)),
            },
            Numbers::Floats(numbers) if to.is_integer() => {
                TypedNumbers::fitted(elementwise::map_with(numbers, f64::trunc)?, kind)
            }
            Numbers::Floats(numbers) => TypedNumbers::fitted(numbers, kind),
        }
    }

    /// Converts the numbers to the type that they have beside others; an error if an integer is no float.
    pub(crate) fn among(self, kind: ExprType) -> Result<TypedNumbers<'s>, Fault> {
        if kind == ExprType::I64 {
            return Ok(TypedNumbers { numbers: self.into_integers()?.into(), kind });
        }
        // numbers of all other types are held as `f64`, so none has to change to become `f64`; for other types they are
        // rounded or checked
        let fits = self.kind == kind || kind == ExprType::F64;
        let numbers = self.into_floats()?;
        if fits {
            return Ok(TypedNumbers { numbers: numbers.into(), kind });
        }
        TypedNumbers::fitted(numbers, kind)
    }

    /// Converts the numbers to an array in the memory format of their element type. Integers that no array has given a
    /// type are `f64`, unless one of them is none: then they are `i64`.
    pub(crate) fn stored(self) -> ArrayValue {
        let numbers = match self.numbers {
            Numbers::Floats(numbers) => numbers.into_owned(),
            Numbers::Integers(numbers) => {
                let numbers = numbers.into_owned();
                let exact = |x: &i64| exact::float_of(*x).is_some();
                return if self.kind == ExprType::Whole && numbers.iter().all(exact) {
                    ArrayValue::F64(numbers.mapv(|x| x as f64))
                } else {
                    ArrayValue::I64(numbers)
                };
            }
        };
        match self.kind.settled() {
            ElementType::F64 => ArrayValue::F64(numbers),
            ElementType::F32 => ArrayValue::F32(numbers.mapv(|x| x as f32)),
            ElementType::I64 => ArrayValue::I64(numbers.mapv(|x| x as i64)),
            ElementType::I32 => ArrayValue::I32(numbers.mapv(|x| x as i32)),
            ElementType::U8 => ArrayValue::U8(numbers.mapv(|x| x as u8)),
        }
    }
}

fn no_integer(x: f64) -> Fault {
    if x.is_nan() {
        return Fault::new("a result is no number of the type i64")
            .help("it is not a number: compute with `cast(x, \"f64\")`");
    }
    Fault::new(format!("{x:e} does not fit into 64 bits")).help(AS_FLOATS)
}

fn wrap_i32(x: i64) -> f64 {
    f64::from(x as i32)
}

fn wrap_u8(x: i64) -> f64 {
    f64::from(x as u8)
}

/// Checks that all results of an operation on small integers are below 2^53, where each `f64` stands for one integer.
/// NaN, which marks an overflow, fails too.
fn exact(numbers: Numeric<'_>, element: ElementType) -> Result<Numeric<'_>, Fault> {
    match numbers.first(|x| x.is_nan() || x.abs() >= MAX_EXACT_INTEGER) {
        None => Ok(numbers),
        Some(x) if x.is_nan() => {
            Err(Fault::new(format!("a result is no number of the type {}", element.name()))
                .help("it is not a number, or overflowed: compute with `cast(x, \"f64\")`"))
        }
        Some(x) => {
            Err(Fault::new(format!("{x:e} is beyond 2**53, up to where {} wraps around", element.name()))
                .help("compute with `cast(x, \"f64\")`"))
        }
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
        _ => return compared(op, a, b),
    };
    match kind {
        ExprType::Whole => wholes(op, a, b),
        ExprType::I64 => {
            let (x, y) = (a.into_integers()?, b.into_integers()?);
            if op == BinaryOp::Pow && y.first(|y| y < 0).is_some() {
                return Err(negative_power());
            }
            Ok(TypedNumbers { numbers: integers::arithmetic(op, x, y)?.into(), kind })
        }
        ExprType::Of(element @ (ElementType::I32 | ElementType::U8)) => small(op, a, b, element),
        _ => TypedNumbers::fitted(elementwise::binary(op, a.into_floats()?, b.into_floats()?)?, kind),
    }
}

fn negative_power() -> Fault {
    Fault::new("integers have no negative powers")
        .help("compute with `cast(x, \"f64\")`, or write an exponent with a point: `x ** -1.0`")
}

/// Evaluates a comparison, `&&` or `||`. Integers are compared as such, also with a single float.
fn compared<'s>(op: BinaryOp, a: TypedNumbers<'s>, b: TypedNumbers<'s>) -> Result<TypedNumbers<'s>, Fault> {
    let kind = ExprType::Whole;
    let logic = matches!(op, BinaryOp::And | BinaryOp::Or);
    if (a.is_integers() || b.is_integers()) && (logic || a.is_of_integers() && b.is_of_integers()) {
        let (x, y) = if logic {
            (a.into_truths()?, b.into_truths()?)
        } else {
            (a.into_integers()?, b.into_integers()?)
        };
        return Ok(TypedNumbers { numbers: integers::compare(op, x, y)?.into(), kind });
    }
    let numbers = match (a.numbers, b.numbers) {
        (Numbers::Integers(x), Numbers::Floats(Numeric::Scalar(y))) => {
            elementwise::map_with(x, |x| i64::from(exact::ordered(op, exact::compare(x, y))))?.into()
        }
        (Numbers::Floats(Numeric::Scalar(x)), Numbers::Integers(y)) => {
            let order = |y| exact::compare(y, x).map(std::cmp::Ordering::reverse);
            elementwise::map_with(y, |y| i64::from(exact::ordered(op, order(y))))?.into()
        }
        (x, y) => {
            let floats = |numbers, kind| TypedNumbers { numbers, kind }.into_floats();
            elementwise::binary(op, floats(x, a.kind)?, floats(y, b.kind)?)?.into()
        }
    };
    Ok(TypedNumbers { numbers, kind })
}

/// Evaluates an operator of arithmetic on two operands without an element type: integers of the text and of parameters,
/// and results of comparisons. What is no integer, such as `2 ** -1`, becomes a float, as in Python.
fn wholes<'s>(op: BinaryOp, a: TypedNumbers<'s>, b: TypedNumbers<'s>) -> Result<TypedNumbers<'s>, Fault> {
    let no_integer = match (op, &b.numbers) {
        (BinaryOp::Pow, Numbers::Integers(y)) => y.first(|y| y < 0).is_some(),
        (BinaryOp::Rem, Numbers::Integers(y)) => y.first(|y| y == 0).is_some(),
        (BinaryOp::Pow, Numbers::Floats(y)) => y.first(|y| y < 0.0).is_some(),
        (BinaryOp::Rem, Numbers::Floats(y)) => y.first(|y| y == 0.0).is_some(),
        _ => false,
    };
    if no_integer {
        let numbers = elementwise::binary(op, a.into_floats()?, b.into_floats()?)?;
        return Ok(TypedNumbers { numbers: numbers.into(), kind: ExprType::Number });
    }
    let kind = ExprType::Whole;
    if !a.is_integers() && !b.is_integers() && !matches!(op, BinaryOp::Pow | BinaryOp::Rem) {
        // results of comparisons, whose sums and products are small: no memory for integers
        let numbers = elementwise::binary(op, a.into_floats()?, b.into_floats()?)?;
        return Ok(TypedNumbers { numbers: exact(numbers, ElementType::I64)?.into(), kind });
    }
    Ok(TypedNumbers {
        numbers: integers::arithmetic(op, a.into_integers()?, b.into_integers()?)?.into(),
        kind,
    })
}

/// Evaluates an operator of arithmetic on integers of fewer than 64 bits, which wrap around.
fn small<'s>(
    op: BinaryOp,
    a: TypedNumbers<'s>,
    b: TypedNumbers<'s>,
    element: ElementType,
) -> Result<TypedNumbers<'s>, Fault> {
    let Some((low, high)) = element.range() else {
        return Err(Fault::new("internal error: a type without a range wraps around"));
    };
    for side in [&a, &b] {
        if let (ExprType::Whole, Numbers::Integers(Numeric::Scalar(x))) = (side.kind, &side.numbers)
            && !(low..=high).contains(x)
        {
            return Err(Fault::new(format!("{x} is no number of the type {}", element.name()))
                .help("`cast(x, \"i64\")` makes room for it"));
        }
    }
    let (x, y) = (a.into_floats()?, b.into_floats()?);
    let numbers = match op {
        BinaryOp::Mul => elementwise::apply(x, y, product(element))?,
        BinaryOp::Rem => {
            elementwise::apply(x, y, |x, y| if y == 0.0 { 0.0 } else { elementwise::modulo(x, y) + 0.0 })?
        }
        BinaryOp::Pow => {
            if y.first(|y| y < 0.0).is_some() {
                return Err(negative_power());
            }
            elementwise::apply(x, y, power(element))?
        }
        op => elementwise::binary(op, x, y)?,
    };
    TypedNumbers::fitted(numbers, ExprType::Of(element))
}

/// Multiplies two small integers, modulo the type's range.
fn product(element: ElementType) -> impl Fn(f64, f64) -> f64 + Sync {
    move |x, y| {
        let product = (x as i64).wrapping_mul(y as i64);
        if element == ElementType::U8 { wrap_u8(product) } else { wrap_i32(product) }
    }
}

/// Raises a small integer to a power, modulo the type's range.
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
    match (op, a.numbers) {
        (UnaryOp::Neg, Numbers::Integers(x)) => {
            Ok(TypedNumbers { numbers: integers::negative(x)?.into(), kind: a.kind })
        }
        (UnaryOp::Neg, Numbers::Floats(x)) => TypedNumbers::fitted(elementwise::unary(op, x)?, a.kind),
        (UnaryOp::Not, numbers) => {
            let numbers = match numbers {
                Numbers::Integers(x) => elementwise::map_with(x, |x| i64::from(x == 0))?.into(),
                Numbers::Floats(x) => elementwise::unary(op, x)?.into(),
            };
            Ok(TypedNumbers { numbers, kind: ExprType::Whole })
        }
    }
}

impl ArrayValue {
    /// Converts the owned array to an operand of arithmetic.
    pub(crate) fn into_typed<'s>(self) -> TypedNumbers<'s> {
        let kind = ExprType::Of(self.element_type());
        let numbers = match self {
            ArrayValue::I64(array) => Numbers::Integers(array.into()),
            other => Numbers::Floats(other.into_f64().into()),
        };
        TypedNumbers { numbers, kind }
    }
}

impl<'a> ArrayBinding<'a> {
    /// Converts the borrowed array to an operand of arithmetic.
    pub(crate) fn into_typed(self) -> TypedNumbers<'a> {
        let (numbers, element): (CowArray<'a, f64, IxDyn>, _) = match self {
            ArrayBinding::F64(view) => (view.into(), ElementType::F64),
            ArrayBinding::F32(view) => (view.mapv(f64::from).into(), ElementType::F32),
            ArrayBinding::I64(view) => {
                let numbers = Numbers::Integers(CowArray::from(view).into());
                return TypedNumbers { numbers, kind: ExprType::I64 };
            }
            ArrayBinding::I32(view) => (view.mapv(f64::from).into(), ElementType::I32),
            ArrayBinding::U8(view) => (view.mapv(f64::from).into(), ElementType::U8),
        };
        TypedNumbers { numbers: Numeric::from(numbers).into(), kind: ExprType::Of(element) }
    }
}
