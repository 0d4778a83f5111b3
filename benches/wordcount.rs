//! Counting the words of the plain text files of /usr/share/doc and /usr/share/common-licenses, replicated to some tens
//! of megabytes: dtask alone and under `mpirun`, beside the pipeline of `tr`, `sort` and `uniq` in the same run.
//!
//! `cargo bench --bench wordcount [-- MEGABYTES]`; exits with 1 where dtask is not faster, or counts otherwise.

mod common;

use common::Rounds;
use common::launch::{cores, words};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const ROUNDS: usize = 3;
const SOURCES: [&str; 2] = ["/usr/share/doc", "/usr/share/common-licenses"];

const SCRIPT: &str = r#"dtask = 1
[task.count.mapreduce]
input      = { glob = "corpus/*", split = "4 MiB" }
map        = "words"
reduce     = "sum"
partitions = 4
[task.count]
save       = "counts.tsv"
"#;

const PIPELINE: &str = "export LC_ALL=C; cat corpus/* | tr -cs '[:alpha:]' '\\n' | tr '[:upper:]' '[:lower:]' \
                        | sort | uniq -c > counts.txt";

/// Plain texts below a folder, links not followed into folders.
fn texts(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            texts(&path, into);
        } else if path.is_file() && path.extension().is_none_or(|extension| extension != "gz") {
            into.push(path);
        }
    }
}

/// Writes the corpus in files of some megabytes; gives its bytes.
fn corpus(dir: &Path, wanted: usize) -> usize {
    let mut paths = Vec::new();
    SOURCES.iter().for_each(|folder| texts(Path::new(folder), &mut paths));
    paths.sort();
    let mut all = Vec::new();
    for bytes in paths.iter().filter_map(|path| fs::read(path).ok()).filter(|bytes| !bytes.contains(&0)) {
        all.extend_from_slice(&bytes);
        all.push(b'\n');
    }
    assert!(!all.is_empty(), "no texts in {SOURCES:?}");
    fs::create_dir(dir.join("corpus")).expect("the folder is made");
    let copies = wanted.div_ceil(all.len()).max(1);
    for copy in 0..copies {
        fs::write(dir.join(format!("corpus/{copy:03}")), &all).expect("the corpus is written");
    }
    copies * all.len()
}

fn seconds(command: &mut Command, dir: &Path) -> f64 {
    let begin = Instant::now();
    let status = command.current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.expect("it can be started");
    assert!(status.success(), "{command:?}: {status}");
    begin.elapsed().as_secs_f64()
}

fn dtask(ranks: usize) -> Command {
    let program = env!("CARGO_BIN_EXE_dtask");
    let mut command = if ranks == 0 {
        Command::new(program)
    } else {
        let mut mpirun = Command::new(std::env::var_os("MPIRUN").unwrap_or_else(|| "mpirun".into()));
        for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
            mpirun.env(name, "1").env(name.replace("OMPI", "PRTE"), "1");
        }
        mpirun
            .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
            .env("OMPI_MCA_hwloc_base_binding_policy", "none");
        mpirun.env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
        mpirun.env("PRTE_MCA_hwloc_default_binding_policy", "none");
        mpirun.args(["-n", &ranks.to_string(), program]);
        mpirun
    };
    command.args(["words.toml", "-q"]);
    command
}

/// The words and counts of both, in one order.
fn same(dir: &Path) -> bool {
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("the counts are there");
    let (ours, theirs) = (read("counts.tsv"), read("counts.txt"));
    let mut ours: Vec<(&str, &str)> = ours.lines().filter_map(|line| line.split_once('\t')).collect();
    ours.sort_unstable();
    let theirs = theirs.lines().filter_map(|line| line.trim_start().split_once(' '));
    let theirs: Vec<(&str, &str)> = theirs.filter(|(_, w)| !w.is_empty()).map(|(n, w)| (w, n)).collect();
    ours == theirs
}

fn main() -> ExitCode {
    let megabytes: usize = words().iter().find_map(|word| word.parse().ok()).unwrap_or(48);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    let bytes = corpus(dir, megabytes << 20) as f64;
    fs::write(dir.join("words.toml"), SCRIPT).expect("the script is written");
    let variants = [("dtask alone", 0), ("mpirun -n 2 dtask", 2), ("mpirun -n 3 dtask", 3)];
    let (mut theirs, mut ours) = (Rounds::default(), variants.map(|_| Rounds::default()));
    let mut equal = true;
    for _ in 0..ROUNDS {
        theirs.push(seconds(Command::new("sh").args(["-c", PIPELINE]), dir));
        for ((_, ranks), ours) in variants.iter().zip(&mut ours) {
            ours.push(seconds(&mut dtask(*ranks), dir));
            equal &= same(dir);
        }
    }
    println!("words of {:.0} MB of text on {} cores, end to end, median of {ROUNDS}", bytes / 1e6, cores());
    println!("{:<36} {:>9.2} s", "tr | tr | sort | uniq -c", theirs.median());
    let mut faster = true;
    for ((what, _), ours) in variants.iter().zip(&ours) {
        let ratio = ours.over(&theirs).median();
        faster &= ratio < 1.0;
        let rate = bytes / 1e6 / ours.median();
        println!("{what:<36} {:>9.2} s   {ratio:.2} of the pipeline, {rate:.0} MB/s", ours.median());
    }
    println!("{}", if equal { "all count the same" } else { "the counts differ" });
    ExitCode::from(u8::from(!(faster && equal)))
}
