//! Loops that stop where their `until` holds: what runs, what `last` is, and how a later run goes on.

use super::Folder;
use super::resume::interrupted;
use rustix::process::Signal;

/// Loops that halve a number until it is small, from another number for each case.
const HALVES: &str = r#"
[task.mesh]
for = { case = [100, 7, 3000] }
shell = "echo {case} > {out}"
out = "m.txt"
[task.relax]
for = { case = [100, 7, 3000], n = "0..50" }
shell = """
echo {case} {n} >> ran
awk '{ printf "%.9f\\n", $1 / 2 }' {relax.state[n = n-1] else mesh} > {out.state}
cp {out.state} {out.norm}
"""
out = { state = "s.txt", norm = "n.txt" }
until = { n = "number(relax.norm) < 1" }
[task.result]
for = { case = [100, 7, 3000] }
run = "cat {relax.state[n = last]}"
stdout = "result.txt"
[task.all]
shell = "cat {relax.norm} | wc -l"
stdout = "all.txt"
[task.every]
run = "cat {relax.state[n = last]}"
stdout = "every.txt"
[task.each]
each = "relax"
shell = "echo {case} {n} $(cat {relax.norm})"
stdout = "each.txt"
"#;

const RESULTS: &str = "0.781250000\n0.875000000\n0.732421875\n";

#[test]
fn loops_end_each_where_its_condition_holds() {
    let folder = Folder::script(HALVES);
    for ranks in [0, 1, 2, 4] {
        let _ = std::fs::remove_file(folder.path("ran"));
        let run = folder.run(ranks, &["--fresh", "s.toml"]);
        run.assert_success();
        assert_eq!(folder.read("result.txt"), RESULTS);
        assert_eq!(folder.read("every.txt"), RESULTS);
        assert_eq!(folder.read("all.txt").trim(), "22");
        let each = folder.read("each.txt");
        assert_eq!(each.lines().count(), 22, "{each}");
        assert!(
            each.starts_with("100 0 50.000000000\n") && each.ends_with("3000 11 0.732421875\n"),
            "{each}"
        );
        let mut ran: Vec<String> = folder.read("ran").lines().map(str::to_owned).collect();
        ran.sort();
        ran.dedup();
        assert_eq!(ran.len(), 22, "{ran:?}");
        run.assert_stdout_has("22 done, 128 not needed");
        // what is done is known, and so is where the loops have ended
        let again = folder.run(ranks, &["s.toml"]);
        again.assert_success();
        again.assert_stdout_has("(52 by earlier runs)");
        assert_eq!(folder.read("ran").lines().count(), 22);
        assert_eq!(folder.read("each.txt"), each);
    }
}

#[test]
fn a_loop_without_a_chain_is_a_search_one_after_the_other() {
    let folder = Folder::script(
        r#"
[task.try]
for = { n = "0..1000" }
shell = "echo {n} >> ran; [ {n} -lt 12 ] && echo no || echo {n} > {out}; touch {out}"
out = "found.txt"
until = { n = "size_of > 0 && number(try) > 0" }
[vars]
size_of = 1
"#,
    );
    // an empty file is no number
    folder.run(0, &["s.toml"]).assert_code(1);
    let folder = Folder::script(
        r#"
[task.try]
for = { n = "0..1000" }
shell = "echo {n} >> ran; echo $(( {n} * {n} ))"
until = { n = "number(try.stdout) > limit" }
stdout = "tried.txt"
[vars]
limit = 130
[task.found]
run = "cat {try.stdout[last]}"
stdout = "found.txt"
"#,
    );
    for ranks in [0, 2] {
        let _ = std::fs::remove_file(folder.path("ran"));
        folder.run(ranks, &["--fresh", "s.toml"]).assert_success();
        assert_eq!(folder.read("found.txt"), "144\n");
        assert_eq!(folder.read("ran").lines().count(), 13);
        assert_eq!(folder.read("tried.txt").lines().count(), 13);
    }
    // another limit: the loop is another one
    folder.run(2, &["s.toml", "--set", "limit=30"]).assert_success();
    assert_eq!(folder.read("found.txt"), "36\n");
}

#[test]
fn loops_of_arrays_run_where_their_state_is() {
    let folder = Folder::script(
        r#"
[task.x]
for = { n = "0..100_000", case = "0..6" }
array = "(x[n = n-1] else 2.0 ** (case + 1) * ones(4)) / 2"
until = { n = "max(x) < 1e-3" }
[task.last]
for = { case = "0..6" }
array = "x[n = last]"
[task.steps]
for = { case = "0..6" }
reduce = { of = "x", with = "add", over = ["n"] }
[task.show]
array = "concat(last)[0:24:4]"
stdout = "last.txt"
[task.sums]
array = "concat(steps)[0:24:4]"
stdout = "sums.txt"
"#,
    );
    for ranks in [0, 1, 3] {
        let run = folder.run(ranks, &["--fresh", "s.toml"]);
        run.assert_success();
        let last: Vec<f64> =
            folder.read("last.txt").lines().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(last, [2f64.powi(-10); 6]);
        let sums: Vec<f64> =
            folder.read("sums.txt").lines().map(|line| line.parse().expect("a number")).collect();
        let expected: Vec<f64> = (0..6).map(|case| 2f64.powi(case + 1) - 2f64.powi(-10)).collect();
        assert_eq!(sums, expected);
        run.assert_stdout_has("81 done, 599919 not needed");
    }
}

#[test]
fn a_loop_that_never_ends_is_told_or_fails() {
    let script = |required: &str| {
        Folder::script(&format!(
            "[task.a]\nfor = {{ n = '0..7' }}\nshell = 'echo {{n}}'\nuntil = {{ n = 'number(a.stdout) > 10' }}\n{required}\
             [task.b]\nrun = 'cat {{a.stdout[n = last]}}'\nstdout = 'b.txt'\n"
        ))
    };
    let folder = script("");
    let run = folder.run(2, &["s.toml"]);
    run.assert_success();
    run.assert_stdout_has("warning: `until` has not held up to the end of the range: a[n=6]");
    assert_eq!(folder.read("b.txt"), "6\n");
    let run = script("until-required = true\n").run(2, &["s.toml"]);
    run.assert_code(1);
    run.assert_stderr_has("has not held up to the end of the range, and `until-required` is set");
}

#[test]
fn a_loop_that_fails_goes_on_in_the_next_run() {
    let folder = Folder::script(
        r#"
[task.step]
for = { case = ["a", "b"], n = "0..40" }
shell = """
echo {case}{n} >> ran
[ {case}{n} != a5 ] || [ -e go ]
cat {step[n = n-1]?} /dev/null > {out}
echo {n} >> {out}
"""
out = "s.txt"
save = "states/{case}{n}.txt"
until = { n = "sum(from_csv(step)) > 60" }
[task.end]
for = { case = ["a", "b"] }
shell = "wc -l < {step[n = last]}"
stdout = "end.txt"
"#,
    );
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1);
    run.assert_stdout_has("1 failed, 34 not run");
    assert_eq!(folder.read("end.txt"), "12\n");
    std::fs::write(folder.path("go"), "").expect("written");
    std::fs::remove_file(folder.path("ran")).expect("removed");
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("end.txt"), "12\n12\n");
    let ran: Vec<String> = folder.read("ran").lines().map(str::to_owned).collect();
    assert_eq!(ran, ["a5", "a6", "a7", "a8", "a9", "a10", "a11"]);
}

#[test]
fn a_loop_goes_on_after_a_kill_in_the_middle() {
    const SCRIPT: &str = r#"
[task.step]
for = { n = "0..1000" }
shell = """
echo {n} >> ran
[ {n} -lt 6 ] || [ -e go ] || sleep 60
awk '{ print $1 + 1 }' {step[n = n-1] else "zero"} > {out}
"""
out = "s.txt"
KEPT
until = { n = "number(step) >= 10" }
[task.end]
run = "cat {step[n = last]}"
stdout = "end.txt"
"#;
    let script = SCRIPT.replace("else \"zero\"", "else zero")
        + "[task.zero]\nshell = 'echo 0 > {out}'\nout = 'z.txt'\n";
    for (ranks, kept) in [(0, "save = 'states/{n}.txt'"), (2, "keep = 'checkpoint'")] {
        let script = script.replace("KEPT", kept);
        let folder = interrupted(Folder::script(&script), ranks, Signal::KILL, true, |folder| {
            super::signals::eventually("the sixth step has begun", || {
                std::fs::read_to_string(folder.path("ran")).is_ok_and(|ran| ran.lines().count() == 7)
            });
            super::signals::eventually("the steps before are in the journal", || {
                super::resume::recorded(folder, "step").contains(": 6 of 1000 done")
            });
        });
        std::fs::remove_file(folder.path("ran")).expect("removed");
        let run = folder.run(3, &["s.toml"]);
        run.assert_success();
        assert_eq!(folder.read("end.txt"), "10\n");
        assert_eq!(folder.read("ran"), "6\n7\n8\n9\n");
        run.assert_stdout_has("10 done, 990 not needed");
        // the last state is there for whoever reads it in a later run
        let script =
            folder.read("s.toml").replace("cat {step[n = last]}", "cat {step[n = last]} {step[n = last]}");
        std::fs::write(folder.path("s.toml"), script).expect("written");
        let more = folder.run(0, &["s.toml"]);
        more.assert_success();
        assert_eq!(folder.read("end.txt"), "10\n10\n");
    }
}

#[test]
fn plan_and_graph_tell_of_loops() {
    let folder = Folder::script(HALVES);
    let plan = folder.run(0, &["plan", "s.toml"]);
    plan.assert_success();
    plan.assert_stdout_has(
        "`relax` stops along `n` where `number(relax.norm) < 1` holds: 3 to 150 instances",
    );
    let folder2 = Folder::script(
        "[vars]\nleast = 3\n[task.a]\nfor = { i = '0..10' }\nwhen = 'i >= least'\nrun = 'echo {i}'\n\
         [task.b]\neach = 'a'\nwhen = 'number(a.stdout) > 5'\nrun = 'echo {i}'\n",
    );
    let conditions = folder2.run(0, &["plan", "s.toml"]);
    conditions.assert_stdout_has("`a` where `i >= least` holds: 7 of 10 instances run");
    conditions.assert_stdout_has(
        "`b` where `number(a.stdout) > 5` holds: known when the run comes to it, at most 10 instances",
    );
    let graph = folder.run(0, &["graph", "s.toml"]);
    graph.assert_stdout_has("until, up to");
}
