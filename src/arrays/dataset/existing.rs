//! HDF5 files that are there before datasets are added to them.

use super::file::{alone, told};
use super::refusal::Refusal;
use hdf5::{File, Group};
use std::path::Path;

/// An HDF5 file that exists before the run. While this is open, no other process can open the file for writing.
#[derive(Debug)]
pub(crate) struct ExistingFile {
    file: File,
}

impl ExistingFile {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// When another program is writing the file, or it is no HDF5 file.
    pub(crate) fn open(path: &Path) -> Result<ExistingFile, String> {
        let _alone = alone();
        let file = File::open(path).map_err(|error| match Refusal::of(path, &told(&error)) {
            Refusal::Foreign(what) => format!(
                "a file is there that is no HDF5 file ({what}), and it is left as it is; move it away, or save elsewhere"
            ),
            other => other.sentence(path),
        })?;
        Ok(ExistingFile { file })
    }

    /// Checks that a dataset of that name can be written to the file.
    ///
    /// # Errors
    /// When a group has that name, or a dataset stands where a group of the name would have to be.
    pub(crate) fn admits(&self, name: &str) -> Result<(), String> {
        let _alone = alone();
        let mut path = String::new();
        let mut parts = parts(name).peekable();
        while let Some(part) = parts.next() {
            path = format!("{path}/{part}");
            if !self.file.link_exists(&path) {
                return Ok(());
            }
            match (self.file.group(&path).is_ok(), parts.peek().is_none()) {
                (true, true) => return Err(format!("`{path}` is a group in the file that is there")),
                (false, false) => return Err(format!("`{path}` is no group in the file that is there")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Closes the file, and with it gives up HDF5's lock on it: until then no other program writes into it.
    pub(crate) fn close(self) {}

    /// Whether the file has anything besides the named datasets, be it an attribute or an empty group.
    pub(crate) fn has_more_than(&self, names: &[&str]) -> bool {
        let _alone = alone();
        let names: Vec<String> = names.iter().map(|name| normal(name)).collect();
        more(&self.file, "", &names)
    }
}

fn more(group: &Group, prefix: &str, names: &[String]) -> bool {
    let (Ok(attributes), Ok(members)) = (group.attr_names(), group.member_names()) else { return true };
    let stays = |member: &String| {
        let path = format!("{prefix}/{member}");
        let is_above = |name: &String| name.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/'));
        if names.contains(&path) {
            return false;
        }
        !names.iter().any(is_above) || group.group(member).map_or(true, |group| more(&group, &path, names))
    };
    !attributes.is_empty() || members.iter().any(stays)
}

/// Whether a file has a dataset, a group or another object of that name.
pub(super) fn is_there(file: &File, name: &str) -> bool {
    let mut path = String::new();
    parts(name).all(|part| {
        path = format!("{path}/{part}");
        file.link_exists(&path)
    })
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn normal(name: &str) -> String {
    parts(name).map(|part| format!("/{part}")).collect()
}
