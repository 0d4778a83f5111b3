//! Task functions and what they use, on whichever rank they run.
//!
//! [`command`] (with [`stdin`], [`inputs`] and [`save_files`]), [`mod@array`], [`save_array`] and [`merge_step`] are
//! task functions, [`mapreduce`] has some of
//! its own. [`rank_state`] holds all state of a rank, part by part: [`logs`]; [`device_allocation`], which gives cores
//! and devices to commands; [`short_commands`], which lends the slots of short ones; [`deadline`], the time that the job
//! has left; [`open_datasets`], the files that it writes; and the shuffle stores of [`mapreduce`]. The parts know
//! nothing of the whole, so that imports have no circle.

pub(crate) mod array;
pub(crate) mod command;
pub(crate) mod deadline;
pub(crate) mod device_allocation;
pub(crate) mod inputs;
pub(crate) mod logs;
pub(crate) mod mapreduce;
pub(crate) mod merge_step;
pub(crate) mod npy;
pub(crate) mod open_datasets;
pub(crate) mod rank_state;
pub(crate) mod save_array;
pub(crate) mod save_files;
pub(crate) mod short_commands;
pub(crate) mod stdin;
