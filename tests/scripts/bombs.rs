//! Scripts and files that are much too large, or never end: `check` and the start answer soon, or say what is too much.
//!
//! The limit is on the processor time that a check may take, which does not depend on what else the machine does. It is
//! some thirty times what a release build takes, so that it holds for a build without optimization, too; without the
//! mended fault each takes far longer.

use super::Folder;
use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};

/// Runs `dtask` in the folder with at most `seconds` of processor time and 4 GB of memory, for at most three minutes.
fn limited(folder: &Folder, seconds: u32, args: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args([
        "180",
        "sh",
        "-c",
        "ulimit -t $0 && ulimit -v 4000000 && exec \"$@\"",
        &seconds.to_string(),
    ]);
    command.arg(env!("CARGO_BIN_EXE_dtask")).args(args).current_dir(folder.dir.path());
    command.stdin(Stdio::null()).output().expect("it can be started")
}

/// Checks a script that is a bomb. The code that is told first must be `code`; none if that is empty.
#[track_caller]
fn bomb(name: &str, text: &str, code: &str) {
    check(name, &Folder::script(text), code);
}

#[track_caller]
fn check(name: &str, folder: &Folder, code: &str) {
    let run = limited(folder, 60, &["check", "s.toml"]);
    let told = String::from_utf8_lossy(&run.stderr);
    let first = told.lines().next().unwrap_or_default();
    let wanted = if code.is_empty() { Some(0) } else { Some(2) };
    assert_eq!(run.status.code(), wanted, "{name}: {first}");
    assert!(code.is_empty() || first.contains(&format!("[{code}]")), "{name}: {first}");
}

/// `piece` for each number below `count`, joined.
fn many(count: u64, between: &str, piece: impl Fn(u64) -> String) -> String {
    let mut text = String::new();
    for number in 0..count {
        let _ = write!(text, "{}{}", if number > 0 { between } else { "" }, piece(number));
    }
    text
}

#[test]
fn families_without_end() {
    let long = "[task.a]\nfor = { i = '0..1000000000000' }\n";
    bomb("a range", &format!("{long}run = 'echo {{i}}'\n"), "");
    bomb("arrays", &format!("{long}array = 'i * 2'\nsave = 'o.h5:/x{{i}}'\n"), "");
    bomb("files", &format!("{long}run = 'echo {{i}}'\nstdout = 'o{{i}}.txt'\n"), "");
    bomb("a gather", &format!("{long}run = 'true'\n[task.b]\nrun = 'cat {{a.stdout}}'\n"), "E83");
    let reduce = "[task.b]\nreduce = { of = 'a', with = 'add' }\nsave = 'b.npy'\n";
    bomb("a reduction", &format!("{long}array = 'i'\n{reduce}"), "E83");
    let two = "[task.a]\nfor = { i = '0..4000000000', j = '0..4000000000' }\nrun = 'true'\n";
    bomb("a product", &format!("{two}[task.b]\neach = 'a'\nrun = 'cat {{a.stdout}}'\n"), "");
    bomb("a condition", &format!("{two}where = 'i + j < 9'\n"), "E39");
    let three = "for = { i = '0..9000000000', j = '0..9000000000' }";
    bomb("more than can be counted", &format!("[task.a]\n{three}\nrun = 'true'\n"), "E39");
    let zip = "[task.a]\nzip = { i = '0..1000000000000', j = '0..1000000000000' }\nrun = 'true'\n";
    bomb("in step", &format!("{zip}[task.b]\nfor = {{ j = '0..3' }}\nrun = 'cat {{a.stdout}}'\n"), "");
    let search =
        "[task.a]\nfor = { i = '0..1000000000000', j = '0..3' }\nlet = { s = 'i - j' }\nrun = 'true'\n";
    bomb("a search", &format!("{search}[task.b]\nfor = {{ j = '0..3' }}\nrun = 'cat {{a.stdout}}'\n"), "E83");
    let looked =
        "[task.a]\nfor = { i = '0..8192', j = '0..2048' }\nwhere = 'i * 2 + j % 7 < 10'\nrun = 'true'\n";
    bomb("as many as are looked at", looked, "");
}

#[test]
fn texts_with_many_references() {
    let family = "[task.a]\nfor = { i = '0..20000' }\nrun = 'echo {i}'\n";
    let same = many(20_000, " ", |_| "{i}".to_owned());
    bomb("one parameter", &format!("{family}[task.b]\neach = 'a'\nrun = 'echo {same}'\n"), "");
    let same = many(20_000, " ", |_| "{a.stdout}".to_owned());
    bomb("one task", &format!("{family}[task.b]\neach = 'a'\nshell = 'echo {same}'\n"), "");
    let pins = many(20_000, " ", |number| format!("{{a.stdout[{number}]}}"));
    bomb("brackets", &format!("{family}[task.b]\nrun = 'echo {pins}'\n"), "");
    let tasks = many(20_000, "", |number| format!("[task.a{number}]\nrun = 'echo'\n"));
    let all = many(20_000, " ", |number| format!("{{a{number}.stdout}}"));
    bomb("many tasks", &format!("{tasks}[task.b]\nrun = 'echo {all}'\n"), "");
    let wrong = many(10_000, " ", |number| format!("{{nope{number}}}"));
    bomb("wrong names", &format!("[task.b]\nrun = 'echo {wrong}'\n"), "E21");
    let wrong = many(10_000, "", |number| format!("[task.a{number}]\nrun = 'echo {{b{number}}}'\n"));
    bomb("wrong names of many tasks", &wrong, "E21");
    let wrong = many(10_000, ", ", |number| format!("'x{number}'"));
    bomb("wrong tasks to wait for", &format!("[task.b]\nrun = 'true'\nafter = [{wrong}]\n"), "E20");
    let before = many(1000, "", |task| {
        let all = many(task, " ", |other| format!("{{a{other}.stdout}}"));
        format!("[task.a{task}]\nrun = 'echo {all}'\n")
    });
    bomb("all tasks before", &before, "");
    let circle = many(20_000, "", |task| {
        format!("[task.a{task}]\nrun = 'true'\nafter = ['a{}']\n", (task + 1) % 20_000)
    });
    bomb("a circle", &circle, "E26");
}

#[test]
fn texts_that_grow() {
    let doubled = many(60, "", |at| format!("v{} = '{{v{at}}}{{v{at}}}'\n", at + 1));
    let script = format!("[vars]\nv0 = 'x'\n{doubled}[task.a]\nrun = 'echo {{v60}}'\n");
    bomb("variables twice in each other", &script, "E83");
    let long = "x".repeat(1_000_000);
    let all = many(20_000, " ", |_| "{v}".to_owned());
    bomb("a long variable", &format!("[vars]\nv = '{long}'\n[task.a]\nrun = 'echo {all}'\n"), "E83");
    let copies = many(20_000, "", |at| format!("w{at} = '{{v}}'\n"));
    bomb("copies of it", &format!("[vars]\nv = '{long}'\n{copies}[task.a]\nrun = 'true'\n"), "E83");
    let script = |quotes: &str, lines: String, value: &str| {
        format!("[task.a]\nfor = {{ i = ['{value}'] }}\nshell = {quotes}{lines}{quotes}\n")
    };
    let lines = |line: &str, value: &str| script("'''", line.repeat(20_000), value);
    bomb("programs of awk", &lines("awk \"{print {i}}\"\n", "1"), "");
    bomb("programs of sh", &lines("sh -c \"echo {i}\"\n", "1"), "");
    bomb("values in arithmetic", &lines("echo $(({i}))\n", "a b"), "E80");
    let escaped = "awk '{print \\\"{i}\\\"}'\n".repeat(20_000);
    bomb("escapes", &script("\"\"\"", escaped, "1"), "");
    let assigned = many(20_000, "", |at| format!("x{}=$x{at}{{i}}\n", at + 1));
    bomb("variables of a shell", &script("'''", format!("{assigned}eval $x20000"), "1"), "");
    bomb("a long line", &format!("[task.a]\nrun = 'echo {} {{nope}}'\n", "x".repeat(7_000_000)), "E21");
}

#[test]
fn many_of_one_thing() {
    bomb("half a million equal keys", &format!("[task.a]\n{}", "run = 'true'\n".repeat(500_000)), "E01");
    let keys = many(200_000, "", |at| format!("k{at} = 1\n"));
    bomb("wrong keys", &format!("[task.a]\nrun = 'true'\n{keys}"), "E04");
    let after = many(1_000, "", |task| {
        let all = many(task, ", ", |other| format!("'a{other}'"));
        format!("[task.a{task}]\nrun = 'true'\nafter = [{all}]\n")
    });
    bomb("each after all before", &after, "");
    let chain = many(2_000, "", |at| {
        let before = at.saturating_sub(1);
        let from = if at == 0 { "for = { i = '0..10' }".to_owned() } else { format!("each = 'a{before}'") };
        let old = if at == 0 { "i".to_owned() } else { format!("x{before}") };
        format!("[task.a{at}]\n{from}\nlet = {{ x{at} = '{old} + 1' }}\nrun = 'echo {{x{at}}}'\n")
    });
    bomb("a chain of each with let", &chain, "");
    let lets = many(5_000, ", ", |at| match at {
        0 => "x0 = 'i'".to_owned(),
        at => format!("x{at} = 'x{} + 1'", at - 1),
    });
    let lets = format!("[task.a]\nfor = {{ i = '0..10' }}\nlet = {{ {lets} }}\nrun = 'echo {{x4999}}'\n");
    bomb("a chain of let", &lets, "");
    let folder = Folder::script("[task.a]\nfor = { c = { csv = 'wide.csv' } }\nrun = 'echo {c.c5}'\n");
    let columns = many(1_000_000, ",", |at| format!("c{at}"));
    let cells = many(1_000_000, ",", |at| at.to_string());
    std::fs::write(folder.path("wide.csv"), format!("{columns}\n{cells}\n{cells}\n")).expect("written");
    check("a million columns", &folder, "");
}

#[test]
fn lists_and_nesting() {
    let list = |items: String| format!("[task.a]\nfor = {{ i = [{items}] }}\nrun = 'echo {{i}}'\n");
    bomb("ten million values", &list(many(10_000_000, ",", |number| number.to_string())), "E83");
    bomb("a million values", &list(many(1_000_000, ",", |number| number.to_string())), "");
    bomb("one value again and again", &list(many(3_000_000, ",", |_| "1".to_owned())), "E18");
    bomb("arrays in arrays", &format!("x = {}{}\n", "[".repeat(100_000), "]".repeat(100_000)), "E01");
    bomb("tables in tables", &format!("[task{}]\nrun = 'true'\n", ".a".repeat(100_000)), "E01");
    let condition =
        |text: String| format!("[task.a]\nfor = {{ i = '0..3' }}\nwhere = '{text}'\nrun = 'true'\n");
    let nested = format!("{}i{}", "(".repeat(100_000), ")".repeat(100_000));
    bomb("parentheses", &condition(nested), "E40");
    bomb("a long sum", &condition(many(100_000, " + ", |_| "i".to_owned())), "E40");
    bomb("open brackets", &format!("[task.a]\nrun = 'true {}'\n", "{a[".repeat(500_000)), "");
    bomb("open formats", &format!("[task.a]\nrun = 'true {}'\n", "{x:".repeat(500_000)), "");
    bomb("a key again and again", &format!("[task.a]\n{}", "run = 'true'\n".repeat(200_000)), "E01");
}

#[test]
fn tables_and_rows() {
    let excluded = many(100_000, ", ", |row| format!("{{ c = {} }}", row * 7));
    let folder = Folder::script(&format!(
        "[task.a]\nfor = {{ c = {{ csv = 'rows.csv' }} }}\nexclude = [{excluded}]\nrun = 'echo {{c.id}}'\n"
    ));
    let rows = many(1_000_000, "\n", |row| format!("{row:07},{row},x{row}"));
    std::fs::write(folder.path("rows.csv"), format!("id,a,b\n{rows}\n")).expect("written");
    check("a million rows", &folder, "");
    let same = many(100_000, ", ", |_| "{ i = 5 }".to_owned());
    let square = "[task.a]\nfor = { i = '0..10000', j = '0..10000' }\nrun = 'true'\n";
    bomb("one row again and again", &format!("{square}exclude = [{same}]\nwhere = 'j > 1'\n"), "E39");
    bomb("one row, without a condition", &format!("{square}exclude = [{same}]\n"), "");
    let added = many(50_000, ", ", |row| format!("{{ i = -{} }}", row + 1));
    let range = "[task.a]\nfor = { i = '0..1000000' }\nrun = 'true'\n";
    bomb("rows to add", &format!("{range}include = [{added}]\n"), "");
}

#[test]
fn files_that_never_end() {
    let reads = |how: &str| format!("[task.a]\nfor = {{ x = {how} }}\nrun = 'echo {{x}}'\n");
    for how in ["{ lines = '/dev/zero' }", "{ csv = '/dev/urandom' }", "{ lines = '/' }"] {
        bomb(how, &reads(how), "E37");
    }
    for how in ["{ csv = 'fifo' }", "{ lines = 'fifo' }"] {
        let folder = Folder::script(&reads(how));
        let made = Command::new("mkfifo").arg(folder.path("fifo")).status().expect("mkfifo");
        assert!(made.success());
        check(how, &folder, "E37");
    }
    let folder = Folder::script(&reads("{ lines = 'long.txt' }"));
    let file = std::fs::File::create(folder.path("long.txt")).expect("made");
    file.set_len(1 << 40).expect("a file of a terabyte of nothing");
    check("a terabyte", &folder, "E83");
}

#[test]
fn a_run_of_a_million_million_instances_starts() {
    let folder = Folder::script(
        "[policy]\non-failure = 'stop'\n[task.a]\nfor = { i = '0..1000000000000' }\nrun = 'false'\n",
    );
    let run = folder.run(0, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("exit code 1");
}
