//! Reading and writing of datasets by the HDF5 library.

use super::direct::DirectFile;
use super::refusal::Refusal;
use super::{Attribute, NewDataset, check_part, chunks};
use crate::arrays::{ArrayValue, ElementType};
use crate::task::allocation;
use bytemuck::Pod;
use hdf5::plist::dataset_create::AllocTime;
use hdf5::types::{FloatSize, IntSize, TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset, File, H5Type, Hyperslab, Selection, SliceOrIndex};
use ndarray::ArrayD;
use parking_lot::{Mutex, MutexGuard};
use std::ops::Range;
use std::path::Path;

/// The shape and the element type of a dataset, read from the file's metadata.
///
/// # Errors
/// When the file or the dataset does not exist, or its elements are no numbers.
pub(crate) fn shape(path: &Path, name: &str) -> Result<(Vec<usize>, ElementType), String> {
    let dataset = open(path, name)?;
    Ok((dataset.shape(), element_type(&dataset)?))
}

/// Reads a dataset, or the range of each axis that `part` gives; an empty `part` means the whole.
///
/// # Errors
/// As for [`shape`], or when the part is not within the dataset.
pub(crate) fn read(path: &Path, name: &str, part: &[Range<usize>]) -> Result<ArrayValue, String> {
    let source = DirectFile::new(path);
    let alone = alone();
    let dataset = open(path, name)?;
    Ok(match element_type(&dataset)? {
        ElementType::F64 => ArrayValue::F64(elements(source, alone, dataset, part)?),
        ElementType::F32 => ArrayValue::F32(elements(source, alone, dataset, part)?),
        ElementType::I64 if is_unsigned(&dataset) => {
            let name = dataset.name();
            let array: ArrayD<u64> = elements(source, alone, dataset, part)?;
            // the library would make the largest `i64` of what does not fit
            if let Some(large) = array.iter().find(|x| i64::try_from(**x).is_err()) {
                return Err(format!(
                    "`{name}` has {large}, which is beyond the integers of 64 bits with a sign"
                ));
            }
            ArrayValue::I64(array.mapv(|x| x as i64))
        }
        ElementType::I64 => ArrayValue::I64(elements(source, alone, dataset, part)?),
        ElementType::I32 => ArrayValue::I32(elements(source, alone, dataset, part)?),
        ElementType::U8 => ArrayValue::U8(elements(source, alone, dataset, part)?),
    })
}

/// A lock that each thread holds while it calls the HDF5 library. The library has a lock of its own, but takes and
/// frees that for each call: two reading threads would wake each other dozens of times. Process-wide, as the library's
/// lock is.
static ALONE: Mutex<()> = Mutex::new(());

pub(super) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock()
}

fn open(path: &Path, name: &str) -> Result<Dataset, String> {
    let file = File::open(path).map_err(|error| Refusal::of(path, &told(&error)).sentence(path))?;
    file.dataset(name).map_err(|_| match datasets(&file) {
        all if all.is_empty() => format!("`{}` has no dataset `{name}`", path.display()),
        all => format!("`{}` has no dataset `{name}`; there are: {}", path.display(), all.join(", ")),
    })
}

/// The names of up to ten datasets in the root group of a file, for error messages.
fn datasets(file: &File) -> Vec<String> {
    let mut names: Vec<String> =
        file.datasets().unwrap_or_default().iter().map(|dataset| dataset.name()).collect();
    names.sort();
    names.truncate(10);
    names
}

fn element_type(dataset: &Dataset) -> Result<ElementType, String> {
    let descriptor = dataset.dtype().and_then(|dtype| dtype.to_descriptor());
    let descriptor = descriptor.map_err(|error| format!("`{}`: {}", dataset.name(), told(&error)))?;
    Ok(match descriptor {
        TypeDescriptor::Float(FloatSize::U4) => ElementType::F32,
        TypeDescriptor::Float(_) => ElementType::F64,
        TypeDescriptor::Integer(IntSize::U8) | TypeDescriptor::Unsigned(IntSize::U4 | IntSize::U8) => {
            ElementType::I64
        }
        TypeDescriptor::Unsigned(IntSize::U1) | TypeDescriptor::Boolean => ElementType::U8,
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(IntSize::U2) => ElementType::I32,
        other => return Err(format!("the elements of `{}` are no numbers: {other}", dataset.name())),
    })
}

fn is_unsigned(dataset: &Dataset) -> bool {
    let descriptor = dataset.dtype().and_then(|dtype| dtype.to_descriptor());
    matches!(descriptor, Ok(TypeDescriptor::Unsigned(IntSize::U8)))
}

fn elements<T: H5Type + Pod>(
    source: Option<DirectFile>,
    mut alone: MutexGuard<'static, ()>,
    dataset: Dataset,
    part: &[Range<usize>],
) -> Result<ArrayD<T>, String> {
    if !part.is_empty() {
        check_part(&dataset.shape(), part)?;
    }
    let whole = dataset.shape();
    let lengths = if part.is_empty() { whole } else { part.iter().map(Range::len).collect() };
    let length = lengths.iter().fold(1usize, |product, n| product.saturating_mul(*n));
    allocation::check::<T>(length).map_err(|error| format!("`{}`: {error}", dataset.name()))?;
    if let Some(stored) = source.and_then(|source| source.find::<T>(&dataset, part)) {
        drop(alone);
        let array = stored.read();
        // The dataset is open until its bytes have been read: HDF5's lock on the file keeps other processes from
        // writing to it meanwhile.
        alone = self::alone();
        if let Some(array) = array {
            drop(dataset);
            drop(alone);
            return Ok(array);
        }
    }
    let array = if part.is_empty() { dataset.read_dyn() } else { dataset.read_slice(selection(part)) };
    array.map_err(|error| format!("`{}` cannot be read: {}", dataset.name(), told(&error)))
}

fn selection(part: &[Range<usize>]) -> Selection {
    let ranges: Vec<SliceOrIndex> = part.iter().map(|range| SliceOrIndex::from(range.clone())).collect();
    Selection::from(Hyperslab::from(ranges))
}

/// The innermost message in the stack of an HDF5 error, which is the most specific one.
pub(super) fn told(error: &hdf5::Error) -> String {
    let text = error.to_string();
    if text.contains("No space left on device") {
        return "no space left on the disk".to_owned();
    }
    text.lines().next().unwrap_or_default().to_owned()
}

/// Bytes of a dataset that are copied at a time, so that a large one does not have to fit into memory.
const PIECE: usize = 64 << 20;

/// An HDF5 file that is being written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: File,
}

impl FileWriter {
    /// Creates a file, and replaces one that exists.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn create(path: &Path) -> Result<FileWriter, String> {
        let file = File::create(path)
            .map_err(|error| format!("`{}` cannot be written: {}", path.display(), told(&error)))?;
        Ok(FileWriter { file })
    }

    /// Opens an existing file to add datasets. Datasets named in `without` are removed from it.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub(crate) fn open(path: &Path, without: &[&str]) -> Result<FileWriter, String> {
        let shown = |error: hdf5::Error| format!("`{}` cannot be written: {}", path.display(), told(&error));
        let file = File::open_rw(path).map_err(shown)?;
        for name in without {
            if super::existing::is_there(&file, name) {
                file.unlink(name).map_err(shown)?;
            }
        }
        Ok(FileWriter { file })
    }

    /// Copies a dataset from another HDF5 file into this one, piece by piece.
    ///
    /// # Errors
    /// As [`FileWriter::write`], or when the dataset cannot be read.
    pub(crate) fn copy(&self, from: &Path, dataset: &NewDataset) -> Result<(), String> {
        let (shape, size) = (&dataset.shape, dataset.element.size());
        let (Some((rows, row)), true) = (shape.split_first(), shape.iter().all(|n| *n > 0)) else {
            let start = vec![0; dataset.part.as_ref().map_or(0, Vec::len)];
            return self.write(dataset, &start, &read(from, &dataset.name, &[])?);
        };
        // The number of rows in a chunk. A piece has whole chunks, or HDF5 would write a chunk once for each piece of
        // it.
        let unit = dataset.part.as_ref().and_then(|part| part.first()).map_or(1, |n| (*n).max(1));
        let step = (PIECE / size.max(1) / row.iter().product::<usize>().max(1) / unit).max(1) * unit;
        let mut whole = dataset.clone();
        whole.part.get_or_insert_with(|| [&[step.min(*rows)], row].concat());
        for first in (0..*rows).step_by(step) {
            let others = row.iter().map(|n| 0..*n);
            let part: Vec<Range<usize>> =
                std::iter::once(first..(first + step).min(*rows)).chain(others).collect();
            let start: Vec<usize> = part.iter().map(|range| range.start).collect();
            self.write(&whole, &start, &read(from, &dataset.name, &part)?)?;
        }
        Ok(())
    }

    /// Writes `value` as a dataset, or as the part of it that begins at `start`. The first part creates the dataset.
    /// For a dataset that is written whole (without `part`), `start` has no meaning.
    ///
    /// # Errors
    /// When the disk is full, or a group has the dataset's name.
    pub(crate) fn write(
        &self,
        dataset: &NewDataset,
        start: &[usize],
        value: &ArrayValue,
    ) -> Result<(), String> {
        let _alone = alone();
        match value {
            ArrayValue::F64(array) => self.put(dataset, start, array),
            ArrayValue::F32(array) => self.put(dataset, start, array),
            ArrayValue::I64(array) => self.put(dataset, start, array),
            ArrayValue::I32(array) => self.put(dataset, start, array),
            ArrayValue::U8(array) => self.put(dataset, start, array),
        }
        .map_err(|error| format!("the dataset `{}` cannot be written: {error}", dataset.name))
    }

    fn put<T: H5Type>(&self, new: &NewDataset, start: &[usize], array: &ArrayD<T>) -> Result<(), String> {
        let shown = |error: hdf5::Error| told(&error);
        let dataset = if self.file.link_exists(&new.name) {
            self.file.dataset(&new.name).map_err(|_| "it is a group".to_owned())?
        } else {
            let mut builder = self.file.new_dataset_builder();
            if let Some(chunks) = new.part.as_ref().and_then(|part| chunks(&new.shape, part, new.element)) {
                // space is allocated at once, so that the file's bytes do not depend on the order of the parts
                builder = builder.chunk(chunks).alloc_time(Some(AllocTime::Early));
            }
            let dataset =
                builder.empty::<T>().shape(new.shape.clone()).create(new.name.as_str()).map_err(shown)?;
            for (name, value) in &new.attributes {
                attach(&dataset, name, value).map_err(shown)?;
            }
            dataset
        };
        if new.part.is_none() {
            return dataset.write(array.view()).map_err(shown);
        }
        let part: Vec<Range<usize>> =
            start.iter().zip(array.shape()).map(|(from, n)| *from..from + n).collect();
        check_part(&dataset.shape(), &part)?;
        dataset.write_slice(array.view(), selection(&part)).map_err(shown)
    }

    /// Removes a dataset from the file.
    ///
    /// # Errors
    /// When there is no such dataset.
    pub(crate) fn remove(&self, name: &str) -> Result<(), String> {
        self.file.unlink(name).map_err(|error| told(&error))
    }

    /// Flushes the file to the disk and closes it.
    ///
    /// # Errors
    /// When the disk is full.
    pub(crate) fn close(self) -> Result<(), String> {
        self.file.flush().map_err(|error| told(&error))?;
        self.file.close().map_err(|error| told(&error))
    }
}

fn attach(dataset: &Dataset, name: &str, value: &Attribute) -> hdf5::Result<()> {
    match value {
        Attribute::Int(number) => dataset.new_attr::<i64>().create(name)?.write_scalar(number),
        Attribute::Float(number) => dataset.new_attr::<f64>().create(name)?.write_scalar(number),
        Attribute::Text(text) => {
            // a text of HDF5 ends at its first zero
            let text: VarLenUnicode = text.replace('\0', " ").parse().map_err(|_| "no text".to_owned())?;
            dataset.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text)
        }
    }
}
