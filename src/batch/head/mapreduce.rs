//! The tasks that rank 0 submits for a `mapreduce` task.

use crate::batch::artifact::{Artifact, take_outputs};
use crate::batch::head::placement;
use crate::batch::head::submitter::Submitter;
use crate::batch::outputs;
use crate::batch::rank::mapreduce::shuffle_store::PartitionShare;
use crate::batch::rank::mapreduce::tasks::{self, NamedPiece};
use crate::batch::task_def::TaskDef;
use crate::client::future::Future;
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::mapreduce::split::{self, FileSplit};
use crate::script::plan::task::{MapReduceInput, TaskAction};
use std::path::Path;
use std::sync::Arc;

/// The number of splits (parts of the input) whose sorted lines go to a reducing rank in one shuffle task.
const GROUP: usize = 16;

/// Divides the input files into splits of about `size` bytes, one for each map task. A split is a list of pieces of
/// files. The last piece of a file ends where the file does when it is read.
fn splits(files: &[String], size: u64, here: &Path) -> Vec<Vec<NamedPiece>> {
    // a file that cannot be inspected is reported by the mapper that reads it
    let length = |file: &String| std::fs::metadata(here.join(file)).map_or(1, |found| found.len());
    let lengths: Vec<u64> = files.iter().map(length).collect();
    let named = |piece: FileSplit| {
        let at = piece.file as usize;
        let end = if lengths.get(at) == Some(&piece.end) { u64::MAX } else { piece.end };
        Some((files.get(at)?.clone(), piece.start, end))
    };
    let splits = split::plan(&lengths, size).into_iter();
    splits.map(|pieces| pieces.into_iter().filter_map(named).collect()).collect()
}

impl Submitter<'_> {
    /// Submits the tasks of a `mapreduce` task: map tasks for the splits of the input, shuffle tasks that move their
    /// lines to the reducing ranks, and a reduce task for each partition of the keys. Returns the futures of the reduce
    /// tasks.
    pub(in crate::batch) fn mapreduce(&mut self, mut def: TaskDef) -> Result<Vec<Future<Artifact>>> {
        let TaskAction::MapReduce(work) = &mut Arc::make_mut(&mut def.task).action else {
            return Err(Error::internal("a map-reduce that is none"));
        };
        let files = match &mut work.input {
            MapReduceInput::Files(files) => Some(splits(&std::mem::take(files), work.split, &self.plan.dir)),
            MapReduceInput::Of(_) => None,
        };
        let (maps, reduces) = work.starts();
        let reference = if let MapReduceInput::Of(reference) = work.input { Some(reference) } else { None };
        let source = reference.and_then(|at| def.sources.get(at).copied().flatten());
        let (mut outputs, mut after) = (Vec::new(), Vec::new());
        for (at, group) in def.groups.iter().enumerate() {
            if Some(at) == source && group.is_of_arrays() {
                return Err(Error::internal("an array as the input of a map-reduce"));
            }
            let inputs = self.retained.inputs(std::slice::from_ref(group), 0)?;
            if Some(at) == source { &mut outputs } else { &mut after }.extend(inputs);
        }
        let options = self.client.options().pure(false).priority(def.task.priority);
        if after.len() > 1 {
            after = vec![options.submit(tasks::gate, (after,))];
        }
        // stages that are commands take the resources of the task, all other stages one slot
        let needs = placement::of(&def.task);
        let mapping =
            if maps { placement::again(options.clone(), &def.task).needs(needs) } else { options.clone() };
        let reducing =
            if reduces { placement::again(options.clone(), &def.task).needs(needs) } else { options.clone() };
        let able = |rank: &Rank| !reduces || placement::is_able(self.team, rank.index(), &needs);
        let able: Vec<Rank> = self.computing.iter().copied().filter(able).collect();
        if able.is_empty() {
            return Err(Error::Other("no rank can reduce what the task maps".to_owned()));
        }
        let partitions =
            usize::try_from(def.task.family.len()).map_err(|_| Error::internal("too many partitions"))?;
        let sent = self.client.scatter(def);
        let mapped: Vec<Future<Artifact>> = match files {
            Some(splits) => splits
                .into_iter()
                .map(|pieces| mapping.submit(tasks::map_files, (&sent, pieces, after.clone())))
                .collect(),
            None => outputs
                .iter()
                .map(|output| mapping.submit(tasks::map_output, (&sent, output, after.clone())))
                .collect(),
        };
        // partitions are dealt to the ranks that can reduce them, round robin
        let ranks = &able[..able.len().min(partitions)];
        let mut complete = Vec::with_capacity(ranks.len());
        let groups = mapped.len().div_ceil(GROUP).max(1);
        for (first, rank) in ranks.iter().enumerate() {
            let share = PartitionShare { first, step: ranks.len(), all: partitions };
            let wanted: Vec<u32> = share.partitions().map(outputs::file).collect();
            let mut before = Vec::new();
            for group in 0..groups {
                let splits = mapped.iter().skip(group * GROUP).take(GROUP);
                let parts: Vec<Future<Artifact>> = match ranks {
                    [_] => splits.cloned().collect(),
                    _ => splits.map(|whole| options.submit(take_outputs, (whole, wanted.clone()))).collect(),
                };
                let arguments = (&sent, share, group as u64, parts, std::mem::take(&mut before));
                before.push(options.clone().on(*rank).submit(tasks::store_lines, arguments));
            }
            complete.extend(before);
        }
        let reduce = |partition: usize| {
            let at = partition % ranks.len();
            let arguments = (&sent, partition as u64, groups as u64, &complete[at]);
            reducing.clone().on(ranks[at]).submit(tasks::reduce_partition, arguments)
        };
        Ok((0..partitions).map(reduce).collect())
    }
}
