//! Outputs as a kind of bulk value, as the engine sends and receives them: as their own memory, or, with files, by a
//! message that is made when asked for.

use super::CommandOutputs;
use crate::protocol::BulkLayout;
use crate::task::bulk::{self, BulkKind};
use crate::task::value::AnyValue;
use crate::transport::{BulkSource, BulkTarget};
use std::any::Any;
use std::sync::Arc;

/// The kind of [`CommandOutputs`], for [`bulk::register`].
pub(crate) struct OutputsBulk;

impl BulkKind for OutputsBulk {
    fn view<'a>(&self, value: &'a dyn Any) -> Option<(BulkLayout, &'a [u8])> {
        value.downcast_ref::<CommandOutputs>()?.view()
    }

    fn allocate(&self, layout: &BulkLayout, nbytes: usize) -> Option<Box<dyn BulkTarget>> {
        match layout {
            BulkLayout::Pack { .. } => Some(bulk::target(vec![0u8; nbytes], |message| {
                AnyValue::new(CommandOutputs::arrived(message))
            })),
            BulkLayout::Bulk { .. } | BulkLayout::Encoded => None,
        }
    }

    fn announced(&self, value: &dyn Any) -> Option<(u64, BulkLayout)> {
        value.downcast_ref::<CommandOutputs>()?.announced()
    }

    fn message(&self, value: &dyn Any, same_files: bool) -> Option<Arc<dyn BulkSource>> {
        Some(value.downcast_ref::<CommandOutputs>()?.message(same_files))
    }
}
