//! How values reach programs: the JSON file of an instance, files that are run by themselves, words before a command.

use super::Folder;

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
        let [one, other, all] = ["0.json", "1.json", "all.json"].map(|name| folder.read(name));
        for part in [
            "\"task\": \"one\"",
            "\"i\": 1,",
            "\"case\": {\n      \"name\": \"h\\\"\u{e9}\",\n      \"n\": 7\n    }",
            "\"x\": 0.5,",
            "\"label\": \"-h\\\"\u{e9}\"",
            "\"mesh.a\": \"/",
            "\"field\": \"/",
            "\"index\": 0,",
            "\"attempt\": 1,",
        ] {
            assert!(one.contains(part), "{part} in {one}");
        }
        assert!(other.contains("\"x\": \"inf\""), "{other}");
        assert!(all.contains("\"mesh.b\": [\n      \"/") && all.contains("\"out\": \"/"), "{all}");
        assert!(all.contains("\"one.json.list\": \"/"), "{all}");
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

#[test]
fn the_file_of_parameters_is_there_for_those_who_name_it() {
    let folder = Folder::script(
        r#"
[task.without]
run    = ["sh", "-c", "ls -A $DTASK_SCRATCH; env | grep -c DTASK_PARAM || true"]
stdout = "without.txt"
[task.named]
shell  = 'grep -c seed "$DTASK_PARAMS"'
stdout = "named.txt"
[task.by]
run    = ["sh", "-c", "grep -c seed $JOB"]
env    = { JOB = "{dtask.params}" }
stdout = "by.txt"
[task.wrapped]
wrap   = ["env"]
run    = ["sh", "-c", "env | grep -c DTASK_PARAM"]
stdout = "wrapped.txt"
"#,
    );
    folder.run(2, &["s.toml"]).assert_success();
    let read = |name: &str| folder.read(name).trim().to_owned();
    assert_eq!((read("without.txt"), read("named.txt")), ("0".into(), "1".into()));
    assert_eq!((read("by.txt"), read("wrapped.txt")), ("1".into(), "1".into()));
}
