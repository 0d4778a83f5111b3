//! The library's promises on real ranks.

mod common;

use common::mpirun::{Mpirun, Outcome};
use std::path::PathBuf;
use std::time::Duration;

fn program() -> PathBuf {
    let command = PathBuf::from(env!("CARGO_BIN_EXE_dtask"));
    let path = command.parent().expect("a folder").join("examples/test_library");
    assert!(path.exists(), "{} is not there: `cargo test` builds it", path.display());
    path
}

fn library(ranks: usize, args: &[&str]) -> Outcome {
    Mpirun::new(ranks).program(program()).args(args).limit(Duration::from_secs(100)).run()
}

/// A test that must succeed alone and on 3 ranks.
fn on_both(args: &[&str]) -> [Outcome; 2] {
    let ok = format!("ok {}", args[0]);
    [1, 3].map(|ranks| {
        let run = library(ranks, args);
        run.assert_success().assert_stdout_has(&ok);
        run
    })
}

#[test]
fn a_future_that_is_dropped_too_early_is_told_once_with_its_place() {
    for run in on_both(&["dropped"]) {
        run.assert_stderr_has("a future of `after`").assert_stderr_has("tests/programs/library.rs:");
        run.assert(run.stderr.matches("was dropped before").count() == 1, "it is said once");
    }
}

#[test]
fn what_is_forgotten_runs_to_its_end() {
    for run in on_both(&["forgotten"]) {
        run.assert(!run.stderr.contains("dropped before"), "nothing was dropped");
    }
}

#[test]
fn the_failure_of_what_nobody_holds_is_printed() {
    for run in on_both(&["unheard"]) {
        run.assert_stderr_has("nobody listens").assert_stderr_has("attempt 1");
    }
}

#[test]
fn nothing_computes_when_the_run_has_ended() {
    on_both(&["ends"]);
}

#[test]
fn what_somebody_holds_runs_to_its_end() {
    on_both(&["held"]);
}

#[test]
fn tasks_that_poll_let_their_children_run() {
    on_both(&["poll"]);
}

#[test]
fn a_task_that_ends_its_process_is_named() {
    for (how, function, why) in [
        ("overflow", "overflows", "stack overflow"),
        ("abort", "aborts", "SIGABRT"),
        ("exit", "exits", "`exit`"),
    ] {
        let alone = Mpirun::singleton().program(program()).args(["dies", how]).run();
        for run in [alone, library(3, &["dies", how])] {
            run.assert_stderr_has(&format!("the task `{function}`")).assert_stderr_has(why);
            run.assert(run.code() != 0, "the job has not succeeded");
            run.assert(run.elapsed < Duration::from_secs(30), "the end comes soon");
        }
    }
}

#[test]
fn the_stack_of_a_task_is_as_large_as_was_asked_for() {
    on_both(&["stack"]);
}

#[test]
fn a_large_result_is_shared_or_moved() {
    on_both(&["copies"]);
}

#[test]
fn no_row_is_wrong_that_leaves_a_field_out() {
    on_both(&["encoding"]);
}

#[test]
fn a_rank_that_is_silent_is_told_and_told_again_when_it_is_back() {
    let run = library(3, &["silence"]);
    run.assert_success().assert_stderr_has("nothing has come from rank 2 (");
    run.assert_stderr_has("rank 2 (").assert_stderr_has("is heard again");
    let told = run.stderr.matches("nothing has come").count();
    run.assert(told == 1, "it is said once");
}

#[test]
fn a_rank_that_does_not_call_run_on_is_named() {
    let run = library(4, &["absent"]);
    run.assert_stderr_has("rank 2 of the communicator has not called `dtask::run_on` within 2s");
    run.assert_stderr_has("these have: 0 (").assert_stderr_has("rank 0, or rank 1, says which have not");
    run.assert(run.elapsed < Duration::from_secs(30), "the end comes soon");
}

#[test]
fn nested_calls_go_two_thousand_deep() {
    for run in on_both(&["depth", "2000"]) {
        run.assert(run.elapsed < Duration::from_secs(60), "the depth takes its time");
    }
}

#[test]
fn small_results_come_whole() {
    on_both(&["gather"]);
}
