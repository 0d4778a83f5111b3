//! Instances that are skipped where their `when` does not hold, and what becomes of those that read them.

use super::Folder;

#[test]
fn samples_that_are_bad_are_left_out() {
    let folder = Folder::script(
        r#"
[task.check]
for = { sample = "0..6" }
shell = "echo $(( {sample} * 10 ))"
[task.align]
for = { sample = "0..6" }
when = "number(check.stdout) >= 30"
shell = "echo {sample} >> ran; echo aligned {sample} > {out}"
out = "a.txt"
save = "aligned/{sample}.txt"
[task.sort]
each = "align"
shell = "echo s{sample} >> ran; cat {align} > {out}; echo sorted >> {out}"
out = "s.txt"
[task.merge]
shell = "cat {sort} > {out}; cat {align.list} | wc -l >> {out}"
out = "m.txt"
save = "merged.txt"
[task.first]
each = "align"
shell = "cat {align else check.stdout}"
stdout = "first.txt"
[task.maybe]
each = "align"
shell = "echo {sample} {align?} | wc -w"
stdout = "maybe.txt"
"#,
    );
    for ranks in [0, 1, 3] {
        let _ = std::fs::remove_file(folder.path("ran"));
        let run = folder.run(ranks, &["--fresh", "s.toml"]);
        run.assert_success();
        let mut ran: Vec<String> = folder.read("ran").lines().map(str::to_owned).collect();
        ran.sort();
        assert_eq!(ran, ["3", "4", "5", "s3", "s4", "s5"]);
        assert_eq!(folder.read("merged.txt"), "aligned 3\nsorted\naligned 4\nsorted\naligned 5\nsorted\n3\n");
        assert_eq!(folder.read("first.txt"), "0\n10\n20\naligned 3\naligned 4\naligned 5\n");
        assert_eq!(folder.read("maybe.txt"), "1\n1\n1\n2\n2\n2\n");
        assert!(run.stdout.contains("3 done, 3 skipped by `when`"), "{}", run.stdout);
    }
}

#[test]
fn arrays_and_reductions_go_on_without_what_was_skipped() {
    let script = r#"
[vars]
least = 4
[task.x]
for = { i = "0..10" }
array = "i * ones(3)"
[task.even]
for = { i = "0..10" }
when = "sum(x) % 2 == 0 && i >= least"
array = "x + 100"
save = "even/{i}.npy"
[task.sum]
reduce = { of = "even", with = "add" }
stdout = "sum.txt"
[task.mean]
reduce = { of = "even", with = "mean", order = "any" }
stdout = "mean.txt"
[task.list]
array = "concat(even)"
stdout = "list.txt"
[task.or]
for = { i = "0..10" }
array = "sum(even else x)"
stdout = "or.txt"
[task.none]
for = { i = "0..3" }
when = "i > 5"
run = "echo never {i}"
[task.nothing]
reduce = { of = "off", with = "add" }
stdout = "nothing.txt"
[task.off]
for = { i = "0..4" }
when = "least > 100"
array = "i"
[task.text]
reduce = { of = "word", shell = "paste -d + {a} {b} > {out}" }
out = "t.txt"
save = "text.txt"
[task.word]
for = { i = "0..5" }
when = "i != 2"
shell = "echo w{i} > {out}"
out = "w.txt"
"#;
    let folder = Folder::script(script);
    for ranks in [0, 2] {
        folder.run(ranks, &["--fresh", "s.toml"]).assert_success();
        assert_eq!(folder.read("sum.txt"), "318.0\n318.0\n318.0\n");
        assert_eq!(folder.read("mean.txt"), "106.0\n106.0\n106.0\n");
        assert_eq!(folder.read("list.txt").lines().count(), 9);
        let or: Vec<f64> =
            folder.read("or.txt").lines().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(or, [0.0, 3.0, 6.0, 9.0, 312.0, 15.0, 318.0, 21.0, 324.0, 27.0]);
        assert_eq!(folder.read("text.txt"), "w0+w1+w3+w4\n");
        assert_eq!(std::fs::read_dir(folder.path("even")).expect("a folder").count(), 3);
    }
}

#[test]
fn a_condition_that_is_no_number_fails_its_instance() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..2' }\nwhen = 'ones(3) * i'\nrun = 'echo {i}'\n\
         [task.b]\nrun = 'cat {a.stdout}'\n",
    );
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1);
    assert!(run.stderr.contains("`when = \"ones(3) * i\"` is to be one number"), "{}", run.stderr);
}
