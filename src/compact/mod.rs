//! Containers for very many small things: what rank 0 keeps of a task is counted in bytes.

mod bytes;
mod dense;
pub(crate) mod id_list;
mod ranges;
mod runs;
pub(crate) mod tournament;

pub use bytes::Bytes;
pub use dense::Dense;
pub use ranges::Ranges;
pub use runs::Runs;
