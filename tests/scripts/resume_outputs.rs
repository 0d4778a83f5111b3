//! Files to which several instances print are completed by the next run: nothing that they have is made again, and they
//! have the bytes that one run would have given them.

use super::Folder;
use super::resume::{counts, interrupted, recorded};
use super::signals::eventually;
use rustix::process::Signal;
use std::fmt::Write as _;

/// Instances that print as many lines as their index says; those that a file `bad` names fail, and those from 20 on
/// wait for `go`.
const PRINTED: &str = r#"
[task.head]
run    = "echo begin"
stdout = "all.txt"
[task.sim]
for    = { i = "0..40" }
shell  = """echo {i} >> ran
            ! grep -qx {i} bad || exit 1
            [ {i} -lt 20 ] || while [ ! -e go ]; do sleep 0.02; done
            seq {i}; echo error {i} >&2"""
stdout = "all.txt"
stderr = "errors.txt"
[task.tail]
shell  = "echo tail >> ran; echo end"
stdout = "./all.txt"
"#;

fn new(bad: &str) -> Folder {
    let folder = Folder::script(PRINTED);
    std::fs::write(folder.path("bad"), bad).expect("written");
    folder
}

/// The texts of the files of one run without failures.
fn wanted() -> (String, String) {
    let (mut all, mut errors) = ("begin\n".to_owned(), String::new());
    for i in 0..40 {
        (1..=i).for_each(|k| _ = writeln!(all, "{k}"));
        let _ = writeln!(errors, "error {i}");
    }
    (all + "end\n", errors)
}

fn assert_complete(folder: &Folder, context: &str) {
    let (all, errors) = wanted();
    assert_eq!(folder.read("all.txt"), all, "{context}");
    assert_eq!(folder.read("errors.txt"), errors, "{context}");
    let run = folder.run(0, &["s.toml"]);
    run.assert_success().assert_stdout_has("42 tasks done (42 by earlier runs)");
    let names = std::fs::read_dir(folder.path("s.dtask")).expect("the run folder");
    let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("waiting")), "{context}: {names:?}");
}

fn half_is_done(folder: &Folder) {
    eventually("the first half is in the journal, and in the file", || {
        folder.path("s.dtask/journal").exists()
            && recorded(folder, "sim").contains(": 20 of 40 done")
            && folder.run(0, &["journal", "s.toml", "--json"]).stdout.contains("\"record\":\"grown\"")
    });
    eventually("the second half has begun", || counts(folder, "ran").len() > 20);
}

#[test]
fn a_file_is_completed_whatever_has_ended_the_run_before() {
    for (first, signal, all, second) in [
        (0, Signal::KILL, true, 3),
        (3, Signal::KILL, true, 2),
        (3, Signal::KILL, false, 0),
        (0, Signal::TERM, false, 3),
        (3, Signal::TERM, false, 2),
        (0, Signal::INT, false, 0),
    ] {
        let context = format!("{signal:?} on {first} ranks");
        let folder = interrupted(new(""), first, signal, all, half_is_done);
        folder.run(second, &["s.toml"]).assert_success().assert_stdout_has(" by earlier runs)");
        let ran = counts(&folder, "ran");
        // a kill may take what was not recorded in the last moment
        let most = if signal == Signal::KILL { 20 } else { 0 };
        let twice = (0..20).filter(|i| ran[&i.to_string()] > 1).count();
        assert!(twice <= most, "{context}: {ran:?}");
        assert!((20..40).all(|i| (1..=2).contains(&ran[&i.to_string()])), "{context}: {ran:?}");
        assert_complete(&folder, &context);
    }
}

#[test]
fn what_has_failed_gets_its_place_in_the_file_once_it_is_mended() {
    for ranks in [0, 3] {
        let folder = new("0\n7\n8\n39\n");
        std::fs::write(folder.path("go"), "").expect("written");
        folder.run(ranks, &["s.toml"]).assert_code(1);
        assert!(folder.read("all.txt").ends_with("38\nend\n"));
        // one after the other, in no order
        for (bad, ran) in [("0\n8\n39\n", "7"), ("0\n8\n", "39"), ("8\n", "0")] {
            let before = counts(&folder, "ran");
            std::fs::write(folder.path("bad"), bad).expect("written");
            folder.run(ranks, &["s.toml"]).assert_code(1);
            let after = counts(&folder, "ran");
            assert_eq!(after[ran], before[ran] + 1);
            let others = after.iter().filter(|(name, count)| before[*name] != **count).count();
            assert_eq!(others, 1 + bad.lines().count(), "only what has failed runs again");
        }
        std::fs::write(folder.path("bad"), "").expect("written");
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(counts(&folder, "ran")["tail"], 1);
        assert_complete(&folder, &format!("{ranks} ranks"));
    }
}

#[test]
fn a_file_that_is_not_as_it_was_is_written_anew() {
    type Change = fn(&Folder);
    let changes: [(Change, bool); 5] = [
        (|folder| std::fs::remove_file(folder.path("all.txt")).expect("removed"), false),
        (|folder| std::fs::write(folder.path("all.txt"), "of the user\n").expect("written"), false),
        (
            |folder| {
                let text = folder.read("all.txt");
                std::fs::write(folder.path("all.txt"), &text[..text.len() - 3]).expect("written");
            },
            false,
        ),
        // what stands behind what was recorded is cut off
        (
            |folder| {
                let text = folder.read("all.txt") + "half of an outp";
                std::fs::write(folder.path("all.txt"), text).expect("written");
            },
            true,
        ),
        (
            |folder| {
                std::fs::create_dir(folder.path("elsewhere")).expect("made");
                std::fs::rename(folder.path("all.txt"), folder.path("elsewhere/all.txt")).expect("moved");
                std::os::unix::fs::symlink("elsewhere/all.txt", folder.path("all.txt")).expect("a link");
            },
            false,
        ),
    ];
    for (at, (change, is_completed)) in changes.into_iter().enumerate() {
        let folder = new("5\n");
        std::fs::write(folder.path("go"), "").expect("written");
        folder.run(2, &["s.toml"]).assert_code(1);
        std::fs::write(folder.path("bad"), "").expect("written");
        change(&folder);
        let why = folder.run(0, &["plan", "s.toml", "--why"]).stdout.clone();
        assert_eq!(why.contains("is not complete, or another"), !is_completed, "{at}: {why}");
        folder.run(2, &["s.toml"]).assert_success();
        assert_eq!(counts(&folder, "ran")["4"], if is_completed { 1 } else { 2 }, "{at}");
        assert_complete(&folder, &format!("change {at}"));
    }
}

#[test]
fn a_result_that_is_made_again_for_others_leaves_the_file_as_it_is() {
    for ranks in [0, 3] {
        let folder = Folder::script(
            "[task.mesh]\nfor = { i = '0..4' }\nshell = 'echo mesh{i} >> ran; echo {i} | tee {out}'\nout = 'm.txt'\nstdout = 'log.txt'\n\
             [task.sim]\neach = 'mesh'\nshell = 'echo sim{i} >> ran; test {i} -ne 2 || test -e go; cat {mesh}'\nsave = '{i}.txt'\n",
        );
        folder.run(ranks, &["s.toml"]).assert_code(1);
        assert_eq!(folder.read("log.txt"), "0\n1\n2\n3\n");
        std::fs::write(folder.path("go"), "").expect("written");
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(folder.read("log.txt"), "0\n1\n2\n3\n");
        let twice: Vec<String> = counts(&folder, "ran")
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(name, _)| name)
            .collect();
        assert_eq!(twice, ["mesh2", "sim2"]);
        folder.run(0, &["s.toml"]).assert_success().assert_stdout_has("8 tasks done (8 by earlier runs)");
    }
}
