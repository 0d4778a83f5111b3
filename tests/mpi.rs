//! Real ranks: a table of (ranks, program, arguments, exit code, what is printed).

mod common;

use common::mpirun::{Mpirun, Outcome};
use std::path::PathBuf;
use std::time::Duration;

/// The path of an example, which `cargo test` has built beside the command.
fn example(name: &str) -> PathBuf {
    let command = PathBuf::from(env!("CARGO_BIN_EXE_dtask"));
    let path = command.parent().expect("a folder").join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not there: `cargo test` builds it, `cargo test --test mpi` does not",
        path.display()
    );
    path
}

fn bodies(ranks: usize, args: &[&str]) -> Outcome {
    Mpirun::new(ranks).program(example("test_bodies")).args(args).limit(Duration::from_secs(100)).run()
}

/// A body of the test program that must succeed on 1 to 4 ranks.
fn on_all(args: &[&str]) {
    for ranks in 1..=4 {
        bodies(ranks, args).assert_success().assert_stdout_has(&format!("ok {}", args[0]));
    }
}

#[test]
fn random_graphs_give_the_serial_results() {
    for seed in ["1", "2", "3"] {
        on_all(&["graph", seed]);
    }
}

#[test]
fn errors_say_what_where_and_why() {
    for ranks in 1..=4 {
        let run = bodies(ranks, &["errors"]);
        run.assert_success().assert_stdout_has("ok errors");
        run.assert(!run.stderr.contains("panicked at"), "a panic is its task's error, and is not printed");
    }
}

#[test]
fn values_of_all_kinds_travel() {
    on_all(&["types"]);
}

#[test]
fn equal_bytes_of_another_type_or_shape_are_another_value() {
    on_all(&["values"]);
}

#[test]
fn thousands_of_inputs() {
    on_all(&["fan_in"]);
}

#[test]
fn large_results() {
    on_all(&["large"]);
}

#[test]
fn many_tasks_long_chains_and_families() {
    on_all(&["many"]);
}

#[test]
fn retries_and_timeouts() {
    on_all(&["retries"]);
    on_all(&["timeout"]);
}

#[test]
fn tasks_submit_tasks_and_wait_for_them() {
    on_all(&["nested"]);
}

#[test]
fn a_rank_makes_its_own_value_once() {
    on_all(&["locals"]);
}

#[test]
fn random_nested_graphs_give_the_serial_results() {
    for seed in ["1", "2", "3"] {
        on_all(&["nested_graph", seed]);
    }
}

#[test]
fn inside_a_program_that_has_mpi_itself() {
    on_all(&["run_on"]);
}

#[test]
fn without_mpirun_there_is_one_rank() {
    for body in ["types", "run_on"] {
        let run = Mpirun::singleton().program(example("test_bodies")).args([body]).run();
        run.assert_success().assert_stdout_has(&format!("ok {body}"));
    }
}

#[test]
fn examples_run() {
    for ranks in 1..=4 {
        let tree = Mpirun::new(ranks).program(example("tree")).args(["16", "100000"]).run();
        tree.assert_success().assert_stdout_has("as computed serially: true");
        let adhoc = Mpirun::new(ranks).program(example("adhoc")).run();
        adhoc.assert_success().assert_stdout_has("y = 20").assert_stdout_has("27 reaches 1 after 111 steps");
        adhoc.assert_stdout_has("7 is odd").assert_stdout_has("squares = [9, 16, 25]");
        adhoc.assert_stdout_has("<Future: status: error, type: i64, key: halve-");
    }
}

#[test]
fn the_closure_decides_the_exit_code() {
    for ranks in [1, 3] {
        bodies(ranks, &["closure_fails"]).assert_code(1).assert_stderr_has("the closure has had enough");
        bodies(ranks, &["closure_panics"]).assert_code(101).assert_stderr_has("the closure panics");
    }
}

#[test]
fn a_rank_that_dies_ends_the_job() {
    let run = bodies(3, &["rank_dies"]);
    // as the launcher says it: rank 1 was ended by SIGABRT; that of MPICH does not add 128
    run.assert([128 + 6, 6].contains(&run.code()), "the code tells of the signal");
    run.assert(!run.stdout.contains("ok rank_dies"), "the run has not gone on");
    run.assert(run.elapsed < Duration::from_secs(30), "the end comes soon");
}

#[test]
fn ranks_with_different_executables_stop_with_code_3_and_one_line() {
    let other = example("adhoc").display().to_string();
    let run = Mpirun::new(1).program(example("tree")).args([":", "-n", "2", other.as_str()]).run();
    run.assert_code(3);
    let lines: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("dtask: ")).collect();
    run.assert(lines.len() == 1, "one line");
    run.assert(lines[0].contains("rank 1") && lines[0].contains("another executable"), "it says who and why");
}

#[test]
fn builds_that_differ_in_their_data_alone_do_not_meet() {
    use std::os::unix::fs::PermissionsExt;
    let text = b"as computed serially";
    let mut program = std::fs::read(example("tree")).expect("the example");
    let places: Vec<usize> =
        (0..program.len() - text.len()).filter(|at| program[*at..].starts_with(text)).collect();
    assert!(!places.is_empty(), "the text is not in the program");
    for at in places {
        program[at] = b'A';
    }
    let dir = tempfile::tempdir().expect("a folder");
    let other = dir.path().join("tree");
    std::fs::write(&other, program).expect("written");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let other = other.display().to_string();
    let run = Mpirun::new(1).program(example("tree")).args([":", "-n", "1", other.as_str()]).run();
    run.assert_code(3).assert_stderr_has("another executable");
}

#[test]
fn the_transport_moves_everything() {
    for ranks in 1..=4 {
        let run = Mpirun::new(ranks).program(example("test_transport")).limit(Duration::from_secs(100)).run();
        run.assert_success();
    }
}
