//! Values of the language: types that other phases share.
//!
//! [`value`] has the values of parameters and variables, [`mod@format`] the way they are written into texts, [`units`]
//! durations and sizes. [`execution`], [`resources`], [`policy`] and [`settings`] are settings of tasks and of the run.
//! [`registry`] holds the functions that scripts call, [`links`] follows symbolic links, and
//! [`json`] is what other programs read.

pub(crate) mod execution;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod links;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod resources;
pub(crate) mod settings;
pub(crate) mod units;
pub(crate) mod value;
