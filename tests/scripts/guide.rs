//! The user's guide: every script in it is run, and the files that it shows come out.

use super::Folder;
use std::path::Path;

/// The code blocks of a page, each with its language and the paragraph before it.
fn blocks(page: &str) -> Vec<(&str, String, String)> {
    let mut found = Vec::new();
    let mut before = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if line.is_empty() && !before.ends_with('\n') {
                before.push('\n');
            } else {
                before = if before.ends_with('\n') { String::new() } else { before } + " " + line;
            }
            continue;
        };
        let text: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        found.push((language, text, before.trim().to_owned()));
        before.clear();
    }
    found
}

/// The file that a paragraph says to hold what follows it.
fn shown(before: &str) -> Option<&str> {
    let (rest, name) = before.strip_suffix("` then holds:").and_then(|rest| rest.rsplit_once('`'))?;
    let _ = rest;
    Some(name)
}

#[test]
fn every_script_of_the_guide_runs_and_gives_what_the_guide_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/script.md");
    let page = std::fs::read_to_string(page).expect("the guide");
    let blocks = blocks(&page);
    for ranks in [0, 3] {
        // one folder for all: later scripts read what earlier ones have saved
        let folder = Folder::empty();
        let (mut scripts, mut compared) = (0, 0);
        for (language, text, before) in &blocks {
            match (*language, shown(before)) {
                ("toml", _) => {
                    let name = format!("s{scripts}.toml");
                    std::fs::write(folder.path(&name), text).expect("written");
                    folder.run(ranks, &["check", &name]).assert_success();
                    folder.run(ranks, &[&name]).assert_success();
                    scripts += 1;
                }
                ("text", Some(file)) => {
                    assert_eq!(folder.read(file), *text, "{file}");
                    compared += 1;
                }
                _ => {}
            }
        }
        assert!(scripts >= 9 && compared >= 8, "{scripts} scripts, {compared} files");
    }
}
