//! What is written in a script or a file comes to commands as it is written, and counts as a number in expressions.

use super::Folder;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

/// The integers at which something may go wrong.
const INTEGERS: [i64; 9] =
    [0, -1, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1];

#[test]
fn a_cell_is_its_text_wherever_text_is_wanted() {
    let folder = Folder::script(
        r#"
[task.a]
for    = { c = { csv = "c.csv" } }
let    = { double = "c.id * 2", ver = "c.ver" }
where  = "c.id > 100 && c.id != 103"
run    = "echo {c.id} {c.ver} {c.id:06} {double} {ver} {c.flag}"
stdout = "a.txt"
[task.b]
for    = { c = { csv = "c.csv" } }
where  = "c.id == '0101' && c.flag"
array  = "c.id + c.ver"
stdout = "b.txt"
"#,
    );
    std::fs::write(folder.path("c.csv"), "id,ver,flag\r\n0101,1.10,True\r\n0102,2.0,False\r\n103,3,True\r\n")
        .expect("written");
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(folder.read("a.txt"), "0101 1.10 000101 202 1.10 True\n0102 2.0 000102 204 2.0 False\n");
    assert_eq!(folder.read("b.txt").trim(), "102.1");
}

#[test]
fn numbers_keep_the_spelling_of_the_script() {
    let folder = Folder::script(
        r#"
[vars]
x = 1
y = 2.50
hex = 0x1f
long = 1_000_000
[task.a]
for    = { v = [1.10, 2, 1e-3], line = { lines = "l.txt" } }
where  = "v < 2 && line < 9"
run    = "echo {v} {line} {x} {y} {hex} {long}"
stdout = "a.txt"
[task.lines]
for    = { w = { lines = "v.txt" } }
run    = "echo {w}"
stdout = "w.txt"
"#,
    );
    std::fs::write(folder.path("l.txt"), "\u{feff}007\r\n08\r\n09\r\n").expect("written");
    // two versions that are one number are two texts
    std::fs::write(folder.path("v.txt"), "1.1\n1.10\n").expect("written");
    folder.run(0, &["s.toml", "--set", "x=007", "--set", "y=3"]).assert_success();
    let lines = ["1.10 007", "1.10 08", "1e-3 007", "1e-3 08"];
    let lines: String = lines.iter().map(|line| format!("{line} 007 3 0x1f 1000000\n")).collect();
    assert_eq!(folder.read("a.txt"), lines);
    assert_eq!(folder.read("w.txt"), "1.1\n1.10\n");
}

#[test]
fn any_integer_is_the_same_through_every_way() {
    let all = INTEGERS.map(|number| number.to_string());
    let list = all.join(", ");
    let vars: String = all.iter().enumerate().map(|(at, number)| format!("v{at} = {number}\n")).collect();
    let uses: String = (0..all.len()).map(|at| format!(" {{v{at}}}")).collect();
    let script = r#"
[vars]
s = 0
VARS
[task.list]
for    = { n = [LIST] }
let    = { m = "n", k = "where(n > 0, n - 1 + 1, n + 1 - 1)" }
where  = "n == m && k == n"
run    = "echo {n} {m} {k} {n:d}"
stdout = "list.txt"
[task.lines]
for    = { n = { lines = "n.txt" } }
let    = { k = "where(n > 0, n - 1 + 1, n + 1 - 1)" }
run    = "echo {n} {k}"
stdout = "lines.txt"
[task.csv]
for    = { c = { csv = "n.csv" } }
let    = { k = "where(c.n > 0, c.n - 1 + 1, c.n + 1 - 1)" }
run    = "echo {c.n} {k}"
stdout = "csv.txt"
[task.vars]
run    = "echoUSES {s}"
stdout = "vars.txt"
[task.high]
for    = { n = "9223372036854775805..=9223372036854775807" }
run    = "echo {n}"
stdout = "high.txt"
[task.low]
for    = { n = "-9223372036854775808..-9223372036854775806" }
where  = "n < -9223372036854775807"
run    = "echo {n}"
stdout = "low.txt"
[task.same]
for    = { n = "9007199254740991..=9007199254740994" }
run    = "echo {n}"
[task.meets]
for    = { n = [9007199254740993] }
run    = "cat {same.stdout}"
stdout = "meets.txt"
"#;
    let script = script.replace("VARS", &vars).replace("LIST", &list).replace("USES", &uses);
    let folder = Folder::script(&script);
    std::fs::write(folder.path("n.txt"), all.join("\n")).expect("written");
    std::fs::write(folder.path("n.csv"), format!("n\n{}\n", all.join("\n"))).expect("written");
    folder.run(0, &["s.toml", "--set", "s=9007199254740993"]).assert_success();
    let lines = |times: usize| -> String {
        all.iter().map(|number| format!("{}\n", vec![number.as_str(); times].join(" "))).collect()
    };
    assert_eq!(folder.read("list.txt"), lines(4));
    assert_eq!(folder.read("lines.txt"), lines(2));
    assert_eq!(folder.read("csv.txt"), lines(2));
    assert_eq!(folder.read("vars.txt"), format!("{} 9007199254740993\n", all.join(" ")));
    assert_eq!(folder.read("high.txt"), "9223372036854775805\n9223372036854775806\n9223372036854775807\n");
    assert_eq!(folder.read("low.txt"), "-9223372036854775808\n");
    assert_eq!(folder.read("meets.txt"), "9007199254740993\n");
    folder.run(0, &["check", "s.toml", "--set", "s=9223372036854775807"]).assert_success();
    folder.run(0, &["check", "s.toml", "--set", "s=9223372036854775808"]).assert_code(2);
}

#[test]
fn an_integer_that_an_array_would_lose_is_told() {
    let folder = Folder::script(
        "[task.a]\nfor = { n = [9007199254740993] }\narray = 'zeros(2) + n'\nstdout = 'a.txt'\n",
    );
    let run = folder.run(0, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("9007199254740993 is beyond 2**53, and no 64-bit float");
    let folder = Folder::script(
        "[task.a]\nfor = { s = [9007199254740992, 9007199254740993] }\narray = 'random(3, seed = s)'\nstdout = 'a{s}.txt'\n\
         [task.b]\narray = 'random(1, seed = dtask.seed)'\nstdout = 'b.txt'\n",
    );
    folder.run(0, &["s.toml"]).assert_success();
    assert_ne!(folder.read("a9007199254740992.txt"), folder.read("a9007199254740993.txt"));
}

#[test]
fn integers_of_64_bits_are_exact_in_arrays_too() {
    let script = r#"dtask = 1
[vars]
top = 9223372036854775807
[task.pair]                               # a parameter, let, where
for    = { n = [-9223372036854775808, -1, 9007199254740993, 9223372036854775806] }
let    = { m = "n + 1" }
where  = "m != 0"
array  = "cast([n, m], 'i64')"
save   = "n{n}.npy"
[task.sums]                              # a gather, arithmetic, a comparison, a table of a command
array  = "concat(max(pair, axis = 0), sum(pair[1] - pair[0][0] * 0), min(pair), pair[1] > 9007199254740992, ids + 1, top)"
stdout = "sums.txt"
[task.ids]
run    = ["echo", "9007199254740993"]
[task.literal]
array  = "[9007199254740993, 3 * 2 ** 61]"
stdout = "literal.txt"
[task.over]
array  = "pair[2] + top"
stdout = "over.txt"
"#;
    let folder = Folder::script(script.trim_start_matches("dtask = 1\n"));
    let run = folder.run(0, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("a result of `+` does not fit into 64 bits");
    let all = [i64::MIN, i64::MIN + 1, (1 << 53) + 1, (1 << 53) + 2, i64::MAX - 1, i64::MAX];
    for pair in all.as_chunks::<2>().0 {
        let bytes = std::fs::read(folder.path(&format!("n{}.npy", pair[0]))).expect("saved");
        let read = bytes[128..].as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        assert!(read.eq(*pair), "{pair:?}");
    }
    let sums = [i64::MAX - 1, i64::MAX, (1 << 54) + 3, i64::MIN, 1, 1, (1 << 53) + 2, i64::MAX];
    assert_eq!(folder.read("sums.txt"), sums.map(|x| format!("{x}\n")).concat());
    assert_eq!(folder.read("literal.txt"), "9007199254740993\n6917529027641081856\n");
}

#[test]
fn line_ends_and_marks_of_windows_are_no_part_of_a_script() {
    let folder = Folder::empty();
    let script = r#"dtask = 1
[task.a]
shell = '''
for i in 1 2; do
  echo $i > f$i.txt
done
'''
[task.b]
run = """
  echo a
  b \
  c"""
stdout = "b.txt"
"#;
    let script = format!("\u{feff}{}", script.replace('\n', "\r\n"));
    std::fs::write(folder.path("s.toml"), script).expect("written");
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(folder.names(), ["b.txt", "f1.txt", "f2.txt"]);
    assert_eq!((folder.read("f1.txt"), folder.read("b.txt")), ("1\n".into(), "a b c\n".into()));
    std::fs::write(folder.path("s.toml"), b"dtask = 1\r\n[task.a]\r\nrun = 'echo \xe9'\r\n")
        .expect("written");
    let run = folder.run(0, &["check", "s.toml"]);
    run.assert_code(2).assert_stderr_has("byte 13 of line 3 is 0xe9");
    std::fs::write(folder.path("s.toml"), b"\xff\xfed\0t\0a\0s\0k\0").expect("written");
    folder.run(0, &["check", "s.toml"]).assert_code(2).assert_stderr_has("UTF-16");
}

#[test]
fn a_name_that_is_no_text_is_passed_over_or_told() {
    let folder =
        Folder::script("[task.a]\nfor = { f = { glob = '**/*.dat' } }\nrun = 'echo {f}'\nstdout = 'a.txt'\n");
    std::fs::create_dir(folder.path("d")).expect("made");
    std::fs::write(folder.path("d/x.dat"), "").expect("written");
    let odd = |name: &[u8]| folder.dir.path().join("d").join(OsStr::from_bytes(name));
    std::fs::write(odd(b"\xff\xfe.txt"), "").expect("written");
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(folder.read("a.txt"), "d/x.dat\n");
    std::fs::write(odd(b"\xff\xfe.dat"), "").expect("written");
    let run = folder.run(0, &["check", "s.toml"]);
    run.assert_code(2).assert_stderr_has(r#"the name "d/\xFF\xFE.dat" is no UTF-8"#);
}

#[test]
fn conditions_on_variables_alone_switch_tasks() {
    let folder = Folder::script(
        r#"
[vars]
n = 3
fast = true
[task.a]
for    = { i = "0..3" }
let    = { many = "n > 2" }
where  = "n > 2 && many && !false"
run    = "echo {i}"
stdout = "a.txt"
[task.b]
where  = "fast && true"
run    = "echo b"
stdout = "b.txt"
[task.c]
after  = ["a"]
run    = "echo c"
stdout = "c.txt"
"#,
    );
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!((folder.read("a.txt"), folder.read("b.txt")), ("0\n1\n2\n".into(), "b\n".into()));
    std::fs::remove_file(folder.path("a.txt")).expect("it is there");
    std::fs::remove_file(folder.path("b.txt")).expect("it is there");
    let run = folder.run(2, &["s.toml", "--set", "n=2", "--set", "fast=false"]);
    run.assert_success().assert_stderr_has("warning[W11]");
    assert_eq!(folder.names(), ["c.txt"]);
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let folder = Folder::script(
        r#"
[task.a]
for   = { x = ["\u001b]0;title\u0007", "b\nerror: forged"] }
shell = '''
printf '\033[31mred' >&2; exit 3'''
"#,
    );
    let run = folder.run(0, &["s.toml"]);
    run.assert_code(1).assert_stderr_has(r"a[x=\x1b]0;title\x07]");
    run.assert(!run.stderr.contains(['\u{1b}', '\u{7}']), "no control characters");
    run.assert(!run.stderr.lines().any(|line| line.starts_with("error: forged")), "no forged line");
    let bad = Folder::script("[task.a]\nrun = 'true'\n# \u{1b}[31m\n\"k\\u001b[31m\" = 1\n");
    let run = bad.run(0, &["check", "s.toml"]);
    run.assert_code(2);
    run.assert(!run.stderr.contains('\u{1b}'), "no control characters");
}

#[test]
fn what_cannot_be_written_is_told() {
    let folder = Folder::script("[task.a]\nrun = 'true'\n");
    let exits = |args: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let mut command = Command::new(env!("CARGO_BIN_EXE_dtask"));
        command.args(args).current_dir(folder.dir.path()).stdin(Stdio::null());
        let run = command.stdout(full).stderr(Stdio::piped()).spawn().expect("it can be started");
        let run = run.wait_with_output().expect("it ends");
        (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    for args in [
        &["check", "s.toml"][..],
        &["plan", "s.toml"],
        &["plan", "s.toml", "--keys"],
        &["graph", "s.toml"],
        &["graph", "s.toml", "--format", "svg"],
        &["explain"],
        &["explain", "E21"],
        &["man"],
        &["completions", "bash"],
        &["--version"],
        &["--help"],
    ] {
        let (code, told) = exits(args);
        assert_eq!(code, Some(3), "{args:?}: {told}");
        assert!(told.contains("standard output cannot be written"), "{args:?}: {told}");
    }
    // what a run has done is done
    let (code, told) = exits(&["s.toml"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("standard output cannot be written"), "{told}");
}
