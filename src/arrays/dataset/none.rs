//! The substitute for `file` in a build without HDF5: every function returns an error.

use super::NewDataset;
use crate::arrays::{ArrayValue, ElementType};
use std::ops::Range;
use std::path::Path;

const WITHOUT: &str = "this dtask was built without HDF5; build it with the cargo feature `hdf5`";

/// Fails, in place of reading the shape and the element type of a dataset.
///
/// # Errors
/// Always.
pub(crate) fn shape(_path: &Path, _name: &str) -> Result<(Vec<usize>, ElementType), String> {
    Err(WITHOUT.to_owned())
}

/// Fails, in place of reading a dataset.
///
/// # Errors
/// Always.
pub(crate) fn read(_path: &Path, _name: &str, _part: &[Range<usize>]) -> Result<ArrayValue, String> {
    Err(WITHOUT.to_owned())
}

/// The file that would be written; no value of this type exists.
#[derive(Debug)]
pub(crate) struct FileWriter {}

impl FileWriter {
    /// Fails, in place of creating a file.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn create(_path: &Path) -> Result<FileWriter, String> {
        Err(WITHOUT.to_owned())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn open(_path: &Path, _without: &[&str]) -> Result<FileWriter, String> {
        Err(WITHOUT.to_owned())
    }

    /// Copies a dataset.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn copy(&self, _from: &Path, _dataset: &NewDataset) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Writes a dataset, or a part of it that begins at `start`.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn write(
        &self,
        _dataset: &NewDataset,
        _start: &[usize],
        _value: &ArrayValue,
    ) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Fails, in place of removing a dataset.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn remove(&self, _name: &str) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Fails, in place of closing the file.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn close(self) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }
}

/// An HDF5 file that is there.
#[derive(Debug)]
pub(crate) struct ExistingFile {}

impl ExistingFile {
    /// Opens a file.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn open(_path: &Path) -> Result<ExistingFile, String> {
        Err(WITHOUT.to_owned())
    }

    /// Tells that a dataset can have that name.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn admits(&self, _name: &str) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Tells nothing.
    pub(crate) fn has_more_than(&self, _names: &[&str]) -> bool {
        true
    }
}
