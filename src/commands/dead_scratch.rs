//! Scratch of jobs that were killed whole: each rank's directory has a record of its process, and the next run of the
//! same user on that host removes those whose processes are gone.
//!
//! A directory is removed only if all of this holds, so that nothing else can be lost:
//! * it is a directory (no link) of this user with mode 0700 and the name that [`super::scratch`] gives;
//! * the record in it names this host, and no process with that number and time of start;
//! * nobody holds the lock of the record. A rank holds it while it lives, also where its process number means another
//!   process or none here (containers).
//!
//! Shared memory of Open MPI and UCX stays in `/dev/shm` when a job is killed. A rank notes the names and inodes of
//! those segments that it has mapped. They are removed with its directory, if no process maps them any more.

use super::removal;
use crate::runtime::host::scratch_place::MEMORY;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the record in a rank's directory.
const RECORD: &str = ".owner";
/// The longest record in bytes that is read.
const RECORD_MAX: u64 = 64 << 10;
/// The beginnings of the names of segments that MPI libraries leave when they are killed.
const SEGMENTS: [&str; 3] = ["vader_segment.", "sm_segment.", "ucx_shm_posix_"];

/// The record of a living rank in its scratch directory, locked as long as this value lives.
#[derive(Debug)]
pub(crate) struct OwnerLock(#[expect(dead_code, reason = "its lock ends with it")] File);

/// A process of this host, distinct from a later one of the same number.
#[derive(Debug, PartialEq, Eq)]
struct OwnerProcess {
    pid: u32,
    /// Time from the start of the host to that of the process, in clock ticks.
    start: u64,
}

impl OwnerProcess {
    /// The process of this number, if it runs.
    fn running(pid: u32) -> Option<OwnerProcess> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // the name of the program, in parentheses, may have any characters
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        let is_zombie = rest.next()? == "Z";
        let start = rest.nth(18)?.parse().ok()?;
        (!is_zombie).then_some(OwnerProcess { pid, start })
    }
}

/// A segment of shared memory: its name in `/dev/shm`, and its inode.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    inode: u64,
    name: String,
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Writes the record of this process into its new scratch directory, and locks it.
///
/// # Errors
/// When the directory cannot be written.
pub(crate) fn claim(root: &Path) -> io::Result<OwnerLock> {
    let mut file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(root.join(RECORD))?;
    // without locks, as on some file systems, the directory is never taken for a dead one
    let _ = flock(&file, FlockOperation::LockExclusive);
    let own =
        OwnerProcess::running(std::process::id()).ok_or_else(|| io::Error::other("/proc has no process"))?;
    let mut record = format!("{}\n{} {}\n", host(), own.pid, own.start);
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    segments(&maps).iter().for_each(|segment| record += &format!("{} {}\n", segment.inode, segment.name));
    file.write_all(record.as_bytes())?;
    Ok(OwnerLock(file))
}

/// The segments of MPI libraries in the text of `/proc/PID/maps`, each once.
fn segments(maps: &str) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    for line in maps.lines() {
        // address, permissions, offset, device, inode, path
        let mut words = line.split_ascii_whitespace().skip(4);
        let (Some(inode), Some(path), None) = (words.next(), words.next(), words.next()) else { continue };
        let (Ok(inode), Some(name)) =
            (inode.parse(), path.strip_prefix(MEMORY).and_then(|rest| rest.strip_prefix('/')))
        else {
            continue;
        };
        let segment = Segment { inode, name: name.to_owned() };
        if is_segment(name) && !found.contains(&segment) {
            found.push(segment);
        }
    }
    found
}

fn is_segment(name: &str) -> bool {
    SEGMENTS.iter().any(|known| name.starts_with(known)) && !name.contains('/')
}

/// Removes the scratch directories of this user in `places` whose processes are gone, with their shared memory.
pub(crate) fn sweep(places: &[PathBuf], prefix: &str) {
    for entry in places.iter().flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten()) {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let path = entry.path();
        let Some((_lock, segments)) = dead(&path) else { continue };
        log::info!("scratch of a job that is gone is removed: `{}`", path.display());
        remove_segments(&segments);
        if let Err(error) = removal::remove(&path, Duration::ZERO) {
            log::warn!("`{}` of a job that is gone cannot be removed: {error}", path.display());
        }
    }
}

/// The record of a scratch directory whose process is gone, locked, and the segments in it. `None` if the process
/// lives, or if that is not certain.
fn dead(path: &Path) -> Option<(File, Vec<Segment>)> {
    let user = rustix::process::geteuid().as_raw();
    let found = fs::symlink_metadata(path).ok()?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o777 != 0o700 {
        return None;
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(flags.bits() as i32).open(path.join(RECORD));
    let mut file = file.ok()?;
    let record = file.metadata().ok()?;
    if !record.is_file() || record.uid() != user {
        return None;
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    let mut text = String::new();
    Read::by_ref(&mut file).take(RECORD_MAX).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    if lines.next()? != host() {
        return None;
    }
    let (pid, start) = lines.next()?.split_once(' ')?;
    let owner = OwnerProcess { pid: pid.parse().ok()?, start: start.parse().ok()? };
    if OwnerProcess::running(owner.pid).is_some_and(|running| running == owner) {
        return None;
    }
    let segment = |line: &str| {
        let (inode, name) = line.split_once(' ')?;
        is_segment(name).then_some(Segment { inode: inode.parse().ok()?, name: name.to_owned() })
    };
    Some((file, lines.filter_map(segment).collect()))
}

/// Removes segments of this user that have kept their inodes and that no process maps.
fn remove_segments(noted: &[Segment]) {
    let user = rustix::process::geteuid().as_raw();
    let path = |segment: &Segment| Path::new(MEMORY).join(&segment.name);
    let is_there = |segment: &&Segment| {
        fs::symlink_metadata(path(segment))
            .is_ok_and(|found| found.is_file() && found.uid() == user && found.ino() == segment.inode)
    };
    let left: Vec<&Segment> = noted.iter().filter(is_there).collect();
    if left.is_empty() {
        return;
    }
    let mut mapped = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_process = process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        if !is_process || !process.metadata().is_ok_and(|found| found.uid() == user) {
            continue;
        }
        // processes that this user may not look into, such as an ssh-agent, are skipped: no MPI program is among them
        mapped.extend(segments(&fs::read_to_string(process.path().join("maps")).unwrap_or_default()));
    }
    for segment in left.into_iter().filter(|segment| !mapped.contains(segment)) {
        let _ = fs::remove_file(path(segment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    /// A scratch directory in `place` with this record.
    fn left(place: &Path, name: &str, record: &str) -> PathBuf {
        let root = place.join(name);
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(root.join("t-1")).unwrap();
        fs::write(root.join("t-1/file"), "").unwrap();
        fs::write(root.join(RECORD), record).unwrap();
        root
    }

    #[test]
    fn only_directories_of_processes_that_are_gone_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        let own = OwnerProcess::running(std::process::id()).unwrap();
        let gone = format!("{}\n{} {}\n", host(), own.pid, own.start + 1);
        let dead = left(place, "dtask-1-a", &gone);
        let no_process = left(place, "dtask-1-b", &format!("{}\n{} 1\n", host(), u32::MAX));
        let kept = [
            left(place, "other-1-a", &gone),
            left(place, "dtask-1-c", &format!("{}\n{} {}\n", host(), own.pid, own.start)),
            left(place, "dtask-1-d", &format!("x{gone}")),
            left(place, "dtask-1-e", ""),
            left(place, "dtask-1-f", &host()),
            left(place, "dtask-1-g", "\u{0}"),
            left(place, "dtask-1-open", &gone),
            left(place, "dtask-1-held", &gone),
        ];
        fs::set_permissions(&kept[6], Permissions::from_mode(0o750)).unwrap();
        let held = File::open(kept[7].join(RECORD)).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let target = left(elsewhere.path(), "dtask-1-x", &gone);
        std::os::unix::fs::symlink(&target, place.join("dtask-1-link")).unwrap();
        sweep(&[place.to_owned(), "/does/not/exist".into()], "dtask-1-");
        assert!(!dead.exists() && !no_process.exists());
        assert!(kept.iter().all(|kept| kept.join("t-1/file").exists()) && target.join("t-1/file").exists());
        drop(held);
        sweep(&[place.to_owned()], "dtask-1-");
        assert!(!kept[7].exists(), "its lock is free");
    }

    #[test]
    fn a_living_rank_keeps_its_directory() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("dtask-1-a");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
        let claimed = claim(&root).unwrap();
        sweep(&[place.path().to_owned()], "dtask-1-");
        assert!(root.exists());
        drop(claimed);
        sweep(&[place.path().to_owned()], "dtask-1-");
        assert!(root.exists(), "this process lives");
    }

    #[test]
    fn segments_are_known_by_their_names() {
        let maps = "\
            7f0-7f1 rw-s 00000000 00:1a 77 /dev/shm/vader_segment.host.0.1\n\
            7f1-7f2 rw-s 00000000 00:1a 77 /dev/shm/vader_segment.host.0.1\n\
            7f2-7f3 rw-s 00000000 00:1a 78 /dev/shm/vader_segment.host.0.2 (deleted)\n\
            7f3-7f4 rw-s 00000000 00:1a 79 /dev/shm/my_cache\n\
            7f4-7f5 rw-s 00000000 00:1a 80 /dev/shm/sub/vader_segment.x\n\
            7f5-7f6 rw-p 00000000 00:00 0\n";
        assert_eq!(segments(maps), [Segment { inode: 77, name: "vader_segment.host.0.1".into() }]);
    }

    #[test]
    fn a_segment_goes_unless_a_process_maps_it_or_it_is_another() {
        let path = Path::new(MEMORY).join(format!("vader_segment.test.{}", std::process::id()));
        fs::write(&path, "x").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        remove_segments(&[Segment { inode: inode + 1, name: name.clone() }]);
        assert!(path.exists(), "another one of that name");
        remove_segments(&[Segment { inode, name }]);
        assert!(!path.exists());
    }
}
