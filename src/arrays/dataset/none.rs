//! The substitute for `file` in a build without HDF5: every function returns an error.

use super::NewDataset;
use crate::arrays::{ArrayValue, ElementType};
use std::ops::Range;
use std::path::Path;

const WITHOUT: &str = "this dtask was built without HDF5; build it with the cargo feature `hdf5`";

/// Fails, in place of reading the shape and the element type of a dataset: this build has no HDF5.
///
/// # Errors
/// Always.
pub(crate) fn shape(_path: &Path, _name: &str) -> Result<(Vec<usize>, ElementType), String> {
    Err(WITHOUT.to_owned())
}

/// Fails, in place of reading a dataset: this build has no HDF5.
///
/// # Errors
/// Always.
pub(crate) fn read(_path: &Path, _name: &str, _part: &[Range<usize>]) -> Result<ArrayValue, String> {
    Err(WITHOUT.to_owned())
}

/// The substitute for an HDF5 file that is being written. No value of this type exists, since this build has no HDF5.
#[derive(Debug)]
pub(crate) struct FileWriter {}

impl FileWriter {
    /// Fails, in place of creating a file: this build has no HDF5.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn create(_path: &Path) -> Result<FileWriter, String> {
        Err(WITHOUT.to_owned())
    }

    /// Fails, in place of opening a file for writing: this build has no HDF5.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn open(_path: &Path, _without: &[&str]) -> Result<FileWriter, String> {
        Err(WITHOUT.to_owned())
    }

    /// Fails, in place of copying a dataset: this build has no HDF5.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn copy(&self, _from: &Path, _dataset: &NewDataset) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Fails, in place of writing a dataset, or a part of it: this build has no HDF5.
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

    /// Fails, in place of removing a dataset: this build has no HDF5.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn remove(&self, _name: &str) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Fails, in place of closing the file: this build has no HDF5.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn close(self) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }
}

/// The substitute for an existing HDF5 file. No value of this type is ever made, since this build has no HDF5.
#[derive(Debug)]
pub(crate) struct ExistingFile {}

impl ExistingFile {
    /// Fails, in place of opening a file: this build has no HDF5.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn open(_path: &Path) -> Result<ExistingFile, String> {
        Err(WITHOUT.to_owned())
    }

    /// Fails, in place of checking the name of a dataset: this build has no HDF5.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn admits(&self, _name: &str) -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Does nothing: in this build, without HDF5, no file can be open.
    pub(crate) fn close(self) {}

    /// Returns true and looks at nothing: in this build, without HDF5, no file can be opened.
    pub(crate) fn has_more_than(&self, _names: &[&str]) -> bool {
        true
    }
}
