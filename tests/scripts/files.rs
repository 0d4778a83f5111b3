//! Files of some size that go from command to command: they stay files, are linked, and go after their last use.

use super::Folder;
use std::os::unix::fs::PermissionsExt;

#[test]
fn large_files_are_linked_read_only_and_saved_as_the_users_own() {
    let folder = Folder::script(
        r#"
[task.mesh]
on    = "rank 1"
shell = "seq 100000 > {out.mesh}; echo small > {out.log}; seq 20000 > {out.other}; stat -c %i {out.mesh}"
out   = { mesh = "mesh.txt", log = "log.txt", other = "other.txt" }
save  = { mesh = "saved/mesh.txt", log = "saved/log.txt", other = "saved/other.txt" }
stdout = "made.txt"
[task.here]
on     = "rank 1"
shell  = "stat -c '%i %a' {mesh.mesh} {mesh.log}; cksum < {mesh.mesh}"
stdout = "solve.txt"
[task.there]
on     = "rank 2"
shell  = "stat -c '%i %a' {mesh.mesh} {mesh.log}; cksum < {mesh.mesh}"
stdout = "solve.txt"
[task.whole]
stdin  = "{mesh.mesh}"
shell  = "stat -L -c %i /dev/stdin; cksum"
stdout = "whole.txt"
[task.several]
stdin  = "first\n{mesh.mesh}{mesh.log}{mesh.mesh}last\n"
run    = "cksum"
stdout = "several.txt"
[task.list]
shell  = "wc -c $(cat {mesh.mesh.list}) | cut -d ' ' -f 1; rm {mesh.mesh}; echo new > {mesh.mesh}; cat {mesh.mesh}"
stdout = "list.txt"
[task.sum]
array  = "sum(from_csv(mesh.mesh))"
stdout = "sum.txt"
"#,
    );
    let mesh: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    let several = format!("first\n{mesh}small\n{mesh}last\n");
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml"]).assert_success();
        let made = folder.read("made.txt");
        let inode = made.trim();
        let sum = cksum(mesh.as_bytes());
        let solved = folder.read("solve.txt");
        let solved: Vec<&str> = solved.lines().collect();
        assert_eq!(solved.len(), 6);
        for lines in solved.chunks(3) {
            // one host: the bytes are there already
            assert_eq!(lines[0], format!("{inode} 444"));
            assert!(lines[1].ends_with(" 444") && lines[2] == sum, "{lines:?}");
        }
        assert_eq!(folder.read("whole.txt"), format!("{inode}\n{sum}\n"));
        assert_eq!(folder.read("several.txt").trim(), cksum(several.as_bytes()));
        assert_eq!(folder.read("list.txt"), format!("{}\nnew\n", mesh.len()));
        assert_eq!(folder.read("sum.txt"), "5000050000.0\n");
        assert_eq!(folder.read("saved/mesh.txt"), mesh);
        assert_eq!(folder.read("saved/log.txt"), "small\n");
        assert_eq!(folder.read("saved/other.txt").lines().count(), 20_000);
        for name in ["mesh", "log", "other"] {
            let saved = std::fs::metadata(folder.path(&format!("saved/{name}.txt"))).expect("saved");
            let usual = std::fs::metadata(folder.path("s.toml")).expect("the script");
            assert_eq!(mode(&saved), mode(&usual), "{name}");
        }
        let left = std::fs::read_dir(folder.path("saved")).expect("a folder").count();
        assert_eq!(left, 3, "nothing is left beside what is saved");
    }
}

fn mode(metadata: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
}

/// What the program of this name prints.
fn cksum(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let file = std::fs::File::open(file.path()).expect("it is there");
    let printed = std::process::Command::new("cksum").stdin(file).output().expect("it runs").stdout;
    String::from_utf8(printed).expect("text").trim().to_owned()
}

/// Waits in a command until its rank has no files any more: `timeout` is the limit.
const GONE: &str = r#"
[task.gone]
on      = "rank 1"
shell   = "cat {here} {there}; while ls {dtask.scratch}/../stored-*/* > gone.log 2> gone.err; do :; done"
timeout = "30 s"
"#;

#[test]
fn files_go_after_their_last_use() {
    let text = "[task.mesh]\non = 'rank 1'\nshell = 'seq 20000 > {out}'\nout = 'mesh.txt'\n\
                [task.here]\non = 'rank 1'\nshell = 'wc -l < {mesh} > {out}'\nout = 'n'\n\
                [task.there]\non = 'rank 2'\nshell = 'wc -l < {mesh} > {out}'\nout = 'n'\n";
    let folder = Folder::script(&format!("{text}{GONE}"));
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml"]).assert_success();
    }
    let kept = "[task.later]\non = 'rank 1'\nshell = 'cat {gone.stdout}; ls {dtask.scratch}/../stored-*/* | wc -l'\n\
                stdout = 'later.txt'\n";
    let gone = GONE.split_once(';').map(|(before, _)| format!("{before}\"\n")).expect("a command");
    let text = text.replace("out = 'mesh.txt'", "out = 'mesh.txt'\nkeep = 'memory'");
    let folder = Folder::script(&format!("{text}{gone}{kept}"));
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("later.txt"), "20000\n20000\n1\n");
}

#[test]
fn a_file_that_the_command_has_linked_stays_the_users_own() {
    let folder = Folder::script(
        r#"
[task.link]
shell = "ln big.txt {out.hard}; ln -s $PWD/big.txt {out.soft}"
out   = { hard = "hard.txt", soft = "soft.txt" }
save  = { soft = "saved.txt" }
[task.read]
shell  = "echo changed >> big.txt; cmp {link.hard} {link.soft}; wc -l < {link.hard}"
stdout = "read.txt"
"#,
    );
    let text = "a line\n".repeat(20_000);
    std::fs::write(folder.path("big.txt"), text).expect("written");
    let before = std::fs::metadata(folder.path("big.txt")).expect("it is there");
    // scratch on the same file system, so that there are hard links
    let run = folder.dtask(2).env("TMPDIR", folder.dir.path()).args(["s.toml"]).run();
    run.assert_success();
    assert_eq!(folder.read("read.txt"), "20000\n");
    assert_eq!(folder.read("saved.txt").len(), 7 * 20_000);
    let after = std::fs::metadata(folder.path("big.txt")).expect("it is there");
    assert_eq!(mode(&after), mode(&before));
}

#[test]
fn a_program_that_a_task_builds_can_be_run_by_the_next() {
    let folder = Folder::script(
        r#"
[task.prog]
on    = "rank 1"
shell = """printf '#!/bin/sh\necho built $1\n' > real; chmod 0750 real; ln -s real {out.link}; cp -p real {out.file}
           cp -p real {out.large}; seq 30000 | sed 's/^/#/' >> {out.large}; echo data > {out.data}"""
dir   = "scratch"
out   = { link = "link", file = "file", large = "large", data = "data" }
save  = { link = "saved/link", file = "saved/file", large = "saved/large", data = "saved/data" }
[task.run]
on     = "rank 1"
run    = ["{prog.file}", "here"]
stdout = "run.txt"
[task.there]
on     = "rank 2"
run    = ["{prog.file}", "there"]
stdout = "there.txt"
[task.shell]
on     = "rank 2"
shell  = "{prog.link} link; {prog.large} large; test -x {prog.data} || echo no program"
stdout = "shell.txt"
"#,
    );
    let mode = |name: &str| std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml", "--fresh"]).assert_success();
        assert_eq!(folder.read("run.txt"), "built here\n");
        assert_eq!(folder.read("there.txt"), "built there\n");
        assert_eq!(folder.read("shell.txt"), "built link\nbuilt large\nno program\n");
        // as any file that the user makes, and a program where it was one
        let usual = mode("s.toml") & 0o666;
        for name in ["link", "file", "large"] {
            assert_eq!(mode(&format!("saved/{name}")), usual | (usual & 0o444) >> 2, "{name}");
        }
        assert_eq!(mode("saved/data"), usual);
    }
    // what is saved is a program for the next run too
    let changed = folder.read("s.toml").replace("echo no program", "echo other");
    std::fs::write(folder.path("s.toml"), changed).unwrap();
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("shell.txt"), "built link\nbuilt large\nother\n");
}
