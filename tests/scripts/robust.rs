//! Two runs at once, readers that have gone, sizes beyond reason.

use super::Folder;
use super::signals::eventually;
use std::process::{Command, Stdio};

/// `dtask` alone in the folder, writing where `to` says.
fn dtask(folder: &Folder, args: &[&str], stdout: Stdio, stderr: Stdio) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtask"));
    command.args(args).current_dir(folder.dir.path()).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    command
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_second_run_in_the_same_folder_is_refused_and_the_first_goes_on() {
    let folder = Folder::script(
        "name = 'both'\n[task.first]\nshell = 'echo begun > begun; while [ ! -e go ]; do sleep 0.02; done; echo done'\n",
    );
    std::fs::write(folder.path("b.toml"), "dtask = 1\nname = 'both'\n[task.second]\nrun = 'true'\n")
        .expect("written");
    let mut first =
        dtask(&folder, &["s.toml"], Stdio::null(), Stdio::null()).spawn().expect("the first run starts");
    eventually("the first run has begun", || folder.path("begun").exists());
    for ranks in [0, 2] {
        let second = folder.run(ranks, &["b.toml"]);
        second
            .assert_code(3)
            .assert_stderr_has(&format!("another run of `both` (process {} on ", first.id()))
            .assert_stderr_has("both.dtask");
    }
    std::fs::write(folder.path("go"), "").expect("written");
    assert_eq!(first.wait().expect("it ends").code(), Some(0));
    assert!(folder.read("both.dtask/rank-0000.log").contains("done"));
    // nobody uses it any more
    folder.run(0, &["b.toml"]).assert_success();
    assert!(
        folder.read("both.dtask/run.1/rank-0000.log").contains("done"),
        "the log of the run before is gone"
    );
    assert!(!folder.path("both.dtask/lock").exists(), "a lock is left");
}

#[test]
fn a_run_folder_that_was_removed_is_made_again_for_the_log() {
    let folder = Folder::script("[task.a]\nshell = 'rm -r {dtask.here}/s.dtask; echo still here'\n");
    folder.run(0, &["s.toml"]).assert_success();
    assert!(folder.read("s.dtask/rank-0000.log").contains("still here"));
}

#[test]
fn nobody_has_to_read_what_is_told() {
    let folder = Folder::script("[task.a]\nrun = 'echo a'\nstdout = 'a.txt'\n");
    let run = |args: &[&str], stdout, stderr| {
        dtask(&folder, args, stdout, stderr).status().expect("dtask starts").code()
    };
    assert_eq!(run(&["s.toml", "-vv"], closed(), closed()), Some(0));
    assert_eq!(folder.read("a.txt"), "a\n");
    assert_eq!(run(&["check", "s.toml"], closed(), Stdio::null()), Some(0));
    assert_eq!(run(&["check", "no.toml"], Stdio::null(), closed()), Some(2));
    assert_eq!(run(&["--version"], closed(), Stdio::null()), Some(0));
    assert_eq!(run(&[], closed(), closed()), Some(2));
}

#[test]
fn slots_beyond_reason_are_refused_with_the_reason() {
    let folder = Folder::script("[task.a]\nrun = 'true'\n");
    for (flag, count) in [("--head-slots", "99999999"), ("--slots", "4000000000"), ("--slots", "0")] {
        let run = folder.run(0, &["s.toml", flag, count]);
        run.assert_code(2).assert_stderr_has(flag).assert_stderr_has("each slot is a thread");
    }
}

#[test]
fn check_is_told_by_one_rank() {
    let folder = Folder::script("[task.a]\nrun = 'true'\n");
    let run = folder.run(3, &["check", "s.toml"]);
    run.assert_success();
    run.assert(run.stdout.matches("no errors").count() == 1, "one rank speaks");
    let folder = Folder::script("[task.a]\nrn = 'true'\n");
    let run = folder.run(3, &["check", "s.toml"]);
    run.assert_code(2);
    run.assert(run.stderr.matches("unknown key `rn`").count() == 1, "one rank speaks");
}

#[test]
fn equal_errors_are_told_once() {
    let folder = Folder::script(
        "[task.x]\nfor = { i = '0..16' }\nshell = 'echo no licence >&2; exit 3'\n\
         [task.y]\nfor = { i = '0..3' }\nshell = 'exit {i}'\n",
    );
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("error: x[i=0]");
    run.assert(run.stderr.matches("error: x[").count() == 1, "one line for all");
    run.assert(run.stderr.matches("error: y[").count() == 2, "other errors have their own");
    run.assert_stderr_has("error: 18 tasks failed");
}

#[test]
fn progress_counts_what_the_summary_counts() {
    let folder = Folder::script(
        "[task.x]\nfor = { i = '0..16' }\narray = 'random(10, seed = i)'\n[task.total]\nreduce = { of = 'x', with = 'add' }\n\
         [task.show]\narray = 'total[0:6]'\nstdout = 'total.txt'\n",
    );
    let run = folder.run(3, &["s.toml"]);
    run.assert_success().assert_stdout_has(": 18 tasks done in");
    run.assert_stderr_has(": 18 of 18 tasks done, 0 running, 0 waiting, 0 failed");
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..4' }\nshell = 'test {i} -lt 2; echo {i} > {out}'\nout = 'o'\n\
         [task.b]\neach = 'a'\nrun = 'cat {a}'\nstdout = 'b{i}.txt'\n[task.all]\nrun = 'cat {b.stdout}'\n",
    );
    let run = folder.run(3, &["s.toml"]);
    run.assert_code(1).assert_stdout_has(": 4 tasks done in");
    run.assert_stderr_has(": 4 of 9 tasks done, 0 running, 0 waiting, 2 failed, 3 not run");
}
