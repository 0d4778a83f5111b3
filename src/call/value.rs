//! A result: typed where it was made, encoded or as plain memory on its way.

use super::bulk;
use crate::codec::{self, Measured};
use crate::error::CodecError;
use crate::protocol::{Blob, INLINE_MAX, Layout, Output};
use crate::transport::BulkSource;
use serde::{Serialize, de::DeserializeOwned};
use std::any::{Any, type_name};
use std::sync::{Arc, OnceLock};

/// What an argument or a result of a task can be: anything that serde can encode, that can be cloned and sent.
///
/// Vectors and `ndarray` arrays of numbers travel as their own memory; all else is encoded.
pub trait Data: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Data for T {}

/// A typed value behind a pointer that forgets the type.
trait Typed: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn encode(&self) -> Result<Vec<u8>, CodecError>;
    fn bulk(&self) -> Option<(Layout, &[u8])>;
    fn type_name(&self) -> &'static str;
}

struct Holder<T>(T);

impl<T: Data> Typed for Holder<T> {
    fn as_any(&self) -> &dyn Any {
        &self.0
    }
    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(&self.0)
    }
    fn bulk(&self) -> Option<(Layout, &[u8])> {
        bulk::view(&self.0)
    }
    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

#[derive(Default)]
struct Inner {
    typed: OnceLock<Box<dyn Typed>>,
    encoded: OnceLock<Vec<u8>>,
}

/// A value that ranks hand on without knowing its type; copies share it.
#[derive(Clone)]
pub struct Value(Arc<Inner>);

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.typed.get(), self.0.encoded.get()) {
            (Some(typed), _) => write!(f, "Value({})", typed.type_name()),
            (None, bytes) => write!(f, "Value({} encoded bytes)", bytes.map_or(0, Vec::len)),
        }
    }
}

impl Value {
    /// A typed value.
    pub fn new<T: Data>(value: T) -> Self {
        let inner = Inner::default();
        let _ = inner.typed.set(Box::new(Holder(value)));
        Value(Arc::new(inner))
    }

    /// A value that has come encoded; decoded when somebody who knows its type asks.
    pub fn from_encoded(bytes: Vec<u8>) -> Self {
        let inner = Inner::default();
        let _ = inner.encoded.set(bytes);
        Value(Arc::new(inner))
    }

    /// The value as a `T`, decoded at the first call.
    ///
    /// # Errors
    /// When it is of another type, or its bytes are no `T`.
    pub fn get<T: Data>(&self) -> Result<&T, CodecError> {
        if self.0.typed.get().is_none() {
            let bytes = self.0.encoded.get().map(Vec::as_slice).unwrap_or_default();
            // two threads may both decode; the first one's value stays
            let _ = self.0.typed.set(Box::new(Holder(decode::<T>(bytes)?)));
        }
        let typed = self.0.typed.get().ok_or_else(|| CodecError::decode("the value is empty"))?;
        typed.as_any().downcast_ref().ok_or_else(|| {
            CodecError::decode(format!("a {} where a {} is wanted", typed.type_name(), type_name::<T>()))
        })
    }

    /// Whether [`BulkSource::bytes`] has to be prepared by [`Value::encode`].
    pub fn needs_encoding(&self) -> bool {
        self.0.encoded.get().is_none() && self.0.typed.get().is_some_and(|typed| typed.bulk().is_none())
    }

    /// Encodes the value, once; nothing to do for bulk data.
    ///
    /// # Errors
    /// When its `Serialize` refuses.
    pub fn encode(&self) -> Result<(), CodecError> {
        if self.needs_encoding()
            && let Some(typed) = self.0.typed.get()
        {
            let _ = self.0.encoded.set(typed.encode()?);
        }
        Ok(())
    }
}

impl BulkSource for Value {
    fn bytes(&self) -> &[u8] {
        // one that has come encoded may have been decoded into bulk memory since: the layout that was announced counts
        match (self.0.encoded.get(), self.0.typed.get()) {
            (Some(bytes), _) => bytes,
            (None, Some(typed)) => typed.bulk().map(|(_, bytes)| bytes).unwrap_or_default(),
            (None, None) => &[],
        }
    }
}

/// Decodes a `T`, with its type in the error.
///
/// # Errors
/// When the bytes are no `T`.
pub fn decode<T: Data>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode(bytes).map_err(|error| CodecError::decode(format!("a {}: {error}", type_name::<T>())))
}

/// Prepares a result: small ones encoded for the message, others kept, with what a receiver has to know.
///
/// # Errors
/// When its `Serialize` refuses.
pub fn output<T: Data>(value: T) -> Result<(Output, Option<Value>), CodecError> {
    if let Some((layout, bytes)) = bulk::view(&value)
        && bytes.len() > INLINE_MAX
    {
        let nbytes = bytes.len() as u64;
        return Ok((Output::Stored { nbytes, layout }, Some(Value::new(value))));
    }
    Ok(match codec::encode_up_to(&value, INLINE_MAX)? {
        Measured::Small(bytes) => (Output::Inline(Blob::new(&bytes)), None),
        Measured::Large(nbytes) => match bulk::view(&value) {
            // a short vector of numbers whose encoding is longer than its memory
            Some((layout, bytes)) => {
                let nbytes = bytes.len() as u64;
                (Output::Stored { nbytes, layout }, Some(Value::new(value)))
            }
            None => (Output::Stored { nbytes, layout: Layout::Encoded }, Some(Value::new(value))),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_an_error_that_names_both() {
        let error = Value::new(7i64).get::<String>().unwrap_err().to_string();
        assert!(error.contains("i64") && error.contains("String"), "{error}");
    }

    #[test]
    fn encoded_values_are_decoded_once_and_shared() {
        let value = Value::from_encoded(codec::encode("seven").unwrap());
        let first: *const String = value.get::<String>().unwrap();
        assert_eq!(first, value.clone().get::<String>().unwrap() as *const String);
        assert!(!value.needs_encoding());
    }

    #[test]
    fn the_announced_size_is_the_size_sent() {
        for text in ["short", &"long ".repeat(100)] {
            match output(text.to_owned()).unwrap() {
                (Output::Inline(bytes), None) => assert_eq!(decode::<String>(&bytes).unwrap(), text),
                (Output::Stored { nbytes, layout: Layout::Encoded }, Some(value)) => {
                    value.encode().unwrap();
                    assert_eq!(value.bytes().len() as u64, nbytes);
                }
                other => panic!("{other:?}"),
            }
        }
        match output(vec![0.5f64; 100]).unwrap() {
            (Output::Stored { nbytes: 800, layout: Layout::Bulk { .. } }, Some(value)) => {
                assert_eq!(value.bytes().len(), 800);
                assert!(!value.needs_encoding());
            }
            other => panic!("{other:?}"),
        }
    }
}
