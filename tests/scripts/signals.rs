//! A signal ends the job's commands and takes its scratch folders with it; a notice ends nothing, also where it comes
//! to every process of the job.

use super::Folder;
use super::spawner::{descendants, parent, rank_of, send, try_to_send};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// A run that is going on; dropping this says that it has ended.
struct Going<'a>(&'a AtomicBool);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Runs something, and beside it `act` once `begun` holds, for which it may have to wait for the jobs of other tests.
pub fn beside<R, A: Send>(
    begun: impl Fn() -> bool + Sync,
    act: impl FnOnce() -> A + Send,
    run: impl FnOnce() -> R,
) -> (R, A) {
    let goes_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let actor = scope.spawn(|| {
            while !begun() {
                if !goes_on.load(Ordering::Acquire) {
                    return None;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Some(act())
        });
        let going = Going(&goes_on);
        let outcome = run();
        drop(going);
        (outcome, actor.join().expect("it acted").expect("it has begun"))
    })
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

/// A command that takes its time, and does nothing about signals.
const PATIENT: &str =
    "[task.patient]\nfor = { _i = '0..3' }\nshell = 'echo $$ > pid$$; mv pid$$ pid; sleep 60'\n";

/// Runs `PATIENT` on some ranks, and lets `act` do something with the number of its first command.
fn meanwhile(folder: &Folder, ranks: usize, act: impl FnOnce(&str) + Send) -> super::Outcome {
    let run = || folder.dtask(ranks).args(["s.toml", "--slots", "1", "--head-slots", "1"]).run();
    beside(|| folder.path("pid").exists(), || act(folder.read("pid").trim()), run).0
}

#[test]
fn a_notice_to_every_process_of_the_job_leaves_what_it_has_killed() {
    for signal in [Signal::USR1, Signal::USR2, Signal::XCPU] {
        let folder = Folder::script(PATIENT);
        let run = meanwhile(&folder, 0, |pid| {
            let rank = rank_of(pid);
            for process in descendants(&rank) {
                try_to_send(&process, signal);
            }
            send(&rank, signal);
        });
        run.assert_code(75).assert_stdout_has("3 left for the next run");
        run.assert_stdout_has("left    3 tasks for the next run: a signal asked to stop");
        run.assert(!run.stderr.contains("error"), "nothing is an error, and nobody has died");
    }
}

#[test]
fn a_signal_to_a_command_alone_is_its_failure() {
    let folder = Folder::script("[task.own]\nshell = 'kill -USR1 $$'\n");
    folder.run(0, &["s.toml"]).assert_code(1).assert_stderr_has("SIGUSR1");
}

#[test]
fn a_notice_to_another_rank_is_told_as_one() {
    let script = "[task.t]\nfor = { _i = '0..3' }\nshell = 'echo $$ > pid$$; mv pid$$ pid; while [ ! -e go ]; do \
                  sleep 0.01; done'\n";
    let folder = Folder::script(script);
    let notice = || {
        send(&rank_of(folder.read("pid").trim()), Signal::USR1);
        // its handler runs in a thread of its own
        std::thread::sleep(Duration::from_millis(200));
        std::fs::write(folder.path("go"), "").expect("written");
    };
    let run = || folder.dtask(2).args(["s.toml", "--slots", "1"]).run();
    let (run, ()) = beside(|| folder.path("pid").exists(), notice, run);
    run.assert_code(75).assert_stdout_has("2 left for the next run");
    run.assert_stdout_has("for the next run: a signal asked to stop");
}

#[test]
fn the_last_words_are_in_the_run_folder_too() {
    let folder = Folder::script(PATIENT);
    let run = meanwhile(&folder, 2, |pid| send(&parent(&rank_of(pid)), Signal::TERM));
    run.assert(run.code() != 0, "it has not done everything");
    let words = folder.read("s.dtask/last-words.txt");
    assert!(words.starts_with("dtask: stopped by SIGTERM"), "{words}");
    folder.run(0, &["log", "s.toml"]).assert_success().assert_stdout_has(words.trim());
}
