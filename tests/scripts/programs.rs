//! How values reach programs: the JSON file of an instance, files that are run by themselves, words before a command.

use super::Folder;
use serde_json::Value;

#[test]
fn the_file_of_parameters_has_all_that_an_instance_has() {
    let folder = Folder::script(
        r#"
[task.mesh]
for   = { i = "0..2" }
shell = "echo {i} > {out.a}; echo b > {out.b}"
out   = { a = "a.txt", b = "b.txt" }
[task.one]
for     = { i = "0..2", case = { csv = "cases.csv" }, x = [0.5, inf] }
let     = { label = "'-' + case.name" }
where   = "i == 1 && case.n == 7"
shell   = "[ {dtask.params} = $DTASK_PARAMS ]; cat {mesh.a} > {out.field}; cp $DTASK_PARAMS {out.json}"
out     = { field = "f.bin", json = "all.json" }
save    = { json = "{dtask.index}.json" }
[task.all]
shell   = "cp {dtask.params} {out}; cat {mesh.b} {one.json.list} > all.txt"
out     = "all.json"
save    = "all.json"
"#,
    );
    std::fs::write(folder.path("cases.csv"), "name,n\nlow,3\n\"h\"\"\u{e9}\",7\n").expect("written");
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml", "--fresh"]).assert_success();
        let read = |name: &str| -> Value { serde_json::from_str(&folder.read(name)).expect("JSON") };
        let one = read("0.json");
        assert_eq!(one["task"], "one");
        assert_eq!(one["params"]["i"], 1);
        assert_eq!(one["params"]["case"]["n"], 7);
        assert_eq!(one["params"]["label"], "-h\"\u{e9}");
        assert_eq!((&one["params"]["x"], &read("1.json")["params"]["x"]), (&Value::from(0.5), &"inf".into()));
        assert!(one["inputs"]["mesh.a"].as_str().is_some_and(|path| path.ends_with("a.txt")), "{one}");
        assert!(one["outs"]["field"].as_str().is_some_and(|path| path.ends_with("f.bin")), "{one}");
        assert_eq!((&one["attempt"], &one["index"]), (&Value::from(1), &Value::from(0)));
        let all = read("all.json");
        assert_eq!(all["inputs"]["mesh.b"].as_array().map(Vec::len), Some(2), "{all}");
        assert!(all["inputs"]["one.json.list"].is_string() && all["outs"]["out"].is_string(), "{all}");
    }
}

#[test]
fn files_run_by_their_first_line_or_their_ending() {
    let folder = Folder::script(
        r#"
[default]
wrap = ["env", "WRAPPED=a {i}"]
[task.line]
for    = { i = "0..2" }
script = ["first", "x y", "{i}"]
dir    = "scratch"
stdout = "line.txt"
[task.ending]
for    = { i = [5] }
script = "./sub/second.sh"
env    = { E = "{line.stdout[0]}" }
stdout = "ending.txt"
[task.shell]
for    = { i = [6] }
shell  = "echo $WRAPPED"
stdout = "shell.txt"
[task.run]
for    = { i = [7] }
run    = ["sh", "-c", "echo $WRAPPED"]
stdout = "run.txt"
[task.none]
wrap   = []
shell  = "echo ${WRAPPED-none}"
stdout = "none.txt"
"#,
    );
    std::fs::create_dir(folder.path("sub")).expect("made");
    std::fs::write(folder.path("first"), "#!/bin/sh -e\necho \"$WRAPPED/$1/$2\"; ls\n").expect("written");
    std::fs::write(folder.path("sub/second.sh"), "cat $E; echo $0 | grep -c sub/second.sh").expect("written");
    for ranks in [0, 2] {
        folder.run(ranks, &["s.toml", "--fresh"]).assert_success();
        assert_eq!(folder.read("line.txt"), "a 0/x y/0\na 1/x y/1\n");
        assert_eq!(folder.read("ending.txt"), "a 0/x y/0\n1\n");
        let others = ["shell.txt", "run.txt", "none.txt"].map(|name| folder.read(name));
        assert_eq!(others, ["a 6\n", "a 7\n", "none\n"]);
    }
    // what the file says is a part of what an instance does
    std::fs::write(folder.path("first"), "#!/bin/sh\necho changed\n").expect("written");
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(folder.read("line.txt"), "changed\nchanged\n");
}
