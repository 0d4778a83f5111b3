//! Bulk values, which travel as their own memory, without serde (zero copy).
//!
//! * Vectors and arrays of numbers are known here. Their types are recognised by their `TypeId`, so that `Vec<f64>`
//!   needs no trait of its own beside serde's.
//! * A layer above the engine adds its own types: it implements [`BulkKind`] for each and calls [`register`] once, at
//!   every rank, before the run starts.
//!
//! For sending, [`view`] returns a value's layout and memory. For receiving, [`allocate`] makes the memory of the final
//! value from the layout, and the transport fills it.

use super::allocation;
use super::shared::Shared;
use super::value::{AnyValue, Data};
use crate::error::CodecError;
use crate::protocol::BulkLayout;
use crate::transport::{BulkSource, BulkTarget};
use bytemuck::Pod;
use ndarray::{Array, ArrayD, Dimension, Ix1, Ix2, Ix3, Ix4, Ix5, Ix6, IxDyn};
use std::any::Any;
use std::sync::{Arc, OnceLock};

const VEC: u8 = 0;
const DYNAMIC: u8 = 7;
/// The bit that is added to the code of a container (vector, array) to mark that it is inside a [`Shared`].
pub(crate) const SHARED: u8 = 0x80;
const SHARED_DYNAMIC: u8 = SHARED | DYNAMIC;

/// A kind of bulk values (large values that are sent as plain memory) of a layer above the engine, such as the batch
/// tool: tells how its values are sent and received.
///
/// The container codes 0 to 7, and these with 0x80 added, are the engine's own; a kind uses another code, or
/// [`BulkLayout::Pack`].
pub(crate) trait BulkKind: Sync {
    /// The layout and the memory of `value`, if `value` is of this kind and all of it is in memory; else `None`.
    fn view<'a>(&self, value: &'a dyn Any) -> Option<(BulkLayout, &'a [u8])>;

    /// Allocates memory that a value of this layout and of `nbytes` bytes is received into; `None` if the layout is of
    /// another kind or does not fit, and where there is no memory for it. Mostly made by [`target`]. `whole` is the
    /// length of the message in which the value goes to ranks that see other files, as rank 0 knows it; `same_files`
    /// says whether the sender is none of these.
    fn allocate(
        &self,
        layout: &BulkLayout,
        nbytes: usize,
        whole: u64,
        same_files: bool,
    ) -> Option<Box<dyn BulkTarget>>;

    /// The length in bytes and the layout of the message for `value`, if `value` is of this kind and its message is
    /// made only when another rank asks for it; else `None`.
    fn announced(&self, _value: &dyn Any) -> Option<(u64, BulkLayout)> {
        None
    }

    /// Makes the message for `value`, if `value` is of this kind and is not sent as [`BulkKind::view`] shows it; else
    /// `None`. `_same_files` says whether the receiver sees the same files as this rank, so that paths can be sent in
    /// place of files.
    fn message(&self, _value: &dyn Any, _same_files: bool) -> Option<Arc<dyn BulkSource>> {
        None
    }
}

/// The registered kinds of bulk values. Process-wide, since kinds are the program's, and values are decoded before and
/// outside of tasks too.
static KINDS: OnceLock<&'static [&'static dyn BulkKind]> = OnceLock::new();

/// Registers the kinds of bulk values of a layer above. Every rank calls this with the same kinds before the run
/// starts. Only the first call has an effect.
pub(crate) fn register(kinds: &'static [&'static dyn BulkKind]) {
    let _ = KINDS.set(kinds);
}

/// The registered kinds of bulk values that a `T` may belong to.
fn kinds<T>() -> impl Iterator<Item = &'static dyn BulkKind> {
    // a bulk value owns memory and so has a destructor: types without one, such as plain numbers, belong to no kind
    let kinds = if std::mem::needs_drop::<T>() { registered() } else { &[] };
    kinds.iter().copied()
}

fn registered() -> &'static [&'static dyn BulkKind] {
    KINDS.get().copied().unwrap_or_default()
}

/// The length in bytes and the layout of a value whose message is made only when another rank asks for it; `None` for
/// other values.
pub(crate) fn announced<T: 'static>(value: &T) -> Option<(u64, BulkLayout)> {
    kinds::<T>().find_map(|kind| kind.announced(value))
}

/// Makes the message of a value that is not sent as [`view`] shows it; `None` for other values. `same_files` says
/// whether the receiver sees the same files as this rank.
pub(crate) fn message<T: 'static>(value: &T, same_files: bool) -> Option<Arc<dyn BulkSource>> {
    kinds::<T>().find_map(|kind| kind.message(value, same_files))
}

/// A type of numbers of which vectors and arrays are sent as plain memory (bulk data).
pub(crate) trait Element: Data + Pod {
    /// The code of the type in [`BulkLayout::Bulk`].
    const CODE: u8;
}

macro_rules! elements {
    ($($type:ty = $code:literal),*) => {
        $(impl Element for $type {
            const CODE: u8 = $code;
        })*

        /// The layout and the memory of `value`, if it is a bulk value (one that is sent as plain memory) and all of it
        /// is in memory.
        pub(crate) fn view<T: 'static>(value: &T) -> Option<(BulkLayout, &[u8])> {
            // a bulk value owns memory and so has a destructor: a type without one, such as a number, need not be
            // compared with all the containers and elements
            if !std::mem::needs_drop::<T>() {
                return None;
            }
            let any: &dyn Any = value;
            $(if let Some(view) = view_of::<$type>(any) {
                return Some(view);
            })*
            kinds::<T>().find_map(|kind| kind.view(any))
        }

        /// Allocates memory of the type that `layout` describes, for a message of `nbytes` bytes to be received into;
        /// its `into_any` gives the value as an [`AnyValue`]. `same_files` says whether the sender sees the same files
        /// as this rank.
        ///
        /// # Errors
        /// When the layout is damaged or of a kind that is not registered, or larger than memory can be.
        pub(crate) fn allocate(
            layout: &BulkLayout,
            nbytes: u64,
            same_files: bool,
        ) -> Result<Box<dyn BulkTarget>, CodecError> {
            let whole = nbytes;
            let wrong = |what: &str| CodecError::decode(format!("{what}: {layout:?}, {whole} bytes"));
            let nbytes = match layout {
                BulkLayout::Pack { same_files: paths } if same_files => *paths,
                _ => nbytes,
            };
            let nbytes = usize::try_from(nbytes).map_err(|_| wrong("more bytes than memory can have"))?;
            let own = match layout {
                BulkLayout::Encoded => {
                    let nbytes =
                        AnyValue::wire_length(nbytes).ok_or_else(|| wrong("more bytes than memory can have"))?;
                    Some(target(allocation::zeros(nbytes).map_err(CodecError::decode)?, AnyValue::from_wire))
                }
                BulkLayout::Bulk { container, element, shape } if is_own(*container) => {
                    let lengths = lengths(shape).ok_or_else(|| wrong("a length too large"))?;
                    match element {
                        $($code => allocate_of::<$type>(*container, &lengths, nbytes),)*
                        _ => None,
                    }
                }
                BulkLayout::Bulk { .. } | BulkLayout::Pack { .. } => {
                    registered().iter().find_map(|kind| kind.allocate(layout, nbytes, whole, same_files))
                }
            };
            if own.is_none() {
                allocation::check::<u8>(nbytes).map_err(CodecError::decode)?;
            }
            own.ok_or_else(|| wrong("a layout that is damaged, or of a kind that is not registered at this rank"))
        }
    };
}

/// Whether the code of a container (vector, array) is the engine's own, not one of a registered kind of bulk values.
fn is_own(container: u8) -> bool {
    container & !SHARED <= DYNAMIC
}

/// The lengths of the axes as `usize`; `None` if one is too large.
fn lengths(shape: &[u64]) -> Option<Vec<usize>> {
    shape.iter().map(|&length| usize::try_from(length).ok()).collect()
}

elements!(f64 = 0, f32 = 1, i64 = 2, i32 = 3, u8 = 4, i8 = 5, u16 = 6, i16 = 7, u32 = 8, u64 = 9);

fn view_of<E: Element>(value: &dyn Any) -> Option<(BulkLayout, &[u8])> {
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
            if let BulkLayout::Bulk { container, .. } = &mut layout {
                *container |= SHARED;
            }
            Some((layout, bytes))
        })
}

fn view_array<E: Element, D: Dimension + 'static>(value: &dyn Any, code: u8) -> Option<(BulkLayout, &[u8])> {
    view_elements(value.downcast_ref::<Array<E, D>>()?, code)
}

/// The layout and the memory of an array in a container with the code `container`, if the array is contiguous and in C
/// order.
pub(crate) fn view_elements<E: Element, D: Dimension>(
    array: &Array<E, D>,
    container: u8,
) -> Option<(BulkLayout, &[u8])> {
    Some((layout::<E>(container, array.shape()), bytemuck::cast_slice(array.as_slice()?)))
}

fn layout<E: Element>(container: u8, shape: &[usize]) -> BulkLayout {
    let shape = shape.iter().map(|&length| length as u64).collect();
    BulkLayout::Bulk { container, element: E::CODE, shape }
}

fn allocate_of<E: Element>(container: u8, shape: &[usize], nbytes: usize) -> Option<Box<dyn BulkTarget>> {
    match container {
        VEC | SHARED => {
            let numbers = zeros::<E>(shape, nbytes).filter(|_| shape.len() == 1)?;
            Some(match container {
                VEC => target(numbers, AnyValue::new),
                _ => target(numbers, |numbers| AnyValue::new(Shared::new(numbers))),
            })
        }
        1 => allocate_array::<E, Ix1>(shape, nbytes, AnyValue::new),
        2 => allocate_array::<E, Ix2>(shape, nbytes, AnyValue::new),
        3 => allocate_array::<E, Ix3>(shape, nbytes, AnyValue::new),
        4 => allocate_array::<E, Ix4>(shape, nbytes, AnyValue::new),
        5 => allocate_array::<E, Ix5>(shape, nbytes, AnyValue::new),
        6 => allocate_array::<E, Ix6>(shape, nbytes, AnyValue::new),
        DYNAMIC => allocate_array::<E, IxDyn>(shape, nbytes, AnyValue::new),
        SHARED_DYNAMIC => {
            allocate_array::<E, IxDyn>(shape, nbytes, |array| AnyValue::new(Shared::new(array)))
        }
        _ => None,
    }
}

/// A vector of as many zeros as the shape has elements; `None` unless these take `nbytes` bytes, and where there is no
/// memory for it.
fn zeros<E: Element>(shape: &[usize], nbytes: usize) -> Option<Vec<E>> {
    let count = shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length))?;
    if count.checked_mul(size_of::<E>())? != nbytes {
        return None;
    }
    allocation::zeros(count).ok()
}

fn allocate_array<E: Element, D: Dimension + Send + 'static>(
    shape: &[usize],
    nbytes: usize,
    make: fn(Array<E, D>) -> AnyValue,
) -> Option<Box<dyn BulkTarget>> {
    let array = ArrayD::from_shape_vec(IxDyn(shape), zeros::<E>(shape, nbytes)?).ok()?;
    Some(target(array.into_dimensionality::<D>().ok()?, make))
}

/// Allocates memory for an array of this shape to be received into, from which `make` makes the value once the message
/// has arrived; `None` if `nbytes` does not fit the shape.
pub(crate) fn allocate_elements<E: Element>(
    shape: &[u64],
    nbytes: usize,
    make: fn(ArrayD<E>) -> AnyValue,
) -> Option<Box<dyn BulkTarget>> {
    allocate_array(&lengths(shape)?, nbytes, make)
}

/// Memory that a bulk message can be received into, such as a vector.
pub(crate) trait BulkMemory: Send + 'static {
    /// The bytes to fill.
    fn bytes_mut(&mut self) -> &mut [u8];
}

impl<E: Element> BulkMemory for Vec<E> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(self)
    }
}

impl<E: Element, D: Dimension + Send + 'static> BulkMemory for Array<E, D> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        // made contiguous by `allocate_array`; an empty slice would be caught by the transport as a wrong length
        self.as_slice_mut().map(bytemuck::cast_slice_mut).unwrap_or_default()
    }
}

/// Makes a target that receives a bulk message into `memory`; `make` then makes the value of the full memory.
pub(crate) fn target<M: BulkMemory>(memory: M, make: fn(M) -> AnyValue) -> Box<dyn BulkTarget> {
    Box::new(MemoryTarget { memory, make })
}

struct MemoryTarget<M> {
    memory: M,
    make: fn(M) -> AnyValue,
}

impl<M: BulkMemory> BulkTarget for MemoryTarget<M> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.bytes_mut()
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new((self.make)(self.memory))
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
        let copy = target.into_any().downcast::<AnyValue>().unwrap();
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
    fn other_types_and_arrays_with_gaps_go_by_serde() {
        assert!(view(&vec!["a".to_owned()]).is_none());
        assert!(view(&7i64).is_none());
        let transposed = Array2::<f64>::zeros((2, 3)).reversed_axes();
        assert!(view(&transposed).is_none());
    }

    #[test]
    fn a_layout_that_does_not_fit_is_an_error() {
        let bulk = |container, element, shape: &[u64]| BulkLayout::Bulk {
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

    #[test]
    fn a_value_for_which_there_is_no_memory_is_an_error_that_says_so() {
        let vector = BulkLayout::Bulk { container: 0, element: 4, shape: [1 << 60].into_iter().collect() };
        for layout in [BulkLayout::Encoded, vector] {
            let error =
                allocate(&layout, 1 << 60, false).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("this rank has no memory for"), "{error}");
        }
    }

    #[test]
    fn a_layout_of_an_unknown_kind_is_an_error_that_says_so() {
        let layout = BulkLayout::Bulk { container: 0x7f, element: 0, shape: [4].into_iter().collect() };
        let error = allocate(&layout, 32, false).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("not registered at this rank") && error.contains("container: 127"), "{error}");
    }
}
