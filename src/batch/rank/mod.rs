//! Task functions and what they use, on whichever rank they run.
//!
//! [`command`] (with [`stdin`], [`inputs`] and [`save_files`]), [`mod@array`], [`save_array`] and [`merge_step`] are task functions, [`mapreduce`] has some of
//! its own. [`rank_state`] is what a rank has once: scratch folder and [`logs`]. [`device_allocation`] gives cores and devices to
//! commands, [`slot_lending`] lends the slots of short ones, [`deadline`] is the time that the job has left.

pub mod array;
pub mod command;
pub mod deadline;
pub mod device_allocation;
pub mod inputs;
pub mod logs;
pub mod mapreduce;
pub(crate) mod merge_step;
pub mod npy;
pub mod rank_state;
pub mod save_array;
pub mod save_files;
pub(crate) mod slot_lending;
pub(crate) mod stdin;
