//! Reductions with `order = "any"`: results are merged in the order in which they arrive.
//!
//! Rank 0 watches the leaves of a reduction and the results of its merge steps. A step is submitted as soon as enough
//! inputs have ended. When one step can take all inputs that are left, it is submitted without waiting for them, so
//! that tasks which read the result can be submitted too.

use crate::batch::artifact::Artifact;
use crate::batch::head::reduce::step::{Merge, MergeNode, Reduction};
use crate::client::Client;
use crate::client::future::Future;
use crate::client::watch::Watch;
use crate::error::Result;
use std::collections::{BTreeMap, VecDeque};

/// An input of a reduction that no merge step has taken yet: a result of the reduced family (a leaf of the tree), or
/// the result of an earlier step.
struct MergeCandidate {
    future: Future<Artifact>,
    is_leaf: bool,
}

/// An instance of a `reduce` task, with its inputs that no merge step has taken yet.
struct ReductionInstance {
    leaves: u64,
    steps: u64,
    /// Inputs whose tasks have not ended, by number. The results to be reduced (leaves) are numbered first, then the
    /// results of merge steps.
    coming: BTreeMap<u64, MergeCandidate>,
    /// Inputs whose tasks have ended and which wait for a merge step, in the order in which the tasks ended.
    ready: VecDeque<MergeCandidate>,
    last: Option<Future<Artifact>>,
}

/// Inputs whose futures are watched together. Each item is the position of the instance in `Merging::trees` and the
/// number of the input, `None` after the input's task has ended.
struct Batch {
    items: Vec<Option<(usize, u64)>>,
    watch: Watch,
}

/// A `reduce` task with `order = "any"`: merge steps are submitted as their inputs arrive, in any order.
pub(crate) struct Merging<'a> {
    merge: Box<dyn Merge + 'a>,
    arity: usize,
    trees: Vec<ReductionInstance>,
    batches: Vec<Batch>,
    /// The number of instances whose last merge step, which gives the result, is not submitted yet.
    open: usize,
    /// Positions in `trees` of the instances with newly arrived inputs, for which a merge step is perhaps possible now.
    touched: Vec<usize>,
}

impl<'a> Merging<'a> {
    /// Prepares a reduction in order of arrival: watches its inputs, but submits no merge step yet.
    pub(crate) fn new(reduction: Reduction<'a>, client: &Client) -> Self {
        let Reduction { merge, leaves, arity } = reduction;
        let watch = client.watch(leaves.iter().flatten());
        let mut items = Vec::new();
        let mut trees = Vec::with_capacity(leaves.len());
        for (tree, leaves) in leaves.into_iter().enumerate() {
            items.extend((0..leaves.len() as u64).map(|number| Some((tree, number))));
            let item = |(number, future)| (number, MergeCandidate { future, is_leaf: true });
            trees.push(ReductionInstance {
                leaves: leaves.len() as u64,
                steps: 0,
                coming: (0..).zip(leaves).map(item).collect(),
                ready: VecDeque::new(),
                last: None,
            });
        }
        let (open, touched) = (trees.len(), (0..trees.len()).collect());
        Merging { merge, arity, trees, batches: vec![Batch { items, watch }], open, touched }
    }

    /// Submits the merge steps whose inputs have arrived. Returns the number of submitted steps.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn turn(&mut self, client: &Client) -> Result<u64> {
        self.look()?;
        let mut made = Vec::new();
        let mut steps = 0;
        self.touched.sort_unstable();
        self.touched.dedup();
        for at in std::mem::take(&mut self.touched) {
            let Some(tree) = self.trees.get_mut(at).filter(|tree| tree.last.is_none()) else { continue };
            steps += tree.advance(&*self.merge, at, self.arity, &mut made);
            self.open -= usize::from(tree.last.is_some());
        }
        if !made.is_empty() {
            let futures = made.iter().map(|(_, _, future)| future);
            let watch = client.watch(futures);
            let items = made.iter().map(|(tree, number, _)| Some((*tree, *number))).collect();
            self.batches.push(Batch { items, watch });
        }
        Ok(steps)
    }

    /// Polls the watched inputs, and moves those whose tasks have ended to `ready`.
    fn look(&mut self) -> Result<()> {
        let Merging { trees, batches, open, touched, .. } = self;
        let mut failure = None;
        batches.retain_mut(|batch| {
            let Batch { items, watch } = batch;
            let mut end = |at: usize, failed: bool| {
                let Some((tree, number)) = items.get_mut(at).and_then(Option::take) else { return };
                let Some(instance) = trees.get_mut(tree).filter(|tree| tree.last.is_none()) else { return };
                let Some(item) = instance.coming.remove(&number) else { return };
                if failed {
                    // the failed input becomes the result, so its error tells the reason
                    *open -= 1;
                    instance.fail(item.future);
                } else {
                    instance.ready.push_back(item);
                    touched.push(tree);
                }
            };
            match watch.take() {
                Some(Ok(outcomes)) => {
                    outcomes.iter().enumerate().for_each(|(at, outcome)| end(at, outcome.is_err()));
                    return false;
                }
                Some(Err(error)) => failure = Some(error),
                None => {
                    watch.failures().into_iter().for_each(|(at, _)| end(at, true));
                    let ended = watch.ended().into_iter().enumerate().filter(|(_, ended)| *ended);
                    ended.for_each(|(at, _)| end(at, false));
                }
            }
            true
        });
        failure.map_or(Ok(()), Err)
    }

    /// Whether the last merge step of each instance, which gives its result, has been submitted.
    pub(crate) fn is_done(&self) -> bool {
        self.open == 0
    }

    /// The futures of the last merge steps, which give the results of the instances; `None` unless all are submitted.
    pub(crate) fn last_steps(self) -> Option<Vec<Future<Artifact>>> {
        self.trees.into_iter().map(|tree| tree.last).collect()
    }
}

impl ReductionInstance {
    /// Ends the instance when one of its inputs has failed: `cause`, the future of that input, becomes its result, so
    /// that the instance fails with that error.
    fn fail(&mut self, cause: Future<Artifact>) {
        self.coming.clear();
        self.ready.clear();
        self.last = Some(cause);
    }

    /// Submits the merge steps of this instance, number `index`, whose inputs have arrived; each merges up to `arity`.
    /// Adds their futures to `made`, to be watched, and returns the number of steps.
    fn advance(
        &mut self,
        merge: &dyn Merge,
        index: usize,
        arity: usize,
        made: &mut Vec<(usize, u64, Future<Artifact>)>,
    ) -> u64 {
        let before = self.steps;
        while self.last.is_none() {
            let is_last = self.ready.len() + self.coming.len() <= arity;
            if !is_last && self.ready.len() < arity {
                break;
            }
            let mut items: Vec<MergeCandidate> = self.ready.drain(..arity.min(self.ready.len())).collect();
            if is_last {
                items.extend(std::mem::take(&mut self.coming).into_values());
            }
            if let ([_], true, 1) = (&items[..], merge.keeps_single(), self.leaves) {
                self.last = items.pop().map(|item| item.future);
                break;
            }
            self.steps += 1;
            let leaves = is_last.then_some(self.leaves);
            let is_leaf = items.iter().map(|item| item.is_leaf).collect();
            let step = MergeNode { index: index as u64, number: self.steps, is_leaf, leaves };
            let future = merge.step(step, items.into_iter().map(|item| item.future).collect());
            if is_last {
                self.last = Some(future);
            } else {
                let number = self.leaves + self.steps;
                made.push((index, number, future.clone()));
                self.coming.insert(number, MergeCandidate { future, is_leaf: false });
            }
        }
        self.steps - before
    }
}
