//! Values of the language: [`units`], [`value`]s of parameters and variables, [`resources`] of tasks,
//! [`mod@format`]s, the [`registry`] of functions.

pub(crate) mod execution;
pub(crate) mod format;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod resources;
pub(crate) mod units;
pub(crate) mod value;
