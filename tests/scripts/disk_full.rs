//! Disks that are full: results, files that instances share, the journal, scratch. What cannot be written is named with
//! what to do, nothing half written is left, and the next run goes on.

use super::Folder;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk in memory, mounted while the value lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a disk of so many KiB; `None`, said aloud, where this user may not.
    fn mount(at: PathBuf, kibibytes: u32) -> Option<SmallDisk> {
        std::fs::create_dir_all(&at).expect("a folder");
        let size = format!("size={kibibytes}k,mode=700");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk(at)),
            other => {
                println!("skipped: no disk can be mounted here: {other:?}");
                None
            }
        }
    }

    /// Makes the disk larger.
    fn grow(&self, kibibytes: u32) {
        let size = format!("remount,size={kibibytes}k");
        let status = Command::new("mount").args(["-o", &size]).arg(&self.0).status().expect("mount is there");
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
}

/// The names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn results_that_do_not_fit_are_named_and_the_next_run_writes_them() {
    let script = "[task.a]\nfor = { i = '0..6' }\nshell = 'echo {i} >> ran; head -c 300000 /dev/zero > {out}'\n\
                  out = 'o'\nsave = 'disk/{i}.bin'\n\
                  [task.b]\nfor = { i = '0..6' }\narray = 'full((40000,), i) * 1.0'\nsave = 'disk/{i}.npy'\n";
    for ranks in [0, 3] {
        let folder = Folder::script(script);
        let Some(disk) = SmallDisk::mount(folder.path("disk"), 1024) else { return };
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1).assert_stderr_has("disk/").assert_stderr_has("No space left on device");
        let written = names(&disk.0);
        for name in &written {
            let length = std::fs::metadata(disk.0.join(name)).expect("a file").len();
            let whole = if name.ends_with(".bin") { 300_000 } else { 320_128 };
            assert_eq!(length, whole, "{name} is half written: {written:?}");
        }
        assert!(!written.is_empty() && written.len() < 12, "{written:?}");
        disk.grow(16 << 10);
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(names(&disk.0).len(), 12);
        let ran = folder.read("ran").lines().count();
        let kept = written.iter().filter(|name| name.ends_with(".bin")).count();
        assert_eq!(ran, 6 + 6 - kept, "what was written has not run again");
    }
}

#[test]
fn a_file_that_instances_share_is_completed_once_there_is_room() {
    let script = "[task.a]\nfor = { i = '0..40' }\nshell = 'echo {i} >> ran; seq -f {i}-%g 10000'\nstdout = 'disk/all.txt'\n";
    for ranks in [0, 3] {
        let folder = Folder::script(script);
        let Some(disk) = SmallDisk::mount(folder.path("disk"), 1024) else { return };
        let run = folder.run(ranks, &["s.toml"]);
        run.assert(run.code() != 0, "the file does not fit");
        run.assert_stderr_has("disk/all.txt").assert_stderr_has("No space left on device");
        let text = folder.read("disk/all.txt");
        assert!(text.is_empty() || text.ends_with("-10000\n"), "it ends within an output");
        assert_eq!(
            names(&disk.0).len(),
            usize::from(disk.0.join("all.txt").exists()),
            "{:?}",
            names(&disk.0)
        );
        disk.grow(16 << 10);
        folder.run(ranks, &["s.toml"]).assert_success();
        let all: String = (0..40).flat_map(|i| (1..=10_000).map(move |k| format!("{i}-{k}\n"))).collect();
        assert!(folder.read("disk/all.txt") == all, "{ranks} ranks: other bytes");
        let ran = folder.read("ran").lines().count();
        assert!(ran <= 80, "{ran}");
    }
}

#[test]
fn scratch_without_room_is_named_and_left_empty() {
    let script = "[task.a]\nshell = 'head -c 1500000 /dev/zero | tr \"\\\\0\" x'\n\
                  [task.b]\nfor = { i = '0..3' }\nshell = 'cat {a.stdout} {a.stdout} > {out}; echo {i}'\nout = 'o'\nstdout = 'b.txt'\n";
    for ranks in [0, 3] {
        let folder = Folder::script(script);
        let Some(disk) = SmallDisk::mount(folder.path("disk"), 2048) else { return };
        let scratch = disk.0.display().to_string();
        let run = folder.run(ranks, &["s.toml", "--scratch", &scratch]);
        run.assert_code(1).assert_stderr_has("No space left on device");
        assert_eq!(names(&disk.0), Vec::<String>::new(), "scratch is left behind");
        disk.grow(64 << 10);
        folder.run(ranks, &["s.toml", "--scratch", &scratch]).assert_success();
        assert_eq!(folder.read("b.txt"), "0\n1\n2\n");
        assert_eq!(names(&disk.0), Vec::<String>::new(), "scratch is left behind");
    }
}
