//! Commands of a simulation: a function of the simulation in place of a process.

use super::{CommandError, CommandOutput, CommandSpec};
use crate::clock;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

type Command = Arc<dyn Fn(&CommandSpec) -> Result<CommandOutput, CommandError> + Send + Sync>;

/// The commands of all simulations of the process, by the address of their virtual time: a task may be on another
/// thread than its simulation.
static COMMANDS: Mutex<BTreeMap<usize, Command>> = Mutex::new(BTreeMap::new());

fn number() -> Option<usize> {
    Some(Arc::as_ptr(&clock::current()?).cast::<()>() as usize)
}

/// Lets `command` stand for every command of the present simulation while `run` runs.
pub(crate) fn replaced<T>(command: Command, run: impl FnOnce() -> T) -> T {
    struct RestoreCommands(usize);
    impl Drop for RestoreCommands {
        fn drop(&mut self) {
            COMMANDS.lock().remove(&self.0);
        }
    }
    let number = number().expect("the clock is simulated");
    COMMANDS.lock().insert(number, command);
    let _restore = RestoreCommands(number);
    run()
}

/// The end of the command in a simulation; `None` outside of one.
pub(crate) fn run(spec: &CommandSpec) -> Option<Result<CommandOutput, CommandError>> {
    let command = COMMANDS.lock().get(&number()?).cloned()?;
    Some(command(spec))
}
