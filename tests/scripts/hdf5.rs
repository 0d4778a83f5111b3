//! HDF5: blocks in, hyperslabs out.

use super::Folder;
use hdf5::File;
use ndarray::{Array2, Array3, ArrayD, Axis, s};

/// The script of the specification.
const PIPELINE: &str = r#"
name  = "climate"
[vars]
src = "climate.h5"
[task.block]
for    = { b = { blocks = "{src}:/temperature", size = [365] } }
array  = "load(b)"
[task.clim]
reduce = { of = "block", with = "mean", axis = 0 }
[task.anomaly]
each  = "block"
array = "block - clim"
save  = "anomaly.h5:/temperature"    # each instance writes its own hyperslab; one rank owns the file
[task.spread]
each  = "block"
array = "std(anomaly, axis = 0)"
[task.worst]
reduce = { of = "spread", with = "max" }
save   = "stats.h5:/worst_spread"
"#;

fn temperature() -> Array3<f64> {
    Array3::from_shape_fn((1000, 6, 5), |(t, y, x)| (t as f64 / 58.1).sin() * 10.0 + (y * 5 + x) as f64)
}

/// Opens a file whose lock another test's child may have inherited for a moment: HDF5 opens files without `O_CLOEXEC`,
/// so a process that is forked meanwhile has them, and the lock, until its `exec`.
fn unlocked(open: impl Fn() -> hdf5::Result<File>) -> File {
    for _ in 0..500 {
        match open() {
            Err(error) if error.to_string().contains("unable to lock file") => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            opened => return opened.expect("a file"),
        }
    }
    panic!("the file stays locked")
}

fn with_data(text: &str) -> Folder {
    let folder = Folder::script(text);
    let file = File::create(folder.path("climate.h5")).expect("a file");
    file.new_dataset_builder().with_data(&temperature()).create("temperature").expect("a dataset");
    file.close().expect("written");
    folder
}

pub fn read(folder: &Folder, file: &str, name: &str) -> ArrayD<f64> {
    let file = File::open(folder.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    file.dataset(name).expect("the dataset").read_dyn().expect("numbers")
}

#[test]
fn the_pipeline_gives_the_same_bytes_on_any_number_of_ranks() {
    let runs = [1, 2, 4].map(|ranks| {
        let folder = with_data(PIPELINE);
        folder.run(ranks, &["s.toml"]).assert_success();
        let bytes = ["anomaly.h5", "stats.h5"].map(|name| std::fs::read(folder.path(name)).expect("saved"));
        (folder, bytes)
    });
    let t = temperature();
    let clim = t.mean_axis(Axis(0)).expect("a mean");
    let anomaly = &t - &clim;
    let (folder, _) = &runs[2];
    assert_eq!(folder.names(), ["anomaly.h5", "climate.h5", "stats.h5"]);
    let saved = read(folder, "anomaly.h5", "/temperature");
    assert_eq!(saved.shape(), t.shape());
    assert!((&saved - &anomaly.clone().into_dyn()).iter().all(|x| x.abs() < 1e-12));
    let mut worst = Array2::<f64>::zeros((6, 5));
    for start in [0, 365, 730] {
        let block = anomaly.slice(s![start..(start + 365).min(1000), .., ..]);
        worst.zip_mut_with(&block.std_axis(Axis(0), 0.0), |worst, x| *worst = worst.max(*x));
    }
    let spread = read(folder, "stats.h5", "/worst_spread");
    assert!((&spread - &worst.into_dyn()).iter().all(|x| x.abs() < 1e-12));
    assert!(runs[0].1 == runs[1].1 && runs[0].1 == runs[2].1, "the bytes differ");
}

#[test]
fn tiles_and_reduced_axes_have_their_places() {
    let folder = with_data(
        "[task.t]\nfor = { b = { blocks = 'climate.h5:/temperature', size = [400, 4] } }\narray = 'load(b)'\nsave = 'copy.h5:/t'\n\
         [task.m]\neach = 't'\narray = 'mean(t, axis = 2)'\nsave = 'copy.h5:/deep/mean'\n\
         [task.f]\nfor = { k = [2, 3] }\narray = 'cast(load(\"climate.h5\", \"/temperature\")[0:k, 0, 0], \"f32\")'\nsave = 'parts.h5:/k{k}/x'\n",
    );
    folder.run(3, &["s.toml"]).assert_success();
    let t = temperature();
    assert_eq!(read(&folder, "copy.h5", "/t"), t.clone().into_dyn());
    let mean = read(&folder, "copy.h5", "/deep/mean");
    assert!((&mean - &t.mean_axis(Axis(2)).expect("a mean").into_dyn()).iter().all(|x| x.abs() < 1e-12));
    assert_eq!(read(&folder, "parts.h5", "/k3/x").len(), 3);
    let file = File::open(folder.path("parts.h5")).expect("saved");
    let dataset = file.dataset("/k2/x").expect("saved");
    assert_eq!(dataset.attr("k").and_then(|k| k.read_scalar::<i64>()).ok(), Some(2));
    assert!(dataset.dtype().is_ok_and(|dtype| dtype.is::<f32>()));
}

#[test]
fn a_dataset_with_a_hole_is_left_out_and_the_others_stay() {
    let folder = with_data(
        "[task.t]\nfor = { b = { blocks = 'climate.h5:/temperature', size = [500] } }\narray = 'load(b)'\nsave = 'out.h5:/whole'\n\
         [task.c]\neach = 't'\nshell = 'case {b} in *500:1000*) exit 3;; esac; echo 1'\n\
         [task.u]\neach = 't'\narray = 't * c'\nsave = 'out.h5:/holes'\n",
    );
    let outcome = folder.run(3, &["s.toml"]);
    assert_eq!(outcome.code(), 1, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("out.h5:/holes was not written: a part of it is missing"),
        "{}",
        outcome.stderr
    );
    assert_eq!(read(&folder, "out.h5", "/whole"), temperature().into_dyn());
    assert!(File::open(folder.path("out.h5")).is_ok_and(|file| !file.link_exists("/holes")));
    assert_eq!(folder.names().iter().filter(|name| name.contains("part")).count(), 0, "{:?}", folder.names());
}

#[test]
fn files_of_commands_can_hold_datasets() {
    let folder = with_data(
        "[task.c]\nrun = ['cp', 'climate.h5', '{out}']\nout = 'x.h5'\n[task.a]\narray = 'load(c, \"/temperature\")[0, 0, 0:3]'\nstdout = 'a.txt'\n",
    );
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(folder.read("a.txt"), "0.0\n1.0\n2.0\n");
}

#[test]
fn what_is_missing_is_told_before_the_run() {
    let folder = with_data(
        "[task.a]\nfor = { b = { blocks = 'clim.h5:/temperature', size = [365] } }\narray = 'load(b)'\nsave = 'a.h5:/a'\n\
         [task.b]\nfor = { b = { blocks = 'climate.h5:/temp', size = [365] } }\narray = 'load(b)'\nsave = 'b.h5:/b'\n\
         [task.c]\nfor = { b = { blocks = 'climate.h5:/temperature', size = [10, 3, 2, 7] } }\narray = 'load(b)'\nsave = 'c.h5:/c'\n\
         [task.d]\nfor = { b = { blocks = 'climate.h5:/temperature', size = [365] }, k = [1, 2] }\narray = 'load(b)'\nsave = 'd.h5:/d'\n",
    );
    let outcome = folder.run(0, &["check", "s.toml"]);
    assert_eq!(outcome.code(), 2);
    for told in [
        "error[E48]: there is no file `",
        "has no dataset `/temp`; there are: /temperature",
        "has 3 axes, and `size` cuts 4",
        "both save to `d.h5:/d`",
    ] {
        assert!(outcome.stderr.contains(told), "{told}: {}", outcome.stderr);
    }
}

#[test]
fn a_file_that_blocks_come_from_keeps_all_else_when_datasets_are_saved_in_it() {
    for ranks in [0, 3] {
        let folder = with_data(
            "[task.x]\nfor = { b = { blocks = 'climate.h5:/temperature', size = [365] } }\narray = 'load(b) * 2'\n\
             save = 'climate.h5:/double'\n",
        );
        let file = unlocked(|| File::open_rw(folder.path("climate.h5")));
        file.new_attr::<i64>()
            .create("version")
            .and_then(|attr| attr.write_scalar(&7))
            .expect("an attribute");
        let group = file.create_group("other").expect("a group");
        group.new_attr::<i64>().create("seed").and_then(|attr| attr.write_scalar(&3)).expect("an attribute");
        drop(group);
        file.close().expect("written");
        for _ in 0..2 {
            folder.run(ranks, &["s.toml"]).assert_success();
            assert_eq!(read(&folder, "climate.h5", "/temperature"), temperature().into_dyn());
            assert_eq!(read(&folder, "climate.h5", "/double"), temperature().into_dyn() * 2.0);
            let file = unlocked(|| File::open(folder.path("climate.h5")));
            let number =
                |attr: hdf5::Result<hdf5::Attribute>| attr.and_then(|attr| attr.read_scalar::<i64>());
            assert_eq!(number(file.attr("version")).expect("kept"), 7);
            assert_eq!(number(file.group("other").and_then(|group| group.attr("seed"))).expect("kept"), 3);
        }
        assert_eq!(folder.names(), ["climate.h5"]);
    }
}
