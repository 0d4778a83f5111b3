//! Datasets of HDF5 files: reading and writing, whole or in rectangular parts (hyperslabs).
//!
//! Only one process opens a file for writing, the rank that was chosen as its owner: HDF5 without MPI-IO allows no
//! more. The library is called by one thread at a time. Elements that a file stores as memory does are read directly,
//! by all threads (`file` calls the library, `direct` bypasses it).

#[cfg(feature = "hdf5")]
pub(crate) mod direct;
#[cfg(feature = "hdf5")]
pub(crate) mod existing;
#[cfg(feature = "hdf5")]
pub(crate) mod file;
#[cfg(not(feature = "hdf5"))]
pub(crate) mod none;
#[cfg(feature = "hdf5")]
pub(crate) mod refusal;

#[cfg(feature = "hdf5")]
pub(crate) use existing::ExistingFile;
#[cfg(feature = "hdf5")]
pub(crate) use file::{FileWriter, read, shape};
#[cfg(not(feature = "hdf5"))]
pub(crate) use none::{ExistingFile, FileWriter, read, shape};

use crate::arrays::ElementType;
use std::ops::Range;

/// The description of a dataset that is to be written to an HDF5 file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewDataset {
    /// The name of the dataset with its groups: `/group/name`.
    pub name: String,
    /// The type of the dataset's elements.
    pub element: ElementType,
    /// The lengths of the dataset's axes.
    pub shape: Vec<usize>,
    /// The shape of the parts in which the dataset is written, one part after the other; `None` if it is written whole.
    pub part: Option<Vec<usize>>,
    /// The attributes of the dataset, as pairs of name and value.
    pub attributes: Vec<(String, Attribute)>,
}

/// The value of a dataset's attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Attribute {
    /// An attribute that is a text.
    Text(String),
    /// An attribute that is an integer.
    Int(i64),
    /// An attribute that is a floating-point number.
    Float(f64),
}

/// The shape of the HDF5 chunks of a dataset of `shape` that is written in parts of the shape `part`: that of the
/// parts. `None` (no chunks) if the parts are contiguous in the file anyway, or exceed the largest size of a chunk.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
fn chunks(shape: &[usize], part: &[usize], element: ElementType) -> Option<Vec<usize>> {
    const LARGEST: usize = 1 << 30;
    let contiguous = shape.iter().zip(part).skip(1).all(|(whole, part)| whole == part);
    let bytes = part.iter().try_fold(element.size(), |product, n| product.checked_mul(*n))?;
    (!contiguous && bytes > 0 && bytes <= LARGEST && shape.len() == part.len()).then(|| part.to_vec())
}

/// Checks that a part lies within a dataset of this shape. The message of the error is for the user.
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
