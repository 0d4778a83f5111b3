//! The steps of reductions, whatever they merge.

use crate::batch::artifact::Artifact;
use crate::client::future::Future;

/// A step of a reduction.
pub(crate) struct MergeNode {
    /// The instance of the `reduce` task.
    pub index: u64,
    /// The number of the step in the instance, from 1.
    pub number: u64,
    /// For each input whether it is one of those that are reduced, not the result of another step.
    pub is_leaf: Vec<bool>,
    /// The number of all that is reduced, at the last step.
    pub leaves: Option<u64>,
}

/// Hands over the steps of a reduction.
pub(crate) trait Merge {
    /// Hands over a step.
    fn step(&self, step: MergeNode, inputs: Vec<Future<Artifact>>) -> Future<Artifact>;

    /// Whether the only one of an instance is its result as it is.
    fn keeps_single(&self) -> bool;
}

/// A reduction whose inputs are there.
pub(crate) struct Reduction<'a> {
    /// The way in which steps are handed over.
    pub merge: Box<dyn Merge + 'a>,
    /// For each instance what it reduces.
    pub leaves: Vec<Vec<Future<Artifact>>>,
    /// The most inputs of a step.
    pub arity: usize,
}
