//! Handing a reduction over: the steps of its trees.

use super::array::{self, Step};
use super::def::Def;
use super::inputs::Array;
use super::submit::{Submitter, internal};
use crate::call::array::reduce::Reduce;
use crate::call::array::tree;
use crate::client::Future;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::ops::Range;

impl Submitter<'_> {
    /// The steps of some instances of a reduction; gives what the last of each tree makes.
    pub(super) fn reduce(
        &mut self,
        def: &Def,
        range: Range<u64>,
        of: usize,
        with: Reduce,
        arity: usize,
    ) -> Result<Vec<Future<Array>>> {
        let group = def.sources.get(of).copied().flatten().and_then(|at| def.groups.get(at));
        let group = group.ok_or_else(|| internal("a reduction of nothing"))?;
        let options = self.options(&def.task).pure(false);
        let mut roots = Vec::new();
        for index in range {
            let leaves = self.arrays_of(group, index)?;
            let count = leaves.len() as u64;
            let tree = tree::plan(leaves.len(), arity).map_err(|error| Error::Other(error.to_string()))?;
            // leaves, and what steps have made, until the step that takes them
            let place = |index| tree::Place { level: 0, index };
            let mut made: HashMap<tree::Place, Future<Array>> =
                leaves.into_iter().enumerate().map(|(index, leaf)| (place(index), leaf)).collect();
            for step in tree.steps() {
                let leaves = (step.at == tree.root()).then_some(count);
                let is_leaf = step.inputs.iter().map(|at| at.level == 0).collect();
                let this = Step { task: def.number, index, with, is_leaf, leaves };
                let inputs: Option<Vec<_>> = step.inputs.iter().map(|at| made.remove(at)).collect();
                let inputs = inputs.ok_or_else(|| internal("a step of a reduction lacks an input"))?;
                made.insert(step.at, options.submit(array::reduce_step, (this, inputs)));
            }
            let mut root = made.remove(&tree.root());
            if tree.count() == 0 && !with.keeps_single() {
                let this = Step { task: def.number, index, with, is_leaf: vec![true], leaves: Some(1) };
                root = root.map(|leaf| options.submit(array::reduce_step, (this, vec![leaf])));
            }
            roots.push(root.ok_or_else(|| internal("a reduction without a result"))?);
        }
        Ok(roots)
    }
}
