//! Merge steps of a reduction of files by a command.

use crate::batch::artifact::Artifact;
use crate::batch::head::reduce::step::{Merge, MergeNode, Reduction};
use crate::batch::head::retained::RetainedResults;
use crate::batch::outputs;
use crate::batch::rank::mapreduce;
use crate::batch::rank::merge_step::{self, MergeStep};
use crate::batch::task_def::{Group, TaskDef};
use crate::client::future::Future;
use crate::client::options::Options;
use crate::error::{Error, Result};
use crate::script::plan::task::TaskAction;
use std::ops::Range;
use std::slice;

/// The task definition and the options that all merge steps share, in a reduction of files by a command that merges
/// two.
struct CommandSteps<'a> {
    sent: Future<TaskDef>,
    options: Options<'a>,
    /// The index of the instance of the `reduce` task to which the first of `others` belongs.
    first: u64,
    /// By instance, the inputs that each of its merge steps reads besides the files to merge.
    others: Vec<OtherInputs>,
}

/// The results of other tasks that each merge step of an instance needs, besides the files to merge.
#[derive(Default)]
struct OtherInputs {
    inputs: Vec<Future<Artifact>>,
    /// Futures of tasks that must have ended before a step starts, and whose outputs are not read.
    after: Vec<Future<Artifact>>,
}

impl Merge for CommandSteps<'_> {
    fn step(&self, step: MergeNode, inputs: Vec<Future<Artifact>>) -> Future<Artifact> {
        let MergeNode { index, number, is_leaf, leaves } = step;
        let nothing = OtherInputs::default();
        let others = self.others.get((index - self.first) as usize).unwrap_or(&nothing);
        let step = MergeStep { index, number, is_leaf, is_last: leaves.is_some() };
        let arguments = (&self.sent, step, inputs, others.inputs.clone(), others.after.clone());
        self.options.submit(merge_step::merge, arguments)
    }

    fn keeps_single(&self) -> bool {
        false // the step for a single file gives it the name of the task's output, and saves it
    }
}

/// Prepares the merge steps for a range of instances of a task that merges files by a command, by collecting their
/// inputs.
///
/// # Errors
/// When the task does not merge files, or rank 0 does not hold the future of a result that it reads.
pub(crate) fn prepare<'a>(
    def: &TaskDef,
    range: Range<u64>,
    retained: &mut RetainedResults<'a>,
    options: Options<'a>,
) -> Result<Reduction<'a>> {
    let TaskAction::Merge { of, .. } = def.task.action else {
        return Err(Error::internal("a reduction that is none"));
    };
    let at = def.sources.get(of).copied().flatten();
    let at = at.ok_or_else(|| Error::internal("a reduction of nothing"))?;
    let mut reduced = def.groups.get(at).cloned().ok_or_else(|| Error::internal("a reduction of nothing"))?;
    if reduced.is_of_arrays() {
        reduced.wanted = vec![outputs::STDOUT]; // arrays in their printed form, as files for the command
    }
    let client = retained.client();
    let mut sent = def.clone();
    // groups (the results of one other task each) that a step reads, and groups that it only waits for
    let is_read = |group: usize| group != at && def.sources.contains(&Some(group));
    let others: Vec<usize> = (0..def.groups.len()).filter(|group| is_read(*group)).collect();
    let waited: Vec<Group> = (0..def.groups.len())
        .filter(|group| *group != at && !is_read(*group))
        .map(|group| def.groups[group].clone())
        .collect();
    sent.groups = others.iter().map(|group| def.groups[*group].clone()).collect();
    for source in &mut sent.sources {
        *source = source.and_then(|group| others.iter().position(|other| *other == group));
    }
    let (mut all, mut leaves) = (Vec::new(), Vec::new());
    for index in range.clone() {
        leaves.push(retained.inputs(slice::from_ref(&reduced), index)?);
        let inputs = retained.inputs(&sent.groups, index)?;
        let mut after = retained.inputs(&waited, index)?;
        if after.len() > 1 {
            after = vec![client.options().pure(false).submit(mapreduce::gate, (after,))];
        }
        all.push(OtherInputs { inputs, after });
    }
    let (sent, first) = (client.scatter(sent), range.start);
    let merge = Box::new(CommandSteps { sent, options, first, others: all });
    Ok(Reduction { merge, leaves, arity: 2 })
}
