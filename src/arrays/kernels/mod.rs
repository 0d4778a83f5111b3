//! TODO page

pub(crate) mod aggregate;
pub(crate) mod broadcast;
pub(crate) mod construct;
pub(crate) mod elementwise;
pub(crate) mod histogram;
pub(crate) mod linalg;
pub(crate) mod philox;
pub(crate) mod random;
