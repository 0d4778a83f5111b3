//! `dtask log`, the logs of earlier runs, and scripts from standard input.

use super::Folder;

/// `dtask log` with these arguments.
fn log(folder: &Folder, args: &[&str]) -> super::Outcome {
    folder.dtask(0).args(["log"]).args(args).run()
}

#[test]
fn a_log_that_has_nothing_says_why() {
    let folder = Folder::script(
        r#"
[task.quiet]
for    = { i = "0..3" }
run    = "true"
[task.talks]
run    = "sh -c 'echo only here >&2'"
[task.file]
run    = "echo x"
stdout = "x.txt"
"#,
    );
    log(&folder, &["s.toml", "quiet"]).assert_code(1).assert_stderr_has("`s.toml` has not run");
    folder.run(3, &["s.toml"]).assert_success();
    log(&folder, &["s.toml", "quiet"])
        .assert_code(1)
        .assert_stderr_has("nothing that `quiet` has written to stdout; it has run, and printed nothing");
    log(&folder, &["s.toml", "quiet[i=2]", "--stderr"]).assert_code(1).assert_stderr_has("printed nothing");
    log(&folder, &["s.toml", "talks"]).assert_code(1).assert_stderr_has(&format!(
        "but to stderr: {} log s.toml talks --stderr",
        env!("CARGO_BIN_EXE_dtask")
    ));
    log(&folder, &["s.toml", "file"])
        .assert_code(1)
        .assert_stderr_has("it goes to a file, as the script says");
    log(&folder, &["s.toml", "quiet[i=7]"]).assert_code(2).assert_stderr_has(
        "the task `quiet` has no instance `quiet[i=7]`; its 3 instances are quiet[i=0] .. quiet[i=2]",
    );
    log(&folder, &["s.toml", "quite"])
        .assert_code(2)
        .assert_stderr_has("no task `quite`, and the log has none; did you mean `quiet`?");
    log(&folder, &["s.toml"])
        .assert_success()
        .assert_stdout_has("run 0  ended ")
        .assert_stdout_has(" with exit code 0: 5 tasks done");
    let silent = Folder::script("[task.a]\nrun = 'true'\n");
    silent.run(0, &["s.toml"]).assert_success();
    log(&silent, &["s.toml", "a"]).assert_code(1).assert_stderr_has("it has run, and printed nothing");
}

#[test]
fn a_failure_without_output_is_found_in_the_table() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..2' }\nrun = './none{i}'\n[task.b]\nrun = 'cat {a.stdout}'\n",
    );
    folder.run(0, &["s.toml"]).assert_code(1);
    log(&folder, &["s.toml", "a[i=1]"])
        .assert_code(1)
        .assert_stderr_has("it failed: no program, program `./none1` not");
    log(&folder, &["s.toml", "b"]).assert_code(1).assert_stderr_has("it has printed nothing, or was not run");
}

#[test]
fn logs_are_read_whatever_has_become_of_the_script() {
    for name in ["", "name = 'other'\n"] {
        let folder = Folder::script(&format!("{name}[task.a]\nrun = 'echo printed'\n"));
        folder.run(0, &["s.toml"]).assert_success();
        let own = if name.is_empty() { "s.dtask" } else { "other.dtask" };
        assert_eq!(log(&folder, &[own, "a"]).assert_success().stdout, "printed\n");
        // a mistake, then a file that is no TOML
        for text in ["[task.a]\nrun = 'echo {x}'\n", "[task.a]\nrun = 'x\n"] {
            std::fs::write(folder.path("s.toml"), format!("dtask = 1\n{name}{text}")).expect("written");
            let run = log(&folder, &["s.toml", "a"]);
            assert_eq!(run.assert_success().stdout, "printed\n");
            run.assert_stderr_has("note: `s.toml` has 1 error now, see `")
                .assert_stderr_has("dtask check s.toml`;");
        }
        std::fs::remove_file(folder.path("s.toml")).expect("removed");
        if name.is_empty() {
            let run = log(&folder, &["s.toml", "a"]);
            assert_eq!(run.assert_success().stdout, "printed\n");
            run.assert_stderr_has("there is no script `s.toml` any more");
        } else {
            log(&folder, &["s.toml", "a"]).assert_code(2).assert_stderr_has("there is no script `s.toml`");
        }
    }
    let never = Folder::script("[task.a]\nrn = 'x'\n");
    log(&never, &["s.toml", "a"]).assert_code(2).assert_stderr_has("unknown key `rn`");
}

#[test]
fn the_logs_of_the_last_five_runs_are_kept() {
    let folder = Folder::script("[vars]\nn = 0\n[task.a]\nshell = 'echo {n}; echo {n} >&2; exit {n}'\n");
    for n in 0..7 {
        let n = format!("n={n}");
        let run = folder.run(2, &["s.toml", "--set", &n]);
        assert_eq!(run.code(), i32::from(n != "n=0"));
    }
    for (run, n) in [("0", "6\n"), ("1", "5\n"), ("4", "2\n")] {
        assert_eq!(log(&folder, &["s.toml", "a", "--run", run]).assert_success().stdout, n);
    }
    log(&folder, &["s.toml", "a", "--run", "5"]).assert_code(1).assert_stderr_has(
        "the logs of run 5 are not kept; there are those of run 0, 1, 2, 3, 4, where 0 is the last one",
    );
    let list = log(&folder, &["s.toml"]);
    list.assert_success().assert_stdout_has("run 4  ended ").assert_stdout_has("s.dtask/run.4/failures.tsv");
    // a run that is refused leaves them as they are
    std::fs::write(folder.path("s.toml"), "dtask = 1\n[task.a]\nrun = 'true'\nthreads = 4000\n")
        .expect("written");
    folder.run(0, &["s.toml"]).assert_code(2).assert_stderr_has("could never run");
    assert_eq!(log(&folder, &["s.dtask", "a"]).assert_success().stdout, "6\n");
}

#[test]
fn a_log_does_not_fill_the_disk() {
    let folder = Folder::script(
        r#"
[policy]
log-limit = "2 kB"
log-total = "40 kB"
[task.long]
shell = "echo begin; seq 100000; echo end"
[task.many]
for   = { i = "0..200" }
shell = "seq 300; exit 1"
"#,
    );
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1).assert_stdout_has("are not in it: it is full, see `log-total` in `[policy]`");
    let names = std::fs::read_dir(folder.path("s.dtask")).expect("the run folder");
    let logs = names.flatten().filter(|entry| entry.path().extension().is_some_and(|ending| ending == "log"));
    let length: u64 = logs.map(|log| log.metadata().expect("a file").len()).sum();
    assert!(length < 42_000, "{length}");
    let long = log(&folder, &["s.toml", "long"]);
    let text = &long.assert_success().stdout;
    assert!(text.starts_with("begin\n1\n") && text.ends_with("100000\nend\n"), "{text}");
    assert!(text.len() < 2_200 && text.contains("bytes are left out here, see `log-limit`"), "{text}");
    assert_eq!(folder.read("s.dtask/failures.tsv").lines().count(), 201);
}

#[test]
fn a_script_comes_from_standard_input() {
    let text = "dtask = 1\n[task.a]\nfor = { c = { csv = 'cases.csv' } }\nshell = 'echo {c.id}; exit {c.code}'\n\
                [task.b]\nrun = 'echo saved'\nstdout = 'b.txt'\n";
    for name in ["-", "/dev/stdin"] {
        for ranks in [0, 3] {
            let folder = Folder::empty();
            std::fs::write(folder.path("piped"), text).expect("written");
            std::fs::write(folder.path("cases.csv"), "id,code\nA1,0\nB2,4\n").expect("written");
            let dtask =
                |args: &[&str], ranks| folder.dtask(ranks).args(args).stdin(folder.path("piped")).run();
            let run = dtask(&[name], ranks);
            run.assert_code(1)
                .assert_stderr_has("error: a[c.id=B2] failed (stdin:2)")
                .assert_stderr_has("dtask log stdin.dtask 'a[c.id=B2]'\n")
                .assert_stdout_has("log     stdin.dtask/rank-*.log");
            assert_eq!(folder.names(), ["b.txt", "cases.csv", "piped"]);
            assert_eq!(log(&folder, &["stdin.dtask", "a[c.id=B2]"]).assert_success().stdout, "B2\n");
            dtask(&["check", name], 0).assert_success().assert_stdout_has("2 tasks, 3 instances, no errors");
            std::fs::write(folder.path("piped"), "dtask = 1\n[task.a]\nrn = 'x'\n").expect("written");
            dtask(&[name], ranks).assert_code(2).assert_stderr_has("--> stdin:3:1");
            std::fs::write(folder.path("piped"), "").expect("written");
            dtask(&[name], ranks).assert_code(2).assert_stderr_has("nothing came");
        }
    }
}
