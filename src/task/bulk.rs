//! Vectors and arrays of numbers go from and into their own memory, without serde.
//!
//! Which types these are is decided by their `TypeId`, so that `Vec<f64>` needs no trait of its own beside serde's.

use super::shared::Shared;
use super::value::{Data, Value};
use crate::arrays;
use crate::commands::outputs::{Incoming, Pack};
use crate::error::CodecError;
use crate::protocol::Layout;
use crate::transport::BulkTarget;
use bytemuck::Pod;
use ndarray::{Array, ArrayD, Dimension, Ix1, Ix2, Ix3, Ix4, Ix5, Ix6, IxDyn};
use std::any::Any;

const VEC: u8 = 0;
const DYNAMIC: u8 = 7;
/// An array of scripts, which knows its element type.
const TYPED: u8 = 8;
/// Added to the code of a container inside a [`Shared`].
const SHARED: u8 = 0x80;
const SHARED_DYNAMIC: u8 = SHARED | DYNAMIC;
const SHARED_TYPED: u8 = SHARED | TYPED;

/// A number that bulk data is made of.
trait Element: Data + Pod {
    const CODE: u8;
}

macro_rules! elements {
    ($($type:ty = $code:literal),*) => {
        $(impl Element for $type {
            const CODE: u8 = $code;
        })*

        /// The layout and the memory of `value`, if it is a vector or a contiguous array of numbers.
        pub fn view<T: 'static>(value: &T) -> Option<(Layout, &[u8])> {
            // no container is without a destructor: numbers need not be compared with eighty types
            if !std::mem::needs_drop::<T>() {
                return None;
            }
            let value: &dyn Any = value;
            if let Some(typed) = value.downcast_ref::<Shared<arrays::Value>>() {
                return view_typed(typed);
            }
            if let Some(pack) = value.downcast_ref::<Pack>() {
                return pack.view();
            }
            $(if let Some(view) = view_of::<$type>(value) {
                return Some(view);
            })*
            None
        }

        /// Memory of the type that `layout` describes, to be received into; its `into_any` is a [`Value`]. With `near`, for the
        /// message of a rank that sees the same files.
        ///
        /// # Errors
        /// When the layout is not known, or larger than memory can be.
        pub fn allocate(layout: &Layout, nbytes: u64, near: bool) -> Result<Box<dyn BulkTarget>, CodecError> {
            let wrong = |what: &str| CodecError::decode(format!("{what}: {layout:?}, {nbytes} bytes"));
            let nbytes = match layout {
                Layout::Pack { near: paths } if near => *paths,
                _ => nbytes,
            };
            let nbytes = usize::try_from(nbytes).map_err(|_| wrong("more bytes than memory can have"))?;
            let (container, element, shape) = match layout {
                Layout::Bulk { container, element, shape } => (container, element, shape),
                Layout::Pack { .. } => return Ok(Box::new(Incoming(vec![0; nbytes]))),
                Layout::Encoded => {
                    let nbytes =
                        Value::wire_length(nbytes).ok_or_else(|| wrong("more bytes than memory can have"))?;
                    return Ok(Box::new(Encoded(vec![0; nbytes])));
                }
            };
            let mut lengths = Vec::with_capacity(shape.len());
            for &length in shape {
                lengths.push(usize::try_from(length).map_err(|_| wrong("a length too large"))?);
            }
            match element {
                _ if *container == SHARED_TYPED => allocate_typed(*element, &lengths, nbytes),
                $($code => allocate_of::<$type>(*container, &lengths, nbytes),)*
                _ => None,
            }
            .ok_or_else(|| wrong("an unknown layout"))
        }
    };
}

elements!(f64 = 0, f32 = 1, i64 = 2, i32 = 3, u8 = 4, i8 = 5, u16 = 6, i16 = 7, u32 = 8, u64 = 9);

fn view_of<E: Element>(value: &dyn Any) -> Option<(Layout, &[u8])> {
    if let Some(vec) = value.downcast_ref::<Vec<E>>() {
        return Some((layout::<E>(VEC, &[vec.len()]), bytemuck::cast_slice(vec)));
    }
    view_array::<E, Ix1>(value, 1)
        .or_else(|| view_array::<E, Ix2>(value, 2))
        .or_else(|| view_array::<E, Ix3>(value, 3))
        .or_else(|| view_array::<E, Ix4>(value, 4))
        .or_else(|| view_array::<E, Ix5>(value, 5))
        .or_else(|| view_array::<E, Ix6>(value, 6))
        .or_else(|| view_array::<E, IxDyn>(value, DYNAMIC))
        .or_else(|| {
            let (mut layout, bytes) = match value.downcast_ref::<Shared<Vec<E>>>() {
                Some(vec) => view_of::<E>(&**vec)?,
                None => view_array::<E, IxDyn>(&**value.downcast_ref::<Shared<ArrayD<E>>>()?, DYNAMIC)?,
            };
            if let Layout::Bulk { container, .. } = &mut layout {
                *container |= SHARED;
            }
            Some((layout, bytes))
        })
}

fn view_array<E: Element, D: Dimension + 'static>(value: &dyn Any, code: u8) -> Option<(Layout, &[u8])> {
    let array = value.downcast_ref::<Array<E, D>>()?;
    Some((layout::<E>(code, array.shape()), bytemuck::cast_slice(array.as_slice()?)))
}

fn view_typed(value: &arrays::Value) -> Option<(Layout, &[u8])> {
    fn view<E: Element>(array: &ArrayD<E>) -> Option<(Layout, &[u8])> {
        Some((layout::<E>(SHARED_TYPED, array.shape()), bytemuck::cast_slice(array.as_slice()?)))
    }
    match value {
        arrays::Value::F64(array) => view(array),
        arrays::Value::F32(array) => view(array),
        arrays::Value::I64(array) => view(array),
        arrays::Value::I32(array) => view(array),
        arrays::Value::U8(array) => view(array),
    }
}

fn allocate_typed(element: u8, shape: &[usize], nbytes: usize) -> Option<Box<dyn BulkTarget>> {
    fn allocate<E: Element>(shape: &[usize], nbytes: usize) -> Option<Box<dyn BulkTarget>>
    where
        arrays::Value: From<ArrayD<E>>,
    {
        let count = shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length))?;
        if count.checked_mul(size_of::<E>())? != nbytes {
            return None;
        }
        let array = ArrayD::from_shape_vec(IxDyn(shape), vec![E::zeroed(); count]).ok()?;
        Some(Box::new(Typed(Elements(array))))
    }
    match element {
        f64::CODE => allocate::<f64>(shape, nbytes),
        f32::CODE => allocate::<f32>(shape, nbytes),
        i64::CODE => allocate::<i64>(shape, nbytes),
        i32::CODE => allocate::<i32>(shape, nbytes),
        u8::CODE => allocate::<u8>(shape, nbytes),
        _ => None,
    }
}

fn layout<E: Element>(container: u8, shape: &[usize]) -> Layout {
    let shape = shape.iter().map(|&length| length as u64).collect();
    Layout::Bulk { container, element: E::CODE, shape }
}

fn allocate_of<E: Element>(container: u8, shape: &[usize], nbytes: usize) -> Option<Box<dyn BulkTarget>> {
    let count = shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length))?;
    if count.checked_mul(size_of::<E>())? != nbytes {
        return None;
    }
    match container {
        VEC if shape.len() == 1 => Some(Box::new(Numbers(vec![E::zeroed(); count]))),
        SHARED if shape.len() == 1 => Some(Box::new(Wrapped(Numbers(vec![E::zeroed(); count])))),
        SHARED_DYNAMIC => {
            let array = ArrayD::from_shape_vec(IxDyn(shape), vec![E::zeroed(); count]).ok()?;
            Some(Box::new(Wrapped(Elements(array))))
        }
        1 => array::<E, Ix1>(shape),
        2 => array::<E, Ix2>(shape),
        3 => array::<E, Ix3>(shape),
        4 => array::<E, Ix4>(shape),
        5 => array::<E, Ix5>(shape),
        6 => array::<E, Ix6>(shape),
        DYNAMIC => array::<E, IxDyn>(shape),
        _ => None,
    }
}

fn array<E: Element, D>(shape: &[usize]) -> Option<Box<dyn BulkTarget>>
where
    D: Dimension + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    let count = shape.iter().product();
    let array = Array::from_shape_vec(IxDyn(shape), vec![E::zeroed(); count]).ok()?;
    Some(Box::new(Elements(array.into_dimensionality::<D>().ok()?)))
}

struct Encoded(Vec<u8>);
struct Numbers<E>(Vec<E>);
struct Elements<E, D: Dimension>(Array<E, D>);
/// Makes a [`Shared`] of what was received.
struct Wrapped<C>(C);
/// Makes an array of scripts of what was received.
struct Typed<C>(C);

impl BulkTarget for Encoded {
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(Value::from_wire(self.0))
    }
}

impl<E: Element> BulkTarget for Numbers<E> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(Value::new(self.0))
    }
}

impl<E: Element, D> BulkTarget for Elements<E, D>
where
    D: Dimension + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    fn bytes_mut(&mut self) -> &mut [u8] {
        // made contiguous by `array`; an empty slice would be caught by the transport as a wrong length
        self.0.as_slice_mut().map(bytemuck::cast_slice_mut).unwrap_or_default()
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(Value::new(self.0))
    }
}

impl<E: Element> BulkTarget for Wrapped<Numbers<E>> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(Value::new(Shared::new(self.0.0)))
    }
}

impl<E: Element> BulkTarget for Wrapped<Elements<E, IxDyn>> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(Value::new(Shared::new(self.0.0)))
    }
}

impl<E: Element> BulkTarget for Typed<Elements<E, IxDyn>>
where
    arrays::Value: From<ArrayD<E>>,
{
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(Value::new(Shared::new(arrays::Value::from(self.0.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn through<T: Data + PartialEq + std::fmt::Debug>(value: T) {
        let (layout, bytes) = view(&value).expect("is bulk");
        let mut target = allocate(&layout, bytes.len() as u64, false).unwrap();
        target.bytes_mut().copy_from_slice(bytes);
        let copy = target.into_any().downcast::<Value>().unwrap();
        assert_eq!(copy.get::<T>().unwrap(), &value);
    }

    #[test]
    fn vectors_and_arrays_come_out_as_they_went_in() {
        through(vec![1.0f64, -2.5]);
        through(vec![1u8, 2, 3]);
        through(Vec::<i32>::new());
        through(Array2::from_shape_fn((3, 4), |(i, j)| (i * 10 + j) as i64));
        through(ArrayD::from_shape_vec(IxDyn(&[2, 1, 2]), vec![1.0f32, 2.0, 3.0, 4.0]).unwrap());
    }

    #[test]
    fn shared_vectors_and_arrays_stay_shared() {
        through(Shared::new(vec![1u8, 2, 3]));
        through(Shared::new(ArrayD::from_elem(IxDyn(&[2, 3]), 0.5f64)));
    }

    #[test]
    fn arrays_of_scripts_keep_their_type() {
        through(Shared::new(arrays::Value::F32(ArrayD::from_elem(IxDyn(&[2, 3]), 0.5))));
        through(Shared::new(arrays::Value::U8(ArrayD::from_elem(IxDyn(&[]), 7))));
        let (mut layout, _) = view(&Shared::new(arrays::Value::I64(ArrayD::zeros(IxDyn(&[2]))))).unwrap();
        assert!(allocate(&layout, 15, false).is_err());
        if let Layout::Bulk { element, .. } = &mut layout {
            *element = 7;
        }
        assert!(allocate(&layout, 4, false).is_err());
    }

    #[test]
    fn other_types_and_arrays_with_gaps_go_by_serde() {
        assert!(view(&vec!["a".to_owned()]).is_none());
        assert!(view(&7i64).is_none());
        let transposed = Array2::<f64>::zeros((2, 3)).reversed_axes();
        assert!(view(&transposed).is_none());
    }

    #[test]
    fn a_layout_that_does_not_fit_is_an_error() {
        let bulk = |container, element, shape: &[u64]| Layout::Bulk {
            container,
            element,
            shape: shape.iter().copied().collect(),
        };
        assert!(allocate(&bulk(0, 0, &[4]), 31, false).is_err());
        assert!(allocate(&bulk(0, 99, &[4]), 32, false).is_err());
        assert!(allocate(&bulk(9, 0, &[4]), 32, false).is_err());
        assert!(allocate(&bulk(2, 0, &[4]), 32, false).is_err());
        assert!(allocate(&bulk(0, 0, &[u64::MAX, 8]), 32, false).is_err());
    }
}
