//! Statistics of a plan: fan-in, levels, and the critical path.

use super::task::{PlanTask, Reference};
use crate::script::plan::Plan;

/// The largest family whose instances are searched one by one for their fan-in, where it does not follow from
/// arithmetic.
const SEARCHED: u64 = 100_000;

impl PlanTask {
    /// Returns the largest number of instances that one instance reads by a reference. For families above 100 000
    /// instances it may be an upper bound.
    pub fn fan_in(&self, reference: &Reference) -> u64 {
        if reference.join.is_arithmetic() || !reference.join.is_gather() || self.family.len() > SEARCHED {
            return reference.join.gathered();
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

    /// Returns the level of each task: the number of tasks before it on the longest path to it. 0 means that it needs
    /// none.
    pub fn levels(&self) -> Vec<usize> {
        let mut levels = vec![0; self.tasks.len()];
        for at in 0..self.tasks.len() {
            let needs = self.needs(at);
            levels[at] = needs
                .into_iter()
                .map(|need| levels.get(need).map_or(0, |level| level + 1))
                .max()
                .unwrap_or(0);
        }
        levels
    }

    /// Returns the longest chain of tasks that wait for each other (the critical path), in the order in which they run.
    pub fn critical_path(&self) -> Vec<usize> {
        let levels = self.levels();
        // The first of the deepest tasks, so that the answer is the same every time.
        let Some(last) = (0..levels.len()).rev().max_by_key(|at| levels[*at]) else { return Vec::new() };
        let mut path = vec![last];
        while let Some(at) = path.last().copied().filter(|at| levels[*at] > 0) {
            let before = self.needs(at).into_iter().find(|need| levels[*need] + 1 == levels[at]);
            match before {
                Some(need) => path.push(need),
                None => break,
            }
        }
        path.reverse();
        path
    }

    /// Returns the reference with the largest fan-in as (task, task that is read, number of instances); `None` where no
    /// task refers to another.
    pub fn largest_fan_in(&self) -> Option<(usize, usize, u64)> {
        let all = self.tasks.iter().enumerate().flat_map(|(at, task)| {
            task.references.iter().map(move |reference| (at, reference.task, task.fan_in(reference)))
        });
        let all: Vec<_> = all.collect();
        all.into_iter().rev().max_by_key(|(_, _, count)| *count)
    }
}
