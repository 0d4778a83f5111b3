//! Element types of arrays, and the type of the result of an operation (type promotion).

use crate::arrays::syntax::function::{Aggregate, Map};
use serde::{Deserialize, Serialize};

/// The element type of an array.
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
    /// The element types with their names in scripts.
    pub const NAMES: [(&'static str, ElementType); 5] = [
        ("f64", ElementType::F64),
        ("f32", ElementType::F32),
        ("i64", ElementType::I64),
        ("i32", ElementType::I32),
        ("u8", ElementType::U8),
    ];

    /// Finds an element type by its name in scripts; `None` if there is none.
    pub fn named(name: &str) -> Option<ElementType> {
        ElementType::NAMES.iter().find(|(known, _)| *known == name).map(|(_, element)| *element)
    }

    /// The name of the type in scripts.
    pub fn name(self) -> &'static str {
        ElementType::NAMES.iter().find(|(_, element)| *element == self).map_or("", |(name, _)| name)
    }

    /// The size of an element, in bytes.
    pub fn size(self) -> usize {
        match self {
            ElementType::U8 => 1,
            ElementType::I32 | ElementType::F32 => 4,
            ElementType::I64 | ElementType::F64 => 8,
        }
    }

    /// Whether this is an integer type (`u8`, `i32`, `i64`).
    pub(crate) fn is_integer(self) -> bool {
        matches!(self, ElementType::U8 | ElementType::I32 | ElementType::I64)
    }

    /// The smallest and the largest number of a type that wraps around; `None` for the others.
    pub(crate) fn range(self) -> Option<(i64, i64)> {
        match self {
            ElementType::U8 => Some((0, 255)),
            ElementType::I32 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
            ElementType::I64 | ElementType::F32 | ElementType::F64 => None,
        }
    }
}

/// The type of a subexpression. Numbers in the text have no element type of their own, as in numpy: they take that of
/// the array with which they are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExprType {
    /// An integer from the text or a parameter, or the result of a comparison.
    Whole,
    /// A scalar that is no integer: a number written in the expression, or a parameter of the script. It takes the
    /// element type of an array of floats that it meets, and makes integers `f64`.
    Number,
    Of(ElementType),
}

impl ExprType {
    pub(crate) const F64: ExprType = ExprType::Of(ElementType::F64);
    pub(crate) const I64: ExprType = ExprType::Of(ElementType::I64);

    /// The element type of the value of a whole expression, where no array is left from which a plain number could take
    /// its type.
    pub(crate) fn settled(self) -> ElementType {
        match self {
            ExprType::Whole | ExprType::Number => ElementType::F64,
            ExprType::Of(element) => element,
        }
    }

    /// The type of `a + b` for operands of the types `self` and `other` (type promotion, as in numpy).
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

    /// The type of a quotient, a root or a mean of elements of this type: always a floating-point type.
    pub(crate) fn fractional(self) -> ExprType {
        match self {
            ExprType::Whole => ExprType::Number,
            ExprType::Of(element) if element.is_integer() => ExprType::F64,
            other => other,
        }
    }

    /// The type of an aggregate of elements of this type.
    pub(crate) fn of_aggregate(self, function: Aggregate) -> ExprType {
        match function {
            Aggregate::Min | Aggregate::Max => self,
            Aggregate::Argmin | Aggregate::Argmax => ExprType::I64,
            // as comparisons
            Aggregate::Any | Aggregate::All => ExprType::Whole,
            Aggregate::Sum | Aggregate::Nansum => match self {
                ExprType::Of(element) if element.is_integer() => ExprType::I64,
                other => other,
            },
            Aggregate::Mean
            | Aggregate::Nanmean
            | Aggregate::Median
            | Aggregate::Std
            | Aggregate::Var
            | Aggregate::Norm => self.fractional(),
        }
    }

    /// The type of an element-wise function of elements of this type.
    pub(crate) fn of_map(self, function: Map) -> ExprType {
        match function {
            Map::Abs | Map::Floor | Map::Ceil | Map::Round => self,
            Map::Isnan => ExprType::Whole,
            _ => self.fractional(),
        }
    }

    /// The common type of arrays that are joined (`concat`, `stack`); `f64` if there are none.
    pub(crate) fn joined(types: impl IntoIterator<Item = ExprType>) -> ExprType {
        match types.into_iter().reduce(ExprType::with) {
            Some(ExprType::Of(element)) => ExprType::Of(element),
            _ => ExprType::F64,
        }
    }
}
