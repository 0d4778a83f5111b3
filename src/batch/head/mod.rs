//! Rank 0's part of a run: submits the plan, collects results, writes shared files, reports progress.
//!
//! Where to start: [`submitter`] hands the plan over window by window as [`submitted`] instances ([`placement`]: what
//! tasks take of the ranks; [`retained`]: results that others will read; [`failed_members`]), [`collector`] waits
//! ([`in_flight`], [`in_order`]), drops what is no longer needed, and gathers the [`outcome`]. [`reduce`] and
//! [`mapreduce`] plan reductions. [`shared_files`] writes files that many instances share, [`dataset_files`] looks
//! after files of datasets, [`run_folder`] is `NAME.dtask`. [`mod@deadline`], [`stop`] and [`interrupt`] end a run,
//! whose rest is [`stopped`]; [`progress`] and [`summary`] tell what happens ([`display`]).

pub(crate) mod collector;
pub(crate) mod dataset_files;
pub(crate) mod deadline;
pub(crate) mod display;
pub(crate) mod failed_members;
pub(crate) mod in_flight;
pub(crate) mod in_order;
pub(crate) mod interrupt;
pub(crate) mod mapreduce;
pub(crate) mod outcome;
pub(crate) mod placement;
pub(crate) mod progress;
pub(crate) mod reduce;
pub(crate) mod retained;
pub(crate) mod run_folder;
pub(crate) mod shared_files;
pub(crate) mod stop;
pub(crate) mod stopped;
pub(crate) mod submitted;
pub(crate) mod submitter;
pub(crate) mod summary;
