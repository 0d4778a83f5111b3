//! Task functions and what they use, on whichever rank they run.
//!
//! [`command`] (with [`stdin`], [`inputs`] and [`save_files`]), [`mod@array`], [`save_array`] and [`merge_step`] are
//! task functions, [`mapreduce`] has some of
//! its own. [`rank_state`] is what a rank has once: scratch folder and [`logs`]. [`device_allocation`] gives cores
//! and devices to
//! commands, [`slot_lending`] lends the slots of short ones, [`deadline`] is the time that the job has left.

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
pub(crate) mod slot_lending;
pub(crate) mod stdin;
