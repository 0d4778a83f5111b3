//! Statistics of a plan: fan-in, levels, and the critical path.

use super::task::{PlanTask, Reference};
use crate::script::plan::Plan;

/// The largest number of instances of a task for which the fan-in (the number of instances that one instance reads) is
/// found by a look at each of them. Larger tasks get an estimate, unless the fan-in can be calculated.
const SEARCHED: u64 = 100_000;

impl PlanTask {
    /// Returns the fan-in of a reference: the largest number of instances that one instance of this task reads by it.
    /// Where it takes long to find, the result may be an upper bound.
    pub fn fan_in(&self, reference: &Reference) -> u64 {
        let (join, most) = (&reference.join, reference.join.gathered());
        let looked = self.family.len().saturating_mul(most.max(1));
        if join.is_arithmetic() || !join.is_gather() || looked > SEARCHED.saturating_mul(100) {
            return most;
        }
        (0..self.family.len()).map(|at| reference.instances(at).remaining()).max().unwrap_or(0)
    }
}

impl Plan {
    /// Returns the indices of the tasks that a task reads or waits for, each once, in the order of the plan.
    pub fn needs(&self, task: usize) -> Vec<usize> {
        let references = self.tasks.get(task).map_or(&[][..], |task| &task.references);
        let mut needs: Vec<usize> = references.iter().map(|reference| reference.task).collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// Returns those of [`Plan::needs`] that stand before the task: without itself, and without later ones of its knot.
    pub(crate) fn earlier(&self, task: usize) -> Vec<usize> {
        self.needs(task).into_iter().filter(|need| *need < task).collect()
    }

    /// Returns the level of each task: the number of tasks before it on the longest chain of dependencies that leads to
    /// it. Level 0 means that the task needs no other.
    pub fn levels(&self) -> Vec<usize> {
        let mut levels = vec![0; self.tasks.len()];
        for at in 0..self.tasks.len() {
            let needs = self.earlier(at);
            levels[at] = needs
                .into_iter()
                .map(|need| levels.get(need).map_or(0, |level| level + 1))
                .max()
                .unwrap_or(0);
        }
        levels
    }

    /// Returns the critical path: the longest chain of tasks in which each needs the one before, as indices in run
    /// order.
    pub fn critical_path(&self) -> Vec<usize> {
        let levels = self.levels();
        // Of several tasks at the highest level the first in the plan: `max_by_key` takes the last of equal ones.
        let Some(last) = (0..levels.len()).rev().max_by_key(|at| levels[*at]) else { return Vec::new() };
        let mut path = vec![last];
        while let Some(at) = path.last().copied().filter(|at| levels[*at] > 0) {
            let before = self.earlier(at).into_iter().find(|need| levels[*need] + 1 == levels[at]);
            match before {
                Some(need) => path.push(need),
                None => break,
            }
        }
        path.reverse();
        path
    }

    /// Returns the reference with the largest fan-in as (index of the reading task, index of the task that is read,
    /// number of instances that one instance reads). `None` means that no task reads another.
    pub fn largest_fan_in(&self) -> Option<(usize, usize, u64)> {
        let all = self.tasks.iter().enumerate().flat_map(|(at, task)| {
            task.references.iter().map(move |reference| (at, reference.task, task.fan_in(reference)))
        });
        let all: Vec<_> = all.collect();
        all.into_iter().rev().max_by_key(|(_, _, count)| *count)
    }
}
