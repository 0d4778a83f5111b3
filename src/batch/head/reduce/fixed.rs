//! Reductions in a fixed order: the shape of the tree follows from the number of leaves alone, so the result is the
//! same on any number of ranks.

use crate::arrays::reduce::tree;
use crate::batch::artifact::Artifact;
use crate::batch::head::reduce::step::{Merge, MergeNode, Reduction};
use crate::client::future::Future;
use crate::error::{Error, Result};
use std::collections::HashMap;

/// Submits all merge steps of a range of instances at once, as trees of a fixed shape, so that the result does not
/// depend on timing. The first instance has the index `first`. Returns for each instance the future of its last step,
/// which is its result.
pub(crate) fn submit(reduction: Reduction<'_>, first: u64) -> Result<Vec<Future<Artifact>>> {
    let Reduction { merge, leaves, arity } = reduction;
    (first..).zip(leaves).map(|(index, leaves)| one(&*merge, index, leaves, arity)).collect()
}

fn one(
    merge: &dyn Merge,
    index: u64,
    leaves: Vec<Future<Artifact>>,
    arity: usize,
) -> Result<Future<Artifact>> {
    let count = leaves.len() as u64;
    let tree = tree::plan(leaves.len(), arity).map_err(|error| Error::Other(error.to_string()))?;
    // nodes of the tree that no step has taken yet: leaves and results of steps
    let place = |index| tree::TreePosition { level: 0, index };
    let mut made: HashMap<tree::TreePosition, Future<Artifact>> =
        leaves.into_iter().enumerate().map(|(index, leaf)| (place(index), leaf)).collect();
    for (number, step) in (1..).zip(tree.steps()) {
        let leaves = (step.at == tree.root()).then_some(count);
        let is_leaf = step.inputs.iter().map(|at| at.level == 0).collect();
        let inputs: Option<Vec<_>> = step.inputs.iter().map(|at| made.remove(at)).collect();
        let inputs = inputs.ok_or_else(|| Error::internal("a step of a reduction lacks an input"))?;
        made.insert(step.at, merge.step(MergeNode { index, number, is_leaf, leaves }, inputs));
    }
    let root = made.remove(&tree.root()).ok_or_else(|| Error::internal("a reduction without a last step"))?;
    if tree.count() > 0 || merge.keeps_single() {
        return Ok(root);
    }
    let step = MergeNode { index, number: 1, is_leaf: vec![true], leaves: Some(1) };
    Ok(merge.step(step, vec![root]))
}
