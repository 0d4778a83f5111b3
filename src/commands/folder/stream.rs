//! A folder as a stream of bytes.
//!
//! ```text
//! folder: items | 17 zeros
//! item:   u8 kind, u32 mode, u32 length of its path, u64 length | path | for a file its bytes, for a link where it leads
//! ```

use super::{FolderItem, MODE, visit};
use crate::commands::scratch::stays_below;
use crate::transport::stream::{CopyError, PieceReader, PieceWriter};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const END: u8 = 0;
const FILE: u8 = 1;
const FOLDER: u8 = 2;
const LINK: u8 = 3;

/// The number of bytes of an item without its path and content.
const HEAD: usize = 17;
/// The longest path of an item that is accepted, in bytes.
const PATH_MAX: u32 = 1 << 16;

/// The number of bytes of a folder's stream.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn length(folder: &Path) -> io::Result<u64> {
    let mut length = HEAD as u64;
    visit(folder, &mut |inner, item, _| {
        length += (HEAD + inner.as_os_str().len()) as u64;
        length += match item {
            FolderItem::File(bytes) => bytes,
            FolderItem::Link(target) => target.as_os_str().len() as u64,
            FolderItem::Folder => 0,
        };
        Ok(())
    })?;
    Ok(length)
}

/// Writes a folder to a stream.
///
/// # Errors
/// When something cannot be read, or has changed.
pub(crate) fn write(folder: &Path, into: &mut PieceWriter<'_>) -> io::Result<()> {
    visit(folder, &mut |inner, item, found| {
        let (kind, length) = match &item {
            FolderItem::File(bytes) => (FILE, *bytes),
            FolderItem::Folder => (FOLDER, 0),
            FolderItem::Link(target) => (LINK, target.as_os_str().len() as u64),
        };
        let path = inner.as_os_str().as_bytes();
        let mut head = Vec::with_capacity(HEAD + path.len());
        head.push(kind);
        head.extend_from_slice(&(found.mode() & MODE).to_le_bytes());
        head.extend_from_slice(&(path.len() as u32).to_le_bytes());
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(path);
        into.write_all(&head)?;
        match item {
            FolderItem::File(bytes) => into.copy_from(&mut File::open(folder.join(inner))?, bytes),
            FolderItem::Link(target) => into.write_all(target.as_os_str().as_bytes()),
            FolderItem::Folder => Ok(()),
        }
    })?;
    into.write_all(&[0; HEAD])
}

/// Makes the folder of a stream at `to`, where nothing must be yet. Nothing outside of it is written, whatever the stream
/// says.
///
/// # Errors
/// When the stream ends or is damaged, or scratch has no room. What was made is left.
pub(crate) fn read(from: &mut PieceReader<'_>, to: &Path) -> Result<(), CopyError> {
    let damaged = || CopyError::Read(io::ErrorKind::InvalidData.into());
    // the folders made here, with their modes: a path may lead through these alone, and through no link
    let (mut known, mut folders) = (HashSet::new(), Vec::new());
    loop {
        let mut head = [0; HEAD];
        from.read_exact(&mut head).map_err(CopyError::Read)?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (kind, mode, path_length) = (head[0], word(1) & MODE, word(5));
        let length = u64::from(word(13)) << 32 | u64::from(word(9));
        if kind == END {
            break;
        }
        if path_length > PATH_MAX || (kind == LINK && length > u64::from(PATH_MAX)) {
            return Err(damaged());
        }
        let inner = text(from, u64::from(path_length))?;
        let is_root = kind == FOLDER && inner.as_os_str().is_empty() && known.is_empty();
        let is_inside = stays_below(&inner) && inner.parent().is_some_and(|above| known.contains(above));
        if !is_root && !is_inside {
            return Err(damaged());
        }
        let path = to.join(&inner);
        match kind {
            FOLDER => {
                DirBuilder::new().mode(0o700).create(&path).map_err(CopyError::Write)?;
                folders.push((path, mode));
                known.insert(inner);
            }
            FILE => {
                let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                let mut new = new.map_err(CopyError::Write)?;
                from.copy_to(&mut new, length)?;
                new.set_permissions(Permissions::from_mode(mode)).map_err(CopyError::Write)?;
            }
            LINK => {
                let target = text(from, length)?;
                symlink(target, path).map_err(CopyError::Write)?;
            }
            _ => return Err(damaged()),
        }
    }
    let close = |(path, mode): &(PathBuf, u32)| fs::set_permissions(path, Permissions::from_mode(*mode));
    folders.iter().rev().try_for_each(close).map_err(CopyError::Write)
}

fn text(from: &mut PieceReader<'_>, length: u64) -> Result<PathBuf, CopyError> {
    let mut bytes = Vec::new();
    from.copy_to(&mut bytes, length)?;
    Ok(OsString::from_vec(bytes).into())
}
