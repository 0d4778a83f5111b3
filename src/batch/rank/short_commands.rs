//! Commands that end soon: while one runs, its slot is lent to the next, which then has its files in place and waits
//! only for a core. Without that, cores are idle between two commands for as long as it takes to end one and to begin
//! another.
//!
//! Which commands those are is learnt on each rank from those before. One that lasts longer than they did takes its
//! slot back.

use crate::batch::task_def::TaskDef;
use crate::commands::{self, CommandError, CommandOutput, CommandSpec, RunningCommand};
use crate::runtime::threads::task_context;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Commands up to this are short.
const SHORT: Duration = Duration::from_millis(10);
/// So many in a row must have been.
const RUNS: u32 = 8;

/// The pace of the commands of a task.
struct CommandPace {
    /// Short ones in a row.
    short: u32,
    /// So many are needed; doubles with each surprise.
    needed: u32,
}

/// The paces of a rank's tasks, by their numbers.
#[derive(Default)]
pub(crate) struct CommandPaces(Mutex<HashMap<u32, CommandPace>>);

impl CommandPaces {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, CommandPace>> {
        // a pace is changed in one piece
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn are_short(&self, task: u32) -> bool {
        self.lock().get(&task).is_some_and(|pace| pace.short >= pace.needed)
    }

    fn note(&self, task: u32, took: Duration) {
        let mut paces = self.lock();
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

    /// Forgets all: the run is over.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }
}

/// Whether an instance takes no more than a slot: of more, there may be too little for two.
fn takes_a_slot(def: &TaskDef, spec: &CommandSpec) -> bool {
    let needs = &def.task.needs;
    needs.threads.is_none() && needs.gpus == 0 && needs.counters.is_empty() && spec.memory.is_none()
}

/// Runs a command to its end, on a rank with these paces.
///
/// # Errors
/// Those of the command.
pub(crate) fn run(
    paces: &CommandPaces,
    def: &TaskDef,
    mut spec: CommandSpec,
) -> Result<CommandOutput, CommandError> {
    if !takes_a_slot(def, &spec) {
        return commands::run(spec);
    }
    let lent = if paces.are_short(def.number) { task_context::lend() } else { None };
    // half as many more than there are slots: those that begin or end use no core all the time
    spec.room = lent.as_ref().map(|lent| lent.slots + lent.slots.div_ceil(2));
    let begin = Instant::now();
    let mut running = RunningCommand::start(spec)?;
    if lent.is_some() {
        running.wait_at_most(2 * SHORT);
    }
    drop(lent);
    let output = running.wait();
    paces.note(def.number, begin.elapsed());
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
