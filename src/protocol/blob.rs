//! Short bytes inside messages.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;
use std::fmt;

/// Short bytes inside a message, such as an encoded value. Up to 16 bytes need no allocation.
#[derive(Default, PartialEq, Eq, Hash)]
pub struct Blob(pub SmallVec<[u8; 16]>);

impl Blob {
    /// Makes a copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        Blob(SmallVec::from_slice(bytes))
    }
}

impl Clone for Blob {
    fn clone(&self) -> Self {
        Blob::new(self) // one copy, while the clone of a `SmallVec` goes byte by byte
    }
}

impl std::ops::Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0..=16 => write!(f, "{:02x?}", &self.0[..]),
            n => write!(f, "{n} bytes"),
        }
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlobVisitor;
        impl de::Visitor<'_> for BlobVisitor {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob::new(bytes))
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(SmallVec::from_vec(bytes)))
            }
        }
        deserializer.deserialize_bytes(BlobVisitor)
    }
}
