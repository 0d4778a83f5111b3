//! Instances of earlier runs that have no result although nothing has failed: those that `when` has skipped, and those
//! that were not needed.

use crate::batch::artifact::Absence;
use crate::batch::resume::todo::Todo;
use crate::compact::Ranges;
use std::ops::Range;

impl Todo {
    /// The reason why earlier runs have made no result of an instance that does not run, although nothing has failed.
    pub(crate) fn absence(&self, task: usize, index: u64) -> Option<Absence> {
        let [skipped, not_needed] = self.absent.get(task)?;
        let why = match (skipped.contains(index), not_needed.contains(index)) {
            (true, _) => Absence::Skipped,
            (_, true) => Absence::NotNeeded,
            (false, false) => return None,
        };
        (!self.runs(task, index)).then_some(why)
    }

    /// The numbers of instances of a task that earlier runs have skipped and have not needed, and that do not run.
    pub(crate) fn absent(&self, task: usize) -> [u64; 2] {
        let none = [Ranges::default(), Ranges::default()];
        let absent = self.absent.get(task).unwrap_or(&none);
        absent
            .each_ref()
            .map(|all| all.iter().flatten().filter(|index| !self.runs(task, *index)).count() as u64)
    }

    /// The instances that have met `until` in earlier runs, as ranges.
    pub(crate) fn met(&self, task: usize) -> impl Iterator<Item = Range<u64>> + '_ {
        self.met.get(task).into_iter().flat_map(Ranges::iter)
    }
}
