//! The functions of expressions and reductions on numbers with their element type: each chooses the kernel of integers or
//! that of floats.

use crate::arrays::error::Fault;
use crate::arrays::exact;
use crate::arrays::kernels::{aggregate, broadcast, construct, elementwise, integers, lanes, linalg, order};
use crate::arrays::numeric::Numeric;
use crate::arrays::syntax::ast::BinaryOp;
use crate::arrays::syntax::function::{Aggregate, Map};
use crate::arrays::typed_numbers::{Numbers, TypedNumbers, binary};
use crate::arrays::types::ExprType;

/// Evaluates a function of one argument element by element.
pub(crate) fn map(function: Map, a: TypedNumbers<'_>) -> Result<TypedNumbers<'_>, Fault> {
    let kind = a.kind.of_map(function);
    match (function, a.numbers) {
        (Map::Abs, Numbers::Integers(x)) => {
            Ok(TypedNumbers { numbers: integers::magnitude(x)?.into(), kind })
        }
        (Map::Floor | Map::Ceil | Map::Round, numbers @ Numbers::Integers(_)) => {
            Ok(TypedNumbers { numbers, kind })
        }
        (Map::Isnan, Numbers::Integers(x)) => {
            Ok(TypedNumbers { numbers: x.converted(|_| 0i64)?.into(), kind })
        }
        (_, numbers) => {
            let floats = TypedNumbers { numbers, kind: a.kind }.into_floats()?;
            TypedNumbers::fitted(elementwise::map(function, floats)?, kind)
        }
    }
}

/// Evaluates `sum mean min max std var norm argmin argmax`, over all elements or along `axis`.
pub(crate) fn aggregate<'s>(
    function: Aggregate,
    a: TypedNumbers<'s>,
    axis: Option<f64>,
) -> Result<TypedNumbers<'s>, Fault> {
    let kind = a.kind.of_aggregate(function);
    match (function, a.numbers) {
        (Aggregate::Any | Aggregate::All, Numbers::Integers(x)) => {
            let truths = x.converted(|x| f64::from(u8::from(x != 0)))?;
            TypedNumbers::fitted(aggregate::aggregate(function, truths, axis)?, kind)
        }
        (Aggregate::Std | Aggregate::Var | Aggregate::Norm | Aggregate::Median, numbers) => {
            let floats = TypedNumbers { numbers, kind: a.kind }.into_floats()?;
            TypedNumbers::fitted(aggregate::aggregate(function, floats, axis)?, kind)
        }
        (Aggregate::Mean | Aggregate::Nanmean, Numbers::Integers(x)) => {
            TypedNumbers::fitted(integers::mean(x, axis)?, kind)
        }
        (_, Numbers::Integers(x)) => {
            let function = if function == Aggregate::Nansum { Aggregate::Sum } else { function };
            Ok(TypedNumbers { numbers: integers::aggregate(function, x, axis)?.into(), kind })
        }
        (_, Numbers::Floats(x)) => TypedNumbers::fitted(aggregate::aggregate(function, x, axis)?, kind),
    }
}

/// Evaluates `clip`: limits `x` to the range from `low` to `high`, which may be arrays.
pub(crate) fn clip<'s>(operands: [TypedNumbers<'s>; 3]) -> Result<TypedNumbers<'s>, Fault> {
    let whole = operands.iter().any(TypedNumbers::is_integers);
    let [x, low, high] = operands;
    let kind = x.kind.with(low.kind).with(high.kind);
    if kind == ExprType::I64 || (kind == ExprType::Whole && whole) {
        let numbers = integers::clip(x.into_integers()?, low.into_integers()?, high.into_integers()?)?;
        return Ok(TypedNumbers { numbers: numbers.into(), kind });
    }
    let numbers = elementwise::clip(x.into_floats()?, low.into_floats()?, high.into_floats()?)?;
    TypedNumbers::fitted(numbers, kind)
}

/// Evaluates `where`: selects elements of `a` where the condition is not zero, else of `b`.
pub(crate) fn choose<'s>(operands: [TypedNumbers<'s>; 3]) -> Result<TypedNumbers<'s>, Fault> {
    let [condition, a, b] = operands;
    let kind = a.kind.with(b.kind);
    if kind == ExprType::I64 || (kind == ExprType::Whole && (a.is_integers() || b.is_integers())) {
        let chosen = broadcast::choose(condition.into_truths()?, a.into_integers()?, b.into_integers()?)?;
        return Ok(TypedNumbers { numbers: chosen.into(), kind });
    }
    let condition = match condition.numbers {
        Numbers::Floats(numbers) => numbers,
        Numbers::Integers(numbers) => numbers.converted(|x| f64::from(u8::from(x != 0)))?,
    };
    TypedNumbers::fitted(broadcast::choose(condition, a.into_floats()?, b.into_floats()?)?, kind)
}

/// Joins arrays along an axis that they have (`concat`), or along a new one (`stack`).
pub(crate) fn join(items: Vec<TypedNumbers<'_>>, axis: f64, anew: bool) -> Result<TypedNumbers<'_>, Fault> {
    let mut kind = ExprType::joined(items.iter().map(|part| part.kind));
    let wide = |x: i64| exact::float_of(x).is_none();
    let no_float =
        |part: &TypedNumbers<'_>| matches!(&part.numbers, Numbers::Integers(x) if x.first(wide).is_some());
    if items.iter().all(|part| part.kind == ExprType::Whole) && items.iter().any(no_float) {
        kind = ExprType::I64;
    }
    let items = items.into_iter().map(|part| part.among(kind)).collect::<Result<Vec<_>, _>>()?;
    let numbers = if kind == ExprType::I64 {
        let parts = items.into_iter().map(TypedNumbers::into_integers).collect::<Result<Vec<_>, _>>()?;
        if anew { construct::stack(parts, axis)?.into() } else { construct::concat(parts, axis)?.into() }
    } else {
        let parts = items.into_iter().map(TypedNumbers::into_floats).collect::<Result<Vec<_>, _>>()?;
        if anew { construct::stack(parts, axis)?.into() } else { construct::concat(parts, axis)?.into() }
    };
    Ok(TypedNumbers { numbers, kind })
}

/// Evaluates `reshape`, or `transpose`.
pub(crate) fn rearranged<'s>(
    a: TypedNumbers<'s>,
    places: &[f64],
    transpose: bool,
) -> Result<TypedNumbers<'s>, Fault> {
    let numbers = match (a.numbers, transpose) {
        (Numbers::Floats(x), false) => construct::reshape(x, places)?.into(),
        (Numbers::Integers(x), false) => construct::reshape(x, places)?.into(),
        (Numbers::Floats(x), true) => construct::transpose(x, places)?.into(),
        (Numbers::Integers(x), true) => construct::transpose(x, places)?.into(),
    };
    Ok(TypedNumbers { numbers, kind: a.kind })
}

/// Evaluates `matmul`, or `dot`.
pub(crate) fn product_of<'s>(
    a: TypedNumbers<'s>,
    b: TypedNumbers<'s>,
    dot: bool,
) -> Result<TypedNumbers<'s>, Fault> {
    let kind = a.kind.with(b.kind);
    if dot && (a.shape().is_empty() || b.shape().is_empty()) {
        return binary(BinaryOp::Mul, a, b);
    }
    if kind == ExprType::I64 {
        let (x, y) = (a.into_integers()?, b.into_integers()?);
        let numbers = if dot { linalg::dot(x, y)? } else { linalg::matmul(x, y)? };
        return Ok(TypedNumbers { numbers: numbers.into(), kind });
    }
    let (x, y) = (a.into_floats()?, b.into_floats()?);
    TypedNumbers::fitted(if dot { linalg::dot(x, y)? } else { linalg::matmul(x, y)? }, kind)
}

/// Chooses the smaller (or the `larger`) of two numbers, element by element; NaN if either is NaN.
pub(crate) fn extreme<'s>(
    a: TypedNumbers<'s>,
    b: TypedNumbers<'s>,
    larger: bool,
) -> Result<TypedNumbers<'s>, Fault> {
    let kind = a.kind.with(b.kind);
    if kind == ExprType::I64 {
        let (x, y) = (a.into_integers()?, b.into_integers()?);
        let numbers = elementwise::apply(x, y, if larger { i64::max } else { i64::min })?.into();
        return Ok(TypedNumbers { numbers, kind });
    }
    let choose = if larger { elementwise::maximum } else { elementwise::minimum };
    let numbers = elementwise::apply(a.into_floats()?, b.into_floats()?, choose)?.into();
    Ok(TypedNumbers { numbers, kind })
}

/// Evaluates `quantile`: the value below which the part `q` of the elements lies.
pub(crate) fn quantile<'s>(
    a: TypedNumbers<'s>,
    q: f64,
    axis: Option<f64>,
) -> Result<TypedNumbers<'s>, Fault> {
    let kind = a.kind.fractional();
    TypedNumbers::fitted(lanes::quantile(a.into_floats()?, q, axis)?, kind)
}

/// Evaluates `cumsum`. The sums of small integers have 64 bits, as those of `sum`.
pub(crate) fn running_sums<'s>(a: TypedNumbers<'s>, axis: Option<f64>) -> Result<TypedNumbers<'s>, Fault> {
    let kind = a.kind.of_aggregate(Aggregate::Sum);
    match a.numbers {
        Numbers::Integers(x) => {
            let sums = lanes::cumsum(x, axis, i64::checked_add)?;
            let sums =
                sums.ok_or_else(|| integers::too_large("a sum of integers does not fit into 64 bits"))?;
            Ok(TypedNumbers { numbers: sums.into(), kind })
        }
        Numbers::Floats(x) => {
            let sums = lanes::cumsum(x, axis, |a, b| Some(a + b))?;
            TypedNumbers::fitted(sums.unwrap_or(Numeric::Scalar(f64::NAN)), kind)
        }
    }
}

/// Evaluates `diff`.
pub(crate) fn differences<'s>(
    a: TypedNumbers<'s>,
    times: usize,
    axis: f64,
) -> Result<TypedNumbers<'s>, Fault> {
    match a.numbers {
        Numbers::Integers(x) => {
            let found = lanes::diff(x, times, axis, i64::checked_sub)?;
            let told = "a difference of integers does not fit into 64 bits";
            let numbers = found.ok_or_else(|| integers::too_large(told))?.into();
            Ok(TypedNumbers { numbers, kind: a.kind })
        }
        Numbers::Floats(x) => {
            let found = lanes::diff(x, times, axis, |a, b| Some(a - b))?;
            TypedNumbers::fitted(found.unwrap_or(Numeric::Scalar(f64::NAN)), a.kind)
        }
    }
}

/// Evaluates `sort`.
pub(crate) fn sorted<'s>(a: TypedNumbers<'s>, axis: f64) -> Result<TypedNumbers<'s>, Fault> {
    let numbers = match a.numbers {
        Numbers::Integers(x) => lanes::sort(x, axis, <[i64]>::sort_unstable)?.into(),
        Numbers::Floats(x) => lanes::sort(x, axis, order::sort)?.into(),
    };
    Ok(TypedNumbers { numbers, kind: a.kind })
}

/// Evaluates `unique`.
pub(crate) fn distinct(a: TypedNumbers<'_>) -> TypedNumbers<'_> {
    let whole = |mut all: Vec<i64>| {
        all.sort_unstable();
        all.dedup();
        all
    };
    let numbers = match a.numbers {
        Numbers::Integers(x) => lanes::unique(x, whole).into(),
        Numbers::Floats(x) => lanes::unique(x, order::unique).into(),
    };
    TypedNumbers { numbers, kind: a.kind }
}
