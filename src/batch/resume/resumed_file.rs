//! Files to which several instances append, begun by an earlier run and completed by this one.

use crate::batch::resume::shared::{FileWriters, SharedOutput};
use crate::compact::Ranges;
use crate::journal::record::{FileStamp, GrownFile, OutputGap};
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::key_plan::KeyPlan;

/// The content of a shared file that earlier runs have written: of each task all outputs before `next`, except gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResumedFile {
    /// The path as in the journal: relative to the script's folder if the file lies below it, else absolute.
    pub name: String,
    /// The length in bytes to which the file is cut back.
    pub length: u64,
    /// The outputs of each task in the file, in the order of the tasks.
    pub parts: Vec<ResumedPart>,
    /// The number of outputs in the file.
    pub outputs: u64,
}

/// The outputs of one task in a shared file. The number of an output is twice the index of its instance, plus one for
/// standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResumedPart {
    /// The number of the task.
    pub task: usize,
    /// The number of the first output of the task that the file lacks, with all later ones.
    pub next: u64,
    /// The outputs before `next` that the file lacks.
    pub gaps: Vec<OutputGap>,
}

impl ResumedFile {
    /// Makes the description from the journal's record of a file. `None` if the file on disk no longer begins with what
    /// was recorded, or if the plan's tasks that write the file, or their order, have changed.
    pub(super) fn of(
        plan: &Plan,
        keys: &KeyPlan,
        grown: &GrownFile,
        output: &SharedOutput,
    ) -> Option<ResumedFile> {
        let number = |family: u128| keys.tasks.iter().position(|task| task.digest == family);
        let parts: Option<Vec<ResumedPart>> = grown
            .parts
            .iter()
            .map(|part| {
                Some(ResumedPart { task: number(part.family)?, next: part.next, gaps: part.gaps.clone() })
            })
            .collect();
        let parts = parts.filter(|parts| parts.is_sorted_by(|one, next| one.task < next.task))?;
        let last = parts.iter().filter(|part| part.next > 0).map(|part| part.task).next_back()?;
        let is_part = |task: usize| parts.iter().any(|part| part.task == task);
        let are_known = output.writers.iter().all(|writers| writers.task > last || is_part(writers.task));
        if !are_known || !grown.is_there(&plan.dir) {
            return None;
        }
        let file = ResumedFile { name: grown.path.clone(), length: grown.length, parts, outputs: 0 };
        let has =
            |writers: &FileWriters| writers.range.end - writers.range.start - file.lacking(writers).count();
        let outputs = output.writers.iter().map(has).sum();
        Some(ResumedFile { outputs, ..file })
    }

    /// Makes it from the stamp of a file that is complete. `None` if it is no regular file.
    pub(super) fn whole(stamp: &FileStamp, output: &SharedOutput) -> Option<ResumedFile> {
        let (length, _) = stamp.stamp?;
        let mut tasks: Vec<usize> = output.writers.iter().map(|writers| writers.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let part = |task| ResumedPart { task, next: u64::MAX, gaps: Vec::new() };
        let outputs = output.writers.iter().map(|writers| writers.range.end - writers.range.start).sum();
        let parts = tasks.into_iter().map(part).collect();
        Some(ResumedFile { name: stamp.path.clone(), length, parts, outputs })
    }

    /// The indices of the writers whose outputs the file lacks.
    pub(super) fn lacking(&self, writers: &FileWriters) -> Ranges {
        let mut lacking = Ranges::default();
        let Some(part) = self.parts.iter().find(|part| part.task == writers.task) else {
            lacking.insert_range(writers.range.clone());
            return lacking;
        };
        // the first index whose output has at least this number
        let stream = writers.number(0);
        let from = |number: u64| number.saturating_sub(stream).div_ceil(2);
        let mut add = |first: u64, end: u64| {
            lacking.insert_range(first.max(writers.range.start)..end.min(writers.range.end));
        };
        part.gaps.iter().for_each(|gap| add(from(gap.first), from(gap.last.saturating_add(1))));
        add(from(part.next), u64::MAX);
        lacking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ResumedPart {
        fn has(&self, number: u64) -> bool {
            let after = self.gaps.partition_point(|gap| gap.first <= number);
            let gap = after.checked_sub(1).and_then(|at| self.gaps.get(at));
            number < self.next && gap.is_none_or(|gap| gap.last < number)
        }
    }

    #[test]
    fn what_a_file_lacks_is_what_it_does_not_have() {
        let gaps = [(3, 3), (8, 13), (20, 20)].map(|(first, last)| OutputGap { first, last, offset: 0 });
        for next in [0, 1, 21, 22, 25, 40, u64::MAX] {
            let gaps = gaps.iter().copied().filter(|gap| gap.last < next).collect();
            let part = ResumedPart { task: 0, next, gaps };
            let file = ResumedFile { parts: vec![part.clone()], ..ResumedFile::default() };
            for stream in [0, 1] {
                let writers = FileWriters { task: 0, stream: Some(stream), range: 2..17 };
                let lacking = file.lacking(&writers);
                for index in 0..30 {
                    let lacks = writers.range.contains(&index) && !part.has(writers.number(index));
                    assert_eq!(lacking.contains(index), lacks, "{next} {stream} {index}");
                }
            }
        }
    }
}
