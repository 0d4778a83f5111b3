//! TODO page

pub(crate) mod inference;
pub(crate) mod shape;
