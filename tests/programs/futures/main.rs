//! What the tests of futures run under `mpirun`: `futures NAME`. Prints `ok NAME` on rank 0 when all is as it should
//! be.

mod bulk;
mod control;
mod waiting;

use dtask::prelude::*;
use dtask::{Config, Error, Result};

pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

pub(crate) fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Other(what.to_owned())) }
}

type Test = fn(&Client) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("as_completed", waiting::as_completed),
    ("as_completed_many", waiting::as_completed_many),
    ("as_completed_nested", waiting::as_completed_nested),
    ("wait_any", waiting::wait_any),
    ("first_error", waiting::first_error),
    ("gather_each", waiting::gather_each),
    ("on_done", waiting::on_done),
    ("names", waiting::names),
    ("retry", waiting::retry),
    ("waits_give_back", waiting::waits_give_back),
    ("cancel", control::cancel),
    ("cancel_nested", control::cancel_nested),
    ("cancel_fetch", control::cancel_fetch),
    ("timeout", control::timeout),
    ("counters", control::counters),
    ("places", control::places),
    ("refused", control::refused),
    ("view", control::view),
    ("reduce", bulk::reduce),
    ("chunks", bulk::chunks),
    ("map_reduce", bulk::map_reduce),
    ("parts", bulk::parts),
    ("containers", bulk::containers),
    ("results", bulk::results),
    ("data", bulk::data),
    ("executors", bulk::executors),
    ("huge", bulk::huge),
];

fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, test)) = TESTS.iter().find(|(known, _)| *known == name) else {
        return Err(Error::Other(format!("there is no test `{name}`")));
    };
    let (slots, head_slots) = match name.as_str() {
        // one slot in all, when rank 0 is alone or there are two ranks
        "waits_give_back" | "cancel_nested" | "timeout" => (Some(1), None),
        _ => (Some(2), None),
    };
    let ranks = std::sync::atomic::AtomicUsize::new(0);
    dtask::run_with(&Config { slots, head_slots, ..Config::default() }, |client| {
        ranks.store(client.ranks(), std::sync::atomic::Ordering::Relaxed);
        test(client)
    })?;
    if ranks.into_inner() > 0 {
        println!("ok {name}");
    }
    Ok(())
}
