//! The part of a run that any rank does: task functions, and the state that they use.
//!
//! [`command`] (with [`stdin`], [`inputs`] and [`save_files`]), [`mod@array`], [`save_array`] and [`merge_step`] are
//! task functions, [`mapreduce`] has some of its own. [`rank_state`] holds the state of a rank: [`logs`];
//! [`device_allocation`], which gives cores and GPUs to commands; [`short_commands`], which lends the slots of short
//! commands; [`deadline`], the time that the job has left; [`open_datasets`], the HDF5 files that the rank writes; and
//! the shuffle stores of [`mapreduce`]. These parts do not import [`rank_state`], so that imports have no circle.
//! [`condition`] decides whether an instance runs. [`checkpoints`] writes results for later runs and reads them back,
//! [`npy`] writes numpy's files, [`params_file`] the JSON of an instance's parameters. [`mpi_program`] starts a command
//! as an MPI program.

pub(crate) mod array;
pub(crate) mod checkpoints;
pub(crate) mod command;
pub(crate) mod condition;
pub(crate) mod deadline;
pub(crate) mod device_allocation;
pub(crate) mod inputs;
pub(crate) mod logs;
pub(crate) mod mapreduce;
pub(crate) mod merge_step;
pub(crate) mod mpi_program;
pub(crate) mod npy;
pub(crate) mod open_datasets;
mod params_file;
pub(crate) mod rank_state;
pub(crate) mod save_array;
pub(crate) mod save_files;
pub(crate) mod saved_results;
pub(crate) mod short_commands;
pub(crate) mod stdin;
pub(crate) mod verdict;
