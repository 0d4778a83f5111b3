//! Immutable bytes in two machine words, with a small-buffer optimisation: the tables of rank 0 hold millions of
//! them.

use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;

/// Longest content, in bytes, that [`Bytes`] keeps without an allocation.
const SHORT: usize = 14;

/// Immutable bytes, of any number, as a value of two machine words. Up to fourteen bytes, enough for most results and
/// arguments, need no allocation.
#[derive(Clone)]
pub struct Bytes(BytesRepr);

#[derive(Clone)]
enum BytesRepr {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<SmallVec<[u8; 40]>>), // a block of 64 bytes, and another one only for more than 40
}

const _: () = assert!(size_of::<Option<Bytes>>() == 16);

impl Bytes {
    /// Makes a value with a copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() > SHORT {
            return Bytes(BytesRepr::Long(Box::new(SmallVec::from_slice(bytes))));
        }
        let mut short = [0; SHORT];
        short[..bytes.len()].copy_from_slice(bytes);
        Bytes(BytesRepr::Short { length: bytes.len() as u8, bytes: short })
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes::new(&[])
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.0 {
            BytesRepr::Short { length, bytes } => &bytes[..usize::from(*length)],
            BytesRepr::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0..=16 => write!(f, "{:02x?}", &self[..]),
            n => write!(f, "{n} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let all: Vec<u8> = (0..200).collect();
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 40, 41, 200] {
            let bytes = Bytes::new(&all[..length]);
            assert_eq!(&bytes[..], &all[..length]);
            assert_eq!(bytes.clone(), bytes);
        }
        assert_ne!(Bytes::new(&[0]), Bytes::new(&[0, 0]));
    }
}
