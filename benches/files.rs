//! What it takes until a file that a command has written lies before another one: on the same rank, on another rank of
//! the host, and on a rank that sees other files, where its bytes travel by MPI. Beside a hard link and `cp`, in the
//! same run.
//!
//! `cargo bench --bench files [-- MEBIBYTES]`; the files are in `TMPDIR`. The last part needs `unshare -m`, so root.

mod common;

use common::launch::words;
use common::table::time;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The maker's and the reader's rank, the bytes. Times are taken by the commands themselves: when the one has ended,
/// when the other has begun. Then each rank's peak of memory; it is the parent of the watchdog of the spawner of the
/// command.
const SCRIPT: &str = r#"dtask = 1
[task.make]
on     = "rank MAKER"
shell  = "head -c BYTES /dev/zero > {out}; date +%s.%N"
out    = "mesh"
stdout = "made.txt"
[task.read]
on     = "rank READER"
shell  = "date +%s.%N; [ $(stat -c %s {make}) = BYTES ]"
stdout = "read.txt"
"#;

const PEAK: &str = r#"
[task.peakRANK]
on     = "rank RANK"
shell  = """p=$PPID; cat {read.stdout} > /dev/null
for _ in 1 2; do p=$(awk '/^PPid/ { print $2 }' /proc/$p/status); done
awk '/^VmHWM/ { print $2 }' /proc/$p/status"""
stdout = "peak.txt"
"#;

/// What the run has measured: seconds, and KiB of the maker's and the reader's rank.
fn measured(dir: &Path) -> (f64, Vec<f64>) {
    let numbers = |name: &str| -> Vec<f64> {
        let text = fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        text.lines().map(|line| line.trim().parse().expect("a number")).collect()
    };
    (numbers("read.txt")[0] - numbers("made.txt")[0], numbers("peak.txt"))
}

/// The command line of a rank; writes the script.
fn rank(dir: &Path, bytes: u64, maker: u32, reader: u32) -> Vec<String> {
    let number = |text: &str, name: &str, number: u64| text.replace(name, &number.to_string());
    let text = number(&number(SCRIPT, "MAKER", maker.into()), "READER", reader.into());
    let peaks = if maker == reader { vec![maker] } else { vec![maker, reader] };
    let peaks: String = peaks.into_iter().map(|rank| number(PEAK, "RANK", rank.into())).collect();
    fs::write(dir.join("files.toml"), number(&text, "BYTES", bytes) + &peaks).expect("the script is written");
    [env!("CARGO_BIN_EXE_dtask"), "files.toml", "-q"].map(String::from).to_vec()
}

fn run(dir: &Path, words: &[String]) {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(dir).env("TMPDIR", dir).stdin(Stdio::null());
    for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
        command.env(name, "1").env(name.replace("OMPI", "PRTE"), "1");
    }
    command.env("OMPI_MCA_rmaps_base_oversubscribe", "1").env("OMPI_MCA_hwloc_base_binding_policy", "none");
    command.env("OMPI_MCA_mpi_yield_when_idle", "1");
    command.env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
    command.env("PRTE_MCA_hwloc_default_binding_policy", "none");
    let status = command.status().expect("it can be started");
    assert!(status.success(), "{words:?}: {status}");
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn main() {
    let mebibytes: u64 = words().iter().find_map(|word| word.parse().ok()).unwrap_or(1024);
    let bytes = mebibytes << 20;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    println!(
        "a file of {mebibytes} MiB in {}, from the end of its maker to the start of its reader",
        dir.display()
    );

    let (file, copy, link) = (dir.join("file"), dir.join("copy"), dir.join("link"));
    let zeros = fs::File::open("/dev/zero").expect("it is there");
    let mut new = fs::File::create(&file).expect("a new file");
    std::io::copy(&mut std::io::Read::take(zeros, bytes), &mut new).expect("room for it");
    let linked = seconds(|| fs::hard_link(&file, &link).expect("a link"));
    let copied = seconds(|| {
        let status = Command::new("cp").args([&file, &copy]).status().expect("it can be started");
        assert!(status.success(), "cp: {status}");
    });
    [&file, &copy, &link].into_iter().for_each(|path| fs::remove_file(path).expect("it was there"));
    println!("{:<52} {:>10}", "a hard link", time(linked));
    println!("{:<52} {:>10}", "cp", time(copied));

    let row = |what: &str| {
        let (seconds, peak) = measured(dir);
        let mib: Vec<String> = peak.iter().map(|kib| format!("{:.0}", kib / 1024.0)).collect();
        println!(
            "{what:<52} {:>10}  {:.3} of cp; peak of maker and reader {} MiB",
            time(seconds),
            seconds / copied,
            mib.join(", ")
        );
    };
    run(dir, &rank(dir, bytes, 0, 0));
    row("dtask, the same rank");
    let mpirun = || vec![std::env::var("MPIRUN").unwrap_or_else(|_| "mpirun".into())];
    let words = rank(dir, bytes, 1, 2);
    run(dir, &[mpirun(), vec!["-n".into(), "3".into()], words.clone()].concat());
    row("dtask, another rank of the host");
    let apart = ["unshare", "-m"].map(String::from).to_vec();
    if Command::new(&apart[0]).args(["-m", "true"]).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    {
        let (two, one) =
            (["-n", "2"].map(String::from).to_vec(), [":", "-n", "1"].map(String::from).to_vec());
        run(dir, &[mpirun(), two, words.clone(), one, apart, words].concat());
        row("dtask, a rank that sees other files");
    } else {
        println!("dtask, a rank that sees other files: not measured, `unshare -m` is not allowed");
    }
}
