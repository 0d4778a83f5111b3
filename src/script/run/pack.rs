//! What a command leaves: its outputs in one vector of bytes, which goes from rank to rank as it is, without a copy.
//!
//! ```text
//! u32 number of parts | for each: u32 which, u32 length of its name, u64 length, name | the parts' bytes
//! ```

use crate::call::Shared;
use crate::error::Failure;

/// A command's outputs.
pub type Pack = Shared<Vec<u8>>;

/// The number of standard output in a pack.
pub const STDOUT: u32 = 0;
/// The number of standard error in a pack.
pub const STDERR: u32 = 1;

/// The number of an output file in a pack.
pub fn file(number: usize) -> u32 {
    number as u32 + 2
}

/// One output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// [`STDOUT`], [`STDERR`] or [`file()`].
    pub which: u32,
    /// The file's name, as the command wrote it.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Packs outputs.
pub fn pack(parts: &[Part<'_>]) -> Pack {
    let length: usize = parts.iter().map(|part| 16 + part.name.len() + part.bytes.len()).sum();
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(&part.which.to_le_bytes());
        bytes.extend_from_slice(&(part.name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(part.bytes.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.name.as_bytes());
    }
    for part in parts {
        bytes.extend_from_slice(part.bytes);
    }
    Shared::new(bytes)
}

/// The outputs in a pack.
///
/// # Errors
/// When the bytes are no pack.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Part<'_>>, Failure> {
    read(bytes).ok_or_else(|| Failure::new("internal error: a command's outputs have come damaged"))
}

fn read(mut rest: &[u8]) -> Option<Vec<Part<'_>>> {
    let count = u32::from_le_bytes(*take(&mut rest)?);
    let mut parts = Vec::new();
    let mut lengths = Vec::new();
    for _ in 0..count {
        let which = u32::from_le_bytes(*take(&mut rest)?);
        let name_length = usize::try_from(u32::from_le_bytes(*take(&mut rest)?)).ok()?;
        lengths.push(usize::try_from(u64::from_le_bytes(*take(&mut rest)?)).ok()?);
        let (name, after) = rest.split_at_checked(name_length)?;
        rest = after;
        parts.push(Part { which, name: std::str::from_utf8(name).ok()?, bytes: &[] });
    }
    for (part, length) in parts.iter_mut().zip(lengths) {
        let (bytes, after) = rest.split_at_checked(length)?;
        (part.bytes, rest) = (bytes, after);
    }
    rest.is_empty().then_some(parts)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}

/// One output of a pack.
///
/// # Errors
/// When the pack does not have it.
pub fn part(bytes: &[u8], which: u32) -> Result<Part<'_>, Failure> {
    let found = unpack(bytes)?.into_iter().find(|part| part.which == which);
    found.ok_or_else(|| Failure::new(format!("internal error: output number {which} was not kept")))
}

/// A task function: some of a pack's outputs, taken out where it lies so that the others need not travel.
///
/// # Errors
/// When the pack is damaged, or lacks one of them.
pub fn parts_of(whole: &Pack, wanted: &[u32]) -> Result<Pack, Failure> {
    let parts: Result<Vec<Part<'_>>, Failure> = wanted.iter().map(|which| part(whole, *which)).collect();
    Ok(pack(&parts?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_out_as_they_went_in() {
        let parts = [
            Part { which: STDOUT, name: "stdout", bytes: b"text\n" },
            Part { which: file(1), name: "m.bin", bytes: &[0, 255] },
            Part { which: file(0), name: "", bytes: b"" },
        ];
        let packed = pack(&parts);
        assert_eq!(unpack(&packed).unwrap(), parts);
        assert_eq!(part(&packed, file(1)).unwrap(), parts[1]);
        assert!(part(&packed, STDERR).is_err());
        assert_eq!(unpack(&parts_of(&packed, &[file(0), STDOUT]).unwrap()).unwrap(), [parts[2], parts[0]]);
        assert_eq!(unpack(&parts_of(&packed, &[]).unwrap()).unwrap(), []);
    }

    #[test]
    fn damaged_packs_are_errors() {
        let packed = pack(&[Part { which: STDOUT, name: "stdout", bytes: b"text" }]);
        for length in 0..packed.len() {
            assert!(unpack(&packed[..length]).is_err(), "{length}");
        }
        assert!(unpack(&[255; 40]).is_err());
        let mut long = packed.to_vec();
        long.push(0);
        assert!(unpack(&long).is_err());
    }
}
