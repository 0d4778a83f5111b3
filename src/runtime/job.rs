//! One task on a compute thread.

use crate::call::Value;
use crate::call::args::Arguments;
use crate::call::code::Record;
use crate::error::{CodecError, Failure, TaskError, bounded};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{Blob, Output};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Instant;

/// A definition as a rank has learnt it.
#[derive(Debug, Clone)]
pub struct Learnt {
    /// The function, or why it cannot be called.
    pub function: Result<&'static Record, CodecError>,
    /// Its name.
    pub name: String,
    /// Arguments that all instances share.
    pub shared: Blob,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({})", self.name())
    }
}

/// Where tasks run, as their errors say.
#[derive(Debug, Clone)]
pub struct Place {
    /// The rank.
    pub rank: Rank,
    /// Its host.
    pub host: Arc<str>,
}

/// A task with all that it needs.
#[derive(Debug)]
pub struct Job {
    /// Its number.
    pub task: TaskId,
    /// Which start of it this is.
    pub attempt: Attempt,
    /// Its definition's number.
    pub def: DefId,
    /// Its definition.
    pub learnt: Arc<Learnt>,
    /// Its own arguments.
    pub args: Blob,
    /// The results that it takes.
    pub inputs: SmallVec<[Value; 2]>,
}

/// A result with its value, where that is kept in the store.
pub type Outcome = Result<(Output, Option<Value>), TaskError>;

/// A task that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub task: TaskId,
    /// Which start of it.
    pub attempt: Attempt,
    /// Its definition's number.
    pub def: DefId,
    /// Time in its function, in nanoseconds.
    pub nanos: u32,
    /// What came out.
    pub result: Outcome,
}

impl Job {
    /// Computes the task. A panic in its function is its error.
    pub fn run(self, place: &Place) -> Ended {
        let begin = Instant::now();
        // a thread that waits inside a task may run another one meanwhile
        let outer = CURRENT.replace(Some((place.rank, self.attempt)));
        let outcome = match &self.learnt.function {
            Ok(record) => call(record, &self.learnt.shared, &self.args, &self.inputs),
            Err(error) => Err(Failure::new(error)),
        };
        CURRENT.set(outer);
        let nanos = u32::try_from(begin.elapsed().as_nanos()).unwrap_or(u32::MAX);
        let result = outcome.map_err(|failure| TaskError {
            message: bounded(failure.0),
            task: self.learnt.name.clone(),
            rank: place.rank,
            host: place.host.to_string(),
            attempt: self.attempt,
        });
        Ended { task: self.task, attempt: self.attempt, def: self.def, nanos, result }
    }
}

thread_local! {
    static CURRENT: Cell<Option<(Rank, Attempt)>> = const { Cell::new(None) };
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The rank that computes the task of the calling thread, and which start of the task this is; nothing outside of tasks.
pub fn current() -> Option<(Rank, Attempt)> {
    CURRENT.get()
}

fn call(
    record: &Record,
    shared: &Blob,
    args: &Blob,
    inputs: &[Value],
) -> Result<(Output, Option<Value>), Failure> {
    quiet_panics();
    PANICKED_AT.set(None);
    let outer = IN_TASK.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| record.call(&mut Arguments::new(shared, args, inputs))));
    IN_TASK.set(outer);
    outcome.unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        let place = PANICKED_AT.take().map(|at| format!(", at {at}")).unwrap_or_default();
        Err(Failure(format!("the task panicked: {text}{place}")))
    })
}

/// Notes where a task panics, for its error, instead of printing it on some rank's terminal.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IN_TASK.get() {
                let at = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
                PANICKED_AT.set(at);
            } else {
                before(info);
            }
        }));
    });
}
