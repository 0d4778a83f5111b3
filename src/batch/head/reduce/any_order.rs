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

/// An input that no step has taken yet: a leaf, or the result of a step.
struct MergeCandidate {
    future: Future<Artifact>,
    is_leaf: bool,
}

/// An instance of a reduction, with its inputs that are not merged yet.
struct ReductionInstance {
    leaves: u64,
    steps: u64,
    /// Inputs whose tasks have not ended, by number: leaves first, then results of steps.
    coming: BTreeMap<u64, MergeCandidate>,
    /// Inputs whose tasks have ended, in the order in which they did.
    ready: VecDeque<MergeCandidate>,
    last: Option<Future<Artifact>>,
}

/// Inputs that are watched together. Each item is the instance and the number of the input, `None` after it has ended.
struct Batch {
    items: Vec<Option<(usize, u64)>>,
    watch: Watch,
}

/// All instances of a reduction whose steps are submitted as inputs arrive.
pub(crate) struct Merging<'a> {
    merge: Box<dyn Merge + 'a>,
    arity: usize,
    trees: Vec<ReductionInstance>,
    batches: Vec<Batch>,
    /// The number of instances whose last step is not submitted yet.
    open: usize,
    /// Instances with new inputs, for which a step may be due.
    touched: Vec<usize>,
}

impl<'a> Merging<'a> {
    /// Prepares a reduction; submits nothing yet.
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

    /// Submits the steps that are due. Returns their number.
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

    /// Polls the watches, and moves inputs whose tasks have ended to `ready`.
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

    /// Whether the last step of each instance has been submitted.
    pub(crate) fn is_done(&self) -> bool {
        self.open == 0
    }

    /// The futures of the last steps; `None` unless all are submitted.
    pub(crate) fn last_steps(self) -> Option<Vec<Future<Artifact>>> {
        self.trees.into_iter().map(|tree| tree.last).collect()
    }
}

impl ReductionInstance {
    /// Ends the instance with the failed input `cause` as its result.
    fn fail(&mut self, cause: Future<Artifact>) {
        self.coming.clear();
        self.ready.clear();
        self.last = Some(cause);
    }

    /// Submits the steps that are due for this instance. Adds futures to be watched, and returns the number of steps.
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
