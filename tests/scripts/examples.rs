//! The example scripts.

use super::Folder;
use dtask::internal::arrays::{Binding, Expr, RandomContext, Scope, text};
use ndarray::ArrayD;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[test]
fn hello_says_it_in_order_from_all_ranks() {
    for ranks in 1..=4 {
        let folder = Folder::example("hello.toml");
        let run = folder.run(ranks, &["hello.toml"]);
        run.assert_success().assert_stdout_has("8 tasks done").assert_stdout_has("result  hello.txt");
        run.assert_stderr_has("rank  host").assert_stderr_has("8 of 8 tasks done");
        let hello = folder.read("hello.txt");
        let lines: Vec<&str> = hello.lines().collect();
        assert_eq!(lines.len(), 8, "{hello}");
        for (i, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[..4], ["hello", &i.to_string(), "from", "rank"], "{hello}");
            assert_eq!(words[5..7], ["of", &ranks.to_string()], "{hello}");
            let rank: usize = words[4].parse().expect("a rank");
            assert!(rank < ranks && (ranks == 1 || rank > 0), "{hello}");
        }
        assert_eq!(folder.names(), ["hello.txt"]);
    }
}

struct OneNumber(&'static str, f64);

impl Scope for OneNumber {
    fn get(&self, name: &str) -> Option<Binding<'_>> {
        (name == self.0).then_some(Binding::Number(self.1))
    }
    fn context(&self) -> RandomContext {
        RandomContext::default()
    }
}

/// `tree.toml` without dtask's scheduler: the loop over pairs that its comments show.
fn serial_tree() -> String {
    let random = Expr::parse("random(1000000, seed = i)").expect("an expression");
    let leaf = |i| random.eval(&OneNumber("i", f64::from(i))).expect("random numbers").into_f64();
    let mut xs: Vec<ArrayD<f64>> = (0..16).map(leaf).collect();
    while xs.len() > 1 {
        xs = xs.chunks(2).map(|pair| &pair[0] + &pair[1]).collect();
    }
    let head: Vec<f64> = xs[0].iter().take(6).copied().collect();
    text::to_text(&ndarray::Array1::from_vec(head).into_dyn().into())
}

#[test]
fn the_tree_has_the_same_bytes_on_any_number_of_ranks() {
    let expected = serial_tree();
    assert_eq!(expected.lines().count(), 6);
    for ranks in 1..=4 {
        let folder = Folder::example("tree.toml");
        folder.run(ranks, &["tree.toml"]).assert_success().assert_stdout_has("result  total.txt");
        assert_eq!(folder.read("total.txt"), expected, "{ranks} ranks");
    }
}

#[test]
fn the_table_of_licences_is_what_counting_gives() {
    let licences = Path::new("/usr/share/common-licenses");
    if !licences.exists() {
        return; // no Debian
    }
    let folder = Folder::example("licences.toml");
    folder.run(4, &["licences.toml"]).assert_success().assert_stdout_has("result  licences.tsv");
    let mut expected = Vec::new();
    for entry in std::fs::read_dir(licences).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read(&path).expect("a licence");
        let text = String::from_utf8_lossy(&text);
        let lower = text.to_ascii_lowercase();
        let distinct: BTreeSet<&str> =
            lower.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        expected.push((text.split_ascii_whitespace().count(), name, distinct.len()));
    }
    expected.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let rows = expected.iter().map(|(words, name, distinct)| format!("{name}\t{words}\t{distinct}\n"));
    assert_eq!(
        folder.read("licences.tsv"),
        format!("licence\twords\tdistinct\n{}", rows.collect::<String>())
    );
}

#[test]
fn the_words_of_the_licences_are_counted() {
    let licences = Path::new("/usr/share/common-licenses");
    if !licences.exists() {
        return; // no Debian
    }
    let folder = Folder::example("wordcount.toml");
    folder.run(3, &["wordcount.toml"]).assert_success();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for entry in std::fs::read_dir(licences).expect("the folder can be read") {
        let text = std::fs::read(entry.expect("an entry").path()).expect("a licence").to_ascii_lowercase();
        let words = text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty());
        for word in words.map(String::from_utf8_lossy) {
            *expected.entry(word.into_owned()).or_default() += 1;
        }
    }
    let parts: String = (0..4).map(|part| folder.read(&format!("counts/{part}.tsv"))).collect();
    let mut lines: Vec<&str> = parts.lines().collect();
    lines.sort_unstable();
    let all: Vec<String> = expected.iter().map(|(word, count)| format!("{word}\t{count}")).collect();
    assert_eq!(lines, all);
    let mut top: Vec<(&String, &u64)> = expected.iter().collect();
    top.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let top: String = top[..20].iter().map(|(word, count)| format!("{word}\t{count}\n")).collect();
    assert_eq!(folder.read("top20.tsv"), top);
}

#[test]
fn the_examples_pass_the_check() {
    for name in ["hello.toml", "tree.toml", "licences.toml", "wordcount.toml"] {
        let run = Folder::example(name).run(0, &["check", name]);
        run.assert_success().assert_stdout_has("no errors");
        assert_eq!(run.stderr, "");
    }
}
