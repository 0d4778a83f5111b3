//! `mapreduce`: words counted by commands and by what is built in, against the tools that everybody would use.

use super::Folder;
use std::fmt::Write;
use std::process::Command;

/// The specification's word count, as it stands there.
const WORD_COUNT: &str = r#"
[task.count.mapreduce]
input      = { glob = "corpus/*.txt", split = "16 MiB" }
map        = { shell = "tr -cs '[:alpha:]' '\\n' | tr '[:upper:]' '[:lower:]' | awk 'NF {print $1 \"\\t1\"}'" }
combine    = "sum"
reduce     = { run = ["python3", "reducer.py"] }
partitions = 8
[task.top]
shell = "sort -t '\t' -k2,2nr {count} | head -n 20"
save  = "top20.tsv"
"#;

/// Adds what stands side by side with one key.
const REDUCER: &str = r#"import sys
from itertools import groupby

pairs = (line.rstrip("\n").split("\t") for line in sys.stdin)
for key, group in groupby(pairs, key=lambda pair: pair[0]):
    print(key, sum(int(count) for _, count in group), sep="\t")
"#;

/// Texts of words of different frequencies: a long file, an empty one, one without an end of its last line, and one of
/// a single long line.
fn corpus(folder: &Folder) {
    std::fs::create_dir(folder.path("corpus")).unwrap();
    let mut state = 1u64;
    let mut text = |words: usize, ends: bool| {
        let mut text = String::new();
        for number in 0..words {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (size, pick) = (state >> 60, state >> 33);
            let word = pick % (1 << (size / 2 + 2));
            let letters: String =
                format!("{word:o}").chars().map(|c| (c as u8 - b'0' + b'a') as char).collect();
            let _ = match number % 11 {
                3 => write!(text, "{}, ", letters.to_uppercase()),
                7 if ends => writeln!(text, "{letters}."),
                9 => write!(text, "{letters}'s {number} \u{e9}t\u{e9} "),
                _ => write!(text, "{letters} "),
            };
        }
        text
    };
    for (name, content) in [
        ("a", text(20_000, true)),
        ("b", String::new()),
        ("c", text(500, true) + "last"),
        ("d", text(3000, false)),
    ] {
        std::fs::write(folder.path(&format!("corpus/{name}.txt")), content).unwrap();
    }
    std::fs::write(folder.path("reducer.py"), REDUCER).unwrap();
}

/// `word TAB count` lines in the order of the words, as the shell makes them.
fn counted_by_the_shell(folder: &Folder) -> String {
    let script = "export LC_ALL=C; for f in corpus/*.txt; do cat $f; echo; done | tr -cs '[:alpha:]' '\\n' \
                  | tr '[:upper:]' '[:lower:]' | awk NF | sort | uniq -c | awk '{print $2 \"\\t\" $1}'";
    let output = Command::new("sh").args(["-c", script]).current_dir(folder.dir.path()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_word_count_of_the_specification() {
    let tops = [0, 1, 2, 4].map(|ranks| {
        let folder = Folder::script(WORD_COUNT);
        corpus(&folder);
        folder.run(ranks, &["s.toml"]).assert_success();
        let top = folder.read("top20.tsv");
        assert_eq!(top.lines().count(), 20, "{top}");
        let counted = counted_by_the_shell(&folder);
        for line in top.lines() {
            assert!(counted.lines().any(|other| other == line), "{line}");
        }
        top
    });
    assert!(tops.iter().all(|top| *top == tops[0]), "{tops:?}");
}

#[test]
fn words_are_counted_as_by_sort_and_uniq() {
    // one file of all partitions, one for each, and what another task gets; with and without spilling
    let script = r#"
[vars]
buffer = "256 MiB"
[task.one.mapreduce]
input      = { glob = "corpus/*", split = "20 kB" }
map        = "words"
reduce     = "sum"
partitions = 1
[task.one]
save       = "one.tsv"
[task.parts]
save       = "parts/{partition}.tsv"
[task.parts.mapreduce]
input      = { files = ["corpus/a.txt", "corpus/b.txt", "corpus/c.txt", "corpus/d.txt"], split = "7 kB" }
map        = "words"
combine    = "sum"
reduce     = "sum"
partitions = 3
buffer     = "BUFFER"
[task.lines]
each       = "parts"
run        = ["wc", "-l", "{parts}"]
stdout     = "lines.txt"
[task.all]
stdin      = "{parts}"
run        = "cat"
save       = "all.tsv"
"#;
    for (ranks, buffer) in [(0, "1 GiB"), (1, "2 kB"), (2, "300 B"), (4, "2 kB")] {
        let folder = Folder::script(&script.replace("BUFFER", buffer));
        corpus(&folder);
        folder.run(ranks, &["s.toml"]).assert_success();
        let expected = counted_by_the_shell(&folder);
        assert!(expected.lines().count() > 200);
        assert_eq!(folder.read("one.tsv"), expected, "{ranks}");
        let parts = [0, 1, 2].map(|part| folder.read(&format!("parts/{part}.tsv")));
        assert_eq!(folder.read("all.tsv"), parts.concat(), "{ranks}");
        assert_eq!(sorted(&parts.concat()), expected, "{ranks}");
        assert!(parts.iter().all(|part| *part == sorted(part)), "{ranks}");
        let lines: Vec<usize> = folder
            .read("lines.txt")
            .lines()
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(lines, parts.map(|part| part.lines().count()), "{ranks}");
    }
}

#[test]
fn what_does_not_fit_is_spilled() {
    // floats, whose sum depends on the order, and commands at every stage
    let script = r#"
[task.make]
for    = { i = "0..12" }
shell  = "seq 1 400 | awk -v i={i} '{{print \"k\" ($1 * 7 % 13) \"\\t\" ($1 + i) / 7}}'"
[task.sums.mapreduce]
input      = { of = "make" }
map        = "identity"
reduce     = "sum"
partitions = 5
buffer     = "BUFFER"
[task.sums]
save       = "sums.tsv"
[task.seen.mapreduce]
input      = { of = "make.stdout" }
map        = { run = "cat" }
combine    = { shell = "awk -F '\\t' '{n[$1]++} END {for (k in n) print k \"\\t\" n[k]}'" }
reduce     = { shell = "awk -F '\\t' '{n[$1] += $2} END {for (k in n) print ENVIRON[\"TAG\"] k \"\\t\" n[k]}' | sort" }
partitions = 2
buffer     = "BUFFER"
[task.seen]
env        = { TAG = "n" }
save       = "seen.tsv"
[task.joined.mapreduce]
input      = { of = "make" }
map        = "identity"
combine    = "concat"
reduce     = "first"
partitions = 1
[task.joined]
stdout     = "joined.tsv"
"#;
    let names = ["sums.tsv", "seen.tsv", "joined.tsv"];
    let mut all = Vec::new();
    for (ranks, buffer) in [(1, "100 B"), (2, "100 B"), (4, "100 B"), (3, "1 GiB")] {
        let folder = Folder::script(&script.replace("BUFFER", buffer));
        folder.run(ranks, &["s.toml"]).assert_success();
        all.push(names.map(|name| folder.read(name)));
    }
    let [sums, seen, joined] = &all[0];
    assert_eq!(sums.lines().count(), 13, "{sums}");
    assert_eq!(sorted(seen).lines().next(), Some("nk0\t360"), "{seen}");
    assert_eq!(joined.lines().count(), 13);
    assert!(joined.lines().all(|line| line.matches(',').count() >= 29), "{joined}");
    assert!(all[..3].iter().all(|files| *files == all[0]), "on any number of ranks");
    // what a mapper adds up before it spills is added up first
    assert!(all[3][1..] == all[0][1..], "with any buffer");
}

#[test]
fn what_goes_wrong_is_told_once() {
    let script = r#"
[task.bad.mapreduce]
input  = { files = ["in.txt"], split = "4 B" }
map    = "identity"
reduce = "max"
[task.ends.mapreduce]
input  = { files = ["in.txt"] }
map    = { shell = "echo so not >&2; exit 3" }
reduce = "count"
[task.after]
shell  = "cat {bad} {ends}"
save   = "after.txt"
[task.good.mapreduce]
input  = { files = ["in.txt"] }
map    = "identity"
reduce = "count"
[task.good]
save   = "good.tsv"
"#;
    for ranks in [1, 3] {
        let folder = Folder::script(script);
        std::fs::write(folder.path("in.txt"), "a\t1\nb\tnone").unwrap();
        let outcome = folder.run(ranks, &["s.toml"]);
        outcome.assert_code(1).assert_stderr_has("the value `none` is no number, of the key `b`");
        outcome.assert_stderr_has("the lines of `in.txt`: `map`: ").assert_stderr_has("so not");
        let told = &outcome.stderr;
        assert_eq!(told.matches("error: ends[partition=0] failed").count(), 1, "{told}");
        assert!(!told.contains('\u{1}') && told.matches("error: ").count() == 3, "{told}");
        assert!(!folder.path("after.txt").exists());
        assert_eq!(sorted(&folder.read("good.tsv")), "a\t1\nb\t1\n");
    }
}

#[test]
fn a_reducer_may_leave_out_its_last_line_end() {
    let folder = Folder::script(
        r#"
[task.count.mapreduce]
input      = { glob = "t.txt" }
map        = "words"
reduce     = { shell = "printf %s \"$(cut -f1 | sort -u)\"" }
partitions = 4
[task.all]
shell  = "cat {count} | sort"
stdout = "all.txt"
"#,
    );
    let words: Vec<String> = ('a'..='z').map(|letter| format!("word{letter}")).collect();
    std::fs::write(folder.path("t.txt"), words.join(" ")).unwrap();
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(folder.read("all.txt").lines().collect::<Vec<_>>(), words);
}
