//! An HDF5 file that is written anew while everything is killed: it is the old one or the new one, never a mixture.

use super::Folder;
use super::hdf5::read;
use super::resume::{family, send, start};
use super::signals::{eventually, runs};
use rustix::process::Signal;
use std::collections::BTreeSet;

const DATASETS: u64 = 30;

fn script(version: u64) -> String {
    format!(
        "dtask = 1\n[task.x]\nfor = {{ i = '0..{DATASETS}' }}\narray = 'full((30000,), 0.0) + {version} + 0 * i'\n\
         save = 'out.h5:/x{{i}}'\n"
    )
}

/// The version of all datasets of the file.
fn version(folder: &Folder) -> u64 {
    let versions: BTreeSet<u64> = (0..DATASETS)
        .map(|i| {
            let found = read(folder, "out.h5", &format!("/x{i}"));
            let first = found[[0]];
            assert!(found.len() == 30_000 && found.iter().all(|x| *x == first), "x{i}");
            first as u64
        })
        .collect();
    assert_eq!(versions.len(), 1, "a mixture: {versions:?}");
    versions.into_iter().next().expect("a version")
}

#[test]
fn a_file_is_the_old_one_or_the_new_one_whenever_everything_is_killed() {
    let folder = Folder::empty();
    std::fs::write(folder.path("s.toml"), script(1)).expect("written");
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(version(&folder), 1);
    let (mut before, mut seed) = (1, 7_u64);
    for new in 2..8 {
        std::fs::write(folder.path("s.toml"), script(new)).expect("written");
        let mut child = start(&folder, if new % 2 == 0 { 2 } else { 0 });
        eventually("a new file is begun", || {
            let mut names = std::fs::read_dir(folder.path("")).expect("the folder").flatten();
            names.any(|entry| entry.file_name().to_string_lossy().starts_with(".dtask-"))
                || child.try_wait().expect("its state").is_some()
        });
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(std::time::Duration::from_micros((seed >> 33) % 60_000));
        let all = family(child.id());
        all.iter().for_each(|pid| send(*pid, Signal::KILL));
        eventually("it ends", || child.try_wait().expect("its state").is_some());
        eventually("nothing of it runs", || all.iter().all(|pid| !runs(&pid.to_string())));
        let now = version(&folder);
        assert!([before, new].contains(&now), "version {now} after {before} and {new}");
        println!("killed while version {new} was written: version {now}");
        before = now;
    }
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(version(&folder), 7);
    assert_eq!(folder.names().iter().filter(|name| !name.starts_with('.')).count(), 1);
}
