//! THE order of a tree reduction: which partial results are combined with which.
//!
//! The order is a function of the number of leaves and the arity, and of nothing else: not of ranks, threads or timing.
//! With `order = "fixed"` results therefore have the same bits on any number of ranks.
//!
//! Level 0 are the leaves, in the order of their indices. Node `j` of level `l` combines the nodes `j*k .. (j+1)*k` of
//! level `l-1` (fewer at the end), from left to right: `((a + b) + c) + ..`. A node with a single child is that child:
//! nothing is computed for it. The last level has one node, the result.
//!
//! With arity 2 this is the order of dask, and of Python's `while len(xs) > 1: xs = [add(xs[i], xs[i+1]) ..]`, with a
//! single last element carried up.
//!
//! A plan holds a number for each level, not a node for each task: ten million leaves cost nothing.

use std::ops::Range;

/// The position of a node in a reduction tree, whose leaves are the results of instances and whose root is the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TreePosition {
    /// The level of the node, counted upwards: the leaves have level 0.
    pub level: usize,
    /// The index of the node within its level, counted from the left and from 0.
    pub index: usize,
}

/// A step of a reduction tree: a node that merges at least two others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeStep {
    /// The position of the step's result in the tree.
    pub at: TreePosition,
    /// The positions of the nodes that the step merges, in the order of merging: leaves or results of other steps.
    pub inputs: Vec<TreePosition>,
}

/// The reason why no reduction tree can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    /// The reduction has no leaves, and so no result.
    #[error("a reduction of no instances has no result")]
    NoLeaves,
    /// The arity (the most nodes that a step merges) is below 2, so that levels would not shrink.
    #[error("the arity of a reduction is at least 2, not {0}")]
    Arity(usize),
}

/// The shape of a reduction tree: its arity (the most nodes that a step merges), and the width of each level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreePlan {
    arity: usize,
    /// The number of nodes in each level, beginning with the leaves and ending with 1.
    widths: Vec<usize>,
}

/// Plans the reduction tree over `leaves` leaves, in which a step merges up to `arity` nodes.
pub(crate) fn plan(leaves: usize, arity: usize) -> Result<TreePlan, PlanError> {
    if leaves == 0 {
        return Err(PlanError::NoLeaves);
    }
    if arity < 2 {
        return Err(PlanError::Arity(arity));
    }
    let mut widths = vec![leaves];
    let mut width = leaves;
    while width > 1 {
        width = width.div_ceil(arity);
        widths.push(width);
    }
    Ok(TreePlan { arity, widths })
}

impl TreePlan {
    /// The number of levels of the tree, including that of the leaves.
    pub(crate) fn levels(&self) -> usize {
        self.widths.len()
    }

    /// The number of nodes in a level; 0 for a level above the root.
    pub(crate) fn width(&self, level: usize) -> usize {
        self.widths.get(level).copied().unwrap_or(0)
    }

    /// The position of the node that is the result: a leaf, if the tree has only one.
    pub(crate) fn root(&self) -> TreePosition {
        self.source(TreePosition { level: self.levels() - 1, index: 0 })
    }

    /// The indices of the children of `at`, in the level below. Empty for a leaf and for a position outside the tree.
    pub(crate) fn below(&self, at: TreePosition) -> Range<usize> {
        if at.level == 0 || at.index >= self.width(at.level) {
            return 0..0;
        }
        let start = at.index * self.arity;
        start..start.saturating_add(self.arity).min(self.width(at.level - 1))
    }

    /// The position at which the value of the node `at` is computed: a node with a single child takes the child's
    /// value, so that the search goes down to a leaf or a node with several children.
    pub(crate) fn source(&self, mut at: TreePosition) -> TreePosition {
        loop {
            let below = self.below(at);
            if below.len() != 1 {
                return at;
            }
            at = TreePosition { level: at.level - 1, index: below.start };
        }
    }

    /// The position of the step that merges the value computed at `at`; `None` for the root, whose value is the result.
    #[cfg(test)]
    pub(crate) fn consumer(&self, at: TreePosition) -> Option<TreePosition> {
        let mut up = TreePosition { level: at.level + 1, index: at.index / self.arity };
        while up.level < self.levels() {
            if self.below(up).len() > 1 {
                return Some(up);
            }
            up = TreePosition { level: up.level + 1, index: up.index / self.arity };
        }
        None
    }

    /// The step at a position; `None` for a leaf, and for a node with a single child.
    pub(crate) fn step(&self, at: TreePosition) -> Option<TreeStep> {
        let below = self.below(at);
        if below.len() < 2 {
            return None;
        }
        let inputs = below.map(|index| self.source(TreePosition { level: at.level - 1, index })).collect();
        Some(TreeStep { at, inputs })
    }

    /// All steps, level by level from the leaves, and from the left within a level: each follows the steps whose
    /// results it takes.
    pub(crate) fn steps(&self) -> impl Iterator<Item = TreeStep> + '_ {
        (1..self.levels())
            .flat_map(|level| (0..self.width(level)).map(move |index| TreePosition { level, index }))
            .filter_map(|at| self.step(at))
    }

    /// The number of steps. Only the last node of a level may have a single child, and so merge nothing.
    pub(crate) fn count(&self) -> usize {
        (1..self.levels())
            .map(|level| {
                let last = TreePosition { level, index: self.width(level) - 1 };
                self.width(level) - usize::from(self.below(last).len() == 1)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(level: usize, index: usize) -> TreePosition {
        TreePosition { level, index }
    }

    #[test]
    fn sixteen_in_pairs() -> Result<(), PlanError> {
        let plan = plan(16, 2)?;
        assert_eq!((plan.levels(), plan.count(), plan.root()), (5, 15, at(4, 0)));
        let steps: Vec<TreeStep> = plan.steps().collect();
        assert_eq!(steps[0], TreeStep { at: at(1, 0), inputs: vec![at(0, 0), at(0, 1)] });
        assert_eq!(steps[14], TreeStep { at: at(4, 0), inputs: vec![at(3, 0), at(3, 1)] });
        Ok(())
    }

    #[test]
    fn a_lone_last_one_is_carried_up() -> Result<(), PlanError> {
        let plan = plan(5, 2)?;
        let steps: Vec<TreeStep> = plan.steps().collect();
        assert_eq!(steps.len(), 4);
        // 5 = (4) + 1: the fifth leaf meets the other four at the top.
        assert_eq!(steps[3], TreeStep { at: at(3, 0), inputs: vec![at(2, 0), at(0, 4)] });
        assert_eq!(plan.consumer(at(0, 4)), Some(at(3, 0)));
        assert_eq!(plan.consumer(at(3, 0)), None);
        Ok(())
    }

    #[test]
    fn one_leaf_is_the_result() -> Result<(), PlanError> {
        let plan = plan(1, 2)?;
        assert_eq!((plan.root(), plan.count(), plan.steps().count()), (at(0, 0), 0, 0));
        assert_eq!(super::plan(0, 2), Err(PlanError::NoLeaves));
        assert_eq!(super::plan(4, 1), Err(PlanError::Arity(1)));
        Ok(())
    }

    #[test]
    fn every_leaf_is_taken_once_in_order() -> Result<(), PlanError> {
        for leaves in 1..=70 {
            for arity in [2, 3, 4, 7, 64, usize::MAX] {
                let plan = plan(leaves, arity)?;
                let mut values: std::collections::BTreeMap<TreePosition, Vec<usize>> =
                    (0..leaves).map(|i| (at(0, i), vec![i])).collect();
                let mut count = 0;
                for step in plan.steps() {
                    assert!(step.inputs.len() >= 2 && step.inputs.len() <= arity);
                    let mut joined = Vec::new();
                    for input in step.inputs {
                        assert_eq!(plan.consumer(input), Some(step.at), "{leaves} leaves, arity {arity}");
                        joined.extend(values.remove(&input).unwrap_or_default());
                    }
                    values.insert(step.at, joined);
                    count += 1;
                }
                assert_eq!(values, [(plan.root(), (0..leaves).collect())].into());
                assert_eq!(count, plan.count());
            }
        }
        Ok(())
    }

    #[test]
    fn a_plan_for_many_leaves_is_small() -> Result<(), PlanError> {
        let plan = plan(usize::MAX, 2)?;
        assert_eq!(plan.levels(), 65);
        assert_eq!(plan.below(at(1, plan.width(1) - 1)), usize::MAX - 1..usize::MAX);
        Ok(())
    }
}
