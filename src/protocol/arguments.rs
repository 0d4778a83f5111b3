//! How a task's own arguments are packed into its message: one after the other, each with a byte that says what it is.

use super::Blob;
use crate::codec;
use crate::error::{CodecError, bounded_to};
use smallvec::SmallVec;

/// The own arguments of instance `index` of a family: its index, as an inline argument.
pub fn index_argument(index: u64) -> Blob {
    let mut blob = SmallVec::new();
    blob.extend_from_slice(&[ARGUMENT_INLINE, 0]);
    if codec::encode_into(&index, &mut blob).is_ok() {
        blob[1] = blob.len() as u8 - 2; // a number takes a few bytes, so its length takes one
    }
    Blob(blob)
}

/// First byte of an argument: its encoded value follows, after its length.
pub const ARGUMENT_INLINE: u8 = 0;
/// First byte of an argument: it is the next input.
pub const ARGUMENT_INPUT: u8 = 1;
/// First byte of an argument: it is the next inputs, as many as the number that follows says.
pub const ARGUMENT_INPUTS: u8 = 2;

/// First byte of an argument that the client could not encode; the reason follows, after its length.
pub const ARGUMENT_REFUSED: u8 = 3;
/// The longest reason for that, in bytes: a task may have eight such arguments, and their message is one frame.
const REFUSAL_MAX: usize = 1024;

/// Appends one argument by value to the encoding of a task's arguments.
pub fn push_argument(args: &mut SmallVec<[u8; 16]>, encoded: &[u8]) {
    args.push(ARGUMENT_INLINE);
    push_length(args, encoded.len());
    args.extend_from_slice(encoded);
}

/// Appends an argument that could not be encoded: why, its beginning left out where it is long.
pub fn push_refusal(args: &mut SmallVec<[u8; 16]>, why: &str) {
    let why = bounded_to(REFUSAL_MAX, why.to_owned());
    args.push(ARGUMENT_REFUSED);
    push_length(args, why.len());
    args.extend_from_slice(why.as_bytes());
}

/// Appends a length: seven bits a byte, the lowest first, the top bit set on all but the last.
pub fn push_length(args: &mut SmallVec<[u8; 16]>, mut length: usize) {
    while length >= 0x80 {
        args.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    args.push(length as u8);
}

/// Takes a length that [`push_length`] wrote from the front of `args`.
///
/// # Errors
/// When the bytes end too early or the number is too large.
pub fn take_length(args: &mut &[u8]) -> Result<usize, CodecError> {
    let mut length = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, rest) = args.split_first().ok_or_else(|| CodecError::decode("a length is cut off"))?;
        *args = rest;
        let bits = usize::from(byte & 0x7F);
        if bits.leading_zeros() < shift {
            break;
        }
        length |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(CodecError::decode("a length is too large"))
}
