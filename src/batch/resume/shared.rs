//! Files that several instances write: if one of these instances runs, all do, since the file is written anew.

use crate::batch::resume::saved_paths::{self, file_of, is_dataset};
use crate::journal::record::FileStamp;
use crate::journal::state::JournalState;
use crate::script::plan::Plan;
use std::collections::BTreeMap;
use std::ops::Range;

/// A file, or a dataset of an HDF5 file, that several instances write.
#[derive(Debug)]
pub(crate) struct SharedOutput {
    /// The path as the script has it, for the user.
    pub name: String,
    /// Whether the file is complete, and unchanged since that was recorded.
    pub is_there: bool,
    /// The instances that write it, as task numbers and ranges of indices.
    pub writers: Vec<(usize, Range<u64>)>,
}

/// Finds all files that instances of the plan share, and looks at each on the disk.
pub(crate) fn outputs(plan: &Plan, state: &JournalState) -> Vec<SharedOutput> {
    let mut found: BTreeMap<String, SharedOutput> = BTreeMap::new();
    let mut looked: BTreeMap<String, bool> = BTreeMap::new();
    for (number, task) in plan.tasks.iter().enumerate() {
        for template in saved_paths::shared(task) {
            let in_file = is_dataset(task, template);
            let all = task.family.len();
            let parts = if template.as_literal().is_some() { 1 } else { all };
            for part in 0..parts {
                let range = if parts == 1 { 0..all } else { part..part + 1 };
                let Some(path) = saved_paths::render(plan, task, template, part) else { continue };
                let file = file_of(&path, in_file).to_owned();
                let is_there =
                    *looked.entry(file).or_insert_with_key(|file| is_as_recorded(plan, state, file));
                let output = found.entry(path.clone());
                let output =
                    output.or_insert_with(|| SharedOutput { name: path, is_there, writers: Vec::new() });
                match output.writers.last_mut() {
                    Some((task, last)) if *task == number && last.end == range.start => last.end = range.end,
                    _ => output.writers.push((number, range)),
                }
            }
        }
    }
    found.into_values().collect()
}

/// Whether a file is unchanged since it was recorded as complete. For a path that is no regular file (a pipe, a device)
/// the record alone counts.
pub(crate) fn is_as_recorded(plan: &Plan, state: &JournalState, path: &str) -> bool {
    let path = saved_paths::recorded_name(&plan.dir, path);
    state.shared.get(&path).is_some_and(|known| FileStamp::of(&plan.dir, &path).as_ref() == Some(known))
}
