//! Containers for very many small things: what rank 0 keeps of a task is counted in bytes.

mod bytes;
mod dense;
mod ranges;
mod runs;

pub use bytes::Bytes;
pub use dense::Dense;
pub use ranges::Ranges;
pub use runs::Runs;
