//! Merge steps of reductions, whether of arrays or of files.

use crate::batch::artifact::Artifact;
use crate::client::future::Future;

/// A merge step: a node of a reduction's tree.
pub(crate) struct MergeNode {
    /// The index of the instance of the `reduce` task.
    pub index: u64,
    /// The number of the step within its instance, from 1.
    pub number: u64,
    /// For each input, whether it is a leaf (true) or the result of another step (false).
    pub is_leaf: Vec<bool>,
    /// The number of all leaves of the tree; `None` but for the last step.
    pub leaves: Option<u64>,
}

/// Submits the merge steps of a reduction.
pub(crate) trait Merge {
    /// Submits a step with its inputs, and returns the future of its result.
    fn step(&self, step: MergeNode, inputs: Vec<Future<Artifact>>) -> Future<Artifact>;

    /// Whether an instance with a single leaf has that leaf as its result, without a step.
    fn keeps_single(&self) -> bool;
}

/// A reduction that is ready to be submitted.
pub(crate) struct Reduction<'a> {
    /// The object that submits the reduction's steps.
    pub merge: Box<dyn Merge + 'a>,
    /// By instance, the futures that are reduced.
    pub leaves: Vec<Vec<Future<Artifact>>>,
    /// The largest number of inputs of a step.
    pub arity: usize,
}
