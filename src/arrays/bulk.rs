//! How the engine sends and receives arrays of scripts, which know their element type: as their own memory.

use super::Value;
use crate::protocol::Layout;
use crate::task;
use crate::task::bulk::{self, BulkKind, Element};
use crate::task::shared::Shared;
use crate::transport::BulkTarget;
use ndarray::ArrayD;
use std::any::Any;

/// The container's code on the wire.
const CONTAINER: u8 = bulk::SHARED | 8;

/// The kind of `Shared<Value>`, for [`bulk::register`].
pub(crate) struct Arrays;

impl BulkKind for Arrays {
    fn view<'a>(&self, value: &'a dyn Any) -> Option<(Layout, &'a [u8])> {
        match &**value.downcast_ref::<Shared<Value>>()? {
            Value::F64(array) => bulk::view_elements(array, CONTAINER),
            Value::F32(array) => bulk::view_elements(array, CONTAINER),
            Value::I64(array) => bulk::view_elements(array, CONTAINER),
            Value::I32(array) => bulk::view_elements(array, CONTAINER),
            Value::U8(array) => bulk::view_elements(array, CONTAINER),
        }
    }

    fn allocate(&self, layout: &Layout, nbytes: usize) -> Option<Box<dyn BulkTarget>> {
        let Layout::Bulk { container: CONTAINER, element, shape } = layout else {
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
    Value: From<ArrayD<E>>,
{
    bulk::allocate_elements::<E>(shape, nbytes, |array| {
        task::value::Value::new(Shared::new(Value::from(array)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::IxDyn;

    fn through(value: Value) {
        let value = Shared::new(value);
        let (layout, bytes) = Arrays.view(&value).expect("is bulk");
        let mut target = Arrays.allocate(&layout, bytes.len()).expect("a layout of ours");
        target.bytes_mut().copy_from_slice(bytes);
        let copy = target.into_any().downcast::<task::value::Value>().expect("a value");
        assert_eq!(copy.get::<Shared<Value>>().expect("an array"), &value);
    }

    #[test]
    fn arrays_of_scripts_keep_their_type() {
        through(Value::F32(ArrayD::from_elem(IxDyn(&[2, 3]), 0.5)));
        through(Value::U8(ArrayD::from_elem(IxDyn(&[]), 7)));
        let value = Shared::new(Value::I64(ArrayD::zeros(IxDyn(&[2]))));
        let (mut layout, _) = Arrays.view(&value).expect("is bulk");
        assert!(Arrays.allocate(&layout, 15).is_none());
        if let Layout::Bulk { element, .. } = &mut layout {
            *element = 7;
        }
        assert!(Arrays.allocate(&layout, 4).is_none());
    }
}
