//! Objects that are found by their name, on every rank.

use super::{ObjectReply, client_here};
use crate::client::{Client, ClientShared};
use crate::error::{Error, Result};
use crate::ids::{HEAD, Rank};
use crate::protocol::{Blob, ObjectId, ObjectKind, ObjectOp, ReplyKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// The number of encoded handles so far. Process-wide: it only makes the encodings of handles differ.
static ENCODED: AtomicU64 = AtomicU64::new(0);

/// A handle of an object with a name. The object comes into being on its home rank with the first call,
/// and stays until the run ends.
#[derive(Clone)]
pub(super) struct NamedObject {
    kind: ObjectKind,
    name: Arc<str>,
    /// The number of permits of a semaphore, or the limit of a queue.
    pub(super) size: u64,
    /// The client of the rank that uses the handle; empty in a handle that has come in a value and was not used yet.
    client: OnceLock<Arc<ClientShared>>,
}

/// The encoded form of a handle.
#[derive(Serialize, Deserialize)]
struct TravellingName {
    name: String,
    size: u64,
    /// A number that differs in each encoding. Equal calls of pure functions count as one task, but calls with a handle
    /// have effects: the number makes them differ.
    number: [u8; 8],
}

impl fmt::Display for NamedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.kind, self.name)
    }
}

impl NamedObject {
    pub(super) fn new(client: &Client, kind: ObjectKind, name: &str, size: u64) -> Self {
        let object = NamedObject { kind, name: name.into(), size, client: OnceLock::new() };
        let _ = object.client.set(client.shared().clone());
        object
    }

    pub(super) fn client(&self) -> Result<&Arc<ClientShared>> {
        if self.client.get().is_none() {
            let _ = self.client.set(client_here()?);
        }
        self.client.get().ok_or_else(|| Error::internal("a handle without a client"))
    }

    /// Computes the object's number and home from its name, the same on all ranks. Objects are spread over the ranks
    /// that compute.
    pub(super) fn id(&self, ranks: usize) -> ObjectId {
        let number = xxh3_64(self.name.as_bytes());
        let home = match ranks as u64 {
            0 | 1 => HEAD,
            ranks => Rank(1 + (number % (ranks - 1)) as u32),
        };
        ObjectId { home, kind: self.kind, number }
    }

    /// Calls an operation and waits for the reply.
    ///
    /// # Errors
    /// [`Error::Gone`] when the object is closed or its rank has died; [`Error::Timeout`]; and when the run has ended.
    pub(super) fn call(&self, op: ObjectOp, payload: Blob, limit: Option<Duration>) -> Result<ObjectReply> {
        let client = self.client()?;
        let reply = client.call_object(self.id(client.ranks), op, payload, limit)?;
        match reply.kind {
            ReplyKind::Closed => Err(Error::Gone(format!("the {self} is closed"))),
            ReplyKind::Lost => Err(Error::Gone(format!("the {self} is lost: {}", reply.text()))),
            _ => Ok(reply),
        }
    }

    /// Calls an operation without a value, and returns whether it was done (or had nothing to do).
    ///
    /// # Errors
    /// As [`NamedObject::call`].
    pub(super) fn ask(&self, op: ObjectOp, limit: Option<Duration>) -> Result<bool> {
        Ok(self.call(op, Blob::default(), limit)?.kind == ReplyKind::Done)
    }

    pub(super) fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let number = ENCODED.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        TravellingName { name: self.name.to_string(), size: self.size, number }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        kind: ObjectKind,
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let TravellingName { name, size, .. } = TravellingName::deserialize(deserializer)?;
        Ok(NamedObject { kind, name: name.into(), size, client: OnceLock::new() })
    }
}

/// Implements what all handles with a name have in common: they are printed and travel.
macro_rules! named_handle {
    ($name:ident $(<$t:ident>)?, $kind:ident) => {
        impl $(<$t>)? Clone for $name $(<$t>)? {
            fn clone(&self) -> Self {
                $name { object: self.object.clone() $(, item: std::marker::PhantomData::<fn() -> $t>)? }
            }
        }

        impl $(<$t>)? std::fmt::Debug for $name $(<$t>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "<{}>", self.object)
            }
        }

        impl $(<$t>)? serde::Serialize for $name $(<$t>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                self.object.serialize(serializer)
            }
        }

        impl<'de $(, $t)?> serde::Deserialize<'de> for $name $(<$t>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                let object = NamedObject::deserialize(ObjectKind::$kind, deserializer)?;
                Ok($name { object $(, item: std::marker::PhantomData::<fn() -> $t>)? })
            }
        }
    };
}
pub(super) use named_handle;
