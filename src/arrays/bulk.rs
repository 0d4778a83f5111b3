//! How the engine sends and receives arrays of scripts: from and into their own memory.

use super::ArrayValue;
use crate::protocol::BulkLayout;
use crate::task::bulk::{self, Element};
use crate::task::value::{AnyValue, Data};
use crate::transport::BulkTarget;
use ndarray::ArrayD;

/// The number in the layout of a bulk message (sent as plain memory) by which a receiver knows an [`ArrayValue`]. The
/// engine has 0 to 7 for its own types.
const CONTAINER: u8 = bulk::SHARED | 8;

/// The layout and the memory of an array, so that it can be sent without a copy. `None` if the memory is not in C
/// order.
pub(crate) fn view(array: &ArrayValue) -> Option<(BulkLayout, &[u8])> {
    match array {
        ArrayValue::F64(array) => bulk::view_elements(array, CONTAINER),
        ArrayValue::F32(array) => bulk::view_elements(array, CONTAINER),
        ArrayValue::I64(array) => bulk::view_elements(array, CONTAINER),
        ArrayValue::I32(array) => bulk::view_elements(array, CONTAINER),
        ArrayValue::U8(array) => bulk::view_elements(array, CONTAINER),
    }
}

/// Allocates the memory that an array of that layout, of `nbytes` bytes, is received into. Once it is filled, the array
/// is converted to a `T`. `None` if the layout is not that of an array, or has another size.
pub(crate) fn allocate<T: Data + From<ArrayValue>>(
    layout: &BulkLayout,
    nbytes: usize,
) -> Option<Box<dyn BulkTarget>> {
    let BulkLayout::Bulk { container: CONTAINER, element, shape } = layout else {
        return None;
    };
    match *element {
        f64::CODE => allocate_of::<f64, T>(shape, nbytes),
        f32::CODE => allocate_of::<f32, T>(shape, nbytes),
        i64::CODE => allocate_of::<i64, T>(shape, nbytes),
        i32::CODE => allocate_of::<i32, T>(shape, nbytes),
        u8::CODE => allocate_of::<u8, T>(shape, nbytes),
        _ => None,
    }
}

fn allocate_of<E: Element, T: Data + From<ArrayValue>>(
    shape: &[u64],
    nbytes: usize,
) -> Option<Box<dyn BulkTarget>>
where
    ArrayValue: From<ArrayD<E>>,
{
    bulk::allocate_elements::<E>(shape, nbytes, |array| AnyValue::new(T::from(ArrayValue::from(array))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::IxDyn;

    fn through(value: ArrayValue) {
        let (layout, bytes) = view(&value).expect("is bulk");
        let mut target = allocate::<ArrayValue>(&layout, bytes.len()).expect("a layout of ours");
        target.bytes_mut().copy_from_slice(bytes);
        let copy = target.into_any().downcast::<AnyValue>().expect("a value");
        assert_eq!(copy.get::<ArrayValue>().expect("an array"), &value);
    }

    #[test]
    fn arrays_of_scripts_keep_their_type() {
        through(ArrayValue::F32(ArrayD::from_elem(IxDyn(&[2, 3]), 0.5)));
        through(ArrayValue::U8(ArrayD::from_elem(IxDyn(&[]), 7)));
        let value = ArrayValue::I64(ArrayD::zeros(IxDyn(&[2])));
        let (mut layout, _) = view(&value).expect("is bulk");
        assert!(allocate::<ArrayValue>(&layout, 15).is_none());
        if let BulkLayout::Bulk { element, .. } = &mut layout {
            *element = 7;
        }
        assert!(allocate::<ArrayValue>(&layout, 4).is_none());
    }
}
