//! The explanations of error codes: every script in them is checked as `dtask check` does it.

use super::*;
use crate::script::diagnostics::explanation::{BlockKind, Explanation, Side};
use std::path::Path;

/// Checks one of the scripts of a page, in a folder with its files, and returns the codes and what is printed.
fn checked(page: &Explanation, side: Side) -> (Vec<Code>, String) {
    let dir = beside_the_tests("explanations").join(format!("{}-{side:?}", page.code));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("script.toml");
    let (mut sets, mut options) =
        (Vec::new(), LoadOptions { check_programs: true, check_paths: true, ..LoadOptions::default() });
    // Files that the commands need must exist before these run.
    for block in page.blocks_of(side) {
        let path = match block.kind {
            BlockKind::Script => path.clone(),
            BlockKind::File(name) => dir.join(name),
            BlockKind::Commands => continue,
        };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{}\n", block.content)).unwrap();
    }
    for block in page.blocks_of(side).filter(|block| block.kind == BlockKind::Commands) {
        for line in block.content.lines() {
            let command = line.strip_prefix("$ ").expect("a command begins with `$ `");
            match command.strip_prefix("dtask check script.toml ") {
                Some(arguments) => read_options(arguments, &mut sets, &mut options),
                None if command == "dtask script.toml" => options.starts = true,
                None => run(command, &dir),
            }
        }
    }
    let (Ok(Plan { warnings: found, .. }) | Err(found)) = load(&path, &sets, options);
    (found.list.iter().map(|found| found.code).collect(), found.to_string())
}

fn read_options(arguments: &str, sets: &mut Vec<(String, String)>, options: &mut LoadOptions) {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    for pair in words.chunks(2) {
        match pair {
            ["--set", set] => {
                let (name, value) = set.split_once('=').unwrap();
                sets.push((name.to_owned(), value.to_owned()));
            }
            ["--time-limit", limit] => options.time_limit = duration(limit),
            _ => panic!("unknown options: {arguments}"),
        }
    }
}

fn run(command: &str, dir: &Path) {
    let status = std::process::Command::new("sh").args(["-c", command]).current_dir(dir).status().unwrap();
    assert!(status.success(), "{command}");
}

#[test]
fn every_explanation_has_two_scripts() {
    for &code in Code::ALL {
        let page = Explanation::of(code);
        assert!(!page.title.is_empty() && page.title.len() < 80, "{code}: {}", page.title);
        assert!(!page.title.ends_with('.') && page.text.ends_with('.'), "{code}: {}", page.title);
        for side in [Side::Broken, Side::Mended] {
            let scripts = page.blocks_of(side).filter(|block| block.kind == BlockKind::Script).count();
            assert_eq!(scripts, 1, "{code}: {side:?}");
        }
        // No block of a page is lost by the parser.
        assert_eq!(page.blocks.len(), code.page().matches("\n```").count() / 2, "{code}");
    }
    let pages = std::fs::read_dir(super::repository().join("src/script/diagnostics/explanations")).unwrap();
    assert_eq!(pages.count(), Code::ALL.len(), "a page without a code");
}

#[test]
fn broken_scripts_have_the_code_and_mended_ones_have_nothing() {
    let mut wrong = Vec::new();
    for &code in Code::ALL {
        let page = Explanation::of(code);
        let (found, printed) = checked(&page, Side::Broken);
        if found.is_empty() || found.iter().any(|&other| other != code) {
            wrong.push(format!("{code}, broken: {found:?}\n{printed}"));
        }
        let (found, printed) = checked(&page, Side::Mended);
        if !found.is_empty() {
            wrong.push(format!("{code}, mended: {found:?}\n{printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn errors_page() {
    let sections = Code::ALL.iter().map(|&code| Explanation::of(code).markdown());
    let head = "# Errors and warnings\n\nEverything that `dtask check` can find, by code. `dtask explain E21` prints one of \
                them.\n\n<!-- Made of src/script/diagnostics/explanations by: DTASK_RENEW=1 cargo test --lib errors_page -->\n";
    let made = std::iter::once(head.to_owned()).chain(sections).collect::<Vec<_>>().join("\n");
    let path = super::repository().join("docs/errors.md");
    if std::env::var_os("DTASK_RENEW").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/errors.md is out of date: DTASK_RENEW=1 cargo test --lib errors_page");
}
