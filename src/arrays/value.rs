//! Arrays of the five element types: results of expressions, and values of their names.

use super::types::ElementType;
use ndarray::{Array1, Array2, Array3, ArrayD, ArrayViewD, CowArray, IxDyn};
use serde::{Deserialize, Serialize};

/// The value of an expression: an array in C order, without axes if it is a single number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the types'")]
pub enum ArrayValue {
    F64(ArrayD<f64>),
    F32(ArrayD<f32>),
    I64(ArrayD<i64>),
    I32(ArrayD<i32>),
    U8(ArrayD<u8>),
}

/// A borrowed array of any element type, as the value of a name.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are the types'")]
pub enum ArrayBinding<'a> {
    F64(ArrayViewD<'a, f64>),
    F32(ArrayViewD<'a, f32>),
    I64(ArrayViewD<'a, i64>),
    I32(ArrayViewD<'a, i32>),
    U8(ArrayViewD<'a, u8>),
}

/// Expands to an expression that runs on the typed array inside of the enum, whatever its element type.
macro_rules! inside {
    ($value:expr, $array:ident => $result:expr) => {
        match $value {
            ArrayValue::F64($array) => $result,
            ArrayValue::F32($array) => $result,
            ArrayValue::I64($array) => $result,
            ArrayValue::I32($array) => $result,
            ArrayValue::U8($array) => $result,
        }
    };
}

impl ArrayValue {
    /// The shape of the array: the lengths of its axes. Empty for a single number.
    pub fn shape(&self) -> &[usize] {
        inside!(self, array => array.shape())
    }

    /// The number of elements of the array.
    pub fn len(&self) -> usize {
        inside!(self, array => array.len())
    }

    /// Whether the array has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type of the array.
    pub fn element_type(&self) -> ElementType {
        match self {
            ArrayValue::F64(_) => ElementType::F64,
            ArrayValue::F32(_) => ElementType::F32,
            ArrayValue::I64(_) => ElementType::I64,
            ArrayValue::I32(_) => ElementType::I32,
            ArrayValue::U8(_) => ElementType::U8,
        }
    }

    /// The elements as `f64`: borrowed if they are `f64`, else converted.
    pub fn to_f64(&self) -> CowArray<'_, f64, IxDyn> {
        match self {
            ArrayValue::F64(array) => array.view().into(),
            ArrayValue::F32(array) => array.mapv(f64::from).into(),
            ArrayValue::I64(array) => array.mapv(|x| x as f64).into(),
            ArrayValue::I32(array) => array.mapv(f64::from).into(),
            ArrayValue::U8(array) => array.mapv(f64::from).into(),
        }
    }

    /// Converts the elements to `f64`; without a copy if they are `f64`.
    pub fn into_f64(self) -> ArrayD<f64> {
        match self {
            ArrayValue::F64(array) => array,
            other => other.to_f64().into_owned(),
        }
    }
}

impl<'a> From<&'a ArrayD<f64>> for ArrayBinding<'a> {
    fn from(array: &'a ArrayD<f64>) -> Self {
        ArrayBinding::F64(array.view())
    }
}

impl<'a> From<&'a ArrayValue> for ArrayBinding<'a> {
    fn from(value: &'a ArrayValue) -> Self {
        match value {
            ArrayValue::F64(array) => ArrayBinding::F64(array.view()),
            ArrayValue::F32(array) => ArrayBinding::F32(array.view()),
            ArrayValue::I64(array) => ArrayBinding::I64(array.view()),
            ArrayValue::I32(array) => ArrayBinding::I32(array.view()),
            ArrayValue::U8(array) => ArrayBinding::U8(array.view()),
        }
    }
}

macro_rules! from_arrays {
    ($($variant:ident: $type:ty),*) => {
        $(impl From<ArrayD<$type>> for ArrayValue {
            fn from(array: ArrayD<$type>) -> Self {
                // a slice or a transposed array has another order in memory
                let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
                ArrayValue::$variant(array)
            }
        })*
    };
}

from_arrays!(F64: f64, F32: f32, I64: i64, I32: i32, U8: u8);

/// Conversions from arrays of one to three axes, vectors and single numbers, which functions of programs return.
macro_rules! from_others {
    ($($other:ty => $array:ident: $dynamic:expr),* $(,)?) => {
        $(impl From<$other> for ArrayValue {
            fn from($array: $other) -> Self {
                $dynamic.into()
            }
        })*
    };
}

from_others!(
    f64 => number: ndarray::arr0(number).into_dyn(),
    Vec<f64> => numbers: Array1::from_vec(numbers).into_dyn(),
    Array1<f64> => array: array.into_dyn(),
    Array2<f64> => array: array.into_dyn(),
    Array3<f64> => array: array.into_dyn(),
    Array1<f32> => array: array.into_dyn(),
    Array2<f32> => array: array.into_dyn(),
);
