//! What is read directly is what the library reads, and what only the library can read is left to it.

use super::*;
use crate::arrays::dataset;
use hdf5::{File, Hyperslab, Selection, SliceOrIndex};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use std::path::PathBuf;
use tempfile::TempDir;

const CHUNKS: bool = cfg!(hdf5_chunk_info);

fn numbers(shape: &[usize]) -> ArrayD<f64> {
    let count: usize = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..count).map(|n| n as f64).collect()).unwrap()
}

fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.h5");
    (dir, path)
}

fn found<T: H5Type + Pod>(path: &Path, name: &str, part: &[Range<usize>]) -> Option<StoredPart> {
    let source = DirectFile::new(path).unwrap();
    source.find::<T>(&File::open(path).unwrap().dataset(name).unwrap(), part)
}

/// Reads a part in all ways and checks that they agree. Returns whether the part could be read directly.
fn is_direct<T: H5Type + Pod + PartialEq + std::fmt::Debug>(
    path: &Path,
    name: &str,
    part: &[Range<usize>],
) -> bool {
    let library: ArrayD<T> = {
        let dataset = File::open(path).unwrap().dataset(name).unwrap();
        let ranges: Vec<SliceOrIndex> = part.iter().map(|range| range.clone().into()).collect();
        match part {
            [] => dataset.read_dyn().unwrap(),
            _ => dataset.read_slice(Selection::from(Hyperslab::from(ranges))).unwrap(),
        }
    };
    let direct = found::<T>(path, name, part).map(|stored| stored.read::<T>().unwrap());
    if let Some(direct) = &direct {
        assert_eq!(direct, library, "{name} {part:?}");
    }
    let read = dataset::read(path, name, part).unwrap();
    assert_eq!(read.shape(), library.shape());
    direct.is_some()
}

#[test]
fn parts_of_contiguous_datasets() {
    let (_dir, path) = folder();
    let file = File::create(&path).unwrap();
    let (flat, deep) = (numbers(&[300, 400]), numbers(&[3, 200, 100]));
    file.new_dataset_builder().with_data(&flat).create("flat").unwrap();
    file.new_dataset_builder().with_data(&deep).create("group/deep").unwrap();
    file.close().unwrap();
    for (name, part, direct) in [
        ("flat", vec![], true),
        ("flat", vec![0..300, 0..400], true),
        ("flat", vec![17..200, 0..400], true),
        ("flat", vec![299..300, 0..400], false),
        ("flat", vec![0..300, 1..400], false),
        ("flat", vec![4..4, 0..400], false),
        ("group/deep", vec![], true),
        ("group/deep", vec![1..3, 10..120, 0..100], true),
        ("group/deep", vec![2..3, 1..199, 0..100], true),
        ("group/deep", vec![0..3, 0..200, 7..8], false),
    ] {
        assert_eq!(is_direct::<f64>(&path, name, &part), direct, "{name} {part:?}");
    }
    let part =
        deep.slice_axis(Axis(0), Slice::from(1..3)).slice_axis(Axis(1), Slice::from(10..120)).to_owned();
    assert_eq!(
        dataset::read(&path, "group/deep", &[1..3, 10..120, 0..100]).unwrap(),
        crate::arrays::ArrayValue::F64(part)
    );
}

#[test]
fn parts_of_chunked_datasets() {
    let (_dir, path) = folder();
    let file = File::create(&path).unwrap();
    for (name, shape, chunk) in [
        ("rows", vec![300, 400], vec![128, 400]),
        ("tiles", vec![300, 400], vec![100, 300]),
        ("line", vec![50_000], vec![16_384]),
        ("sheets", vec![4, 200, 100], vec![1, 200, 100]),
        ("small", vec![300, 400], vec![10, 400]),
    ] {
        let dataset = file.new_dataset::<f64>().shape(shape.clone()).chunk(chunk).create(name).unwrap();
        dataset.write(&numbers(&shape)).unwrap();
    }
    file.close().unwrap();
    for (name, part, direct) in [
        ("rows", vec![], true),
        ("rows", vec![128..256, 0..400], true),
        ("rows", vec![100..280, 0..400], true),
        ("rows", vec![100..280, 0..399], false),
        ("tiles", vec![], false),
        ("tiles", vec![100..200, 0..300], true),
        ("tiles", vec![100..200, 0..301], false),
        ("line", vec![], true),
        ("line", std::iter::once(10_000..40_000).collect(), true),
        ("line", std::iter::once(49_000..50_000).collect(), false),
        ("sheets", vec![], true),
        ("sheets", vec![1..3, 50..200, 0..100], true),
        ("small", vec![], false),
    ] {
        assert_eq!(is_direct::<f64>(&path, name, &part), direct && CHUNKS, "{name} {part:?}");
    }
}

#[test]
fn other_types_than_those_of_memory_are_left_to_the_library() {
    let (_dir, path) = folder();
    let file = File::create(&path).unwrap();
    let all: Vec<i32> = (-50_000..50_000).collect();
    file.new_dataset_builder().with_data(&all).create("i32").unwrap();
    let floats: Vec<f32> = all.iter().map(|x| *x as f32 / 4.0).collect();
    file.new_dataset_builder().with_data(&floats).create("f32").unwrap();
    file.new_dataset_builder().with_data(&vec![7u32; 100_000]).create("u32").unwrap();
    file.new_dataset_builder().with_data(&vec![true; 100_000]).create("bool").unwrap();
    file.new_dataset_builder().with_data(&numbers(&[20_000])).create("f64").unwrap();
    file.close().unwrap();
    assert!(is_direct::<i32>(&path, "i32", &[]));
    assert!(!is_direct::<i64>(&path, "i32", &[]));
    assert!(is_direct::<f32>(&path, "f32", &[]));
    assert!(!is_direct::<i64>(&path, "u32", &[]));
    assert!(found::<u8>(&path, "bool", &[]).is_none());
    assert!(is_direct::<f64>(&path, "f64", &[]));
    // the library does not make datasets of the other byte order from Rust's types, so the bit for the byte order is
    // set in the file
    let mut bytes = std::fs::read(&path).unwrap();
    let little = [0x11, 0x20, 0x3f, 0, 8, 0, 0, 0];
    let at = bytes.windows(8).position(|bytes| bytes == little).unwrap();
    bytes[at + 1] = 0x21;
    std::fs::write(&path, bytes).unwrap();
    assert!(!is_direct::<f64>(&path, "f64", &[]));
    let swapped = dataset::read(&path, "f64", std::slice::from_ref(&(1..2))).unwrap();
    assert_eq!(swapped.to_f64()[[0]], f64::from_bits(1f64.to_bits().swap_bytes()));
}

#[test]
fn what_is_not_plain_is_left_to_the_library() {
    let (dir, path) = folder();
    let file = File::create(&path).unwrap();
    let chunked = || file.new_dataset::<f64>().shape([300, 400]).chunk([100, 400]);
    let all = numbers(&[300, 400]);
    chunked().shuffle().create("filtered").unwrap().write(&all).unwrap();
    chunked().fill_value(5.0).create("unwritten").unwrap();
    file.new_dataset::<f64>().shape([300, 400]).fill_value(5.0).create("empty").unwrap();
    file.new_dataset::<f64>().shape([0, 400]).create("nothing").unwrap();
    file.new_dataset::<f64>().create("scalar").unwrap().write_scalar(&3.0).unwrap();
    let hole = chunked().fill_value(5.0).create("hole").unwrap();
    for rows in [0..100, 200..300] {
        let part = all.slice_axis(Axis(0), Slice::from(rows.clone())).to_owned();
        let rows: Vec<SliceOrIndex> = vec![rows.into(), (0..400).into()];
        hole.write_slice(&part, Selection::from(Hyperslab::from(rows))).unwrap();
    }
    drop(hole);
    let raw = dir.path().join("raw").display().to_string();
    // the builder is a temporary, since it keeps the file open
    let outside = file.new_dataset::<f64>().shape([300, 400]).external(&raw, 0, 960_000).create("outside");
    outside.unwrap().write(&all).unwrap();
    file.close().unwrap();
    for name in ["filtered", "unwritten", "empty", "nothing", "scalar", "hole", "outside"] {
        assert!(!is_direct::<f64>(&path, name, &[]), "{name}");
    }
    assert_eq!(is_direct::<f64>(&path, "hole", &[0..100, 0..400]), CHUNKS);
    assert!(!is_direct::<f64>(&path, "hole", &[100..200, 0..400]));
    assert!(!is_direct::<f64>(&path, "hole", &[200..300, 0..400]));
}

#[test]
fn addresses_are_those_of_this_file_only() {
    let (dir, path) = folder();
    let all = numbers(&[300, 400]);
    let write = |file: &File| {
        file.new_dataset_builder().with_data(&all).create("t").unwrap();
        file.new_dataset_builder().chunk([100, 400]).with_data(&all).create("u").unwrap();
    };
    let file = File::create(&path).unwrap();
    write(&file);
    assert!(found::<f64>(&path, "t", &[]).is_none(), "it is being written");
    file.close().unwrap();
    assert!(is_direct::<f64>(&path, "t", &[]));

    let other = dir.path().join("other.h5");
    let file = File::create(&other).unwrap();
    file.link_external("x.h5", "/t", "t").unwrap();
    file.close().unwrap();
    assert!(!is_direct::<f64>(&other, "t", &[]));

    let block = dir.path().join("block.h5");
    let file =
        File::with_options().with_fcpl(|properties| properties.userblock(1024)).create(&block).unwrap();
    write(&file);
    file.close().unwrap();
    assert!(!is_direct::<f64>(&block, "t", &[]));
    assert!(!is_direct::<f64>(&block, "u", &[]));

    let source = DirectFile::new(&path).unwrap();
    let dataset = File::open(&path).unwrap().dataset("t").unwrap();
    std::fs::rename(&block, &path).unwrap();
    assert!(source.find::<f64>(&dataset, &[]).is_none(), "another file has got its name");
}

#[test]
fn a_file_that_is_cut_off_is_left_to_the_library() {
    let (_dir, path) = folder();
    let file = File::create(&path).unwrap();
    file.new_dataset_builder().with_data(&numbers(&[300, 400])).create("t").unwrap();
    file.close().unwrap();
    let stored = found::<f64>(&path, "t", &[]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(10_000).unwrap();
    assert!(stored.read::<f64>().is_none());
    assert!(dataset::read(&path, "t", &[]).unwrap_err().contains("x.h5"));
}
