//! Copies of folders on one host, and their adoption into scratch.

use super::{FolderItem, MODE, visit};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// The bits of a mode by which a file may be changed.
const WRITE: u32 = 0o222;
/// The bits of a mode by which a folder's owner can change it.
const OWN: u32 = 0o700;

/// The way in which a file of a folder gets to another folder.
enum FileCopy {
    /// By its bytes; the kernel shares the blocks where the file system can.
    Bytes,
    /// As another name of the same file, or by its bytes where the file system has no such names.
    Link,
}

/// Makes a copy of a folder at `to`, where nothing must be yet.
///
/// # Errors
/// When something cannot be read or written. What was made is left.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    make(from, to, &FileCopy::Bytes, 0)
}

/// Makes a folder at `to` whose files are those of `from`, as hard links. If it is `lent`, its owner may change the
/// folders in it.
///
/// # Errors
/// As [`copy`].
pub(crate) fn link(from: &Path, to: &Path, lent: bool) -> io::Result<()> {
    make(from, to, &FileCopy::Link, if lent { OWN } else { 0 })
}

/// `added` are bits that the modes of all folders get.
fn make(from: &Path, to: &Path, how: &FileCopy, added: u32) -> io::Result<()> {
    let mut folders: Vec<(PathBuf, u32)> = Vec::new();
    visit(from, &mut |inner, item, found| {
        let new = to.join(inner);
        let old = from.join(inner);
        match item {
            FolderItem::Folder => {
                DirBuilder::new().mode(OWN).create(&new)?;
                folders.push((new, found.mode() & MODE | added));
                Ok(())
            }
            FolderItem::Link(target) => symlink(target, new),
            FolderItem::File(_) => match how {
                FileCopy::Link => fs::hard_link(&old, &new).or_else(|_| copy_file(&old, &new)),
                FileCopy::Bytes => copy_file(&old, &new),
            },
        }
    })?;
    // last, since a folder may be one that nobody can change
    folders.iter().rev().try_for_each(|(path, mode)| fs::set_permissions(path, Permissions::from_mode(*mode)))
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mode = source.metadata()?.mode() & MODE;
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut source, &mut new)?;
    new.set_permissions(Permissions::from_mode(mode))
}

/// Takes over the folder `from` that a command has filled: moves it to `to`, and makes its files read-only. A file that
/// has other names is copied, since it could be changed by them. A link to a path in the folder becomes a relative one, so
/// that it leads there wherever the folder is. What is only linked to, or on another file system, is copied.
///
/// # Errors
/// When something cannot be read, or scratch has no room.
pub(crate) fn adopt(from: &Path, to: &Path, moves: bool) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    let mode = found.mode() & MODE;
    // to move a folder is to change it: the folder above is noted in it
    let moved = moves
        && found.is_dir()
        && fs::set_permissions(from, Permissions::from_mode(mode | OWN)).is_ok()
        && fs::rename(from, to).is_ok();
    if moved {
        fs::set_permissions(to, Permissions::from_mode(mode))?;
    } else {
        copy(from, to)?;
    }
    seal(to, from)
}

/// Makes the files of a folder read-only. `was` is the path at which it was made.
fn seal(folder: &Path, was: &Path) -> io::Result<()> {
    let (mut shared, mut links) = (Vec::new(), Vec::new());
    visit(folder, &mut |inner, item, found| {
        match item {
            FolderItem::File(_) if found.nlink() > 1 => shared.push(inner.to_owned()),
            FolderItem::File(_) if found.mode() & WRITE != 0 => {
                let mode = Permissions::from_mode(found.mode() & MODE & !WRITE);
                fs::set_permissions(folder.join(inner), mode)?;
            }
            FolderItem::Link(target) => {
                if let Ok(within) = target.strip_prefix(was) {
                    links.push((inner.to_owned(), within.to_owned()));
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    for inner in shared {
        let path = folder.join(&inner);
        changed(&path, |path| {
            let copied = path.with_file_name(".dtask-copy");
            copy_file(path, &copied)?;
            let mode = fs::metadata(path)?.mode() & MODE & !WRITE;
            fs::set_permissions(&copied, Permissions::from_mode(mode))?;
            fs::rename(&copied, path)
        })?;
    }
    for (inner, within) in links {
        let depth = inner.components().filter(|part| matches!(part, Component::Normal(_))).count();
        let up: PathBuf = std::iter::repeat_n("..", depth.saturating_sub(1)).collect();
        let target = up.join(if within.as_os_str().is_empty() { Path::new(".") } else { &within });
        changed(&folder.join(&inner), |path| {
            fs::remove_file(path)?;
            symlink(&target, path)
        })?;
    }
    Ok(())
}

/// Changes something in a folder that may be read-only.
fn changed(path: &Path, work: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let Some(above) = path.parent() else { return work(path) };
    let mode = fs::metadata(above)?.mode() & MODE;
    fs::set_permissions(above, Permissions::from_mode(mode | OWN))?;
    let outcome = work(path);
    fs::set_permissions(above, Permissions::from_mode(mode))?;
    outcome
}
