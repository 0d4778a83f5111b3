//! The task functions of a `mapreduce`; rank 0 submits them in `batch::head::mapreduce`.
//!
//! ```text
//! map_files, map_output   one for each split    any rank        sorted lines, combined, parted by the key's hash
//! take_outputs            split × reducing rank where they are  the lines of the partitions of one rank
//! shelve                  16 splits × rank      the reducer's   held there, or spilled to scratch as sorted runs
//! reduce_partition        one for each          the reducer's   the runs merged, and reduced
//! ```
//!
//! A partition belongs to one rank, so its lines go there once, as soon as they are there, and need not fit into memory
//! together. What is merged is merged in the order of the splits: the result does not depend on the number of ranks.

pub(crate) mod shuffle_store;
pub(crate) mod stage;
pub(crate) mod tasks;

pub(crate) use tasks::gate;
