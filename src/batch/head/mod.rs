//! Rank 0's part of a run: submits the plan, collects results, writes shared files, reports progress.
//!
//! Start with [`submitter`]: it hands the plan over window by window ([`ready_instances`]). [`placement`] has the
//! resources that tasks request, [`retained`] the results that others will read, and [`submitted`] describes what was
//! submitted. [`collector`] is the loop that waits for instances ([`in_flight`], [`outputs::streamed`]), drops results
//! that are no longer needed, and gathers the [`outcome`].
//!
//! [`recorder`] tells the journal what has ended. [`reduce`] and [`mapreduce`] plan reductions. [`outputs`] brings the
//! streams of instances to the files to which they append. [`dataset_files`] keeps track of HDF5 files, and
//! [`run_folder`] is `NAME.dtask`, with a [`run_record`]. [`mod@deadline`], [`stop`] and [`interrupt`] end a run early;
//! [`stopped`] is what they leave undone. [`progress`] (with [`longest`]), [`failures`] and [`summary`] inform the user
//! ([`display`]: paths, sizes and times).

pub(crate) mod checkpoints;
pub(crate) mod collector;
pub(crate) mod dataset_files;
pub(crate) mod deadline;
pub(crate) mod display;
pub(crate) mod failures;
pub(crate) mod in_flight;
pub(crate) mod interrupt;
pub(crate) mod longest;
pub(crate) mod mapreduce;
pub(crate) mod outcome;
pub(crate) mod outputs;
pub(crate) mod placement;
pub(crate) mod progress;
pub(crate) mod ready_instances;
pub(crate) mod recorder;
pub(crate) mod reduce;
pub(crate) mod retained;
pub(crate) mod run_folder;
pub(crate) mod run_record;
pub(crate) mod settings;
pub(crate) mod stop;
pub(crate) mod stopped;
pub(crate) mod submitted;
pub(crate) mod submitter;
pub(crate) mod summary;
pub(crate) mod until;
