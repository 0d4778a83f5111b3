//! `reduce`: by a command, on files, and in the order in which results come.

use super::Folder;
use std::process::Command;

/// Four sorted files, merged by a command that says in its output what it has merged.
const MERGED: &str = r#"
[vars]
sep = " + "
[task.part]
for   = { i = "0..5" }
shell = "echo {i} > {out}"
out   = "part.txt"
[task.total]
reduce = { of = "part", shell = 'echo "($(cat {a}){sep}$(cat {b}))" > {out}; echo merged {dtask.index} $DTASK_TASK' }
save   = "total.txt"
[task.show]
shell  = "cat {total}; basename {total}"
stdout = "show.txt"
[task.bytes]
run    = "cat"
stdin  = "{total}"
stdout = "bytes.txt"
"#;

#[test]
fn a_command_merges_files_as_a_tree_whose_shape_the_indices_decide() {
    for ranks in [0, 1, 4] {
        let folder = Folder::script(MERGED);
        folder.run(ranks, &["check", "s.toml"]).assert_success();
        folder.run(ranks, &["s.toml"]).assert_success();
        let expected = "(((0 + 1) + (2 + 3)) + 4)\n";
        assert_eq!(folder.read("total.txt"), expected, "{ranks} ranks");
        assert_eq!(folder.read("show.txt"), format!("{expected}total\n"));
        assert_eq!(folder.read("bytes.txt"), expected);
        // each step in the log, by its own name
        let log = |of: &str| folder.run(0, &["log", "s.toml", of]).assert_success().stdout.clone();
        assert_eq!(log("total[step=2]").matches("merged 0 total").count(), 1, "{}", log("total[step=2]"));
        assert_eq!(log("total").matches("merged 0 total").count(), 4);
    }
}

#[test]
fn what_is_reduced_is_chosen_by_the_join_rule_and_a_single_file_stays_as_it_is() {
    let script = r#"
[task.part]
for   = { g = [1, 2], i = "0..3" }
where = "g == 1 || i == 2"
run   = ["sh", "-c", 'echo {g}.{i} > "$1"; echo not this', "x", "{out.mesh}"]
out   = { mesh = "m.txt" }
dir   = "scratch"
ok-exit = [0, 1]
[task.prepare]
shell = "touch {dtask.here}/prepared"
[task.head]
shell = "printf '%s' - > {out}"
out   = "head.txt"
[task.all]
for    = { g = [1, 2] }
reduce = { of = "part.mesh", over = ["i"], shell = "cat {head} {a} - > {out}; echo said by {g}; [ -e prepared ]; exit 3" }
stdin  = "{b}"
after  = ["prepare"]
out    = { sorted = "all-{g}.txt" }
save   = { sorted = "all-{g}.txt", stdout = "said-{g}.txt" }
env    = { LC_ALL = "C" }
stdout = "said.txt"
ok-exit = [3]
timeout = "1 min"
threads = 1
[task.names]
for    = { g = [1, 2] }
run    = "basename {all.sorted}"
stdout = "names.txt"
[task.both]
reduce = { of = "all", shell = "sort {a} {b} > {out}" }
save   = "both.txt"
"#;
    for ranks in [0, 3] {
        let folder = Folder::script(script);
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(folder.read("all-1.txt"), "--1.0\n1.1\n1.2\n");
        assert_eq!(folder.read("all-2.txt"), "2.2\n");
        assert_eq!(folder.read("said-1.txt"), "said by 1\nsaid by 1\n");
        assert_eq!(folder.read("said-2.txt"), "", "a single file is merged with nothing");
        assert_eq!(folder.read("said.txt"), "said by 1\nsaid by 1\n");
        assert_eq!(folder.read("names.txt"), "all-1.txt\nall-2.txt\n");
        assert_eq!(folder.read("both.txt"), "--1.0\n1.1\n1.2\n2.2\n");
    }
}

#[test]
fn what_commands_print_and_arrays_are_merged_too() {
    let folder = Folder::script(
        r#"
[task.say]
for = { i = "0..3" }
run = "echo {i}"
[task.said]
reduce = { of = "say", run = ["sh", "-c", 'cat "$1" "$2" > "$3"', "x", "{a}", "{b}", "{out}"] }
save   = "said.txt"
[task.x]
for   = { i = "0..3" }
array = "arange(2) + i"
[task.rows]
reduce = { of = "x", shell = "cat {a} {b} > {out}" }
save   = "rows.txt"
[task.count.mapreduce]
input  = { of = "say" }
map    = { run = "cat" }
reduce = "count"
partitions = 3
[task.lines]
reduce = { of = "count", shell = "cat {a} {b} | sort > {out}" }
save   = "lines.txt"
"#,
    );
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("said.txt"), "0\n1\n2\n");
    assert_eq!(folder.read("rows.txt"), "0.0\n1.0\n1.0\n2.0\n2.0\n3.0\n");
    assert_eq!(folder.read("lines.txt"), "0\t1\n1\t1\n2\t1\n");
}

#[test]
fn a_step_that_fails_is_tried_again_and_then_told_of() {
    let script = r#"
[task.part]
for   = { i = "0..4" }
shell = "echo {i} > {out}"
out   = "p"
[task.total]
reduce  = { of = "part", shell = "[ {dtask.attempt} = 2 ] || { echo no; exit 9; }; cat {a} {b} > {out}" }
save    = "total.txt"
retries = RETRIES
[task.after]
run = "cat {total}"
"#;
    let folder = Folder::script(&script.replace("RETRIES", "1"));
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(folder.read("total.txt"), "0\n1\n2\n3\n");
    let folder = Folder::script(&script.replace("RETRIES", "0"));
    let outcome = folder.run(2, &["s.toml"]);
    outcome.assert_code(1).assert_stderr_has("total failed (s.toml:");
    outcome.assert_stderr_has("step ").assert_stderr_has("exit").assert_stderr_has("no");
    assert!(!folder.names().contains(&"total.txt".to_owned()));
}

#[test]
fn what_is_ready_is_merged_before_what_is_late() {
    // the late one waits for what a step says: by the indices alone, no step could begin before it
    let script = r#"
[task.part]
for     = { i = "0..3" }
timeout = "40 s"
shell   = "if [ {i} = 0 ]; then cat go; fi; echo {i} > {out}"
out     = "p"
[task.total]
reduce = { of = "part", order = "any", shell = "mkdir first 2> /dev/null && echo > go; cat {a} {b} > {out}" }
[task.sorted]
shell = "sort {total}"
stdout = "sorted.txt"
"#;
    for ranks in [1, 3] {
        let folder = Folder::script(script);
        assert!(Command::new("mkfifo").arg(folder.path("go")).status().expect("mkfifo").success());
        folder.run(ranks, &["s.toml", "--slots", "2"]).assert_success();
        assert_eq!(folder.read("sorted.txt"), "0\n1\n2\n");
    }
}

#[test]
fn the_order_does_not_matter_to_integers() {
    let folder = Folder::script(
        r#"
[task.x]
for   = { g = [1, 2, 5, 100], i = "0..100" }
where = "i < g"
array = "arange(3) + i"
[task.y]
for   = { g = [1, 2, 5, 100], i = "0..100" }
where = "i < g"
shell = "echo {i} > {out}"
out   = "y"
[task.fixed]
for    = { g = [1, 2, 5, 100] }
reduce = { of = "x", with = "mean" }
stdout = "fixed.txt"
[task.any]
for    = { g = [1, 2, 5, 100] }
reduce = { of = "x", with = "mean", order = "any" }
stdout = "any.txt"
[task.sum]
for    = { g = [1, 2, 5, 100] }
reduce = { of = "x", with = "add", order = "any", arity = 7 }
stdout = "sum.txt"
save   = "sum-{g}.npy"
[task.shell]
for    = { g = [1, 2, 5, 100] }
reduce = { of = "y", order = "any", shell = "echo $(( $(cat {a}) + $(cat {b}) )) > {out}" }
save   = "shell-{g}.txt"
[task.again]
reduce = { of = "sum", with = "add", order = "any" }
stdout = "again.txt"
[task.first]
for    = { g = [5] }
array  = "any + again"
stdout = "first.txt"
"#,
    );
    for ranks in [0, 4] {
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(folder.read("any.txt"), folder.read("fixed.txt"));
        assert_eq!(folder.read("any.txt"), "0.0\n1.0\n2.0\n0.5\n1.5\n2.5\n2.0\n3.0\n4.0\n49.5\n50.5\n51.5\n");
        assert_eq!(
            folder.read("sum.txt"),
            "0.0\n1.0\n2.0\n1.0\n3.0\n5.0\n10.0\n15.0\n20.0\n4950.0\n5050.0\n5150.0\n"
        );
        let shell = [1, 2, 5, 100].map(|g| folder.read(&format!("shell-{g}.txt")));
        assert_eq!(shell, ["0\n", "1\n", "10\n", "4950\n"]);
        assert_eq!(folder.read("again.txt"), "4961.0\n5069.0\n5177.0\n");
        assert_eq!(folder.read("first.txt"), "4963.0\n5072.0\n5181.0\n");
    }
}

#[test]
fn a_reduction_fails_with_what_it_reduces_unless_that_is_optional() {
    let script = r#"
[task.part]
for   = { g = [0, 1], i = "0..5" }
shell = "[ {g}{i} != 03 ]; echo {i} > {out}"
out   = "p"
OPTIONAL
[task.total]
for    = { g = [0, 1] }
reduce = { of = "part", order = "ORDER", shell = "cat {a} {b} > {out}" }
save   = "total-{g}.txt"
[task.show]
each  = "total"
shell = "sort -n {total} | tr '\n' ' '"
save  = "show-{g}.txt"
"#;
    for order in ["fixed", "any"] {
        let script = script.replace("ORDER", order);
        let folder = Folder::script(&script.replace("OPTIONAL", ""));
        let outcome = folder.run(3, &["s.toml"]);
        outcome
            .assert_code(1)
            .assert_stderr_has("part[g=0, i=3] failed")
            .assert_stderr_has("2 tasks were not run");
        let names = folder.names();
        assert!(!names.contains(&"total-0.txt".to_owned()), "{names:?}");
        assert_eq!(folder.read("show-1.txt"), "0 1 2 3 4 ");
        let folder = Folder::script(&script.replace("OPTIONAL", "optional = true"));
        folder.run(3, &["s.toml"]).assert_code(1);
        assert_eq!(folder.read("show-0.txt"), "0 1 2 4 ");
        assert_eq!(folder.read("show-1.txt"), "0 1 2 3 4 ");
    }
}
