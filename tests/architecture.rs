//! Where things may be named: arrows between modules point down only, and what is dangerous has few places.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each module of the engine and what it may use of the crate: nothing of the tool.
const ENGINE: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("error", &["ids"]),
    ("config", &[]),
    ("console", &["clock"]),
    ("clock", &[]),
    ("compact", &["ids"]),
    ("codec", &["error"]),
    ("protocol", &["codec", "error", "ids"]),
    ("scheduler", &["compact", "error", "ids", "protocol"]),
    ("worker", &["error", "ids", "protocol"]),
    ("objects", &["compact", "error", "ids", "protocol"]),
    ("transport", &["error", "ids", "protocol"]),
    // `transport` for the traits of bulk data only
    ("task", &["codec", "error", "ids", "protocol", "transport"]),
    (
        "runtime",
        &[
            "clock",
            "compact",
            "config",
            "console",
            "error",
            "ids",
            "objects",
            "protocol",
            "scheduler",
            "task",
            "transport",
            "worker",
        ],
    ),
    (
        "client",
        &[
            "clock",
            "codec",
            "compact",
            "config",
            "console",
            "error",
            "ids",
            "objects",
            "protocol",
            "runtime",
            "scheduler",
            "task",
            "transport",
        ],
    ),
    ("simulated", &["client", "ids", "runtime", "scheduler", "transport"]),
];

/// Each module of the tool and what it may use of the tool; of the engine it may use what it likes.
const TOOL: &[(&str, &[&str])] = &[
    ("arrays", &[]),
    ("commands", &[]),
    ("mapreduce", &["arrays", "commands"]),
    // `commands` for what tells whether a saved folder is as it was
    ("journal", &["commands"]),
    ("script", &["arrays", "commands", "mapreduce"]),
    ("batch", &["arrays", "commands", "journal", "mapreduce", "script"]),
    ("cli", &["arrays", "batch", "commands", "journal", "mapreduce", "script"]),
];

/// The phases of the front end, `script/`: each may use those before it.
const PHASES: &[&str] =
    &["diagnostics", "values", "syntax", "sweep", "plan", "resolve", "lower", "lint", "draw"];

/// The two sides of a run, `batch/`, and what each must not use: a rank has nothing of rank 0.
const SIDES: &[(&str, &[&str])] = &[("rank", &["head"]), ("head", &[])];

fn files_below(dir: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, ending, into);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            into.push(path);
        }
    }
}

/// All source files below `src`, as (path relative to it, text).
fn files() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files_below(&src, "rs", &mut paths);
    let files = paths.into_iter().map(|path| {
        let name = path.strip_prefix(&src).expect("below src").display().to_string();
        (name, std::fs::read_to_string(&path).expect("a text"))
    });
    files.collect()
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("tests.rs")
}

/// A file's code without its unit tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn module(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or(name)
}

/// The modules that `text` names after `prefix`: `crate::`, or `crate::script::`.
fn named<'t>(text: &'t str, prefix: &str) -> impl Iterator<Item = &'t str> {
    text.split(prefix).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// What is wrong in a file with the arrows between modules: those of the crate, and those within `script/` and
/// `batch/`.
fn wrong_arrows(name: &str, text: &str) -> Vec<String> {
    let own = module(name);
    let code = code(text);
    let engine = ENGINE.iter().find(|layer| layer.0 == own);
    let Some((_, allowed)) = engine.or_else(|| TOOL.iter().find(|layer| layer.0 == own)) else {
        return vec![format!("{name}: the module `{own}` has no place in ENGINE or TOOL")];
    };
    let mut wrong = Vec::new();
    for used in named(&code, "crate::") {
        let is_engine = ENGINE.iter().any(|layer| layer.0 == used);
        let is_module = is_engine || TOOL.iter().any(|layer| layer.0 == used);
        // a `dtask` of one's own is made by `script::main`, which is the command with a registry of functions
        let is_entry = name == "script/entry.rs" && used == "cli";
        let may = allowed.contains(&used) || (engine.is_none() && is_engine && used != "simulated");
        if is_module && used != own && !may && !is_entry {
            wrong.push(format!("{name} uses crate::{used}"));
        }
    }
    let mut folders = name.split('/').skip(1);
    let inner = folders.next().filter(|_| folders.next().is_some());
    if let ("script", Some(phase)) = (own, inner) {
        let place = |phase: &str| PHASES.iter().position(|known| *known == phase);
        let Some(own) = place(phase) else {
            wrong.push(format!("{name}: `{phase}` is no phase in PHASES"));
            return wrong;
        };
        let others = named(&code, "crate::script::").filter(|used| *used != phase);
        // what is no phase puts them together, and is not for them: `load`, `entry`
        let above = others.filter(|used| *used != "options" && place(used).is_none_or(|used| used > own));
        wrong.extend(above.map(|used| format!("{name} uses crate::script::{used}")));
    }
    if let Some((_, forbidden)) = SIDES.iter().find(|(side, _)| ("batch", Some(*side)) == (own, inner)) {
        let used = named(&code, "crate::batch::").filter(|used| forbidden.contains(used));
        wrong.extend(used.map(|used| format!("{name} uses crate::batch::{used}")));
    }
    wrong
}

#[test]
fn arrows_between_modules_point_down_only() {
    let mut wrong = Vec::new();
    for (name, text) in files() {
        if !["lib", "main"].contains(&module(&name)) && !is_test(&name) {
            wrong.extend(wrong_arrows(&name, &text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let cases = [
        ("scheduler/task.rs", "use crate::worker::Worker;"),
        ("runtime/reactor.rs", "use crate::batch::Job;"),
        ("arrays/csv.rs", "use crate::script::plan::Plan;"),
        ("script/syntax/task.rs", "use crate::script::lower::task::Compiler;"),
        ("script/plan/task.rs", "use crate::script::load::load;"),
        ("script/new_phase/task.rs", ""),
        ("batch/rank/command.rs", "fn f() { crate::batch::head::stop::stop() }"),
        ("new/mod.rs", ""),
    ];
    for (name, line) in cases {
        assert_eq!(wrong_arrows(name, line).len(), 1, "{name}: {line}");
    }
    assert!(wrong_arrows("batch/head/stop.rs", "use crate::batch::rank::logs;").is_empty());
    assert!(wrong_arrows("script/lint/unused.rs", "use crate::script::plan::Plan; // crate::cli").is_empty());
}

#[test]
fn the_state_machines_know_no_clock_thread_network_or_chance() {
    let forbidden = [
        "std::time",
        "std::thread",
        "std::net",
        "std::fs",
        "std::io",
        "std::env",
        "std::process",
        "Mutex",
        "RwLock",
        "Atomic",
        "mpsc",
        "mpi::",
        "rayon",
        "rand",
        "HashSet",
        "RandomState",
        "SystemTime",
        "Instant",
    ];
    let mut wrong = Vec::new();
    let all = files();
    for (name, text) in &all {
        let name = name.clone();
        if !["scheduler", "worker"].contains(&module(&name)) || is_test(&name) {
            continue;
        }
        let code = code(text);
        wrong.extend(
            forbidden.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: {word}")),
        );
        let externals = code.lines().filter(|line| line.trim_start().starts_with("use "));
        for line in externals {
            let root = line.trim_start()["use ".len()..].split("::").next().unwrap_or_default();
            let sibling = all.iter().any(|(other, _)| *other == format!("{}/{root}.rs", module(&name)));
            if !["crate", "super", "self", "std", "smallvec"].contains(&root) && !sibling {
                wrong.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn mpi_bincode_and_unsafe_have_their_places() {
    let mut wrong = Vec::new();
    for (name, text) in files().into_iter().filter(|file| !is_test(&file.0)) {
        let code = code(&text);
        let names = |word: &str| {
            let starts = |line: &str| {
                line.starts_with(&format!("use {word}::")) || line.contains(&format!(" ::{word}::"))
            };
            code.lines().any(|line| starts(line.trim_start()))
        };
        if names("mpi") && !name.starts_with("transport/mpi") {
            wrong.push(format!("{name} names MPI"));
        }
        if code.contains("bincode::") && name != "codec.rs" {
            wrong.push(format!("{name} calls bincode"));
        }
        let may = [
            "transport/mpi/communicator.rs",
            "transport/mpi/request.rs",
            "task/function.rs",
            "runtime/host/system_calls.rs",
        ];
        let may = may.contains(&name.as_str());
        if (code.contains("unsafe {") || code.contains("allow(unsafe_code)")) && !may {
            wrong.push(format!("{name} is unsafe"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long =
        files().into_iter().map(|(name, text)| (text.lines().count(), name)).filter(|file| file.0 > 500);
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "{long:?}: is there a second subject in them?");
}

/// The types that a file defines: the word after `struct`, `enum`, `trait` or `union`.
fn types(text: &str) -> Vec<String> {
    let definition = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
        let kind = words.next().filter(|word| ["struct", "enum", "trait", "union"].contains(word));
        let name = kind.and(words.next())?;
        Some(name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(name).to_owned())
    };
    code(text).lines().filter_map(definition).collect()
}

/// How many types there are, and the names that several files give to one, with these files.
fn shared_names(files: &[(String, String)]) -> (usize, BTreeMap<String, Vec<String>>) {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in files.iter().filter(|file| !is_test(&file.0)) {
        for definition in types(text) {
            places.entry(definition).or_default().push(name.clone());
        }
    }
    let all = places.values().map(Vec::len).sum();
    places.retain(|_, files| files.len() > 1);
    (all, places)
}

#[test]
fn a_name_of_a_type_has_one_meaning() {
    // those of a build without HDF5 stand for the others
    // `Executor` is the field's word for both: a rank's engine, and what a program hands functions to
    let pairs = ["FileWriter", "ExistingFile", "Executor"];
    let mut files = files();
    let (all, mut shared) = shared_names(&files);
    shared.retain(|name, _| !pairs.contains(&name.as_str()));
    assert!(all > 400 && shared.is_empty(), "of {all} types share their name: {shared:#?}");

    files.push(("engine/again.rs".to_owned(), "pub(crate) struct Scheduler<'a> {}".to_owned()));
    assert_eq!(shared_names(&files).1["Scheduler"], ["scheduler/mod.rs", "engine/again.rs"]);
}

/// The paths of Rust files in a page, as they are written between backticks.
fn paths(page: &str) -> impl Iterator<Item = &str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let is_path = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.".contains(c));
    quoted.filter(|text| text.ends_with(".rs")).filter(is_path)
}

#[test]
fn paths_that_pages_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md"].map(|name| root.join(name)).into();
    for folder in [root.join("docs"), root.join("src")] {
        files_below(&folder, "md", &mut pages);
    }
    let mut wrong = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).expect("a page");
        let own = page.parent().expect("a folder");
        for path in paths(&text) {
            // in the lists of CONTRIBUTING.md a bare name stands for one of the folder before it
            let bare = page.ends_with("CONTRIBUTING.md") && !path.contains('/');
            let found = [own, root, &root.join("src")].iter().any(|base| base.join(path).is_file());
            if !found && !bare && !path.contains("NAME") {
                wrong.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(pages.len() > 8 && wrong.is_empty(), "{wrong:#?}");
}
