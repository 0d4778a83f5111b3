//! Saving of a folder: the destination has the whole new folder or what it had before.

use crate::batch::whole_files;
use crate::commands::folder;
use crate::commands::removal;
use crate::script::values::links;
use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Saves the folder `from` as `to`. It is copied beside the destination under another name, or moved there if it is the
/// `last` use of the folder and both are on one file system, and then renamed. A folder that lies at the destination goes
/// as a whole. Links at the destination are followed.
///
/// # Errors
/// When something cannot be read or written, or what lies at the destination is no folder.
pub(crate) fn save(from: &Path, to: &Path, last: bool) -> io::Result<()> {
    let to = links::end(to)?.unwrap_or_else(|| to.to_owned());
    let to: PathBuf = to.components().collect();
    if fs::symlink_metadata(&to).is_ok_and(|found| !found.is_dir()) {
        return Err(Errno::NOTDIR.into());
    }
    let beside = temporary(&to)?;
    let new = beside.path().join("new");
    let is_own = last && fs::symlink_metadata(from)?.is_dir();
    if !is_own || fs::rename(from, &new).is_err() {
        folder::copy(from, &new)?;
    }
    // as with a file: after a crash of the host there is no folder with empty files under its name
    syncfs(File::open(&new)?)?;
    let outcome = exchange(&new, &to, beside.path());
    let rest = beside.keep();
    let _ = removal::remove(&rest, Duration::ZERO);
    outcome
}

/// A new folder beside the destination.
fn temporary(to: &Path) -> io::Result<TempDir> {
    let above = to.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(above)?;
    tempfile::Builder::new().prefix(whole_files::PREFIX).suffix(whole_files::SUFFIX).tempdir_in(above)
}

/// Gives the folder `new` the name `to`. What had that name goes to `aside`.
fn exchange(new: &Path, to: &Path, aside: &Path) -> io::Result<()> {
    let mode = fs::symlink_metadata(new)?.permissions();
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    // a folder that cannot be changed cannot be moved either
    fs::set_permissions(new, writable)?;
    let renamed = match renameat_with(CWD, new, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => renameat_with(CWD, new, CWD, to, RenameFlags::EXCHANGE),
        other => other,
    };
    match renamed {
        Ok(()) => {}
        // not every file system has these; for a moment there is no folder then
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let old = aside.join("old");
            let had = fs::rename(to, &old).is_ok();
            if let Err(error) = fs::rename(new, to) {
                if had {
                    fs::rename(&old, to)?;
                }
                return Err(error);
            }
        }
        Err(error) => return Err(error.into()),
    }
    fs::set_permissions(to, mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_folder_is_replaced_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for last in [false, true] {
            fs::create_dir_all(at("from/sub")).unwrap();
            fs::write(at("from/sub/new"), "new").unwrap();
            fs::set_permissions(at("from"), PermissionsExt::from_mode(0o555)).unwrap();
            let to = at("deep/saved");
            save(&at("from"), &to, false).unwrap();
            fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
            fs::write(to.join("old"), "old").unwrap();
            // a link leads where it led
            let _ = symlink("deep/saved", at("link"));
            save(&at("from"), &at("link"), last).unwrap();
            assert!(at("link").is_symlink() && !to.join("old").exists());
            assert_eq!(fs::read(to.join("sub/new")).unwrap(), b"new");
            assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o555);
            assert_eq!(at("from").exists(), !last);
            assert_eq!(fs::read_dir(at("deep")).unwrap().count(), 1, "nothing is left beside it");
        }
    }

    #[test]
    fn what_cannot_be_saved_leaves_all_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("from")).unwrap();
        fs::write(at("file"), "mine").unwrap();
        assert!(save(&at("from"), &at("file"), true).is_err());
        assert_eq!(fs::read(at("file")).unwrap(), b"mine");
        fs::create_dir(at("to")).unwrap();
        fs::write(at("to/x"), "x").unwrap();
        std::os::unix::net::UnixListener::bind(at("from/socket")).unwrap();
        assert!(save(&at("from"), &at("to"), false).is_err());
        assert_eq!(fs::read(at("to/x")).unwrap(), b"x");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left beside it");
    }
}
