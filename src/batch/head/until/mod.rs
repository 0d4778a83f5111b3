//! Loops that stop by `until`: rank 0 submits the instances of a loop one after the other, until the condition holds.
//!
//! The instances that differ only in the parameter of the loop are a *chain*. Each instance has a helper task, its
//! *verdict*, which evaluates the condition where the result is. The next instance of the chain takes the verdict as an
//! input, so that it never starts before the condition is known not to hold. Rank 0 submits a chain only as far ahead
//! as it runs: an instance behind the end of a slow chain is never submitted, and that of a fast one ends without work.
//!
//! * [`chains`]: a pure machine. How far each chain is, where it ends, and which instances are not needed.
//! * [`running`]: the futures of chains under way, and the verdicts that rank 0 watches.
//! * [`submission`]: the part of the submitter that submits instances of chains.

pub(crate) mod chains;
#[cfg(test)]
mod chains_tests;
pub(crate) mod running;
mod submission;
