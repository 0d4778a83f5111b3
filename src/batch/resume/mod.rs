//! Resume: which instances of a plan a run skips, since the journal has them as done, and why the others run.
//!
//! [`known`] finds the instances of the plan in the journal, [`shared`] the files that several of them write (a
//! [`resumed_file`] is completed), [`checkpointed`] the results that are on disk, [`mod@todo`] decides which instances
//! run ([`lost_files`]: whether what they have saved is there), [`why`] explains that to the user, [`left`] counts
//! instances for `dtask status`, and [`run_journal`] begins the records of a run. Keys are in
//! [`crate::script::plan::fingerprint`],
//! records in [`crate::journal`], whose `README.md` has the reasons.

mod absent;
pub(crate) mod checkpointed;
pub(crate) mod known;
pub(crate) mod left;
mod loops;
mod lost_files;
pub(crate) mod resumed_file;
pub(crate) mod run_journal;
pub(crate) mod saved_paths;
pub(crate) mod shared;
pub(crate) mod todo;
pub(crate) mod why;

#[cfg(test)]
mod tests;
