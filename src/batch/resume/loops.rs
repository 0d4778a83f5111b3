//! Loops that stop by `until`, in what earlier runs have left: where each has ended, and what is behind its end.

use crate::batch::resume::known::KnownTask;
use crate::compact::Ranges;
use crate::script::plan::task::PlanTask;
use crate::script::plan::until::Until;

/// Adds the instances behind the ends of loops to those that are `done`: an earlier run did not need them.
pub(super) fn note_behind(task: &PlanTask, until: &Until, known: &KnownTask, done: &mut Ranges) {
    for met in known.met.iter().flatten().filter(|met| known.done.contains(*met)) {
        let Some((chain, position)) = until.place(&task.family, met) else { continue };
        if until.axis.stride == 1
            && let Some(last) = until.length(&task.family, chain).checked_sub(1)
            && let Some(last) = until.instance(&task.family, chain, last)
        {
            done.insert_range(met + 1..last + 1);
            continue;
        }
        let behind = (position + 1..).map_while(|position| until.instance(&task.family, chain, position));
        behind.for_each(|instance| _ = done.insert(instance));
    }
}

/// Whether a set has an instance of the loop on which `instance` stands.
pub(super) fn has_on_loop(task: &PlanTask, instance: u64, set: &Ranges) -> bool {
    let Some(until) = &task.until else { return false };
    let Some((chain, _)) = until.place(&task.family, instance) else { return false };
    let mut all = (0..).map_while(|position| until.instance(&task.family, chain, position));
    all.any(|instance| set.contains(instance))
}

/// The last instance of the loop on which `first` stands, which has come to its end: the first one of those that have
/// `met` the condition, or else the last one of the range.
pub(super) fn last_of_loop(task: &PlanTask, met: Option<&Ranges>, first: u64) -> Option<u64> {
    let until = task.until.as_ref()?;
    let (chain, _) = until.place(&task.family, first)?;
    let mut last = None;
    for instance in (0..).map_while(|position| until.instance(&task.family, chain, position)) {
        last = Some(instance);
        if met.is_some_and(|met| met.contains(instance)) {
            break;
        }
    }
    last
}

/// The last of the instances of a loop for which `is` holds.
pub(super) fn last_that(task: &PlanTask, first: u64, is: impl Fn(u64) -> bool) -> Option<u64> {
    let until = task.until.as_ref()?;
    let (chain, _) = until.place(&task.family, first)?;
    let mut positions = (0..until.length(&task.family, chain)).rev();
    positions
        .find_map(|position| until.instance(&task.family, chain, position).filter(|instance| is(*instance)))
}
