//! Values: results and arguments, typed where they were made, encoded or as plain memory while they travel.
//!
//! A value passes through ranks that do not know its type as an [`AnyValue`]. It has a typed form, an encoded form, or
//! both; each is made at most once, when it is first needed. Start with [`AnyValue`] and `output`.

mod disk;

use super::bulk;
use super::spilled::{HeldBytes, SpilledValue};
use super::tickets::{self, CopyTicket, KeptTickets};
use crate::codec;
use crate::error::CodecError;
use crate::protocol::BulkLayout;
use crate::transport::BulkSource;
use serde::{Serialize, de::DeserializeOwned};
use std::any::{Any, type_name};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// A type that an argument or a result of a task can have: anything that serde can encode, that can be cloned and sent.
///
/// Vectors and `ndarray` arrays of numbers travel as their own memory; all else is encoded.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a task",
    note = "it must be `Serialize + DeserializeOwned + Clone + Send + Sync + 'static`",
    note = "`!` in this message stands for the result of a task whose parameters the compiler could not read: in place of `&str` write `&String`, for `&[u8]` `&Vec<u8>`, for `&Path` `&PathBuf`, and in place of `Result<T, String>` `Result<T, dtask::Failure>`"
)]
pub trait Data: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Data for T {}

/// A typed value behind a pointer that hides its type (type erasure).
trait TypedValue: Any + Send + Sync {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError>;
    fn bulk(&self) -> Option<(BulkLayout, &[u8])>;
    /// Makes the message that is sent to another rank, for a value of a registered kind (`bulk::register`) that is sent
    /// in a form of its own; `None` for any other value. `same_files` says whether that rank sees the same files, so
    /// that paths do in place of contents.
    fn message(&self, same_files: bool) -> Option<Arc<dyn BulkSource>>;
    fn type_name(&self) -> &'static str;
}

impl<T: Data> TypedValue for T {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        codec::encode_value_into(self, out)
    }
    fn bulk(&self) -> Option<(BulkLayout, &[u8])> {
        bulk::view(self)
    }
    fn message(&self, same_files: bool) -> Option<Arc<dyn BulkSource>> {
        bulk::message(self, same_files)
    }
    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

/// Last byte of an encoded value while it travels between ranks: the bytes before it are the encoding.
const GOOD: u8 = 0;
/// Last byte of an encoded value while it travels between ranks: the encoding could not be made, and the bytes before
/// it are the text of the reason.
const REFUSED: u8 = 1;

#[derive(Default)]
struct ValueInner {
    typed: OnceLock<Arc<dyn TypedValue>>,
    /// The encoding of the value, with [`GOOD`] or [`REFUSED`] behind it; empty until it is made.
    encoded: OnceLock<Vec<u8>>,
    /// The length of the encoding in bytes, as it was announced to ranks that fetch the value; 0 if none was announced,
    /// as for bulk values.
    announced: usize,
    /// The bytes of the value as counted in the ledger of its rank's memory; set once the value is in the rank's store.
    held: OnceLock<HeldBytes>,
    /// The copies of handles in the encoding.
    tickets: OnceLock<KeptTickets>,
    /// The copy of the value on a disk of the host, if it was moved there. The value may be in memory again too.
    disk: OnceLock<Arc<SpilledValue>>,
    /// Whether the value has handles of objects, which must not leave memory: their objects would be released.
    has_handles: AtomicBool,
}

/// A value of any type, which ranks pass on without knowing the type; copies share it.
#[derive(Clone)]
pub struct AnyValue(Arc<ValueInner>);

impl std::fmt::Debug for AnyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.typed.get(), self.0.encoded.get()) {
            (Some(typed), _) => write!(f, "Value({})", (**typed).type_name()),
            (None, bytes) => write!(f, "Value({} encoded bytes)", bytes.map_or(0, |bytes| bytes.len() - 1)),
        }
    }
}

impl AnyValue {
    /// Makes a value of hidden type from a typed one.
    pub fn new<T: Data>(value: T) -> Self {
        let inner = ValueInner::default();
        let _ = inner.typed.set(Arc::new(value));
        AnyValue(Arc::new(inner))
    }

    /// Makes a value whose encoding is made only when another rank fetches it; `length` is the number of bytes of the
    /// encoding that was announced to other ranks.
    pub fn to_be_encoded<T: Data>(value: T, length: usize) -> Self {
        Self::shared_with(Arc::new(value), length)
    }

    /// Makes a value that shares the memory of `value` with the program. `length` is the number of bytes of its encoding,
    /// as in [`AnyValue::to_be_encoded`]; 0 for a bulk value.
    pub fn shared_with<T: Data>(value: Arc<T>, length: usize) -> Self {
        let inner = ValueInner { announced: length, ..ValueInner::default() };
        let _ = inner.typed.set(value);
        AnyValue(Arc::new(inner))
    }

    /// Notes whether the value has handles of objects.
    pub(crate) fn having_handles(self, has_handles: bool) -> Self {
        self.0.has_handles.store(has_handles, Ordering::Relaxed);
        self
    }

    /// Makes a value from an encoded one. The value is decoded when a caller that knows its type asks for it.
    pub fn from_encoded(encoded: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(encoded.len() + 1);
        bytes.extend_from_slice(encoded);
        bytes.push(GOOD);
        AnyValue::from_wire(bytes)
    }

    /// Makes a value from an encoded one in which there are copies of handles.
    pub(crate) fn from_encoded_with(encoded: &[u8], tickets: Vec<CopyTicket>) -> Self {
        let value = AnyValue::from_encoded(encoded).having_handles(!tickets.is_empty());
        let _ = value.0.tickets.set(KeptTickets::new(tickets));
        value
    }

    /// Number of bytes that a value of `length` encoded bytes takes while it travels between ranks, see
    /// [`AnyValue::from_wire`]; `None` if that overflows.
    pub(crate) fn wire_length(length: usize) -> Option<usize> {
        length.checked_add(1)
    }

    /// Makes a value from the bytes that another rank has sent: the encoding, and one byte that says whether it is
    /// valid.
    pub(crate) fn from_wire(bytes: Vec<u8>) -> Self {
        let inner = ValueInner::default();
        let _ = inner.encoded.set(bytes);
        AnyValue(Arc::new(inner))
    }

    fn decode<T: Data>(&self) -> Result<T, CodecError> {
        match self.0.encoded.get().and_then(|bytes| bytes.split_last()) {
            Some((&GOOD, bytes)) => decode(bytes),
            Some((_, why)) => {
                let why = String::from_utf8_lossy(why);
                Err(CodecError::decode(format!("a {}: {}", type_name::<T>(), why.trim_end())))
            }
            None => Err(CodecError::decode("the value is empty")),
        }
    }

    /// The value as a `T`, decoded at the first call.
    ///
    /// # Errors
    /// When the value is of another type, or its bytes are no `T`.
    pub fn get<T: Data>(&self) -> Result<&T, CodecError> {
        let typed: &dyn TypedValue = &**self.typed::<T>()?;
        let any: &dyn Any = typed;
        any.downcast_ref().ok_or_else(|| Self::of_another_type::<T>(typed))
    }

    /// The value as a `T` that is shared without a copy, decoded at the first call.
    ///
    /// # Errors
    /// As [`AnyValue::get`].
    pub fn shared<T: Data>(&self) -> Result<Arc<T>, CodecError> {
        let typed = self.typed::<T>()?;
        let any: Arc<dyn Any + Send + Sync> = typed.clone();
        any.downcast().map_err(|_| Self::of_another_type::<T>(&**typed))
    }

    fn typed<T: Data>(&self) -> Result<&Arc<dyn TypedValue>, CodecError> {
        if self.0.typed.get().is_none() {
            self.restore()?;
        }
        if self.0.typed.get().is_none() {
            // two threads may both decode; the first one's value stays
            let (value, has_handles) = tickets::reading(|| self.decode::<T>());
            self.0.has_handles.fetch_or(has_handles, Ordering::Relaxed);
            let _ = self.0.typed.set(Arc::new(value?));
        }
        self.0.typed.get().ok_or_else(|| CodecError::decode("the value is empty"))
    }

    #[cold]
    fn of_another_type<T>(typed: &dyn TypedValue) -> CodecError {
        CodecError::decode(format!("a {} where a {} is wanted", typed.type_name(), type_name::<T>()))
    }

    /// Whether [`AnyValue::message`] has to make the bytes that are sent to another rank, since they are not in memory
    /// as they are.
    pub fn needs_encoding(&self) -> bool {
        self.0.encoded.get().is_none()
            && self.0.typed.get().map_or(self.0.disk.get().is_some(), |typed| (**typed).bulk().is_none())
    }

    /// Encodes the value for other ranks, once; does nothing for bulk data, which is sent as its own memory.
    ///
    /// The value was encoded before, to learn the length. Where the encoding now fails, panics, or has another length,
    /// ranks that fetch the value get as many bytes as were announced, which give the reason: the tasks that take the
    /// value fail, not the job.
    pub fn encode(&self) {
        if !self.needs_encoding() {
            return;
        }
        let Some(typed) = self.0.typed.get() else { return };
        let announced = self.0.announced;
        let mut bytes = Vec::with_capacity(announced + 1);
        let (outcome, tickets) =
            tickets::collecting(|| catch_unwind(AssertUnwindSafe(|| (**typed).encode(&mut bytes))));
        let why = match outcome {
            Ok(Ok(())) if bytes.len() == announced => None,
            Ok(Ok(())) => Some(format!("{} bytes the second time, {announced} the first time", bytes.len())),
            Ok(Err(error)) => Some(error.to_string()),
            Err(payload) => Some(format!("its `Serialize` panicked: {}", panic_text(&*payload))),
        };
        let bytes = match why {
            None => {
                bytes.push(GOOD);
                if !tickets.is_empty() {
                    self.0.has_handles.store(true, Ordering::Relaxed);
                    let _ = self.0.tickets.set(KeptTickets::new(tickets));
                }
                bytes
            }
            Some(why) => refused(&format!("the result could not be encoded again: {why}"), announced),
        };
        if let Some(held) = self.0.held.get() {
            held.add(bytes.len() as u64);
        }
        let _ = self.0.encoded.set(bytes);
    }
}

/// Makes the bytes that are sent if a value cannot be encoded: `length` bytes with the reason as text, and the mark of
/// failure.
fn refused(why: &str, length: usize) -> Vec<u8> {
    // a text that is longer than the announced length is cut, even within a character: `decode` replaces what is no
    // UTF-8
    let mut bytes = why.as_bytes()[..why.len().min(length)].to_vec();
    bytes.resize(length, b' ');
    bytes.push(REFUSED);
    bytes
}

/// The identity of a value, see [`AnyValue::identity`].
#[derive(Clone)]
pub(crate) struct ValueIdentity(Weak<ValueInner>);

impl ValueIdentity {
    /// Whether this is the identity of `value`.
    pub(crate) fn is_of(&self, value: &AnyValue) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&value.0))
    }
}

impl std::fmt::Debug for ValueIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value at {:p}", self.0.as_ptr())
    }
}

impl AnyValue {
    /// The serde encoding of the value, for a message that takes the value itself.
    ///
    /// # Errors
    /// When the value cannot be encoded, or read back from disk.
    pub(crate) fn to_encoded(&self) -> Result<Vec<u8>, CodecError> {
        self.restore()?;
        match (self.0.encoded.get().and_then(|bytes| bytes.split_last()), self.0.typed.get()) {
            (Some((&GOOD, bytes)), _) => Ok(bytes.to_vec()),
            (Some((_, why)), _) => Err(CodecError::encode(String::from_utf8_lossy(why).trim_end())),
            (None, Some(typed)) => {
                let mut bytes = Vec::new();
                (**typed).encode(&mut bytes)?;
                Ok(bytes)
            }
            (None, None) => Err(CodecError::encode("the value is empty")),
        }
    }

    /// The bytes to send to another rank, made first where that is needed. `same_files` says whether that rank sees the
    /// same files as this one.
    ///
    /// # Errors
    /// When the value is on disk, cannot be read back, and is of a kind, such as an array, whose bytes leave no room
    /// for an error: the receiver would take them for numbers.
    pub fn message(&self, same_files: bool) -> Result<Arc<dyn BulkSource>, CodecError> {
        if let (Err(error), Some(disk)) = (self.restore(), self.0.disk.get()) {
            return match (disk.layout(), usize::try_from(disk.nbytes())) {
                (BulkLayout::Encoded, Ok(length)) => Ok(Arc::new(refused(&error.to_string(), length))),
                _ => Err(error),
            };
        }
        if let Some(message) = self.0.typed.get().and_then(|typed| (**typed).message(same_files)) {
            return Ok(message);
        }
        self.encode();
        Ok(Arc::new(self.clone()))
    }
}

impl BulkSource for AnyValue {
    fn bytes(&self) -> &[u8] {
        // the bytes must fit the layout that was announced: a value that has arrived encoded is sent encoded, even if
        // it has been decoded into an array since
        match (self.0.encoded.get(), self.0.typed.get()) {
            (Some(bytes), _) => bytes,
            (None, Some(typed)) => (**typed).bulk().map(|(_, bytes)| bytes).unwrap_or_default(),
            (None, None) => &[],
        }
    }
}

/// The message of a panic, taken from its payload.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message")
}

/// Decodes a `T`. The text of the error contains the name of the type.
///
/// # Errors
/// When the bytes are no `T`.
pub(crate) fn decode<T: Data>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode_value(bytes).map_err(|error| CodecError::decode(format!("a {}: {error}", type_name::<T>())))
}

#[cfg(test)]
mod tests {
    use super::super::output::output;
    use super::*;
    use crate::protocol::ReportedResult;

    #[test]
    fn a_value_of_another_type_is_an_error_that_names_both() {
        let error = AnyValue::new(7i64).get::<String>().unwrap_err().to_string();
        assert!(error.contains("i64") && error.contains("String"), "{error}");
    }

    #[test]
    fn encoded_values_are_decoded_once_and_shared() {
        let value = AnyValue::from_encoded(&codec::encode("seven").unwrap());
        let first: *const String = value.get::<String>().unwrap();
        assert_eq!(first, value.clone().get::<String>().unwrap() as *const String);
        assert!(!value.needs_encoding());
    }

    #[test]
    fn the_announced_size_is_the_size_sent() {
        for text in ["short", &"long ".repeat(100)] {
            match output(text.to_owned()).unwrap() {
                (ReportedResult::Inline(bytes), None) => assert_eq!(decode::<String>(&bytes).unwrap(), text),
                (ReportedResult::Stored { nbytes, layout: BulkLayout::Encoded }, Some(value)) => {
                    value.encode();
                    assert_eq!(value.bytes().len() as u64, nbytes + 1);
                    assert_eq!(AnyValue::from_wire(value.bytes().to_vec()).get::<String>().unwrap(), text);
                }
                other => panic!("{other:?}"),
            }
        }
        match output(vec![0.5f64; 100]).unwrap() {
            (ReportedResult::Stored { nbytes: 800, layout: BulkLayout::Bulk { .. } }, Some(value)) => {
                assert_eq!(value.bytes().len(), 800);
                assert!(!value.needs_encoding());
            }
            other => panic!("{other:?}"),
        }
    }
}
