//! Containers that keep very many small items in little memory.
//!
//! Rank 0 keeps a record of every unfinished task, so its tables are designed by bytes per task. [`Dense`] is the
//! table of records, [`Bytes`] and [`id_list::IdList`] are the fields of a record, [`Ranges`] and [`Runs`] keep sets
//! and lists of mostly consecutive numbers, and [`tournament::Tournament`] is the priority index of the ranks.

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
