//! `docs/library.md` works as it is pasted: its programs are those of `tests/programs/tutorial/`, and print what stands
//! below them. Every public item has an example.

mod common;

use common::mpirun::Mpirun;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The blocks of a page in this language, each with what follows it.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<(&'p str, &'p str)> {
    let begin = format!("```{language}\n");
    page.split(&begin).skip(1).filter_map(|part| part.split_once("```\n")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_programs_of_the_tutorial_print_what_the_page_says() {
    let page = std::fs::read_to_string(root().join("docs/library.md")).expect("the page");
    let programs: Vec<_> = blocks(&page, "rust,no_run")
        .into_iter()
        .filter(|(program, _)| program.contains("fn main()"))
        .collect();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_dtask")).with_file_name("examples").join("test_tutorial");
    let mut looked_at = 0;
    for name in ["first", "graph", "search", "failures", "nested", "shared_state"] {
        let file = root().join(format!("tests/programs/tutorial/{name}.rs"));
        let text = std::fs::read_to_string(&file).expect("the program");
        let found = programs.iter().find(|(program, _)| **program == text);
        let (_, behind) = found.unwrap_or_else(|| panic!("docs/library.md has another text than {file:?}"));
        let printed = blocks(behind, "text").first().map_or("", |block| block.0).to_owned();
        assert!(!printed.is_empty(), "{name}: the page does not say what it prints");
        for ranks in [1, 3] {
            let run = Mpirun::new(ranks).program(&binary).args([name]).limit(Duration::from_secs(60)).run();
            run.assert_success();
            run.assert(run.stdout == printed, &format!("{name} on {ranks} ranks prints what the page says"));
        }
        looked_at += 1;
    }
    assert_eq!(looked_at, programs.len(), "a program of the page is not run");
}

/// Items whose doc comment has no example although they are public: `impl` blocks' functions count for themselves.
fn without_example(text: &str, file: &str) -> Vec<String> {
    let (mut comment, mut missing) = (String::new(), Vec::new());
    let (mut in_tests, mut in_attribute) = (false, false);
    for line in text.lines() {
        let trimmed = line.trim_start();
        in_tests |= trimmed.starts_with("mod tests");
        if let Some(doc) = trimmed.strip_prefix("///") {
            comment.push_str(doc);
            comment.push('\n');
            continue;
        }
        in_attribute |= trimmed.starts_with("#[");
        if in_attribute {
            in_attribute = !trimmed.ends_with(']');
            continue;
        }
        let is_item = ["pub fn ", "pub struct ", "pub trait ", "pub enum "]
            .iter()
            .any(|kind| trimmed.starts_with(kind));
        if is_item && !in_tests && !comment.contains("```") {
            let name = trimmed.split(['(', '<', '{', ';']).next().unwrap_or(trimmed).trim();
            missing.push(format!("{file}: {name}"));
        }
        comment.clear();
    }
    missing
}

/// The files with the library's public items.
const PUBLIC: [&str; 26] = [
    "client/arguments.rs",
    "client/bulk.rs",
    "client/callbacks.rs",
    "client/control.rs",
    "client/data.rs",
    "client/executors.rs",
    "client/family.rs",
    "client/future.rs",
    "client/local.rs",
    "client/mod.rs",
    "client/nested.rs",
    "client/objects/actor.rs",
    "client/objects/channel.rs",
    "client/objects/channel/receiver.rs",
    "client/objects/coordination.rs",
    "client/objects/every_rank.rs",
    "client/objects/queue.rs",
    "client/options.rs",
    "client/pending.rs",
    "client/published.rs",
    "client/resources.rs",
    "client/run.rs",
    "client/task_info.rs",
    "client/waiting.rs",
    "client/watch.rs",
    "config.rs",
];

#[test]
fn every_public_item_has_an_example() {
    let missing: Vec<String> = PUBLIC
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(root().join("src").join(file)).expect("a source file");
            without_example(&text, file)
        })
        .collect();
    assert!(missing.is_empty(), "{} public items have no example:\n{}", missing.len(), missing.join("\n"));
}
