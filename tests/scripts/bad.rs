//! What goes wrong while a script runs: each a clear error with the right exit code, none a hang.

use super::Folder;

#[test]
fn a_failed_command_stops_only_what_needs_it() {
    let folder = Folder::script(
        r#"
[task.sim]
for   = { T = [250, 300, 350] }
shell = "echo begun {T}; echo 'no convergence' >&2; if [ {T} = 300 ]; then exit 7; fi"
[task.post]
each  = "sim"
run   = "cat {sim.stdout}"
[task.report]
run   = "cat {post.stdout}"
stdout = "report.txt"
[task.other]
run   = "echo fine"
stdout = "other.txt"
"#,
    );
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1);
        run.assert_stderr_has("error: sim[T=300] failed (s.toml:3): rank ");
        run.assert_stderr_has("exit code 7").assert_stderr_has("no convergence");
        run.assert_stderr_has("error: 1 task failed; 2 tasks were not run, because a task before has failed");
        run.assert_stderr_has("report.txt was not written");
        run.assert_stdout_has("sim          2 done, 1 failed")
            .assert_stdout_has("post         2 done, 1 not run");
        assert_eq!(folder.read("other.txt"), "fine\n");
        assert!(!folder.path("report.txt").exists());
        assert!(!run.stderr.contains('\u{1}'));
        let logs = std::fs::read_dir(folder.path("s.dtask")).expect("the run folder");
        let logs = logs
            .map(|log| log.expect("a log").path())
            .filter(|path| path.is_file() && path.to_string_lossy().contains("rank-"));
        let logs: String = logs.map(|path| std::fs::read_to_string(path).expect("a text")).collect();
        assert!(logs.contains("=== sim[T=300] attempt 1 stdout 10 bytes\nbegun 300\n"), "{logs}");
    }
}

/// Runs one task that must fail; everything in `says` is in the error.
#[track_caller]
fn fails(task: &str, says: &[&str]) {
    let folder = Folder::script(&format!("[task.t]\n{task}\n"));
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("error: t failed (s.toml:2): rank 1 (");
    for text in says {
        run.assert_stderr_has(text);
    }
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    fails("run = 'no-such-program --x'", &["program `no-such-program` not found"]);
}

#[test]
fn a_program_beside_the_script_is_named() {
    fails("run = './solver'", &["solver"]);
}

#[test]
fn a_signal_is_named() {
    fails("shell = 'kill -SEGV $$'", &["SIGSEGV"]);
}

#[test]
fn an_output_that_was_not_written_is_named() {
    fails("run = 'true'\nout = 'mesh.bin'\nsave = 'm.bin'", &["was not written", "mesh.bin"]);
}

#[test]
fn shapes_that_do_not_fit_are_told() {
    fails(
        // of two ranks, which only the run knows
        "array = 'zeros(dtask.ranks) + zeros(4)'\nstdout = 'x'",
        &["shapes (2,) and (4,)", "at `zeros(dtask.ranks) + zeros(4)`"],
    );
}

#[test]
fn a_save_that_cannot_be_is_told() {
    // what is in the way was put there by the run itself
    let folder = Folder::script(
        "[task.z]\nrun = 'touch taken'\n[task.t]\nafter = ['z']\nrun = 'echo x'\nsave = { stdout = 'taken/x.txt' }\n",
    );
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("taken/x.txt` could not be saved");
}

#[test]
fn a_result_file_that_cannot_be_is_told_and_its_outputs_are_kept() {
    let folder = Folder::script(
        "[task.z]\nrun = 'mkdir -p taken'\n[task.t]\nfor = { i = '0..3' }\nafter = ['z']\nrun = 'echo x{i}'\nstdout = 'taken'\n",
    );
    for ranks in [0, 2] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1).assert_stderr_has("error: taken could not be written: Is a directory");
        run.assert_stderr_has("; its outputs are in s.dtask/rank-0000-unwritten-0.log\n");
        assert_eq!(folder.read("s.dtask/rank-0000-unwritten-0.log"), "x0\nx1\nx2\n");
        std::fs::remove_dir(folder.path("taken")).expect("it is empty");
        // the next run makes the outputs again; the folder, which no `target` says, is not its subject
        folder.run(ranks, &["s.toml"]).assert_success().assert_stdout_has("(1 by earlier runs)");
        assert_eq!(folder.read("taken"), "x0\nx1\nx2\n");
        std::fs::remove_file(folder.path("taken")).expect("it is there");
        std::fs::remove_dir_all(folder.path("s.dtask")).expect("it is there");
    }
}

#[test]
fn many_failures_are_counted() {
    let folder = Folder::script("[task.t]\nfor = { i = '0..100' }\nshell = 'exit $(({i} + 1))'\n");
    let run = folder.run(3, &["s.toml", "-q"]);
    run.assert_code(1)
        .assert_stderr_has("error: … and 80 tasks more")
        .assert_stderr_has("error: 100 tasks failed");
    run.assert_stderr_has("error: t[i=0] failed (s.toml:2)");
    assert_eq!(run.stderr.matches("failed (s.toml").count(), 20);
    assert_eq!(run.stdout, "");
}

#[test]
fn a_run_folder_that_cannot_be_used_is_a_start_up_problem() {
    let folder = Folder::script("[task.t]\nrun = 'true'\n");
    std::fs::write(folder.path("s.dtask"), "a file").expect("written");
    for ranks in [0, 2] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(3).assert_stderr_has("s.dtask` cannot be used: it is no folder");
    }
    std::fs::remove_file(folder.path("s.dtask")).expect("removed");
    std::os::unix::fs::symlink("/tmp", folder.path("s.dtask")).expect("a link");
    folder.run(0, &["s.toml"]).assert_code(3);
}
