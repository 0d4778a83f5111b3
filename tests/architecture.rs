//! Where things may be named: arrows between modules point down only, and what is dangerous has few places.

use std::path::{Path, PathBuf};

/// Each module and what it may use of the crate.
const LAYERS: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("error", &["ids"]),
    ("config", &[]),
    ("console", &[]),
    ("compact", &["ids"]),
    ("codec", &["error"]),
    ("protocol", &["codec", "error", "ids"]),
    ("scheduler", &["compact", "error", "ids", "protocol"]),
    ("worker", &["error", "ids", "protocol"]),
    ("transport", &["error", "ids", "protocol"]),
    // `transport` for the traits of bulk data only
    ("task", &["arrays", "codec", "commands", "error", "ids", "protocol", "transport"]),
    ("arrays", &[]),
    ("commands", &["codec", "error", "protocol", "task", "transport"]),
    ("mapreduce", &["arrays", "commands", "error"]),
    (
        "runtime",
        &[
            "task",
            "compact",
            "config",
            "error",
            "ids",
            "protocol",
            "scheduler",
            "console",
            "transport",
            "worker",
        ],
    ),
    (
        "client",
        &[
            "task",
            "codec",
            "compact",
            "config",
            "error",
            "ids",
            "protocol",
            "runtime",
            "scheduler",
            "console",
            "transport",
        ],
    ),
    ("simulated", &["client", "ids", "runtime", "scheduler", "transport"]),
    (
        "script",
        &[
            "arrays",
            "client",
            "codec",
            "commands",
            "config",
            "error",
            "ids",
            "mapreduce",
            "protocol",
            "runtime",
            "task",
        ],
    ),
    (
        "batch",
        &[
            "arrays",
            "client",
            "codec",
            "commands",
            "config",
            "console",
            "error",
            "ids",
            "mapreduce",
            "runtime",
            "scheduler",
            "script",
            "task",
        ],
    ),
    (
        "cli",
        &[
            "arrays",
            "batch",
            "client",
            "commands",
            "config",
            "console",
            "error",
            "ids",
            "runtime",
            "script",
            "task",
            "transport",
        ],
    ),
];

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

#[test]
fn arrows_between_modules_point_down_only() {
    let mut wrong = Vec::new();
    for (name, text) in files() {
        let own = module(&name);
        if ["lib", "main"].contains(&own) || is_test(&name) {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|layer| layer.0 == own) else {
            wrong.push(format!("{name}: the module `{own}` has no place in LAYERS"));
            continue;
        };
        for used in code(&text).split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_module = LAYERS.iter().any(|layer| layer.0 == used);
            // a `dtask` of one's own is made by `script::main`, which is the command with a registry of functions
            let is_entry = name == "script/entry.rs" && used == "cli";
            if is_module && used != own && !allowed.contains(&used.as_str()) && !is_entry {
                wrong.push(format!("{name} uses crate::{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
        let may = ["transport/mpi/request.rs", "task/function.rs", "runtime/host/sched_slice.rs"]
            .contains(&name.as_str());
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
