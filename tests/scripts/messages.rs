//! What is told of a run while it goes on and at its end: failures, progress, exit codes.

use super::Folder;

const DTASK: &str = env!("CARGO_BIN_EXE_dtask");

/// The lines of the table of failures, without the header, as fields.
fn failures(folder: &Folder) -> Vec<Vec<String>> {
    let table = folder.read("s.dtask/failures.tsv");
    let mut lines = table.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    assert_eq!(
        header,
        ["task", "index", "parameters", "attempts", "kind", "rank", "host", "seconds", "message"]
    );
    lines.collect()
}

#[test]
fn failures_are_told_as_they_happen() {
    for ranks in [0, 3] {
        let folder = Folder::script(
            r#"
[task.bad]
shell   = "echo the reason >&2; exit 3"
[task.watch]
shell   = "until grep -q 'dtask log' err.txt && grep -q ^bad s.dtask/failures.tsv; do sleep 0.02; done; cp err.txt seen.txt"
timeout = "20 s"
"#,
        );
        std::fs::write(folder.path("err.txt"), "").expect("written");
        let run =
            folder.dtask(ranks).program("sh").args(["-c", "exec \"$0\" s.toml --slots 2 2>> err.txt", DTASK]);
        run.run().assert_code(1).assert_stdout_has("watch       1 done");
        let seen = folder.read("seen.txt");
        assert!(seen.contains("error: bad failed (s.toml:3): rank "), "{seen}");
        assert!(seen.contains("exit code 3; the end of its stderr:\n  | the reason\n"), "{seen}");
        assert!(seen.contains(&format!("\n  = log: {DTASK} log s.toml bad --stderr\n")), "{seen}");
        let all = folder.read("err.txt");
        assert_eq!(all.matches("error: bad failed").count(), 1, "{all}");
        assert!(all.contains("error: 1 task failed\n  = failed: bad\n"), "{all}");
        assert!(all.contains("= all of them, with the reasons: s.dtask/failures.tsv"), "{all}");
        assert!(all.contains("dtask: exit code 1, some tasks failed"), "{all}");
    }
}

#[test]
fn a_command_that_says_nothing_on_stderr_is_told_by_its_stdout() {
    let folder = Folder::script(
        r#"
[task.words]
shell = "echo first; echo the last words; exit 1"
[task.silent]
shell = "exit 1"
[task.thrown]
shell  = "echo thrown away; exit 1"
stdout = "null"
"#,
    );
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1)
            .assert_stderr_has(
                "it wrote nothing to stderr; the end of its stdout:\n  | first\n  | the last words",
            )
            .assert_stderr_has(&format!("  = log: {DTASK} log s.toml words\n"))
            .assert_stderr_has("exit code 1; it printed nothing\n")
            .assert_stderr_has("its stdout is thrown away, by `stdout = \"null\"`");
        assert_eq!(run.stderr.matches("= log:").count(), 1, "{}", run.stderr);
    }
}

#[test]
fn the_line_to_type_works_as_it_stands() {
    let folder = Folder::empty();
    let script = r#"dtask = 1
[task.t]
for   = { v = ["a b", "it's", "$HOME", "x, y]", "*", "-r"] }
shell = "printf '%s' {v} >&2; exit 1"
"#;
    let name = "it's a \"script\" $(x).toml";
    std::fs::write(folder.path(name), script).expect("written");
    for ranks in [0, 3] {
        let run = folder.run(ranks, &[name]);
        run.assert_code(1);
        let lines: Vec<&str> = run.stderr.lines().filter_map(|line| line.strip_prefix("  = log: ")).collect();
        assert_eq!(lines.len(), 6, "{}", run.stderr);
        let mut printed: Vec<String> = Vec::new();
        for line in lines {
            let log = folder.dtask(0).program("bash").args(["-c", line]).run();
            printed.push(log.assert_success().stdout.clone());
        }
        printed.sort();
        assert_eq!(printed, ["$HOME", "*", "-r", "a b", "it's", "x, y]"]);
    }
}

#[test]
fn all_failures_are_in_a_table() {
    let folder = Folder::script(
        r#"
[default]
retries = 1
[task.code]
for   = { i = "0..30", name = ["a\tb"] }
shell = "echo {i}; exit $(( {i} % 3 ))"
[task.slow]
run     = "sleep 60"
timeout = "100 ms"
retries = 0
[task.gone]
run     = "./none"
[task.killed]
shell   = "kill -9 $$"
retries = 0
[task.sum]
array = "load('none.h5', '/x')"
[task.after]
run   = "cat {gone.stdout}"
"#,
    );
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1).assert_stderr_has("error: 24 tasks failed; 1 task was not run");
        let lines = failures(&folder);
        assert_eq!(lines.len(), 24, "{lines:?}");
        let find = |task: &str| lines.iter().find(|line| line[0] == task).unwrap_or_else(|| panic!("{task}"));
        for i in (0..30).filter(|i| i % 3 != 0) {
            let line =
                lines.iter().find(|line| line[0] == "code" && line[1] == i.to_string()).expect("it failed");
            assert_eq!(line[2], format!("i={i}, name=a\\tb"));
            assert_eq!((line[3].as_str(), &line[4]), ("2", &format!("exit {}", i % 3)));
            let rank: usize = line[5].parse().expect("a rank");
            assert!(rank < ranks.max(1) && !line[6].is_empty() && line[7].parse::<f64>().is_ok(), "{line:?}");
            assert!(line[8].starts_with("`/bin/sh` ended with exit code "), "{line:?}");
        }
        assert_eq!((find("slow")[4].as_str(), find("slow")[2].as_str()), ("timeout", ""));
        assert!(find("slow")[7].parse::<f64>().expect("seconds") >= 0.1);
        assert_eq!(find("gone")[4], "no program");
        assert_eq!(find("killed")[4], "SIGKILL");
        assert_eq!(find("sum")[4], "error");
    }
}

#[test]
fn very_many_failures_are_counted_and_all_are_in_the_table() {
    let folder = Folder::script("[task.t]\nfor = { i = '0..3000' }\nshell = 'echo {i} >&2; exit 1'\n");
    let run = folder.run(3, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("error: 3000 tasks failed\n  = failed: t[i=0], t[i=1], ");
    run.assert_stderr_has("more; s.dtask/failures.tsv has all of them");
    let blocks = run.stderr.matches("error: t[").count();
    assert!(blocks <= 60, "{blocks} blocks");
    let mut indices: Vec<u64> =
        failures(&folder).iter().map(|line| line[1].parse().expect("a number")).collect();
    indices.sort_unstable();
    assert!(indices.iter().copied().eq(0..3000), "each is there once");
}

#[test]
fn rows_of_a_table_are_named_by_their_first_column() {
    let folder = Folder::script(
        r#"
[task.t]
for   = { case = { csv = "cases.csv" } }
shell = "echo {case.sample} >&2; [ {case.T} != 4 ]"
"#,
    );
    std::fs::write(folder.path("cases.csv"), "sample,T\nA1,3\nB2,4\n").expect("written");
    folder
        .run(3, &["s.toml"])
        .assert_code(1)
        .assert_stderr_has("error: t[case.sample=B2] failed (s.toml:3)")
        .assert_stderr_has(&format!("= log: {DTASK} log s.toml 't[case.sample=B2]' --stderr"))
        .assert_stderr_has("= failed: t[case.sample=B2]");
    assert_eq!(failures(&folder)[0][2], "case.sample=B2");
    for name in ["t[case.sample=B2]", "t[sample=B2]", "t[case=1]", "t[ case = 1 ]"] {
        assert_eq!(
            folder.run(0, &["log", "s.toml", name, "--stderr"]).assert_success().stdout,
            "B2\n",
            "{name}"
        );
    }
    folder.run(0, &["plan", "s.toml", "--keys"]).assert_success().assert_stdout_has("t[case.sample=A1]");
}

#[test]
fn progress_is_told_by_lines_worth_reading() {
    let folder = Folder::script(
        r#"
[task.quick]
for     = { i = "0..20" }
run     = "sleep 0.05"
[task.long]
shell   = "until [ $(grep -c 'longest: long for' err.txt) -ge 2 ]; do sleep 0.02; done"
timeout = "30 s"
"#,
    );
    for ranks in [0, 3] {
        std::fs::write(folder.path("err.txt"), "").expect("written");
        let line = "exec \"$0\" s.toml --fresh --slots 2 --progress 200ms 2>> err.txt";
        folder.dtask(ranks).program("sh").args(["-c", line, DTASK]).run().assert_success();
        let told = folder.read("err.txt");
        let lines: Vec<&str> = told.lines().filter(|line| line.contains(" of 21 tasks done, ")).collect();
        assert!(lines.len() >= 3, "{told}");
        let last = lines.last().expect("a line");
        assert!(last.contains(" s, 100 %: 21 of 21 tasks done, 0 running, 0 waiting, 0 failed, "), "{last}");
        assert!(lines.iter().all(|line| line.contains(" running, ") && line.contains(" tasks/s")), "{told}");
    }
}

#[test]
fn each_exit_code_is_explained() {
    let folder = Folder::script("[task.t]\nrun = 'false'\n");
    let help = folder.run(0, &["--help"]);
    help.assert_success();
    for code in [
        "   0  all done",
        "   1  some tasks failed",
        "   2  a mistake",
        "   3  MPI",
        "  75  something is left",
    ] {
        help.assert_stdout_has(code);
    }
    for ranks in [0, 3] {
        let told = |args: &[&str], code, says: &str| {
            let run = folder.run(ranks, args);
            run.assert_code(code).assert_stderr_has(&format!("dtask: exit code {code}, {says}"));
            assert_eq!(run.stderr.matches("dtask: exit code ").count(), 1, "{}", run.stderr);
        };
        told(&["s.toml", "-q"], 1, "some tasks failed");
        told(&["none.toml"], 2, "a mistake in the script or in the command line; nothing has run");
        std::fs::write(folder.path("taken.dtask"), "").expect("written");
        std::fs::write(folder.path("taken.toml"), "dtask = 1\n[task.t]\nrun = 'true'\n").expect("written");
        told(&["taken.toml"], 3, "MPI, or something else that a run needs, could not be started");
    }
    let folder = Folder::script("[task.t]\nrun = 'true'\ntime = '2 h'\n[task.u]\nrun = 'true'\n");
    let run = folder.run(0, &["s.toml", "-q", "--time-limit", "100 ms"]);
    assert!([2, 75].contains(&run.code()), "{}", run.stderr);
}
