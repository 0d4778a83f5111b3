//! Scratch: where it is, and that it never stays.

use super::Folder;
use super::signals::{eventually, runs};
use super::spawner::{parent, send};
use rustix::process::Signal;
use std::path::Path;
use std::process::{Command, Stdio};

/// The names in a directory for scratch.
fn left(place: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(place).expect("the place is there");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn scratch_is_where_the_user_has_chosen() {
    let folder =
        Folder::script("[task.a]\nfor = { i = '0..4' }\nshell = 'echo {dtask.scratch}'\nstdout = 'a.txt'\n");
    let (place, other) = (folder.path("place"), folder.path("other"));
    [&place, &other].into_iter().for_each(|place| std::fs::create_dir(place).expect("made"));
    let text = folder.read("s.toml");
    std::fs::write(
        folder.path("t.toml"),
        text.replace("[task", &format!("[settings]\nscratch = '{}'\n[task", other.display())),
    )
    .expect("written");
    let flag = place.display().to_string();
    for ranks in [0, 3] {
        for (args, chosen) in [
            (&["s.toml", "--scratch", &flag][..], &place),
            (&["t.toml"], &other),
            (&["t.toml", "--scratch", &flag], &place),
        ] {
            folder.dtask(ranks).args(args).args(["--fresh"]).run().assert_success();
            let told = folder.read("a.txt");
            assert!(
                told.lines().count() == 4 && told.lines().all(|line| Path::new(line).starts_with(chosen)),
                "{told}"
            );
        }
        let missing = folder.path("missing").display().to_string();
        folder
            .run(ranks, &["s.toml", "--scratch", &missing])
            .assert_code(3)
            .assert_stderr_has("no place for node-local scratch files")
            .assert_stderr_has(&missing);
    }
    assert!(left(&place).is_empty() && left(&other).is_empty());
    folder.run(0, &["s.toml", "--scratch", "place"]).assert_code(2).assert_stderr_has("an absolute path");
}

/// Runs until the command has begun, and then calls `act` with the number of the command and the process of `dtask`.
fn interrupted(folder: &Folder, args: &[&str], act: impl FnOnce(&str, &str)) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dtask"))
        .args(args)
        .current_dir(folder.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dtask starts");
    eventually("the command has started", || folder.path("pid").exists());
    act(folder.read("pid").trim(), &child.id().to_string());
    eventually("dtask ends", || child.try_wait().expect("its state").is_some());
}

#[test]
fn files_that_are_still_being_made_go_with_a_signal() {
    let folder = Folder::script(
        r#"
[task.busy]
shell = """trap '' TERM INT HUP
cd {dtask.scratch}
setsid sh -c 'echo $$ > {dtask.here}/away; n=0; while :; do mkdir $n; : > $n/x; n=$((n+1)); done' &
until [ -e 5/x ]; do sleep 0.01; done
echo $$ > {dtask.here}/pid.tmp; mv {dtask.here}/pid.tmp {dtask.here}/pid; wait; while :; do sleep 0.05; done"""
"#,
    );
    let place = folder.path("place");
    std::fs::create_dir(&place).expect("made");
    for signal in [Signal::TERM, Signal::HUP] {
        interrupted(&folder, &["s.toml", "--scratch", &place.display().to_string()], |_, rank| {
            send(rank, signal)
        });
        let away = folder.read("away");
        eventually("nothing is left", || left(&place).is_empty() && !runs(away.trim()));
        std::fs::remove_file(folder.path("pid")).expect("removed");
    }
}

#[test]
fn what_a_job_has_left_that_was_killed_whole_goes_with_the_next_run() {
    let folder = Folder::script(
        "[task.a]\nshell = 'echo text > {dtask.scratch}/file; echo $$ > pid.tmp; mv pid.tmp pid; exec sleep 60'\n",
    );
    std::fs::write(folder.path("t.toml"), "dtask = 1\n[task.a]\nrun = 'true'\n").expect("written");
    let place = folder.path("place");
    std::fs::create_dir(&place).expect("made");
    let flag = place.display().to_string();
    interrupted(&folder, &["s.toml", "--scratch", &flag], |pid, rank| {
        let spawner = parent(pid);
        let watchdog = parent(&spawner);
        // all at once: neither cleans up after the other
        let all = [&watchdog, &spawner, rank, pid];
        all.iter().for_each(|process| send(process, Signal::STOP));
        // another rank, which lives, is not harmed
        folder.run(0, &["t.toml", "--scratch", &flag]).assert_success();
        assert_eq!(left(&place).len(), 1, "{:?}", left(&place));
        all.iter().for_each(|process| send(process, Signal::KILL));
    });
    assert_eq!(left(&place).len(), 1, "{:?}", left(&place));
    folder.run(0, &["t.toml", "--scratch", &flag]).assert_success();
    assert!(left(&place).is_empty(), "{:?}", left(&place));
}

#[test]
fn folders_that_nobody_may_write_do_not_stay() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..2' }\ndir = 'scratch'\nshell = 'mkdir -p a/b; : > a/b/c; chmod 500 a/b; chmod 0 a'\n",
    );
    let place = folder.path("place");
    std::fs::create_dir(&place).expect("made");
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        for path in [folder.dir.path(), &place] {
            std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).expect("given away");
        }
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    command.args(["timeout", "50", env!("CARGO_BIN_EXE_dtask"), "s.toml", "--scratch"]).arg(&place);
    let run = command.current_dir(folder.dir.path()).env("HOME", "/tmp").output().expect("setpriv starts");
    let told = String::from_utf8_lossy(&run.stderr);
    // where other users cannot execute the program, there is nothing to be seen
    if run.status.code() != Some(126) && run.status.code() != Some(127) {
        assert!(run.status.success(), "{told}");
        assert!(left(&place).is_empty(), "{:?}", left(&place));
    }
}
