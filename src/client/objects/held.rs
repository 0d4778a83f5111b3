//! Handles of objects that are released with their last handle, on whichever rank that is: actors and channels.

use super::client_here;
use crate::client::ClientShared;
use crate::error::{Error, Result};
use crate::ids::{Rank, TaskId};
use crate::protocol::{HandleSide, HandleTicket, ObjectId, ObjectKind, ObjectOp};
use crate::runtime::threads::task_context;
use crate::task::tickets::{self, CopyTicket, TicketOffice};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// A handle, shared by its copies on this rank. Dropping it is reported to the rank where the object lives.
pub(super) struct HeldObject {
    pub(super) object: ObjectId,
    side: HandleSide,
    /// The capacity of a channel; 0 for an actor.
    pub(super) size: u32,
    /// The number of the copy that was read out of a value; `None` for the handle that came with the object.
    ticket: Option<u64>,
    client: OnceLock<Arc<ClientShared>>,
}

/// The encoded form of a handle. The ticket always takes the same number of bytes, since a value may be encoded twice
/// and both encodings must have the same length.
#[derive(Serialize, Deserialize)]
struct TravellingHandle {
    home: u32,
    number: u64,
    size: u32,
    ticket: [u8; 8],
}

impl HeldObject {
    /// Makes the first handle of an object that the calling rank creates.
    pub(super) fn first(
        client: &Arc<ClientShared>,
        object: ObjectId,
        side: HandleSide,
        size: u32,
    ) -> Arc<Self> {
        let held = HeldObject { object, side, size, ticket: None, client: OnceLock::new() };
        let _ = held.client.set(client.clone());
        Arc::new(held)
    }

    /// The client of the handle's rank. A handle that was read out of a value is reported to the object's home first.
    ///
    /// # Errors
    /// On a thread that belongs to no run.
    pub(super) fn client(&self) -> Result<&Arc<ClientShared>> {
        if self.client.get().is_none() {
            let client = client_here()?;
            if self.client.set(client.clone()).is_ok()
                && let Some(ticket) = self.ticket
            {
                client.tell_object(self.object, ObjectOp::Redeem { side: self.side, ticket });
            }
        }
        self.client.get().ok_or_else(|| Error::internal("a handle without a client"))
    }

    /// Encodes a copy of the handle. The copy counts as a handle of its own until it is decoded.
    pub(super) fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let client = self.client().map_err(serde::ser::Error::custom)?;
        let ticket = client.new_number();
        let copy = HandleTicket { object: self.object, side: self.side, ticket };
        CopyTicket::made(copy, client.clone());
        let ObjectId { home, number, .. } = self.object;
        let (home, size, ticket) = (home.0, self.size, ticket.to_le_bytes());
        TravellingHandle { home, number, size, ticket }.serialize(serializer)
    }

    /// Decodes a copy of a handle.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        kind: ObjectKind,
        side: HandleSide,
        deserializer: D,
    ) -> std::result::Result<Arc<Self>, D::Error> {
        let TravellingHandle { home, number, size, ticket } = TravellingHandle::deserialize(deserializer)?;
        tickets::found();
        let object = ObjectId { home: Rank(home), kind, number };
        let ticket = Some(u64::from_le_bytes(ticket));
        let held = HeldObject { object, side, size, ticket, client: OnceLock::new() };
        // moves the task now to a thread where it may wait: it must not start anew after it has dropped the handle
        task_context::settle();
        // outside of a run the error is ignored: the handle is not reported, nor is its drop
        let _ = held.client();
        Ok(Arc::new(held))
    }

    /// Reports that this handle of an actor is dropped.
    pub(super) fn let_go(&self) {
        if let Some(client) = self.client.get() {
            client.tell_object(self.object, ObjectOp::Drop { side: self.side, sent: 0 });
        }
    }

    /// Reports that this handle of a channel's end is dropped.
    pub(super) fn let_end_go(&self) {
        if let Some(client) = self.client.get() {
            client.drop_end(self.object, self.side);
        }
    }
}

impl TicketOffice for ClientShared {
    fn tell(&self, object: ObjectId, op: ObjectOp) {
        self.tell_object(object, op);
    }
}

impl ClientShared {
    /// Makes a number that is unique over all ranks, for an object without a name or a copy of a handle.
    pub(in crate::client) fn new_number(&self) -> u64 {
        TaskId::first_of(self.rank).0 + self.objects.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// Implements what handles that are released with the last one have in common: they are printed and travel.
macro_rules! held_handle {
    ($name:ident<$t:ident>, $kind:ident, $side:ident) => {
        impl<$t> Clone for $name<$t> {
            fn clone(&self) -> Self {
                $name { held: self.held.clone(), item: std::marker::PhantomData }
            }
        }

        impl<$t> std::fmt::Debug for $name<$t> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let object = self.held.object();
                write!(f, "<{} {:x} on rank {}>", stringify!($name), object.number, object.home)
            }
        }

        impl<$t> serde::Serialize for $name<$t> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                self.held.serialize(serializer)
            }
        }

        impl<'de, $t> serde::Deserialize<'de> for $name<$t> {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let (kind, side) = (crate::protocol::ObjectKind::$kind, crate::protocol::HandleSide::$side);
                let held = crate::client::objects::held::HeldObject::deserialize(kind, side, deserializer)?;
                Ok($name { held: held.into(), item: std::marker::PhantomData })
            }
        }
    };
}
pub(super) use held_handle;
