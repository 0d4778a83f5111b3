//! The one place that calls bincode.
//!
//! Integers are little-endian with variable length; a decoder never reads past its slice, never trusts a length for
//! an allocation, and refuses bytes that are left over.

use crate::error::CodecError;
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, Write};

const CONFIG: bincode::config::Configuration = bincode::config::standard();

/// Appends the encoding of `value` to `out`.
///
/// # Errors
/// When `value`'s `Serialize` refuses.
pub(crate) fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut impl Write) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, out, CONFIG).map(|_| ()).map_err(CodecError::encode)
}

/// The encoding of `value`.
///
/// # Errors
/// When `value`'s `Serialize` refuses.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_into(value, &mut out)?;
    Ok(out)
}

/// Decodes one value that fills `bytes` whole.
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

/// Decodes one value from the front of `bytes` and moves `bytes` behind it.
///
/// # Errors
/// When the bytes are damaged or too few.
pub(crate) fn decode_next<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    // bincode allocates a string before it looks whether its bytes are there, unless the length is above a limit,
    // which must be a constant. What counts towards it is at most 16 times what is read: an integer counts its full
    // width.
    let (value, used) = match bytes.len() {
        0..=0x1_0000 => bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x10_0000>()),
        0x1_0001..=0x100_0000 => bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x1000_0000>()),
        0x100_0001..=0x1_0000_0000 => {
            bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x10_0000_0000>())
        }
        _ => bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<0x1000_0000_0000>()),
    }
    .map_err(CodecError::decode)?;
    *bytes = bytes.get(used..).unwrap_or_default();
    Ok(value)
}

/// What [`encode_up_to`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    /// The whole encoding, at most as long as the limit.
    Small(Vec<u8>),
    /// The encoding is longer than the limit: only its length, in bytes.
    Large(u64),
}

/// Encodes `value` if that takes at most `limit` bytes; else tells the exact length without keeping the bytes.
///
/// # Errors
/// When `value`'s `Serialize` refuses.
pub(crate) fn encode_up_to<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Measured, CodecError> {
    let mut counter = ByteCounter { kept: Vec::new(), limit, length: 0 };
    bincode::serde::encode_into_std_write(value, &mut counter, CONFIG).map_err(CodecError::encode)?;
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
    fn the_size_is_exact_at_both_sides_of_the_limit() {
        let value = vec![1u8; 40];
        let whole = encode(&value).unwrap();
        assert_eq!(encode_up_to(&value, whole.len()).unwrap(), Measured::Small(whole.clone()));
        assert_eq!(encode_up_to(&value, whole.len() - 1).unwrap(), Measured::Large(whole.len() as u64));
    }
}
