//! Golden tests: the output for a script, word for word: `tests/golden/NAME.toml` with `NAME.stderr` beside it.
//!
//! A script is read as `flow.toml` in the folder of [`folder`], which is written as `DIR`. Options stand in its last
//! line, so that they move no line: `# golden: --set n=3 --time-limit 2h --check-programs`. `--hdf5`: not without that
//! feature.
//!
//! `DTASK_RENEW=1 cargo test --lib golden` writes the present output into the files; `git diff` then shows the changes.

use super::*;
use std::path::{Path, PathBuf};

/// The scripts, in the order of their names.
fn scripts() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("tests/golden")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (scripts, rest): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| path.extension().is_some_and(|end| end == "toml"));
    let lost = rest.iter().find(|path| !scripts.contains(&path.with_extension("toml")));
    assert_eq!(lost, None, "a file without a script");
    scripts
}

/// Returns what is printed for a script; nothing for one that this build cannot read.
fn printed(path: &Path) -> Option<String> {
    let script = std::fs::read_to_string(path).unwrap();
    let (mut sets, mut options) = (Vec::new(), LoadOptions::default());
    let line = script.lines().last().and_then(|line| line.strip_prefix("# golden: ")).unwrap_or_default();
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "--set" => sets.extend(words.next().and_then(|set| set.split_once('='))),
            "--time-limit" => options.time_limit = Some(words.next().and_then(duration).unwrap()),
            "--check-paths" => options.check_paths = true,
            "--check-programs" => options.check_programs = true,
            "--starts" => options.starts = true,
            "--hdf5" if cfg!(feature = "hdf5") => {}
            "--hdf5" => return None,
            _ => panic!("{}: unknown option `{word}`", path.display()),
        }
    }
    let sets: Vec<(String, String)> =
        sets.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let source = ScriptSource::new("flow.toml", folder(), script);
    let (Ok(Plan { warnings: found, .. }) | Err(found)) = parse(source, &sets, options);
    let mut text = found.to_string().replace(&folder().display().to_string(), "DIR");
    if !text.is_empty() {
        text.push('\n');
    }
    Some(text)
}

#[test]
fn golden_scripts_print_what_is_beside_them() {
    let mut wrong = Vec::new();
    for path in scripts() {
        let (Some(printed), beside) = (printed(&path), path.with_extension("stderr")) else { continue };
        if std::env::var_os("DTASK_RENEW").is_some() {
            std::fs::write(&beside, &printed).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_else(|error| format!("{error}\n"));
        if printed != expected {
            wrong.push(format!("{}\nprinted:\n{printed}\nexpected:\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nto accept: DTASK_RENEW=1 cargo test --lib golden", wrong.join("\n"));
}

#[test]
fn every_code_has_a_golden() {
    // Two codes are about the file of the script itself, and are tested in Rust.
    let mut all = String::from(include_str!("mod.rs"));
    for path in scripts() {
        all.push_str(&std::fs::read_to_string(path.with_extension("stderr")).unwrap_or_default());
    }
    let without: Vec<&str> =
        Code::ALL.iter().map(|code| code.id()).filter(|id| !all.contains(&format!("[{id}]"))).collect();
    assert!(without.is_empty(), "{without:?}");
}
