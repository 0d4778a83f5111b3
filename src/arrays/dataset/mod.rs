//! Datasets of HDF5 files: read whole or in rectangular parts, and written so.
//!
//! A file that is written exists once in the job, opened by the rank that owns it: HDF5 without MPI-IO allows one
//! writing process. The library itself is called by one thread at a time; elements that lie in a file as they do in memory
//! are read beside it, by all threads.

#[cfg(feature = "hdf5")]
pub(crate) mod direct;
#[cfg(feature = "hdf5")]
pub(crate) mod existing;
#[cfg(feature = "hdf5")]
pub(crate) mod file;
#[cfg(not(feature = "hdf5"))]
pub(crate) mod none;

#[cfg(feature = "hdf5")]
pub(crate) use existing::ExistingFile;
#[cfg(feature = "hdf5")]
pub(crate) use file::{FileWriter, read, shape};
#[cfg(not(feature = "hdf5"))]
pub(crate) use none::{ExistingFile, FileWriter, read, shape};

use crate::arrays::ElementType;
use std::ops::Range;

/// A dataset that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewDataset {
    /// Its name, `/group/name`.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// The lengths of its axes.
    pub shape: Vec<usize>,
    /// The part that is written at a time, where the dataset is not written whole.
    pub part: Option<Vec<usize>>,
    /// Attributes, as names and values.
    pub attributes: Vec<(String, Attribute)>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Attribute {
    /// A text.
    Text(String),
    /// An integer.
    Int(i64),
    /// Another number.
    Float(f64),
}

/// Chunks, where a dataset is written in parts: those parts, unless they lie one after the other in the file anyway, or
/// are larger than a chunk can be.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
fn chunks(shape: &[usize], part: &[usize], element: ElementType) -> Option<Vec<usize>> {
    const LARGEST: usize = 1 << 30;
    let contiguous = shape.iter().zip(part).skip(1).all(|(whole, part)| whole == part);
    let bytes = part.iter().try_fold(element.size(), |product, n| product.checked_mul(*n))?;
    (!contiguous && bytes > 0 && bytes <= LARGEST && shape.len() == part.len()).then(|| part.to_vec())
}

/// An error if a part lies outside of the whole.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
fn check_part(shape: &[usize], part: &[Range<usize>]) -> Result<(), String> {
    if part.len() == shape.len() && part.iter().zip(shape).all(|(range, n)| range.end <= *n) {
        return Ok(());
    }
    let part: Vec<String> = part.iter().map(|range| format!("{}:{}", range.start, range.end)).collect();
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    Err(format!("the part [{}] is not in a dataset of shape ({})", part.join(", "), shape.join(", ")))
}

#[cfg(all(test, feature = "hdf5"))]
mod tests;
