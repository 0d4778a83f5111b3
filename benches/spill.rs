//! Results that memory is too short for: arrays of 32 MiB, all made before the first is read, through ranks whose
//! results may take a tenth of them; beside the same without a limit, and beside writing and reading as many bytes
//! plainly.
//!
//! `cargo bench --bench spill [-- MEBIBYTES]`, 2,048 unless told; the disk is that of `TMPDIR`, or `/tmp`.

mod common;

use common::launch::words;
use common::table::time;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const PART: u64 = 32;
const SCRIPT: &str = r#"dtask = 1
[task.part]
for   = { i = "0..PARTS" }
array = "full((4194304,), i) * 1.0"
[task.made]
each  = "part"
array = "part[0]"
[task.all]
array = "sum(made)"
[task.read]
each  = "part"
array = "sum(part) + 0 * all"
[task.total]
array  = "sum(read)"
stdout = "total.txt"
[task.peak1]
on     = "rank 1"
after  = ["total"]
shell  = """p=$PPID
for _ in 1 2; do p=$(awk '/^PPid/ { print $2 }' /proc/$p/status); done
awk '/^VmHWM/ { print $2 }' /proc/$p/status"""
stdout = "peak1.txt"
[task.peak2]
on     = "rank 2"
after  = ["total"]
shell  = """p=$PPID
for _ in 1 2; do p=$(awk '/^PPid/ { print $2 }' /proc/$p/status); done
awk '/^VmHWM/ { print $2 }' /proc/$p/status"""
stdout = "peak2.txt"
"#;

/// Runs the script; the seconds that it took, and what it said on standard error.
fn run(dir: &Path, limit: u64) -> (f64, String) {
    let mut command = Command::new(std::env::var("MPIRUN").unwrap_or_else(|_| "mpirun".into()));
    command.args(["-n", "3", env!("CARGO_BIN_EXE_dtask"), "spill.toml", "-q", "--memory-limit"]);
    command.arg(format!("{limit}MiB")).current_dir(dir).stdin(Stdio::null());
    for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
        command.env(name, "1").env(name.replace("OMPI", "PRTE"), "1");
    }
    command.env("OMPI_MCA_rmaps_base_oversubscribe", "1").env("OMPI_MCA_hwloc_base_binding_policy", "none");
    command.env("OMPI_MCA_mpi_yield_when_idle", "1");
    command.env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
    command.env("PRTE_MCA_hwloc_default_binding_policy", "none");
    let _ = fs::remove_dir_all(dir.join("spill.dtask"));
    let begin = Instant::now();
    let output = command.output().expect("mpirun can be started");
    let seconds = begin.elapsed().as_secs_f64();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {told}", output.status);
    (seconds, told)
}

fn main() {
    let mebibytes: u64 = words().iter().find_map(|word| word.parse().ok()).unwrap_or(2048);
    let parts = mebibytes.div_ceil(PART);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    fs::write(dir.join("spill.toml"), SCRIPT.replace("PARTS", &parts.to_string())).expect("room for it");
    println!(
        "{parts} arrays of {PART} MiB, through 2 ranks beside rank 0; files in {}",
        std::env::temp_dir().display()
    );

    let (block, file) = (vec![7u8; 32 << 20], dir.join("plain"));
    let begin = Instant::now();
    let mut plain = fs::File::create(&file).expect("a new file");
    (0..parts).for_each(|_| plain.write_all(&block).expect("room for it"));
    drop(plain);
    let (mut plain, mut into) = (fs::File::open(&file).expect("it is there"), block);
    (0..parts).for_each(|_| plain.read_exact(&mut into).expect("it is there"));
    let plainly = begin.elapsed().as_secs_f64();
    fs::remove_file(&file).expect("it was there");
    println!("{:<44} {:>10}", "written and read plainly, by one thread", time(plainly));

    let expected: u64 = (0..parts).map(|i| i * 4_194_304).sum();
    for (what, limit) in
        [("with a tenth of it as the memory of a rank", mebibytes / 10), ("without a limit", 1 << 30)]
    {
        if limit > mebibytes && mebibytes > 6000 {
            println!("{what:<44} not run: it needs {mebibytes} MiB");
            continue;
        }
        let (seconds, told) = run(dir, limit);
        let read = |name: &str| fs::read_to_string(dir.join(name)).expect("it was written");
        assert_eq!(read("total.txt").trim().parse::<f64>().expect("a number"), expected as f64);
        let peaks = ["peak1.txt", "peak2.txt"].map(|name| {
            let kibibytes: f64 = read(name).trim().parse().expect("a number");
            format!("{:.0}", kibibytes / 1024.0)
        });
        let spilled =
            told.lines().find(|line| line.contains("memory was short")).unwrap_or("nothing was moved");
        println!(
            "{what:<44} {:>10}  {:.2} of plain; ranks' peaks {} MiB",
            time(seconds),
            seconds / plainly,
            peaks.join(", ")
        );
        println!("  {spilled}");
    }
}
