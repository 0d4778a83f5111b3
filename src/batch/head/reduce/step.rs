//! Merge steps of reductions, whether of arrays or of files.

use crate::batch::artifact::Artifact;
use crate::client::future::Future;

/// A merge step of a reduction, seen as a node of a tree: it merges a few inputs into one.
pub(crate) struct MergeNode {
    /// The index of the instance of the `reduce` task to which the step belongs.
    pub index: u64,
    /// The number of the step among those of its instance, from 1.
    pub number: u64,
    /// For each input, whether it is a result of the reduced family (a leaf: true) or the result of another step
    /// (false).
    pub is_leaf: Vec<bool>,
    /// The number of all results that the tree reduces; `Some` only for the last step, which divides by it for a mean.
    pub leaves: Option<u64>,
}

/// Submits the merge steps of a reduction: of arrays, or of files by a command.
pub(crate) trait Merge {
    /// Submits one merge step with its inputs, and returns the future of its result.
    fn step(&self, step: MergeNode, inputs: Vec<Future<Artifact>>) -> Future<Artifact>;

    /// Whether an instance with a single result to reduce passes that on unchanged, without a merge step.
    fn keeps_single(&self) -> bool;
}

/// A reduction whose inputs are submitted, so that its merge steps can be.
pub(crate) struct Reduction<'a> {
    /// The object that submits the reduction's merge steps to the engine.
    pub merge: Box<dyn Merge + 'a>,
    /// For each instance of the `reduce` task, the futures of the results that it reduces.
    pub leaves: Vec<Vec<Future<Artifact>>>,
    /// The largest number of inputs that one merge step takes.
    pub arity: usize,
}
