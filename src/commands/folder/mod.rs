//! Folders that commands have filled: what is in them, as a list, as a stream from rank to rank, and as a copy.
//!
//! A folder has files, folders and symbolic links, which keep their names (any bytes) and modes. Anything else, such as
//! a pipe, is an error. Links are never followed.

mod copy;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use copy::{adopt, copy, link};
pub(crate) use stream::{length, read, write};

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bits of a mode that say who may do what.
const MODE: u32 = 0o7777;

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FolderItem {
    /// A file of so many bytes.
    File(u64),
    /// A folder, which comes before what is in it.
    Folder,
    /// A symbolic link to this path.
    Link(PathBuf),
}

/// Calls `each` for a folder and all that is in it, with the path in the folder (empty for itself) and its facts. What is
/// in a folder comes after it, in the order of the names.
///
/// # Errors
/// Those of `each`; and when something cannot be read, or is neither file, folder nor link.
pub(crate) fn visit(
    folder: &Path,
    each: &mut dyn FnMut(&Path, FolderItem, &Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let found = fs::metadata(folder)?;
    each(Path::new(""), FolderItem::Folder, &found)?;
    visit_inside(folder, &mut PathBuf::new(), each)
}

fn visit_inside(
    folder: &Path,
    inner: &mut PathBuf,
    each: &mut dyn FnMut(&Path, FolderItem, &Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let at = |inner: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("`{}` in it: {error}", inner.display()))
    };
    let entries = fs::read_dir(folder.join(&*inner)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| at(inner, error))?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    for entry in entries {
        inner.push(entry.file_name());
        let found = entry.metadata().map_err(|error| at(inner, error))?;
        let kind = found.file_type();
        if kind.is_dir() {
            each(inner, FolderItem::Folder, &found)?;
            visit_inside(folder, inner, each)?;
        } else if kind.is_file() {
            each(inner, FolderItem::File(found.len()), &found)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(|error| at(inner, error))?;
            each(inner, FolderItem::Link(target), &found)?;
        } else {
            return Err(io::Error::other(format!("`{}` in it is no file, folder or link", inner.display())));
        }
        inner.pop();
    }
    Ok(())
}

/// The bytes of all files in a folder, and the time of the last change in it, in nanoseconds since 1970: what tells
/// whether a folder is as it was.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn stamp(folder: &Path) -> io::Result<(u64, i128)> {
    let (mut bytes, mut latest) = (0_u64, i128::MIN);
    visit(folder, &mut |_, item, found| {
        if let FolderItem::File(length) = item {
            bytes = bytes.saturating_add(length);
        }
        latest = latest.max(i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()));
        Ok(())
    })?;
    Ok((bytes, latest))
}
