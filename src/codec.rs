//! Encoding and decoding of values: the only module that calls bincode.
//!
//! Integers are little-endian with variable length. A decoder never reads beyond its slice, never allocates by a
//! length that it has not verified, and refuses left-over bytes.
//!
//! Values of users go through [`encode_value_into`] and [`decode_value`], which refuse what a compact encoding cannot
//! carry (`strict_encode`, `strict_decode`): never does a wrong value come out.

mod strict_decode;
mod strict_encode;

use crate::error::CodecError;
use serde::{Deserialize, Deserializer, Serialize, de, de::DeserializeOwned};
use smallvec::{Array, SmallVec};
use std::fmt;
use std::io::{self, Write};
use std::marker::PhantomData;
use strict_decode::StrictDecode;
use strict_encode::StrictEncode;

const CONFIG: bincode::config::Configuration = bincode::config::standard();

/// Appends the encoding of `value` to `out`.
///
/// # Errors
/// When the `Serialize` implementation of `value` fails.
pub(crate) fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut impl Write) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, out, CONFIG).map(|_| ()).map_err(encode_error)
}

/// Converts an error of bincode's encoder. If a `Serialize` implementation made it, only that implementation's text is
/// kept.
fn encode_error(error: bincode::error::EncodeError) -> CodecError {
    match error {
        bincode::error::EncodeError::OtherString(text) => CodecError::encode(text),
        error => CodecError::encode(error),
    }
}

/// Converts an error of bincode's decoder. If a `Deserialize` implementation made it, only that implementation's text
/// is kept.
fn decode_error(error: bincode::error::DecodeError) -> CodecError {
    match error {
        bincode::error::DecodeError::OtherString(text) => CodecError::decode(text),
        error => CodecError::decode(error),
    }
}

/// Appends the encoding of a user's value to `out`, as [`decode_value`] reads it.
///
/// # Errors
/// When the `Serialize` implementation of `value` fails, or leaves out what the reader would need, such as a field with
/// `#[serde(skip_serializing_if)]`.
pub(crate) fn encode_value_into<T: Serialize + ?Sized>(
    value: &T,
    out: &mut impl Write,
) -> Result<(), CodecError> {
    encode_into(&StrictEncode(value), out)
}

/// Encodes a user's value into new bytes, as [`decode_value`] reads it.
///
/// # Errors
/// As [`encode_value_into`].
pub(crate) fn encode_value<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    encode(&StrictEncode(value))
}

/// Decodes a user's value, which [`encode_value_into`] has written and which must use all of `bytes`.
///
/// # Errors
/// When the bytes are damaged, too few, or too many; or the type cannot be read from a compact encoding.
pub(crate) fn decode_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode::<StrictDecode<T>>(bytes).map(|value| value.0)
}

/// Encodes `value` into new bytes.
///
/// # Errors
/// When the `Serialize` implementation of `value` fails.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_into(value, &mut out)?;
    Ok(out)
}

/// Decodes one value, which must use all of `bytes`.
///
/// # Errors
/// When the bytes are damaged, too few, or too many.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut rest = bytes;
    let value = decode_next(&mut rest)?;
    if rest.is_empty() {
        return Ok(value);
    }
    Err(CodecError::decode(format!("{} bytes left over of {}", rest.len(), bytes.len())))
}

/// Decodes one value from the front of `bytes` and advances `bytes` past it.
///
/// # Errors
/// When the bytes are damaged or too few.
pub(crate) fn decode_next<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    // bincode allocates memory for a string before it looks whether that many bytes are there, unless the length is
    // above a limit, which must be a constant. So each range of input lengths has a limit of 16 times its end: what
    // counts towards the limit is at most 16 times what is read, since an integer counts its full width.
    let (value, used) = match bytes.len() {
        0..=0x1_0000 => bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x10_0000>()),
        0x1_0001..=0x100_0000 => bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x1000_0000>()),
        0x100_0001..=0x1_0000_0000 => {
            bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x10_0000_0000>())
        }
        _ => bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x1000_0000_0000>()),
    }
    .map_err(decode_error)?;
    *bytes = bytes.get(used..).unwrap_or_default();
    Ok(value)
}

/// Deserialises a short list, for `#[serde(deserialize_with = …)]`, and allocates only as elements arrive. The
/// `Deserialize` implementation of [`SmallVec`] would allocate at once for the announced length, which may be
/// damaged.
///
/// # Errors
/// When the bytes are damaged or too few.
pub(crate) fn short_list<'de, A, D>(deserializer: D) -> Result<SmallVec<A>, D::Error>
where
    A: Array,
    A::Item: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(ShortListVisitor(PhantomData))
}

struct ShortListVisitor<A>(PhantomData<A>);

impl<'de, A: Array> de::Visitor<'de> for ShortListVisitor<A>
where
    A::Item: Deserialize<'de>,
{
    type Value = SmallVec<A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<S: de::SeqAccess<'de>>(self, mut list: S) -> Result<SmallVec<A>, S::Error> {
        let mut items = SmallVec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

/// The result of [`encode_value_up_to`]: a short encoding itself, or the length of a long one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    /// The whole encoding, which is at most as long as the limit.
    Small(Vec<u8>),
    /// The length in bytes of an encoding that is longer than the limit.
    Large(u64),
}

/// Encodes a user's value, as [`decode_value`] reads it, if the encoding has at most `limit` bytes; otherwise computes
/// only its exact length.
///
/// # Errors
/// As [`encode_value_into`].
pub(crate) fn encode_value_up_to<T: Serialize + ?Sized>(
    value: &T,
    limit: usize,
) -> Result<Measured, CodecError> {
    let mut counter = ByteCounter { kept: Vec::new(), limit, length: 0 };
    encode_value_into(value, &mut counter)?;
    Ok(match usize::try_from(counter.length) {
        Ok(length) if length <= limit => Measured::Small(counter.kept),
        _ => Measured::Large(counter.length),
    })
}

struct ByteCounter {
    kept: Vec<u8>,
    limit: usize,
    length: u64,
}

impl Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        if self.length <= self.limit as u64 {
            self.kept.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod strict_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_left_over_bytes() {
        let bytes = encode(&(7u32, "seven".to_owned())).unwrap();
        assert_eq!(decode::<(u32, String)>(&bytes).unwrap(), (7, "seven".to_owned()));
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(decode::<(u32, String)>(&longer).unwrap_err().to_string().contains("left over"));
        assert!(decode::<(u32, String)>(&bytes[..3]).is_err());
    }

    #[test]
    fn a_hostile_length_allocates_nothing() {
        // a varint u64 length of 2^62 in front of no data
        let mut bytes = vec![253];
        bytes.extend_from_slice(&(1u64 << 62).to_le_bytes());
        assert!(decode::<Vec<u64>>(&bytes).is_err());
        assert!(decode::<String>(&bytes).is_err());
    }

    #[test]
    fn a_short_list_does_not_believe_its_length() {
        struct Promises(u8);
        impl<'de> de::SeqAccess<'de> for Promises {
            type Error = de::value::Error;
            fn next_element_seed<T: de::DeserializeSeed<'de>>(
                &mut self,
                seed: T,
            ) -> Result<Option<T::Value>, Self::Error> {
                self.0 += 1;
                if self.0 > 3 {
                    return Ok(None);
                }
                seed.deserialize(de::value::U64Deserializer::new(self.0.into())).map(Some)
            }
            fn size_hint(&self) -> Option<usize> {
                Some(usize::MAX)
            }
        }
        let list = de::value::SeqAccessDeserializer::new(Promises(0));
        let list: SmallVec<[u64; 2]> = short_list(list).expect("three numbers");
        assert_eq!(list[..], [1, 2, 3]);
        assert!(
            SmallVec::<[u64; 2]>::deserialize(de::value::SeqAccessDeserializer::new(Promises(0))).is_err()
        );
    }

    #[test]
    fn the_size_is_exact_at_both_sides_of_the_limit() {
        let value = vec![1u8; 40];
        let whole = encode_value(&value).unwrap();
        assert_eq!(encode_value_up_to(&value, whole.len()).unwrap(), Measured::Small(whole.clone()));
        assert_eq!(encode_value_up_to(&value, whole.len() - 1).unwrap(), Measured::Large(whole.len() as u64));
    }
}
