//! A signal ends the job's commands and takes its scratch folders with it.

use super::Folder;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Looks every few milliseconds until it holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[test]
fn a_signal_ends_commands_that_ignore_it_and_removes_scratch() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = Folder::script(
            r#"
[task.stubborn]
shell = "trap '' TERM INT; echo $$ {dtask.scratch} > pid.tmp; mv pid.tmp pid; while :; do sleep 0.05; done"
"#,
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_dtask"))
            .arg("s.toml")
            .current_dir(folder.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dtask starts");
        eventually("the command has started", || folder.path("pid").exists());
        let said = folder.read("pid");
        let (pid, scratch) = said.trim().split_once(' ').expect("a number and a folder");
        assert!(runs(pid) && Path::new(scratch).exists());
        let own = Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a process");
        kill_process(own, signal).expect("the signal is sent");
        eventually("dtask ends", || child.try_wait().expect("its state").is_some());
        eventually("the command is gone", || !runs(pid));
        assert!(!Path::new(scratch).exists(), "{scratch} is left");
    }
}
