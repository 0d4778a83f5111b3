//! What a program does with futures, on real ranks: waits, control, data, bulk.

mod common;

use common::mpirun::{Mpirun, Outcome};
use std::path::PathBuf;
use std::time::Duration;

fn program() -> PathBuf {
    let command = PathBuf::from(env!("CARGO_BIN_EXE_dtask"));
    let path = command.parent().expect("a folder").join("examples/test_futures");
    assert!(path.exists(), "{} is not there: `cargo test` builds it", path.display());
    path
}

/// A test that must succeed alone and on 2 and 4 ranks.
fn on_all(name: &str) -> [Outcome; 3] {
    let ok = format!("ok {name}");
    [1, 2, 4].map(|ranks| {
        let run = Mpirun::new(ranks).program(program()).args([name]).limit(Duration::from_secs(100)).run();
        run.assert_success().assert_stdout_has(&ok);
        run
    })
}

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            on_all(stringify!($name));
        }
    )*};
}

tests! {
    as_completed
    as_completed_many
    as_completed_nested
    wait_any
    first_error
    gather_each
    names
    retry
    waits_give_back
    cancel
    cancel_nested
    cancel_fetch
    timeout
    counters
    places
    refused
    view
    reduce
    chunks
    map_reduce
    parts
    containers
    results
    data
    executors
}

/// Takes 6 GiB of memory and some time: `DTASK_HUGE=1 cargo test --test futures huge`.
#[test]
fn huge() {
    if std::env::var_os("DTASK_HUGE").is_none() {
        return;
    }
    let run = Mpirun::new(2).program(program()).args(["huge"]).limit(Duration::from_secs(600)).run();
    run.assert_success().assert_stdout_has("ok huge");
}

#[test]
fn on_done() {
    for run in on_all("on_done") {
        run.assert_stdout_has("last: Some(200)").assert_stderr_has("a panic is printed");
    }
}
