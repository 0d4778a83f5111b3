//! Lowering: compiles the raw tables of a task to its part of the plan. A function that returns `None` has reported a
//! mistake.
//!
//! [`task`] is where to start; it handles the keys that all kinds share. [`command`], [`mod@array`], [`call`],
//! [`script_file`], [`mapreduce`], [`reduce_arrays`] and [`reduce_files`] lower one action each, and [`execution`] the settings of
//! commands. `ranks` checks commands that are MPI programs. [`programs`] checks that programs exist; [`toposort`] orders tasks by their dependencies.

pub(crate) mod array;
pub(crate) mod call;
pub(crate) mod circles;
pub(crate) mod command;
pub(crate) mod execution;
pub(crate) mod mapreduce;
mod params_use;
pub(crate) mod programs;
mod ranks;
pub(crate) mod reduce_arrays;
pub(crate) mod reduce_files;
mod script_file;
pub(crate) mod task;
pub(crate) mod toposort;
mod until;
