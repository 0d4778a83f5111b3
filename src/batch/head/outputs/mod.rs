//! The outputs of instances that go to files of rank 0: `stdout = path`, `stderr = path`, to which many append.
//!
//! [`streamed`] follows the instances and fetches their outputs; [`shared_files`] are the files: which
//! ([`shared_paths`]) and in which order ([`piece_order`]), one of them ([`shared_file`]), how it grows
//! ([`growing_file`]), what waits for its turn ([`spool`]), and what they lack at the end ([`closing`]).

pub(crate) mod closing;
pub(crate) mod growing_file;
pub(crate) mod piece_order;
pub(crate) mod shared_file;
pub(crate) mod shared_files;
pub(crate) mod shared_paths;
pub(crate) mod spool;
pub(crate) mod streamed;
