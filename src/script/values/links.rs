//! Symbolic links at the end of a path.

use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The largest number of symbolic links that are followed in a path, as in the kernel.
const LINKS: usize = 40;

/// Follows all symbolic links at the end of a path; `None` for a link in `/proc`, to which `/dev/stdout` leads, since
/// its target is no path.
///
/// # Errors
/// When links lead in a circle.
pub(crate) fn end(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&path) else { return Ok(Some(path)) };
        let folder = path.parent().unwrap_or(Path::new("/"));
        if fs::canonicalize(folder).is_ok_and(|folder| folder.starts_with("/proc")) {
            return Ok(None);
        }
        path = folder.join(target);
    }
    Err(Errno::LOOP.into())
}
