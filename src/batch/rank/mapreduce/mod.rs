//! Task functions of a `mapreduce` task, and where each runs.
//!
//! ```text
//! map_files, map_output   one for each split    any rank        sorted lines, combined, parted by the key's hash
//! take_outputs            split × reducing rank where they are  the lines of the partitions of one rank
//! store_lines             16 splits × rank      the reducer's   held there, or spilled to scratch as sorted runs
//! reduce_partition        one for each          the reducer's   the runs merged, and reduced
//! ```
//!
//! Each partition belongs to one rank, the reducer's. Its lines go there once, in the shuffle, as soon as they exist;
//! they need not fit into memory together. Lines are merged in the order of the splits, so the result does not depend
//! on the number of ranks. Start with [`tasks`]; [`shuffle_store`] keeps lines for the reducers, [`stage`] runs
//! commands as stages.

pub(crate) mod shuffle_store;
pub(crate) mod stage;
pub(crate) mod tasks;

pub(crate) use tasks::gate;
