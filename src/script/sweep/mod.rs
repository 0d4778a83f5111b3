//! Parameter sweeps: the instances of a task, computed by index and never written out.
//!
//! [`expand`] makes a [`mod@family`] of `for`, `each` and what goes with them ([`family_builder`] puts it together,
//! [`filters`] finds what `where` and `exclude` leave, [`positions`] the cells of a product, [`row_set`] indexes them); [`param_values`], [`range`], [`load_values`], [`csv_table`] and
//! [`hdf5_blocks`] are sources of values, [`user_files`] reads the files that they come from; [`expression`] computes
//! `let` and `where`; [`join`] matches instances of one family with another's, with [`join_search`] where indices do not
//! follow from each other.

pub(crate) mod csv_table;
pub(crate) mod expand;
pub(crate) mod expression;
pub(crate) mod family;
pub(crate) mod family_builder;
pub(crate) mod filters;
pub(crate) mod hdf5_blocks;
pub(crate) mod join;
pub(crate) mod join_search;
pub(crate) mod load_values;
pub(crate) mod param_values;
pub(crate) mod positions;
pub(crate) mod range;
pub(crate) mod row_set;
pub(crate) mod user_files;
