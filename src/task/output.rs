//! The result of a task on its way to rank 0 or to its rank's store.

use super::value::{AnyValue, Data};
use super::{bulk, tickets};
use crate::codec::{self, Measured};
use crate::error::CodecError;
use crate::protocol::{Blob, BulkLayout, INLINE_MAX, ReportedResult};

/// Prepares the result of a task: a small one is encoded for the report to rank 0; another one, and one with handles of
/// objects, is kept as a value, with the length and layout that ranks which fetch it need.
///
/// # Errors
/// When the value's `Serialize` fails.
pub(crate) fn output<T: Data>(value: T) -> Result<(ReportedResult, Option<AnyValue>), CodecError> {
    if let Some((layout, bytes)) = bulk::view(&value)
        && bytes.len() > INLINE_MAX
    {
        let nbytes = bytes.len() as u64;
        return Ok((ReportedResult::Stored { nbytes, layout }, Some(AnyValue::new(value))));
    }
    if let Some((nbytes, layout)) = bulk::announced(&value) {
        return Ok((ReportedResult::Stored { nbytes, layout }, Some(AnyValue::new(value))));
    }
    // the copies of handles in bytes that are only measured are never announced
    let (measured, copies) = tickets::collecting(|| codec::encode_value_up_to(&value, INLINE_MAX));
    let has_handles = !copies.is_empty();
    Ok(match measured? {
        Measured::Small(bytes) if has_handles => {
            let (nbytes, layout) = (bytes.len() as u64, BulkLayout::Encoded);
            let value = AnyValue::to_be_encoded(value, bytes.len()).having_handles(true);
            (ReportedResult::Stored { nbytes, layout }, Some(value))
        }
        Measured::Small(bytes) => (ReportedResult::Inline(Blob::new(&bytes)), None),
        Measured::Large(nbytes) => match bulk::view(&value) {
            // a short vector of numbers whose encoding is longer than its memory
            Some((layout, bytes)) => {
                let nbytes = bytes.len() as u64;
                (ReportedResult::Stored { nbytes, layout }, Some(AnyValue::new(value)))
            }
            None => {
                let length = usize::try_from(nbytes).map_err(CodecError::encode)?;
                let value = AnyValue::to_be_encoded(value, length).having_handles(has_handles);
                (ReportedResult::Stored { nbytes, layout: BulkLayout::Encoded }, Some(value))
            }
        },
    })
}
