//! The fuzz targets of `fuzz/` without a fuzzer: the corpus, then mutations of it, the same ones in every run.
//!
//! `FUZZ_CASES=100000 cargo test --test fuzz_replay` tries more of them, `FUZZ_SEED=7` others, and
//! `FUZZ_SEED=1 FUZZ_CASE=1234` the one that a failure has named.

#[path = "../fuzz/bodies.rs"]
mod bodies;
#[path = "machines/rng.rs"]
#[allow(dead_code)]
mod rng;

use rng::{Rng, hash};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// All cases of a target together; the process ends when they take longer.
const LIMIT: Duration = Duration::from_secs(60);
/// One case: what takes this long is as good as a hang.
const CASE_LIMIT: Duration = Duration::from_secs(10);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// The files of a target's corpus by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: PathBuf| (path.display().to_string(), std::fs::read(&path).expect("it can be read"));
    let mut inputs: Vec<_> = files.into_iter().map(read).collect();
    if target == "expression" {
        let table = std::fs::read_to_string(root().join("src/arrays/testdata/expressions.tsv"));
        let table = table.expect("the table of expressions");
        let lines = table.lines().enumerate().filter_map(|(at, line)| Some((at, line.split_once('\t')?.0)));
        inputs.extend(
            lines.map(|(at, text)| (format!("expressions.tsv:{}", at + 1), text.as_bytes().to_vec())),
        );
    }
    assert!(inputs.len() > 5, "{} is all but empty", folder.display());
    inputs
}

/// Pieces that mean something to one decoder or another.
const PIECES: [&[u8]; 44] = [
    b"{",
    b"}",
    b"{{",
    b"[",
    b"]",
    b"[[",
    b"(",
    b")",
    b"\"",
    b"'",
    b"\"\"\"",
    b"\\",
    b"\\u00e4",
    b"..",
    b"..=",
    b" by ",
    b"=",
    b".",
    b":",
    b",",
    b"\n",
    b"\r\n",
    "é".as_bytes(),
    "\u{1F600}".as_bytes(),
    b"\0",
    b"-",
    b"0",
    b"1e999",
    b"nan",
    b"9223372036854775807",
    b"18446744073709551616",
    b"**",
    b"../",
    b"[task.",
    b"for = ",
    b"#",
    b"...",
    b"::",
    b"axis = ",
    b"\xFB\xFF\xFF",
    b"\xFC\xFF\xFF\xFF\xFF",
    b"\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\xFE",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
];

/// One to six changes: bits, pieces, cuts, repeats, and parts of another input.
fn mutate(rng: &mut Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + rng.below(6) {
        let at = rng.below(bytes.len() + 1);
        let end = (at + rng.below(16)).min(bytes.len());
        match rng.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 if at < bytes.len() => bytes[at] = rng.below(256) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..end, PIECES[rng.below(PIECES.len())].iter().copied())),
            4 => drop(bytes.splice(at..at, PIECES[rng.below(PIECES.len())].iter().copied())),
            5 => {
                let from = rng.below(other.len() + 1);
                let part = &other[from..(from + rng.below(64)).min(other.len())];
                drop(bytes.splice(at..end, part.iter().copied()));
            }
            _ => {
                // as deep as a stack is high, now and then
                let most = if rng.chance(2) { 2_000 } else { 4 };
                let part = bytes[at..end].repeat(1 + rng.below(most));
                drop(bytes.splice(at..at, part));
            }
        }
    }
    bytes
}

/// Runs `body`; a panic is told with what brings it back.
fn run(body: fn(&[u8]), bytes: &[u8], how: &str, target: &str) {
    if catch_unwind(|| body(bytes)).is_err() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
        std::fs::write(&file, bytes).expect("the input can be kept");
        panic!("{target}: {how}; the input is in {}", file.display());
    }
}

fn replay(target: &str, cases: u64) {
    let (_, body) = *bodies::TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let (seed, only) = (number("FUZZ_SEED").unwrap_or(1), number("FUZZ_CASE"));
    let cases = number("FUZZ_CASES").unwrap_or(cases);
    let limit = if number("FUZZ_CASES").is_some() { Duration::MAX } else { LIMIT };
    let inputs = corpus(target);
    // A hang panics nowhere: this thread hears of each case and ends the process when one takes too long.
    let (tell, told) = channel::<String>();
    let name = target.to_owned();
    let watch = std::thread::spawn(move || {
        let (begin, mut now) = (Instant::now(), String::from("nothing"));
        loop {
            match told.recv_timeout(CASE_LIMIT) {
                Ok(case) => now = case,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
            if begin.elapsed() > limit {
                break;
            }
        }
        eprintln!("{name}: time limit, after {:?}, in {now}", begin.elapsed());
        std::process::abort();
    });
    for (file, bytes) in inputs.iter().filter(|_| only.is_none()) {
        tell.send(file.clone()).expect("the watch is there");
        run(body, bytes, file, target);
    }
    for case in only.map_or(0..cases, |case| case..case + 1) {
        let mut rng = Rng::new(hash(seed, &case.to_le_bytes()));
        let (one, other) = (rng.below(inputs.len()), rng.below(inputs.len()));
        let bytes = mutate(&mut rng, &inputs[one].1, &inputs[other].1);
        let how = format!("FUZZ_SEED={seed} FUZZ_CASE={case}, made from {}", inputs[one].0);
        tell.send(how.clone()).expect("the watch is there");
        run(body, &bytes, &how, target);
    }
    drop(tell);
    watch.join().expect("the watch does not panic");
    println!("{target}: {} inputs and {cases} mutations with FUZZ_SEED={seed}", inputs.len());
}

#[test]
fn scripts() {
    replay("script", 40_000);
}

#[test]
fn expressions() {
    replay("expression", 400_000);
}

#[test]
fn frames() {
    replay("decode", 1_000_000);
}

#[test]
fn outputs_of_commands() {
    replay("outputs", 400_000);
}

#[test]
fn messages_of_the_spawner() {
    replay("spawner", 100_000);
}
