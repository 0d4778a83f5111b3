//! Lints: passes over the whole plan that find mistakes and warn of waste.
//!
//! [`save_paths`] and [`writers`] find files with two writers, [`unwritable`] those that cannot be written, [`unused`]
//! results and [`unused_params`] parameters that nothing uses, [`array_shapes`] arrays whose shapes do not go together.
//! [`mod@walltime`] compares tasks with the time limit of the job, and [`scale`] warns of numbers of files and
//! arguments that are too large.

pub(crate) mod array_shapes;
pub(crate) mod save_paths;
pub(crate) mod scale;
pub(crate) mod unused;
pub(crate) mod unused_params;
pub(crate) mod unwritable;
pub(crate) mod walltime;
mod writers;
