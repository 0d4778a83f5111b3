//! Counts of the instances that are done, have failed, and are left, for `dtask status`.

use crate::batch::resume::known::KnownInstances;
use crate::batch::resume::todo::Todo;
use crate::compact::Ranges;
use crate::script::plan::Plan;

/// The numbers of instances of one task, by their state in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TaskProgress {
    /// The number of instances that the next run would skip.
    pub done: u64,
    /// The number of instances that have failed.
    pub failed: u64,
    /// The number of instances that cannot run, since an instance that they read has failed.
    pub blocked: u64,
    /// The number of all other instances, which the next run would run.
    pub left: u64,
}

/// Counts the instances of each task of a plan. Tasks that gather an optional family
/// (whose instances are allowed to fail) are not held up by its failures.
pub(crate) fn progress(plan: &Plan, known: &KnownInstances, todo: &Todo) -> Vec<TaskProgress> {
    let mut without: Vec<Ranges> = Vec::with_capacity(plan.tasks.len());
    let mut counts = Vec::with_capacity(plan.tasks.len());
    for (number, task) in plan.tasks.iter().enumerate() {
        let mut own = Ranges::default();
        for index in known.tasks.get(number).iter().flat_map(|known| known.failed.keys()) {
            if todo.runs(number, *index) {
                own.insert(*index);
            }
        }
        let failed = own.count();
        for reference in &task.references {
            let Some(lost) = without.get(reference.task).filter(|lost| !lost.is_empty()) else { continue };
            let is_optional = plan.tasks.get(reference.task).is_some_and(|other| other.optional);
            if is_optional && reference.join.is_gather() {
                continue;
            }
            for index in todo.from(number, 0).flatten() {
                if reference.instances(index).any(|input| lost.contains(input)) {
                    own.insert(index);
                }
            }
        }
        let (run, all) = (todo.from(number, 0).map(|run| run.end - run.start).sum::<u64>(), own.count());
        let done = task.family.len() - run;
        counts.push(TaskProgress { done, failed, blocked: all - failed, left: run.saturating_sub(all) });
        without.push(own);
    }
    counts
}
