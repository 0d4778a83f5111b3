//! Parameter sweeps: the instances of a task, computed by index and never written out.
//!
//! [`expand`] is where to start: it makes a [`mod@family`] of the keys `for`, `each` and those beside them, with
//! [`family_builder`]. [`filters`] finds what `where` and `exclude` leave, among the [`positions`] of a product;
//! [`row_set`] indexes that, and [`expression`] computes `let` and `where`: [`formula_check`] looks at types,
//! [`formula_eval`] walks over the tree, a [`lane`] of instances at a time, with [`text_functions`] for texts, and
//! [`formula_bounds`] says whether integers can leave 64 bits.
//!
//! Values come from [`load_values`]: it reads lists, a [`range`], a [`csv_table`], [`hdf5_blocks`] or one of the other
//! [`sources`] to [`param_values`], and [`user_files`] reads the files of the user, which [`file_pattern`] finds.
//! [`join`] matches instances of one family with those of another, by [`join_search`] where indices do not follow from
//! each other. [`idle_rows`] warns of rows of `exclude` without an effect.

pub(crate) mod csv_table;
pub(crate) mod expand;
pub(crate) mod expression;
pub(crate) mod family;
pub(crate) mod family_builder;
pub(crate) mod file_pattern;
pub(crate) mod filters;
pub(crate) mod formula_bounds;
pub(crate) mod formula_check;
pub(crate) mod formula_eval;
pub(crate) mod hdf5_blocks;
mod idle_rows;
pub(crate) mod join;
pub(crate) mod join_search;
pub(crate) mod lane;
pub(crate) mod load_values;
pub(crate) mod neighbour;
pub(crate) mod param_values;
pub(crate) mod position_map;
pub(crate) mod positions;
pub(crate) mod range;
pub(crate) mod row_set;
pub(crate) mod sources;
mod text_functions;
pub(crate) mod user_files;
