//! Failures at rank 0: [`failed_members`] are those that gathers leave out, [`failure_report`] tells the user of each,
//! and [`failures_file`] is the table of all.

pub(crate) mod failed_members;
pub(crate) mod failure_report;
pub(crate) mod failures_file;
