//! The encoding of a task's own arguments in its message: one after the other, each behind a byte that tells its
//! kind.

use super::{Blob, HandleTicket};
use crate::codec;
use crate::error::{CodecError, bounded_to};
use smallvec::SmallVec;

/// Encodes the arguments of instance `index` of a family (one function over a range of indexes): the index alone.
pub fn index_argument(index: u64) -> Blob {
    let mut blob = SmallVec::new();
    blob.extend_from_slice(&[ARGUMENT_INLINE, 0]);
    if codec::encode_into(&index, &mut blob).is_ok() {
        blob[1] = blob.len() as u8 - 2; // a number takes a few bytes, so its length takes one
    }
    Blob(blob)
}

/// The first byte of an argument whose value is inside the message. The length and the encoded value follow.
pub const ARGUMENT_INLINE: u8 = 0;
/// The first byte of an argument that is the task's next input, the result of another task. Nothing follows.
pub const ARGUMENT_INPUT: u8 = 1;
/// The first byte of an argument that is a list of the task's next inputs. Their number follows, then in eight bytes
/// the offset in the executable of the function that collects their values into a vector.
pub const ARGUMENT_INPUTS: u8 = 2;

/// The first byte of the list of copies of handles in the arguments, which stands in front of them if there are any.
/// The length and the encoded list follow. Rank 0 reads it where a task never runs.
pub const ARGUMENT_TICKETS: u8 = 6;
/// The first byte of an argument that the client could not encode, so that the task fails with the reason. The length
/// and the text of the reason follow.
pub const ARGUMENT_REFUSED: u8 = 3;
/// The first byte, in place of all arguments, of a task that fails for a reason of its own, such as an option that
/// means nothing. The length and the text of the reason follow.
pub const ARGUMENT_NEVER: u8 = 4;
/// The first byte of an argument that is a container of the task's next inputs. Their number follows, then in eight
/// bytes the offset in the executable of the function that puts the values together, then the length and the bytes of
/// the container's form.
pub const ARGUMENT_CONTAINER: u8 = 5;
/// The longest reason that [`push_refusal`] writes for an argument that could not be encoded, in bytes. A task may have
/// eight such arguments, which must fit into one frame.
const REFUSAL_MAX: usize = 1024;

/// Appends one argument by value to the encoding of a task's arguments.
pub fn push_argument(args: &mut SmallVec<[u8; 16]>, encoded: &[u8]) {
    args.push(ARGUMENT_INLINE);
    push_length(args, encoded.len());
    args.extend_from_slice(encoded);
}

/// Appends, in place of an argument that could not be encoded, the reason `why`. A long reason loses its beginning.
pub fn push_refusal(args: &mut SmallVec<[u8; 16]>, why: &str) {
    push_reason(args, ARGUMENT_REFUSED, why);
}

/// Appends, in place of all arguments, the reason `why` the task fails. A long reason loses its beginning.
pub fn push_never(args: &mut SmallVec<[u8; 16]>, why: &str) {
    push_reason(args, ARGUMENT_NEVER, why);
}

fn push_reason(args: &mut SmallVec<[u8; 16]>, kind: u8, why: &str) {
    let why = bounded_to(REFUSAL_MAX, why.to_owned());
    args.push(kind);
    push_length(args, why.len());
    args.extend_from_slice(why.as_bytes());
}

/// Appends a length as a varint (LEB128): seven bits per byte, the lowest first, the top bit set on all bytes but the
/// last.
pub fn push_length(args: &mut SmallVec<[u8; 16]>, mut length: usize) {
    while length >= 0x80 {
        args.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    args.push(length as u8);
}

/// Reads a length that [`push_length`] wrote from the front of `args`, and advances `args` past it.
///
/// # Errors
/// When the bytes end too early, or the number does not fit into a `usize`.
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

/// Puts the list of copies of handles in front of a task's arguments.
pub fn push_tickets(args: &mut SmallVec<[u8; 16]>, tickets: &[HandleTicket]) {
    let Ok(encoded) = codec::encode(&tickets.to_vec()) else { return };
    let mut all = SmallVec::new();
    all.push(ARGUMENT_TICKETS);
    push_length(&mut all, encoded.len());
    all.extend_from_slice(&encoded);
    all.extend_from_slice(args);
    *args = all;
}

fn split_tickets(args: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&ARGUMENT_TICKETS, mut rest) = args.split_first()? else { return None };
    let length = take_length(&mut rest).ok()?;
    rest.split_at_checked(length)
}

/// The copies of handles in a task's arguments.
pub fn tickets_in(args: &[u8]) -> Vec<HandleTicket> {
    split_tickets(args).and_then(|(list, _)| codec::decode(list).ok()).unwrap_or_default()
}

/// The arguments behind the list of copies of handles, if there is one.
pub fn behind_tickets(args: &[u8]) -> &[u8] {
    split_tickets(args).map_or(args, |(_, rest)| rest)
}
