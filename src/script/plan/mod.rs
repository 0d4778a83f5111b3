//! The plan: every task of a script in an order in which the tasks can run. `batch` executes it.
//!
//! [`Plan`] is where to start; its tasks are defined in [`task`], and their texts are [`template`]s with
//! [`runtime_vars`] in them, quoted by [`shell_quote`]. [`stats`] computes fan-in, levels and the critical path,
//! [`fingerprint`] the keys of instances. Tasks refer to each other by their index in [`Plan::tasks`].

pub(crate) mod condition;
pub(crate) mod execution;
pub(crate) mod fingerprint;
pub(crate) mod runtime_vars;
pub(crate) mod shell_lexer;
pub(crate) mod shell_quote;
pub(crate) mod stats;
pub(crate) mod task;
pub(crate) mod template;
pub(crate) mod until;
use crate::script::values::policy::Policy;
use crate::script::values::settings::RunSettings;
use std::path::PathBuf;

use crate::script::diagnostics::diagnostic::Diagnostics;
use crate::script::plan::task::PlanTask;
use crate::script::sweep::join::Join;
use crate::script::values::resources::JobCounter;

/// A plan: a script that has passed all checks, compiled to tasks that the batch tool can run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The script's `name`, or the file's name without its extension.
    pub name: String,
    /// The script's folder, absolute where the script was read from a file.
    pub dir: PathBuf,
    /// The path of the script, as the user gave it.
    pub path: PathBuf,
    /// The failure policy, from the script's `[policy]` table: how many failed instances stop the run.
    pub policy: Policy,
    /// The memory and the place for scratch that the run takes of its hosts, from the script's `[settings]` table.
    pub settings: RunSettings,
    /// The counters that the script declares for the whole job, such as licences. A running instance takes some units
    /// and gives them back at its end.
    pub counters: Vec<JobCounter>,
    /// The tasks in topological order: each stands after the tasks that it needs, but for those of its own knot
    /// ([`PlanTask::knot`]). Otherwise the order of the script is kept.
    pub tasks: Vec<PlanTask>,
    /// Warnings about the script, which do not keep it from running.
    pub warnings: Diagnostics,
}

impl Plan {
    /// Returns the index in `tasks` of the task of that name; `None` if there is none.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// Finds all references to a task, as pairs: the index of the task that reads it, and the number of the reference
    /// in that task's `references`.
    pub fn consumers(&self, task: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let references = move |(at, other): (usize, &PlanTask)| {
            let numbers = other
                .references
                .iter()
                .enumerate()
                .filter(|(_, r)| r.task == task)
                .map(move |(n, _)| (at, n));
            numbers.collect::<Vec<_>>()
        };
        self.tasks.iter().enumerate().flat_map(references)
    }

    /// Returns the join from `producer` to `consumer`, against the direction of the data. For an instance of `producer`
    /// it gives the instances of `consumer` that read it. `None` if an index names no task.
    pub fn reverse(&self, producer: usize, consumer: usize) -> Option<Join> {
        Some(Join::between(&self.tasks.get(producer)?.family, &self.tasks.get(consumer)?.family))
    }

    /// Reduces the plan to some of its tasks, given by their indices, and all tasks that they need, directly or by
    /// other tasks.
    pub fn only(mut self, tasks: &[usize]) -> Plan {
        let mut wanted = vec![false; self.tasks.len()];
        tasks.iter().for_each(|at| wanted[*at] = true);
        // In a plan, a task comes after the tasks that it needs. So from the last task to the first, all that need a
        // task have marked it before its turn.
        // tasks of a knot need each other in a circle: repeated until nothing is added
        loop {
            let before = wanted.clone();
            for at in (0..self.tasks.len()).rev() {
                if wanted[at] {
                    self.tasks[at].references.iter().for_each(|reference| wanted[reference.task] = true);
                }
            }
            if wanted == before {
                break;
            }
        }
        let mut places = Vec::with_capacity(wanted.len());
        let mut next = 0;
        for wanted in &wanted {
            places.push(next);
            next += usize::from(*wanted);
        }
        let mut at = 0;
        self.tasks.retain(|_| {
            at += 1;
            wanted[at - 1]
        });
        for reference in self.tasks.iter_mut().flat_map(|task| &mut task.references) {
            reference.task = places[reference.task];
        }
        self
    }

    /// The number of instances of all tasks together, at most `u64::MAX`.
    pub fn instances(&self) -> u64 {
        self.tasks.iter().fold(0, |sum: u64, task| sum.saturating_add(task.family.len()))
    }
}
