//! Lending of slots while short commands run. The borrower is the next task: it stages its files meanwhile, and then
//! waits only for a core. Without that, cores are idle between two commands for as long as it takes to end the one and
//! to begin the other.
//!
//! Each rank learns which tasks have short commands from those that it has run. A command that turns out long takes its
//! slot back.

use crate::batch::task_def::TaskDef;
use crate::clock;
use crate::commands::{self, CommandError, CommandOutput, CommandSpec, RunningCommand};
use crate::runtime::threads::task_context;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// The longest run time with which a command counts as short.
const SHORT: Duration = Duration::from_millis(10);
/// The number of consecutive short commands of a task after which a running command's slot is lent to other tasks of
/// the rank. They prepare their commands meanwhile.
const RUNS: u32 = 8;

/// The recent run times of one task's commands on this rank, which tell whether they are short.
struct CommandPace {
    /// The number of consecutive commands up to now that were short.
    short: u32,
    /// The number of consecutive short commands after which slots are lent. It doubles each time that a long command
    /// comes while slots are lent.
    needed: u32,
}

/// The recent run times of commands on a rank, by task number.
#[derive(Default)]
pub(crate) struct CommandPaces(Mutex<HashMap<u32, CommandPace>>);

impl CommandPaces {
    fn are_short(&self, task: u32) -> bool {
        self.0.lock().get(&task).is_some_and(|pace| pace.short >= pace.needed)
    }

    fn note(&self, task: u32, took: Duration) {
        let mut paces = self.0.lock();
        let pace = paces.entry(task).or_insert(CommandPace { short: 0, needed: RUNS });
        if took <= SHORT {
            pace.short = pace.short.saturating_add(1);
        } else {
            if pace.short >= pace.needed {
                pace.needed = pace.needed.saturating_mul(2);
            }
            pace.short = 0;
        }
    }

    /// Drops all recorded run times at the end of a run.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// Whether an instance takes one slot of the rank and nothing else (no GPUs, memory or counted resources). Only then is
/// its slot lent, since other resources might not suffice for a borrowing task too.
fn takes_a_slot(def: &TaskDef, spec: &CommandSpec) -> bool {
    let needs = &def.task.needs;
    needs.threads.is_none()
        && needs.ranks.is_none()
        && needs.gpus == 0
        && needs.counters.is_empty()
        && spec.memory.is_none()
}

/// Runs a command to its end. If the task's commands have been short, its slot is lent meanwhile to other tasks of the
/// rank, which prepare their commands.
///
/// # Errors
/// When the command fails.
pub(crate) fn run(
    paces: &CommandPaces,
    def: &TaskDef,
    mut spec: CommandSpec,
) -> Result<CommandOutput, CommandError> {
    #[cfg(test)]
    if let Some(ended) = commands::simulated::run(&spec) {
        return ended;
    }
    if !takes_a_slot(def, &spec) {
        return commands::run(spec);
    }
    let lent = if paces.are_short(def.number) { task_context::lend() } else { None };
    // a limit of one and a half times the slots: commands that are starting or ending do not use a core all the time
    spec.room = lent.as_ref().map(|lent| lent.slots + lent.slots.div_ceil(2));
    let begin = clock::now();
    let mut running = RunningCommand::start(spec)?;
    if lent.is_some() {
        running.wait_at_most(2 * SHORT);
    }
    drop(lent);
    let output = running.wait();
    paces.note(def.number, clock::since(begin));
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_to_be_short_in_a_row_and_more_of_them_after_a_surprise() {
        let (paces, task, short, long) = (CommandPaces::default(), 1, SHORT, 2 * SHORT);
        (1..RUNS).for_each(|_| paces.note(task, short));
        assert!(!paces.are_short(task));
        paces.note(task, short);
        assert!(paces.are_short(task) && !paces.are_short(task - 1));
        paces.note(task, long);
        (1..2 * RUNS).for_each(|_| paces.note(task, short));
        assert!(!paces.are_short(task));
        paces.note(task, short);
        assert!(paces.are_short(task));
    }
}
