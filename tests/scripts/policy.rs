//! What a failure means for the others, defaults, and runs of part of a script.

use super::Folder;

/// The number before a word of the summary's line about a task.
fn count(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    let at = words.windows(2).position(|pair| pair[1] == word);
    at.map_or(0, |at| words[at].parse().expect("a number"))
}

#[test]
fn the_first_failure_stops_the_run() {
    let text = r#"
[policy]
on-failure = "stop"
[task.sim]
for    = { i = "0..3000" }
shell  = "test {i} != 0"
stdout = "all.txt"
[task.post]
each = "sim"
run  = "cat {sim.stdout}"
"#;
    let folder = Folder::script(text);
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1).assert_stderr_has("error: the run was stopped after ");
        run.assert_stderr_has("error: sim[i=0] failed").assert_stderr_has("all.txt was not written");
        for task in ["sim", "post"] {
            let line = run.stdout.lines().find(|line| line.trim_start().starts_with(task)).expect("a line");
            let (done, failed) = (count(line, "done"), count(line, "failed"));
            let left = line
                .split("not run")
                .next()
                .and_then(|text| text.split([' ', ',']).rfind(|word| !word.is_empty()));
            let left: u64 = left.and_then(|word| word.parse().ok()).expect("some were not run");
            assert!(left > 0 && done + failed + left == 3000, "{line}");
            assert_eq!(failed, u64::from(task == "sim"), "{line}");
        }
        assert!(!folder.path("all.txt").exists());
    }
}

#[test]
fn so_many_failures_stop_the_run_and_fewer_do_not() {
    let text = |most: u64| {
        format!(
            "[policy]\nmax-failures = {most}\n[task.t]\nfor = {{ i = '0..2000' }}\nshell = 'test {{i}} -ge 5'\n"
        )
    };
    let folder = Folder::script(&text(6));
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1).assert_stdout_has("1995 done, 5 failed").assert_stderr_has("error: 5 tasks failed");
    assert!(!run.stderr.contains("stopped"), "{}", run.stderr);
    let run = Folder::script(&text(5)).run(2, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("error: the run was stopped after 5 failures, as `[policy]` says");
}

#[test]
fn failures_of_a_family_whose_outputs_nobody_wants_are_told_where_the_run_is_stopped() {
    let folder = Folder::script(
        "[policy]\non-failure = 'stop'\n[task.sim]\nfor = { i = '0..3000' }\nshell = 'test {i} != 0'\n",
    );
    let run = folder.run(0, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("error: sim[i=0] failed").assert_stdout_has("done, 1 failed, ");
}

#[test]
fn defaults_are_what_tasks_do_not_say() {
    let folder = Folder::script(
        r#"
[default]
for     = { i = [1, 2] }
env     = { A = "default" }
ok-exit = [0, 3]
stdout  = "{dtask.index}.txt"
[task.a]
shell = "echo $A {i}; exit 3"
stdout = "a.txt"
[task.b]
shell = "echo $A {i}"
env   = { A = "own" }
for   = { i = [7] }
[task.c]
for = { i = [3] }
array = "i"
stdout = "c.txt"
"#,
    );
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(
        (folder.read("a.txt"), folder.read("0.txt"), folder.read("c.txt")),
        ("default 1\ndefault 2\n".into(), "own 7\n".into(), "3.0\n".into())
    );
}

#[test]
fn part_of_a_script_runs_with_what_it_needs() {
    let folder = Folder::script(
        "[task.a]\nrun = 'echo a'\nstdout = 'a.txt'\n[task.b]\nrun = 'cat {a.stdout}'\nstdout = 'b.txt'\n\
         [task.c]\nrun = 'cat {b.stdout}'\nstdout = 'c.txt'\n[task.d]\nrun = 'echo d'\nstdout = 'd.txt'\n",
    );
    folder.run(2, &["s.toml", "--only", "b"]).assert_success().assert_stdout_has("2 tasks done");
    assert_eq!(
        folder.names().into_iter().filter(|name| name.ends_with(".txt")).collect::<Vec<_>>(),
        ["a.txt", "b.txt"]
    );
    let run = folder.run(0, &["s.toml", "--only", "B"]);
    run.assert_code(2).assert_stderr_has("the script has no task `B`; did you mean `b`?");
}

#[test]
fn targets_are_looked_for() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = [1, 2] }\nshell = 'echo {i} > t{i}.txt'\ntarget = ['t{i}.txt']\npriority = 3\n",
    );
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(folder.read("t2.txt"), "2\n");
    let folder = Folder::script("[task.a]\nrun = 'true'\ntarget = 'x/none'\n");
    folder.run(2, &["s.toml"]).assert_code(1).assert_stderr_has("none` was not written");
}

#[test]
fn gathers_go_on_without_what_failed_of_an_optional_family() {
    let text = r#"
[task.sim]
for      = { i = "0..6", k = [1, 2] }
shell    = "test {i} != 2 && test {i}{k} != 41 && echo {i} {k}"
[task.probe]
each     = "sim"
array    = "sum(sim.stdout)"
optional = true
[task.mean]
for    = { i = "0..6" }
reduce = { of = "probe", with = "mean" }
stdout = "mean{i}.txt"
[task.all]
run    = "cat {probe}"
stdout = "all.txt"
[task.strict]
run    = "cat {sim.stdout}"
stdout = "strict.txt"
"#;
    let folder = Folder::script(text);
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1)
            .assert_stderr_has("error: 3 tasks failed")
            .assert_stderr_has("strict.txt was not written");
        run.assert_stdout_has("5 done, 1 not run").assert_stdout_has("9 done, 3 not run");
        assert_eq!(folder.read("all.txt"), "1.0\n2.0\n2.0\n3.0\n4.0\n5.0\n6.0\n6.0\n7.0\n");
        assert_eq!((folder.read("mean0.txt"), folder.read("mean4.txt")), ("1.5\n".into(), "6.0\n".into()));
        assert!(!folder.path("mean2.txt").exists() && !folder.path("strict.txt").exists());
    }
}
