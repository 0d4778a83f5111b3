//! The steps of a tree that the indices alone decide: the same on any number of ranks.

use super::{Merge, MergeNode};
use crate::arrays::reduce::tree;
use crate::batch::head::submitter::internal;
use crate::client::future::Future;
use crate::error::{Error, Result};
use std::collections::HashMap;

/// All steps of some instances; gives what the last of each makes.
pub(crate) fn all<M: Merge>(
    merge: &M,
    first: u64,
    instances: Vec<Vec<Future<M::Item>>>,
    arity: usize,
) -> Result<Vec<Future<M::Item>>> {
    (first..).zip(instances).map(|(index, leaves)| one(merge, index, leaves, arity)).collect()
}

fn one<M: Merge>(
    merge: &M,
    index: u64,
    leaves: Vec<Future<M::Item>>,
    arity: usize,
) -> Result<Future<M::Item>> {
    let count = leaves.len() as u64;
    let tree = tree::plan(leaves.len(), arity).map_err(|error| Error::Other(error.to_string()))?;
    // leaves, and what steps have made, until the step that takes them
    let place = |index| tree::TreePosition { level: 0, index };
    let mut made: HashMap<tree::TreePosition, Future<M::Item>> =
        leaves.into_iter().enumerate().map(|(index, leaf)| (place(index), leaf)).collect();
    for (number, step) in (1..).zip(tree.steps()) {
        let leaves = (step.at == tree.root()).then_some(count);
        let is_leaf = step.inputs.iter().map(|at| at.level == 0).collect();
        let inputs: Option<Vec<_>> = step.inputs.iter().map(|at| made.remove(at)).collect();
        let inputs = inputs.ok_or_else(|| internal("a step of a reduction lacks an input"))?;
        made.insert(step.at, merge.step(MergeNode { index, number, is_leaf, leaves }, inputs));
    }
    let root = made.remove(&tree.root()).ok_or_else(|| internal("a reduction without a last step"))?;
    if tree.count() > 0 || merge.keeps_single() {
        return Ok(root);
    }
    let step = MergeNode { index, number: 1, is_leaf: vec![true], leaves: Some(1) };
    Ok(merge.step(step, vec![root]))
}
