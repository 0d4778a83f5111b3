//! What is `unsafe`, under valgrind's memcheck: functions by their offsets, compact containers, requests of MPI.
//!
//! Only what memcheck calls invalid and has a function of dtask on its stack is a failure: MPI libraries read and write
//! what memcheck believes to be uninitialised. Where there is no valgrind, each test prints so and checks nothing.

mod common;

use common::mpirun::Mpirun;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Open MPI's own list of what to overlook, where a distribution puts it.
const SUPPRESSIONS: &str = "/usr/share/openmpi/openmpi-valgrind.supp";
const LIMIT: Duration = Duration::from_secs(300);

/// Whether valgrind can be started; says so where it cannot.
fn valgrind_is_there() -> bool {
    let started =
        Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = started.is_ok_and(|status| status.success());
    if !there {
        println!("ignored: valgrind is not there");
    }
    there
}

/// Options of valgrind with its findings in `folder`, a file for each process.
fn options(folder: &Path) -> Vec<String> {
    let mut options: Vec<String> =
        ["--tool=memcheck", "--undef-value-errors=no", "--leak-check=no", "--num-callers=30"]
            .map(String::from)
            .into();
    if Path::new(SUPPRESSIONS).exists() {
        options.push(format!("--suppressions={SUPPRESSIONS}"));
    }
    options.push(format!("--log-file={}", folder.join("%p.log").display()));
    options
}

/// The findings in memcheck's output that have dtask on their stack.
fn findings(log: &str) -> Vec<String> {
    let lines = log.lines().map(|line| line.splitn(3, "==").nth(2).unwrap_or(line).trim_end());
    let mut blocks = vec![String::new()];
    for line in lines {
        if line.trim().is_empty() {
            blocks.push(String::new());
        } else if let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    const WRONG: [&str; 6] = [
        "Invalid read",
        "Invalid write",
        "Invalid free",
        "Mismatched free",
        "overlap in mem",
        "points to unaddressable",
    ];
    blocks.retain(|block| WRONG.iter().any(|wrong| block.contains(wrong)) && block.contains("dtask"));
    blocks
}

/// Reads the logs of a run: each process has one, whose last line sums up.
fn assert_clean(folder: &Path, processes: usize) {
    let entries = std::fs::read_dir(folder).expect("the folder of logs").flatten();
    let logs: Vec<String> =
        entries.map(|entry| std::fs::read_to_string(entry.path()).expect("a log")).collect();
    let complete = logs.iter().filter(|log| log.contains("ERROR SUMMARY")).count();
    assert!(complete >= processes, "{complete} of {processes} processes ran to their end under valgrind");
    let found: Vec<String> = logs.iter().flat_map(|log| findings(log)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The newest executable `NAME-HASH` beside this test, or none: `cargo test --test valgrind` builds no others.
fn newest(name: &str) -> Option<PathBuf> {
    let deps = std::env::current_exe().expect("the test's own path");
    let entries = std::fs::read_dir(deps.parent()?).ok()?.flatten();
    let fits = entries.filter(|entry| {
        let file = entry.file_name().to_string_lossy().into_owned();
        let hash = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    let tests = fits.map(|entry| entry.path()).filter(|path| {
        // the command's executable has the same name; only the library's has these tests
        let list = Command::new(path).args(["--list"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        list.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).contains("compact::"))
    });
    tests.max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
}

/// Unit tests of the library whose names begin with `prefix`, as `timeout valgrind …`.
fn unit_tests(prefixes: &[&str]) {
    if !valgrind_is_there() {
        return;
    }
    let Some(tests) = newest("dtask") else {
        println!("ignored: the library's unit tests are not built; `cargo test` builds them");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("timeout")
        .args(["--kill-after=5", &LIMIT.as_secs().to_string(), "valgrind"])
        .args(options(folder.path()))
        .arg(tests)
        .args(["--test-threads=1"])
        .args(prefixes)
        .env("PROPTEST_CASES", "8")
        .stdin(Stdio::null())
        .output()
        .expect("timeout can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("running 0 tests"), "no test is called {prefixes:?}");
    assert_clean(folder.path(), 1);
}

#[test]
fn functions_by_offset() {
    unit_tests(&["task::function::"]);
}

#[test]
fn compact_containers() {
    unit_tests(&["compact::"]);
}

#[test]
fn transport_requests() {
    if !valgrind_is_there() {
        return;
    }
    let command = PathBuf::from(env!("CARGO_BIN_EXE_dtask"));
    let program = command.parent().expect("a folder").join("examples/test_transport");
    if !program.exists() {
        println!("ignored: {} is not there; `cargo test` builds it", program.display());
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut args = options(folder.path());
    args.extend([program.display().to_string(), "small".into()]);
    let run = Mpirun::new(2).program("valgrind").args(args).limit(LIMIT).run();
    assert_clean(folder.path(), 2);
    run.assert_success().assert_stdout_has("all is well");
}

#[test]
fn what_memcheck_prints_is_understood() {
    let log = "==12== Memcheck\n==12== \n==12== Invalid read of size 8\n==12==    at 0x1: dtask::compact::x (dense.rs:1)\n\
               ==12==  Address 0x2 is 0 bytes after a block\n==12== \n==12== Invalid write of size 4\n\
               ==12==    at 0x1: opal_init (opal.c:1)\n==12== \n==12== ERROR SUMMARY: 2 errors\n";
    let found = findings(log);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("Invalid read of size 8") && found[0].contains("dense.rs"));
}
