//! Families of every form, from the script to the files that they leave.

use super::Folder;

#[test]
fn every_form_of_parameter_arrives() {
    let folder = Folder::script(
        r#"
[vars]
high = 3
[task.sim]
for     = { i = "0..=high_ by 1", m = ["x y", "z"] }
let     = { j = "2*i + 1" }
where   = "i < high || m == 'z'"
exclude = [ { i = 1, m = "z" } ]
include = [ { i = 9, m = "w" } ]
run     = ["echo", "{i}", "{m}", "{j:02}"]
save    = "out/{i}_{m}"
[task.post]
each   = "sim"
run    = "cat {sim.stdout}"
stdout = "each.txt"
[task.gather]
for    = { m = ["z", "x y"] }
run    = "cat {sim.stdout}"
stdout = "by_m.txt"
[task.case]
for    = { c = { csv = "cases.csv" }, f = { glob = "data/*.dat" } }
where  = "c.T > 250"
run    = ["echo", "{c}", "{c.T}", "{c.name}", "{f.stem}{f.ext}"]
stdout = "cases.txt"
[task.line]
for    = { l = { lines = "lines.txt" }, x = { linspace = [0, 1, 3] } }
run    = ["echo", "{l}:{x:.2f}"]
stdout = "lines.out"
[task.zip]
zip    = { a = [1, 2, 3], b = ["p", "q", "p"] }
array  = "full((2,), a)"
[task.pairs]
for    = { b = ["p", "q"] }
array  = "sum(zip)"
stdout = "zip.txt"
"#
        .replace("high_", "{high}")
        .as_str(),
    );
    std::fs::create_dir(folder.path("data")).expect("a folder");
    for (name, text) in [
        ("cases.csv", "T,name\n250,low\n300,\"a, b\"\n"),
        ("lines.txt", "one\n\ntwo words\n"),
        ("data/a.dat", ""),
        ("data/b.dat", ""),
    ] {
        std::fs::write(folder.path(name), text).expect("a file");
    }
    let runs = [0, 2, 4].map(|ranks| {
        folder.run(ranks, &["s.toml"]).assert_success();
        ["each.txt", "by_m.txt", "cases.txt", "lines.out", "zip.txt"].map(|name| folder.read(name))
    });
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
    let [each, by_m, cases, lines, zip] = &runs[0];
    assert_eq!(each, "0 x y 01\n0 z 01\n1 x y 03\n2 x y 05\n2 z 05\n3 z 07\n9 w 19\n");
    assert_eq!(by_m, "0 z 01\n2 z 05\n3 z 07\n0 x y 01\n1 x y 03\n2 x y 05\n");
    assert_eq!(cases, "1 300 a, b adat\n1 300 a, b bdat\n");
    assert_eq!(lines, "one:0.00\none:0.50\none:1.00\ntwo words:0.00\ntwo words:0.50\ntwo words:1.00\n");
    assert_eq!(zip, "8.0\n4.0\n");
    assert_eq!(folder.read("out/9_w"), "9 w 19\n");
    assert!(!folder.path("out/1_z").exists());
}

/// More instances than are submitted at a time; gathers along the inner parameter, along the outer one, and of all.
#[test]
fn families_longer_than_a_window_are_followed_by_what_reads_them() {
    let folder = Folder::script(
        r#"
[task.x]
for = { a = "0..100", b = "0..1000" }
array = "a * 1000 + b"
[task.y]
each = "x"
array = "x + 1"
stdout = "y.txt"
[task.inner]
for = { a = "0..100" }
reduce = { of = "y", with = "add" }
[task.outer]
for = { b = "0..1000" }
array = "sum(y)"
[task.all]
array = "concat(sum(inner), sum(outer))"
stdout = "all.txt"
"#,
    );
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml"]).assert_success();
        let y = folder.read("y.txt");
        assert!(y.lines().eq((1..=100_000).map(|i| format!("{i}.0"))), "{ranks} ranks");
        assert_eq!(folder.read("all.txt"), "5000050000.0\n5000050000.0\n");
    }
}

#[test]
fn a_stopped_run_counts_what_was_never_submitted() {
    let folder = Folder::script(
        r#"
[policy]
on-failure = "stop"
[task.x]
for = { i = "0..100_000" }
shell = "exit 1"
[task.y]
each = "x"
run = "cat {x.stdout}"
"#,
    );
    let outcome = folder.run(0, &["s.toml"]);
    outcome.assert_code(1);
    let line = |task: &str| {
        let line = outcome.stdout.lines().find(|line| line.trim_start().starts_with(task)).expect("a line");
        let numbers = line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
        numbers.collect::<Vec<_>>()
    };
    let [x, y] = ["x ", "y "].map(line);
    assert!(x[0] == 0 && x[1] > 0 && x[1] + x[2] == 100_000, "{x:?}");
    assert_eq!(y, [0, 100_000]);
    outcome.assert_stderr_has("error: the run was stopped after ");
}
