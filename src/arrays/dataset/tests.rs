//! What is written is read again.

use super::*;
use crate::arrays::ArrayValue;
use ndarray::{ArrayD, IxDyn};

fn dataset(name: &str, element: ElementType, shape: &[usize], part: Option<&[usize]>) -> NewDataset {
    let attributes = vec![
        ("task".to_owned(), Attribute::Text("é".to_owned())),
        ("i".to_owned(), Attribute::Int(3)),
        ("x".to_owned(), Attribute::Float(0.5)),
    ];
    NewDataset { name: name.into(), element, shape: shape.into(), part: part.map(Into::into), attributes }
}

#[test]
fn parts_make_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.h5");
    let whole = ArrayD::from_shape_fn(IxDyn(&[5, 4]), |at| (at[0] * 10 + at[1]) as f32);
    let file = FileWriter::create(&path).unwrap();
    for (name, part) in [("/rows", [2, 4]), ("/deep/er/tiles", [2, 3])] {
        let new = dataset(name, ElementType::F32, &[5, 4], Some(&part));
        for i in (0..5).step_by(part[0]).rev() {
            for j in (0..4).step_by(part[1]) {
                let rows = ndarray::Slice::from(i..(i + part[0]).min(5));
                let columns = ndarray::Slice::from(j..(j + part[1]).min(4));
                let cut = whole.slice_axis(ndarray::Axis(0), rows);
                let cut = cut.slice_axis(ndarray::Axis(1), columns).as_standard_layout().into_owned();
                file.write(&new, &[i, j], &ArrayValue::F32(cut)).unwrap();
            }
        }
    }
    let number = ArrayValue::I64(ndarray::arr0(7i64).into_dyn());
    file.write(&dataset("/n", ElementType::I64, &[], None), &[], &number).unwrap();
    file.write(&dataset("/gone", ElementType::I64, &[], None), &[], &number).unwrap();
    file.remove("/gone").unwrap();
    let error = file.write(&dataset("/deep", ElementType::I64, &[], None), &[], &number).unwrap_err();
    assert!(error.contains("`/deep`") && error.contains("group"), "{error}");
    file.close().unwrap();
    for name in ["/rows", "/deep/er/tiles"] {
        assert_eq!(shape(&path, name).unwrap(), (vec![5, 4], ElementType::F32));
        assert_eq!(read(&path, name, &[]).unwrap(), ArrayValue::F32(whole.clone()));
        let part = read(&path, name, &[1..3, 3..4]).unwrap();
        assert_eq!(part, ArrayValue::F32(ArrayD::from_shape_vec(vec![2, 1], vec![13.0, 23.0]).unwrap()));
    }
    assert_eq!(read(&path, "/n", &[]).unwrap(), number);
    let file = hdf5::File::open(&path).unwrap();
    assert_eq!(file.dataset("/rows").unwrap().chunk(), None);
    assert_eq!(file.dataset("/deep/er/tiles").unwrap().chunk(), Some(vec![2, 3]));
    let attributes = file.dataset("/n").unwrap();
    assert_eq!(attributes.attr("i").unwrap().read_scalar::<i64>().unwrap(), 3);
    assert_eq!(
        attributes.attr("task").unwrap().read_scalar::<hdf5::types::VarLenUnicode>().unwrap().as_str(),
        "é"
    );
}

#[test]
fn other_types_are_read_as_the_next_that_holds_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.h5");
    let file = hdf5::File::create(&path).unwrap();
    file.new_dataset_builder().with_data(&[1i8, -1]).create("i8").unwrap();
    file.new_dataset_builder().with_data(&[1u16, 65535]).create("u16").unwrap();
    file.new_dataset_builder().with_data(&[4_000_000_000u32]).create("u32").unwrap();
    file.new_dataset_builder().with_data(&[u64::MAX]).create("u64").unwrap();
    file.new_dataset_builder().with_data(&[i64::MAX as u64]).create("large").unwrap();
    file.new_dataset_builder().with_data(&[true, false]).create("bool").unwrap();
    let text: hdf5::types::VarLenUnicode = "no".parse().unwrap();
    file.new_dataset_builder().with_data(&[text]).create("text").unwrap();
    file.close().unwrap();
    let numbers =
        |name: &str| read(&path, name, &[]).map(|value| (value.element_type(), value.to_f64().sum()));
    assert_eq!(numbers("i8").unwrap(), (ElementType::I32, 0.0));
    assert_eq!(numbers("u16").unwrap(), (ElementType::I32, 65536.0));
    assert_eq!(numbers("u32").unwrap(), (ElementType::I64, 4e9));
    assert!(numbers("bool").is_ok());
    assert_eq!(read(&path, "large", &[]).unwrap(), ndarray::array![i64::MAX].into_dyn().into());
    let told = "`/u64` has 18446744073709551615, which is beyond the integers of 64 bits";
    assert!(numbers("u64").unwrap_err().contains(told));
    assert!(numbers("text").unwrap_err().contains("no numbers"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(50))]

    #[test]
    fn integers_of_64_bits_are_read_as_they_were_written(
        all in proptest::collection::vec(proptest::prelude::any::<i64>(), 1..20),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.h5");
        let value = ArrayValue::from(ndarray::Array1::from(all).into_dyn());
        let file = FileWriter::create(&path).unwrap();
        file.write(&dataset("/n", ElementType::I64, value.shape(), None), &[0], &value).unwrap();
        file.close().unwrap();
        proptest::prop_assert_eq!(read(&path, "/n", &[]).unwrap(), value);
    }
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.h5");
    assert!(read(&path, "/t", &[]).unwrap_err().contains("there is no file"));
    std::fs::write(&path, "text").unwrap();
    assert!(read(&path, "/t", &[]).unwrap_err().contains("is no HDF5 file"));
    let file = hdf5::File::create(&path).unwrap();
    file.new_dataset_builder().with_data(&[1.0, 2.0]).create("t").unwrap();
    file.close().unwrap();
    assert!(read(&path, "/u", &[]).unwrap_err().ends_with("has no dataset `/u`; there are: /t"));
    let error = read(&path, "/t", std::slice::from_ref(&(1..3))).unwrap_err();
    assert_eq!(error, "the part [1:3] is not in a dataset of shape (2)");
}

#[test]
fn a_file_that_is_locked_or_cut_off_is_no_other_file() {
    use rustix::fs::{FlockOperation, flock};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.h5");
    let file = hdf5::File::create(&path).unwrap();
    file.new_dataset_builder().with_data(&[1.0; 1000]).create("t").unwrap();
    file.close().unwrap();
    let holder = std::fs::File::open(&path).unwrap();
    flock(&holder, FlockOperation::LockExclusive).unwrap();
    for error in [read(&path, "/t", &[]).unwrap_err(), ExistingFile::open(&path).unwrap_err()] {
        assert!(error.contains("is locked: ") && error.contains("HDF5_USE_FILE_LOCKING=FALSE"), "{error}");
        // the holder of the lock is this process itself, which the message names if the system lists locks
        let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
        let own = std::process::id().to_string();
        let is_told = locks.lines().any(|line| line.contains("FLOCK") && line.contains(&own));
        assert!(!is_told || error.contains(&format!("process {own} (")), "{error}\n{locks}");
    }
    flock(&holder, FlockOperation::Unlock).unwrap();
    assert!(read(&path, "/t", &[]).is_ok());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = read(&path, "/t", &[]).unwrap_err();
    assert!(error.contains("its end is missing"), "{error}");
}
