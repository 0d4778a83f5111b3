//! How the engine sends and receives packs: as their own memory, or, with files, by a message that is made when asked for.

use super::Pack;
use crate::protocol::Layout;
use crate::task::bulk::{self, BulkKind};
use crate::task::value::Value;
use crate::transport::{BulkSource, BulkTarget};
use std::any::Any;
use std::sync::Arc;

/// The kind of [`Pack`], for [`bulk::register`].
pub(crate) struct Packs;

impl BulkKind for Packs {
    fn view<'a>(&self, value: &'a dyn Any) -> Option<(Layout, &'a [u8])> {
        value.downcast_ref::<Pack>()?.view()
    }

    fn allocate(&self, layout: &Layout, nbytes: usize) -> Option<Box<dyn BulkTarget>> {
        match layout {
            Layout::Pack { .. } => {
                Some(bulk::target(vec![0u8; nbytes], |message| Value::new(Pack::arrived(message))))
            }
            Layout::Bulk { .. } | Layout::Encoded => None,
        }
    }

    fn announced(&self, value: &dyn Any) -> Option<(u64, Layout)> {
        value.downcast_ref::<Pack>()?.announced()
    }

    fn message(&self, value: &dyn Any, near: bool) -> Option<Arc<dyn BulkSource>> {
        Some(value.downcast_ref::<Pack>()?.message(near))
    }
}
