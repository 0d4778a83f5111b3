//! What is told of a script without running it: `plan`, `graph`, `new`, `completions`, `man`.

use super::Folder;

const FLOW: &str = r#"
[task.mesh]
for = { res = [64, 128] }
run = "echo {res}"
[task.sim]
for   = { res = [64, 128], rep = "0..3" }
where = "res > 64 || rep < 2"
run   = "cat {mesh.stdout}"
[task.mean]
for   = { res = [64, 128] }
run   = "cat {sim.stdout}"
after = ["setup"]
[task.setup]
run = "true"
"#;

#[test]
fn a_plan_is_told_in_figures() {
    let folder = Folder::script(FLOW);
    let run = folder.run(0, &["plan", "s.toml"]);
    run.assert_success();
    let expected = "\
s: 4 tasks, 10 instances

  task   instances  reads       fan-in
  mesh           2  -                -
  sim            5  mesh             1
  setup          1  -                -
  mean           2  sim, setup       3

critical path   mesh -> sim -> mean (3 tasks)
largest fan-in  `mean` reads 3 instances of `sim`
";
    assert_eq!(run.stdout, expected);
    let run = folder.run(0, &["plan", "--why", "s.toml"]);
    run.assert_success().assert_stdout_has("5 instances would run: no earlier run is recorded");
    assert!(folder.names().is_empty(), "nothing is written");
    folder.run(0, &["plan", "none.toml"]).assert_code(2);
}

/// The keys of a script's instances, by their names.
fn keys(folder: &Folder, text: &str, args: &[&str]) -> Vec<(String, String)> {
    std::fs::write(folder.path("s.toml"), format!("dtask = 1\n{text}")).expect("the script");
    let run = folder.run(0, &[&["plan", "--keys", "s.toml"], args].concat());
    run.assert_success();
    let lines = run.stdout.lines().filter_map(|line| line.split_once("  "));
    let keys =
        lines.filter(|(key, _)| key.len() == 32).map(|(key, name)| (name.to_string(), key.to_string()));
    keys.collect()
}

#[test]
fn keys_change_with_what_an_instance_does_and_reads() {
    let folder = Folder::empty();
    std::fs::create_dir(folder.path("data")).expect("a folder");
    std::fs::write(folder.path("data/a.txt"), "one").expect("a file");
    std::fs::write(folder.path("data/b.txt"), "two").expect("a file");
    let text = "[vars]\nn = 1\n[task.read]\nfor = { f = { glob = 'data/*.txt' } }\nrun = 'cat {f}'\n\
                [task.sum]\nrun = 'wc {read.stdout} {dtask.scratch} {dtask.rank}'\n\
                [task.other]\nrun = 'echo {n} {dtask.here}'\nenv = { A = '{n}' }\n";
    let first = keys(&folder, text, &[]);
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["read[f=data/a.txt]", "read[f=data/b.txt]", "sum", "other"]);
    let changed = |text: &str, args: &[&str]| -> Vec<bool> {
        keys(&folder, text, args).iter().zip(&first).map(|(new, old)| new != old).collect()
    };
    // Neither comments, nor order of keys, nor what does not change a result.
    let same = text.replace("[task.sum]\n", "# a comment\n[task.sum]\npriority = 3\noptional = true\n");
    assert_eq!(changed(&same, &[]), [false; 4]);
    assert_eq!(changed(text, &["--set", "n=2"]), [false, false, false, true]);
    assert_eq!(changed(&text.replace("wc ", "wc -l "), &[]), [false, false, true, false]);
    assert_eq!(changed(&text.replace("A = ", "B = "), &[]), [false, false, false, true]);
    std::fs::write(folder.path("data/b.txt"), "three").expect("a file");
    assert_eq!(changed(text, &[]), [false, true, true, false]);
}

#[test]
fn a_graph_is_printed_and_drawn() {
    let folder = Folder::script(FLOW);
    let dot = folder.run(0, &["graph", "s.toml"]);
    dot.assert_success();
    let expected = "digraph \"s\" {\n  rankdir = TB;\n  node [shape = box, style = rounded];\n  \
                    \"mesh\" [label = \"mesh\\nrun × 2\"];\n  \"sim\" [label = \"sim\\nrun × 5\"];\n  \
                    \"setup\" [label = \"setup\\nrun\"];\n  \"mean\" [label = \"mean\\nrun × 2\"];\n  \
                    \"mesh\" -> \"sim\";\n  \"sim\" -> \"mean\" [label = \"3\"];\n  \
                    \"setup\" -> \"mean\" [style = dashed];\n}\n";
    assert_eq!(dot.stdout, expected);
    let svg = folder.run(0, &["graph", "s.toml", "--format", "svg"]);
    svg.assert_success();
    assert!(svg.stdout.starts_with("<svg ") && svg.stdout.ends_with("</svg>\n"));
    for name in ["mesh", "sim", "setup", "mean", "run × 5"] {
        assert!(svg.stdout.contains(&format!(">{name}</text>")), "{}", svg.stdout);
    }
    assert_eq!(svg.stdout.matches("marker-end").count(), 3);
}

#[test]
fn a_new_script_checks_and_runs() {
    let folder = Folder::empty();
    folder.run(0, &["new", "first.toml"]).assert_success().assert_stdout_has("first.toml is written");
    let check = folder.run(0, &["check", "first.toml"]);
    check.assert_success().assert_stdout_has("3 tasks, 16 instances, no errors");
    assert!(check.stderr.is_empty(), "{}", check.stderr);
    folder.run(2, &["first.toml"]).assert_success();
    assert_eq!(folder.read("table.txt"), "250 250002\n300 300002\n350 350002\n");
    assert_eq!(folder.read("results/T300_s2.txt"), "300 2 300002\n");
    folder.run(0, &["new", "first.toml"]).assert_code(2).assert_stderr_has("is left as it is");
}

#[test]
fn shells_and_man_are_served() {
    let folder = Folder::empty();
    for shell in ["bash", "zsh", "fish"] {
        folder.run(0, &["completions", shell]).assert_success().assert_stdout_has("completions");
    }
    let man = folder.run(0, &["man"]);
    man.assert_success()
        .assert_stdout_has(".TH dtask")
        .assert_stdout_has("dtask\\-check")
        .assert_stdout_has("head\\-slots");
}

#[test]
fn commands_are_printed_as_a_person_would_type_them() {
    let folder = Folder::script(
        r#"
[task.mesh]
for   = { res = [64, 128] }
run   = "echo {res} {out}"
out   = "mesh.bin"
[task.sim]
for   = { res = [64, 128], T = [1.5, 2] }
run   = ["echo", "a b", "{mesh}", "--T={T}", "{out.field}"]
out   = { field = "field.h5", log = "log.txt" }
save  = { field = "fields/{res}_{T}.h5" }
env   = { MODE = "the T {T}" }
ranks = 2
dir   = "scratch"
[task.best]
shell = "sort {sim.log} > {out}"
out   = "best.txt"
save  = "best.txt"
[task.sum]
array = "1 + 2"
stdout = "sum.txt"
"#,
    );
    let one = folder.run(0, &["plan", "s.toml", "--commands", "sim[T=2, res=128]"]);
    let expected = "sim[res=128, T=2]\n  ranks      2\n  command    echo 'a b' mesh/res=128/mesh.bin --T=2 field.h5\n  \
                    in         $DTASK_SCRATCH\n  env        MODE='the T 2'\n  reads      mesh: mesh/res=128/mesh.bin\n  \
                    writes     field: field.h5\n  writes     log: log.txt\n  saves      fields/128_2.h5\n";
    assert_eq!(one.assert_success().stdout.trim_end(), expected.trim_end());
    let all = folder.run(0, &["plan", "s.toml", "--commands"]);
    all.assert_success()
        .assert_stdout_has("sim[res=64, T=1.5]")
        .assert_stdout_has("array      1 + 2\n  stdout     sum.txt");
    all.assert_stdout_has("sim/res=64,T=1.5/log.txt").assert_stdout_has("/bin/sh -eu -c");
    let json = folder.run(0, &["plan", "s.toml", "--commands", "mesh[res=64]", "--format", "json"]);
    let text = &json.assert_success().stdout;
    for part in ["\"instance\": \"mesh[res=64]\"", "\"command\": [", "\"out\": \"mesh.bin\""] {
        assert!(text.contains(part) && !text.contains("128"), "{text}");
    }
    folder
        .run(0, &["plan", "s.toml", "--commands", "mseh"])
        .assert_code(2)
        .assert_stderr_has("did you mean `mesh`");
    let none = folder.run(0, &["plan", "s.toml", "--commands", "sim[T=3]"]);
    none.assert_code(2)
        .assert_stderr_has("no instance is `sim[T=3]`; the first one of its task is `sim[res=64, T=1.5]`");
}
