//! A dataset of 1 GiB, read by blocks and written by blocks, by dtask and by one plain program with the HDF5 library,
//! in the same run: `cargo bench --bench hdf5 [-- MIB]`.

use hdf5::File;
use ndarray::{Array2, s};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const COLUMNS: usize = 1024;
/// Rows of a block, 16 MiB of numbers.
const ROWS: usize = 2048;
/// A round takes less than starting dtask does, so that one alone says little.
const ROUNDS: usize = 15;
/// Every so many rounds the dataset is written too, which takes twenty times as long.
const WRITTEN_EVERY: usize = 3;
/// dtask must reach this part of the plain program's speed.
const LEAST: f64 = 0.8;

fn make(path: &Path, rows: usize) -> hdf5::Result<()> {
    let file = File::create(path)?;
    let dataset = file.new_dataset::<f64>().shape((rows, COLUMNS)).chunk((ROWS, COLUMNS)).create("t")?;
    for start in (0..rows).step_by(ROWS) {
        let block = Array2::from_shape_fn((ROWS, COLUMNS), |(i, j)| ((start + i) * COLUMNS + j) as f64);
        dataset.write_slice(&block, s![start..start + ROWS, ..])?;
    }
    file.close()
}

/// Reads all blocks, and writes them to another file if there is one; the sum keeps the reading.
fn plain(from: &Path, to: Option<&Path>, rows: usize) -> hdf5::Result<f64> {
    let dataset = File::open(from)?.dataset("t")?;
    let out = to.map(File::create).transpose()?;
    let create =
        |file: &File| file.new_dataset::<f64>().shape((rows, COLUMNS)).chunk((ROWS, COLUMNS)).create("t");
    let written = out.as_ref().map(create).transpose()?;
    let mut sum = 0.0;
    for start in (0..rows).step_by(ROWS) {
        let block: Array2<f64> = dataset.read_slice_2d(s![start..start + ROWS, ..])?;
        match &written {
            Some(written) => written.write_slice(&block, s![start..start + ROWS, ..])?,
            None => sum += block.sum(),
        }
    }
    if let Some(out) = out {
        out.close()?;
    }
    Ok(sum)
}

fn dtask(dir: &Path, script: &str) -> f64 {
    std::fs::write(dir.join("h.toml"), format!("dtask = 1\n{script}")).expect("the script is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtask"));
    let begin = Instant::now();
    let status = command.args(["h.toml", "-q"]).current_dir(dir).stdout(Stdio::null()).status();
    let seconds = begin.elapsed().as_secs_f64();
    assert!(status.expect("dtask starts").success());
    seconds
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> ExitCode {
    let mib: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1024);
    let rows = (mib * 1024 * 1024 / 8 / COLUMNS).next_multiple_of(ROWS);
    let gib = (rows * COLUMNS * 8) as f64 / (1u64 << 30) as f64;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let input = dir.path().join("in.h5");
    make(&input, rows).expect("the dataset is written");
    let block = format!("for = {{ b = {{ blocks = \"in.h5:/t\", size = [{ROWS}] }} }}");
    let read = format!(
        "[task.part]\n{block}\narray = \"sum(load(b))\"\n[task.all]\nreduce = {{ of = \"part\", with = \"add\" }}\nstdout = \"sum.txt\"\n"
    );
    let copy = format!("[task.copy]\n{block}\narray = \"load(b)\"\nsave = \"out.h5:/t\"\n");
    let nothing = "[task.a]\narray = \"1\"\nstdout = \"one.txt\"\n";
    let mut starts = Vec::new();
    let (mut ours, mut theirs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..ROUNDS {
        let scripts = [&read, &copy].into_iter().enumerate();
        for (at, script) in scripts.filter(|(at, _)| *at == 0 || round % WRITTEN_EVERY == 0) {
            let start = dtask(dir.path(), nothing);
            starts.push(start);
            let other = dir.path().join("plain.h5");
            let begin = Instant::now();
            let sum = plain(&input, (at == 1).then_some(&*other), rows).expect("it can be read");
            theirs[at].push(begin.elapsed().as_secs_f64());
            ours[at].push(dtask(dir.path(), script) - start);
            if at == 0 {
                let told = std::fs::read_to_string(dir.path().join("sum.txt")).expect("a sum");
                let told: f64 = told.trim().parse().expect("a number");
                assert!((told - sum).abs() <= 1e-9 * sum.abs(), "{told} and {sum}");
            }
            for name in ["plain.h5", "out.h5"] {
                let _ = std::fs::remove_file(dir.path().join(name)); // the first round has none
            }
        }
    }
    println!("dtask takes {:.2} s to start and to end, which is not counted below", median(starts));
    let mut fits = true;
    for (what, at) in [("read and summed by blocks", 0), ("read and written by blocks", 1)] {
        let (own, plain) = (median(ours[at].clone()), median(theirs[at].clone()));
        let ratio = plain / own;
        fits &= ratio >= LEAST;
        println!(
            "{gib:.2} GiB {what}: dtask {:.2} GiB/s; one plain program {:.2} GiB/s; {ratio:.2} (>= {LEAST})",
            gib / own,
            gib / plain
        );
    }
    if fits { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
