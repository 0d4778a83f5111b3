//! How the engine sends and receives arrays of scripts, which know their element type: as their own memory.

use super::ArrayValue;
use crate::protocol::BulkLayout;
use crate::task;
use crate::task::bulk::{self, BulkKind, Element};
use crate::task::shared::Shared;
use crate::transport::BulkTarget;
use ndarray::ArrayD;
use std::any::Any;

/// The container's code on the wire.
const CONTAINER: u8 = bulk::SHARED | 8;

/// The kind of `Shared<Value>`, for [`bulk::register`].
pub(crate) struct ArrayBulk;

impl BulkKind for ArrayBulk {
    fn view<'a>(&self, value: &'a dyn Any) -> Option<(BulkLayout, &'a [u8])> {
        match &**value.downcast_ref::<Shared<ArrayValue>>()? {
            ArrayValue::F64(array) => bulk::view_elements(array, CONTAINER),
            ArrayValue::F32(array) => bulk::view_elements(array, CONTAINER),
            ArrayValue::I64(array) => bulk::view_elements(array, CONTAINER),
            ArrayValue::I32(array) => bulk::view_elements(array, CONTAINER),
            ArrayValue::U8(array) => bulk::view_elements(array, CONTAINER),
        }
    }

    fn allocate(&self, layout: &BulkLayout, nbytes: usize) -> Option<Box<dyn BulkTarget>> {
        let BulkLayout::Bulk { container: CONTAINER, element, shape } = layout else {
            return None;
        };
        match *element {
            f64::CODE => allocate::<f64>(shape, nbytes),
            f32::CODE => allocate::<f32>(shape, nbytes),
            i64::CODE => allocate::<i64>(shape, nbytes),
            i32::CODE => allocate::<i32>(shape, nbytes),
            u8::CODE => allocate::<u8>(shape, nbytes),
            _ => None,
        }
    }
}

fn allocate<E: Element>(shape: &[u64], nbytes: usize) -> Option<Box<dyn BulkTarget>>
where
    ArrayValue: From<ArrayD<E>>,
{
    bulk::allocate_elements::<E>(shape, nbytes, |array| {
        task::value::AnyValue::new(Shared::new(ArrayValue::from(array)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::IxDyn;

    fn through(value: ArrayValue) {
        let value = Shared::new(value);
        let (layout, bytes) = ArrayBulk.view(&value).expect("is bulk");
        let mut target = ArrayBulk.allocate(&layout, bytes.len()).expect("a layout of ours");
        target.bytes_mut().copy_from_slice(bytes);
        let copy = target.into_any().downcast::<task::value::AnyValue>().expect("a value");
        assert_eq!(copy.get::<Shared<ArrayValue>>().expect("an array"), &value);
    }

    #[test]
    fn arrays_of_scripts_keep_their_type() {
        through(ArrayValue::F32(ArrayD::from_elem(IxDyn(&[2, 3]), 0.5)));
        through(ArrayValue::U8(ArrayD::from_elem(IxDyn(&[]), 7)));
        let value = Shared::new(ArrayValue::I64(ArrayD::zeros(IxDyn(&[2]))));
        let (mut layout, _) = ArrayBulk.view(&value).expect("is bulk");
        assert!(ArrayBulk.allocate(&layout, 15).is_none());
        if let BulkLayout::Bulk { element, .. } = &mut layout {
            *element = 7;
        }
        assert!(ArrayBulk.allocate(&layout, 4).is_none());
    }
}
