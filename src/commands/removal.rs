//! Removal of directories that commands have filled: with folders that nobody may write, and while a process that is
//! being killed still makes files.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two attempts to remove a directory.
const PAUSE: Duration = Duration::from_millis(5);

/// Removes a directory with all that is in it. Tries again for `patience`, as long as something in it cannot be
/// removed. Never follows links. A directory that is not there is no error.
///
/// # Errors
/// When something is left.
pub(crate) fn remove(path: &Path, patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    loop {
        let error = match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(_) if fs::symlink_metadata(path).is_err() => return Ok(()),
            Err(error) => error,
        };
        open_up(path);
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(_) if Instant::now() >= until => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Lets the user change all directories in a directory, as removal needs it. Directories that are not the user's stay
/// as they are.
fn open_up(path: &Path) {
    let mut todo: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(dir) = todo.pop() {
        let Ok(found) = fs::symlink_metadata(&dir) else { continue };
        let mode = found.permissions().mode();
        if found.is_dir() && mode & 0o700 != 0o700 {
            let _ = fs::set_permissions(&dir, Permissions::from_mode(mode | 0o700));
        }
        let inside = fs::read_dir(&dir).into_iter().flatten().flatten();
        let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        todo.extend(inside.filter(is_dir).map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn files_that_are_being_made_go_too() {
        let dir = tempfile::tempdir().unwrap();
        let (path, outside) = (dir.path().join("scratch"), dir.path().join("outside"));
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        std::os::unix::fs::symlink(&outside, path.join("link")).unwrap();
        let made = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut count = 0;
                while fs::write(path.join("sub").join(count.to_string()), "").is_ok() {
                    count += 1;
                }
                made.store(false, Ordering::Release);
            });
            remove(&path, Duration::from_secs(20)).unwrap();
        });
        assert!(!path.exists() && !made.load(Ordering::Acquire));
        assert!(outside.join("kept").exists(), "a link is not followed");
        remove(&path, Duration::ZERO).unwrap();
    }

    /// Root may change any directory, so the test runs itself again as another user.
    #[test]
    fn folders_that_nobody_may_write_go_too_as_an_ordinary_user() {
        const CHILD: &str = "DTASK_TEST_REMOVES";
        if let Some(path) = std::env::var_os(CHILD) {
            let path = PathBuf::from(path);
            fs::create_dir_all(path.join("a/b/c")).unwrap();
            fs::write(path.join("a/b/file"), "").unwrap();
            for (name, mode) in [("a/b/c", 0o000), ("a/b", 0o555), ("a", 0o400)] {
                fs::set_permissions(path.join(name), Permissions::from_mode(mode)).unwrap();
            }
            assert!(rustix::process::geteuid().is_root() || fs::remove_dir_all(&path).is_err());
            remove(&path, Duration::ZERO).unwrap();
            assert!(!path.exists());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        if rustix::process::geteuid().is_root() {
            use std::os::unix::process::CommandExt;
            command.uid(65_534).gid(65_534);
        }
        command.args([
            "--exact",
            "commands::removal::tests::folders_that_nobody_may_write_go_too_as_an_ordinary_user",
        ]);
        let outcome = command.env(CHILD, dir.path().join("scratch")).output();
        // a test program that other users cannot execute
        let Ok(outcome) = outcome else { return };
        let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
        assert!(outcome.status.success() && said.contains("1 passed"), "{said}");
    }
}
