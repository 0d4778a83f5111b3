//! The example of a campaign: a program of its own, with a function that its script calls.

use super::{Folder, Mpirun};
use std::path::Path;
use std::time::Duration;

fn campaign(ranks: usize) -> Folder {
    let folder = Folder::empty();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("examples/campaign/campaign.toml"), folder.path("campaign.toml"))
        .expect("the script");
    let program = Path::new(env!("CARGO_BIN_EXE_dtask")).with_file_name("examples").join("campaign");
    std::os::unix::fs::symlink(program, folder.path("campaign")).expect("a link");
    let run = Mpirun::new(ranks).program(folder.path("campaign")).dir(folder.dir.path());
    run.limit(Duration::from_secs(60)).args(["campaign.toml"]).run().assert_success();
    folder
}

#[test]
fn the_campaign_gives_the_same_files_on_any_number_of_ranks() {
    let saved = |folder: &Folder| {
        let entries = std::fs::read_dir(folder.path("results")).expect("results");
        let mut files: Vec<(String, Vec<u8>)> = entries
            .map(|entry| entry.expect("an entry").path())
            .map(|path| {
                (path.file_name().expect("a name").display().to_string(), std::fs::read(path).expect("read"))
            })
            .collect();
        files.sort();
        files
    };
    let (one, four) = (campaign(1), campaign(4));
    let files = saved(&one);
    assert_eq!(files.len(), 6 + 6 + 3);
    assert!(files == saved(&four));
    // the function and the command are the same solver, and a plate cools the faster the better it conducts
    let table = one.read("results/left.csv");
    let rows: Vec<Vec<f64>> =
        table.lines().map(|line| line.split(',').map(|x| x.parse().expect("a number")).collect()).collect();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| (row[2] - row[3]).abs() < 1e-12), "{table}");
    assert!(rows[0][2] > rows[1][2] && rows[1][2] > rows[2][2] && rows[2][2] > 0.0, "{table}");
    assert!(one.read("results/curves.svg").matches("<polyline").count() == 6);
    let picture = std::fs::read(one.path("results/field_res16_k0.1.pgm")).expect("a picture");
    assert!(picture.starts_with(b"P5\n16 16\n255\n") && picture.len() == 13 + 256);
}

#[test]
fn functions_that_are_not_there_are_told_before_the_run() {
    let folder = Folder::script("[task.a]\ncall = 'heat'\nargs = { mesh = 'x' }\nstdout = 'a.txt'\n");
    let outcome = folder.run(0, &["check", "s.toml"]);
    assert_eq!(outcome.code(), 2);
    assert!(outcome.stderr.contains("the function `heat` is not registered"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("Registry::new()"), "{}", outcome.stderr);
}
