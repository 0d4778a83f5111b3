//! Files that several instances write. A file of streams that is incomplete is completed by the next run; the
//! instances that write one dataset run all together or not at all.

use crate::batch::outputs::{STDERR, STDOUT};
use crate::batch::resume::resumed_file::ResumedFile;
use crate::batch::resume::saved_paths::{self, file_of};
use crate::journal::record::FileStamp;
use crate::journal::state::JournalState;
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
use std::collections::BTreeMap;
use std::ops::Range;

/// Instances of one task that write a shared file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileWriters {
    /// The number of the task.
    pub task: usize,
    /// The number of the output that each instance appends, 0 for standard output and 1 for standard error; `None` for
    /// a dataset.
    pub stream: Option<u32>,
    /// The indices of the instances.
    pub range: Range<u64>,
}

/// A file, or a dataset of an HDF5 file, that several instances write.
#[derive(Debug)]
pub(crate) struct SharedOutput {
    /// The path as in the script, for messages.
    pub name: String,
    /// Whether the file is complete, and unchanged since that was recorded.
    pub is_there: bool,
    /// The content from earlier runs, if this run can append to the file; `None` if it is written anew.
    pub grown: Option<ResumedFile>,
    /// The instances that write the file.
    pub writers: Vec<FileWriters>,
}

/// Finds all files that instances of the plan share. Looks at each file.
pub(crate) fn outputs(plan: &Plan, keys: &KeyPlan, state: &JournalState) -> Vec<SharedOutput> {
    let mut found: BTreeMap<(String, bool), SharedOutput> = BTreeMap::new();
    let mut looked: BTreeMap<String, bool> = BTreeMap::new();
    for (number, task) in plan.tasks.iter().enumerate() {
        for (stream, template) in saved_paths::shared(task) {
            let all = task.family.len();
            let is_literal = template.as_literal().is_some();
            for part in 0..if is_literal { 1 } else { all } {
                let range = if is_literal { 0..all } else { part..part + 1 };
                let Some(path) = saved_paths::render(plan, task, template, part) else { continue };
                let file = saved_paths::recorded_name(
                    &plan.dir,
                    file_of(&path, stream.is_none()),
                    is_literal && stream.is_some(),
                );
                // a dataset is found by its own name, a file of streams by the name that it has however it is written
                let key = if stream.is_some() { file.clone() } else { path.clone() };
                let is_there =
                    *looked.entry(file).or_insert_with_key(|file| is_as_recorded(plan, state, file));
                let output = found.entry((key, stream.is_some())).or_insert_with(|| SharedOutput {
                    name: path,
                    is_there,
                    grown: None,
                    writers: Vec::new(),
                });
                match output.writers.last_mut() {
                    Some(last)
                        if (last.task, last.stream) == (number, stream) && last.range.end == range.start =>
                    {
                        last.range.end = range.end;
                    }
                    _ => output.writers.push(FileWriters { task: number, stream, range }),
                }
            }
        }
    }
    for ((name, _), output) in found.iter_mut().filter(|((_, is_stream), _)| *is_stream) {
        let stamp = state.shared.get(name).filter(|_| output.is_there);
        output.grown = match stamp {
            Some(whole) => ResumedFile::whole(whole, output),
            None => state.grown.get(name).and_then(|grown| ResumedFile::of(plan, keys, grown, output)),
        };
    }
    found.into_values().collect()
}

/// Whether a file is as it was when it was recorded as complete. What is no regular file cannot be looked at: the
/// record is enough.
fn is_as_recorded(plan: &Plan, state: &JournalState, path: &str) -> bool {
    state.shared.get(path).is_some_and(|known| FileStamp::of(&plan.dir, path).as_ref() == Some(known))
}

impl FileWriters {
    /// The numbers of the outputs of an instance in the file: twice its index, and one more for standard error.
    pub(super) fn number(&self, index: u64) -> u64 {
        const { assert!(STDOUT == 0 && STDERR == 1) }
        2 * index + u64::from(self.stream.unwrap_or(STDOUT))
    }
}
