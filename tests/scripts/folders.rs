//! Folders as outputs: they travel as a whole, with links and modes, and are saved as a whole or not at all.

use super::Folder;
use std::os::unix::fs::PermissionsExt;

/// What a command leaves in a folder, and how others look at it.
const SCRIPT: &str = r#"
[task.make]
for   = { k = [1, 2] }
on    = "rank 1"
shell = """mkdir -p {out}/sub/empty; seq {k}0000 > {out}/sub/numbers; printf '#!/bin/sh\\necho program {k}\\n' > {out}/run
           chmod 750 {out}/run; ln -s sub/numbers {out}/link; ln -s {out}/run {out}/absolute; chmod 555 {out}/sub
           : > "{out}/$(printf '\\377x')"; for i in $(seq 100); do echo $i > {out}/f$i; done"""
out   = "made/"
save  = "saved/{k}/"
[task.there]
for    = { k = [1, 2] }
on     = "rank 2"
shell  = """{make}/absolute; tail -n 1 {make}/link; ls {make} | wc -l; ls -d {make}/sub/empty | wc -l
            stat -c %a {make}/sub {make}/run; cat {make}/f* | wc -l; rm -r {make}/f1; readlink {make}/absolute"""
stdout = "there.txt"
[task.here]
on     = "rank 1"
shell  = "cat {make[k = 2]}/f7; test -e {make[k = 2]}/f1 && echo whole"
after  = ["there"]
stdout = "here.txt"
[task.all]
run    = ["ls", "-b", "{make}"]
stdout = "all.txt"
[task.join]
reduce = { of = "make", run = "cp -r {a}/sub/numbers {b}/run {out}" }
out    = "joined/"
save   = "joined/"
"#;

fn mode(folder: &Folder, name: &str) -> u32 {
    std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777
}

fn check(folder: &Folder, what: &str) {
    let one = |k: u32| format!("program {k}\n{k}0000\n105\n1\n755\n550\n100\nrun\n");
    assert_eq!(folder.read("there.txt"), format!("{}{}", one(1), one(2)), "{what}");
    assert_eq!(folder.read("here.txt"), "7\nwhole\n", "{what}");
    assert_eq!(folder.read("all.txt").lines().filter(|line| *line == "f99").count(), 2, "{what}");
    for k in [1, 2] {
        assert_eq!(folder.read(&format!("saved/{k}/link")).lines().count(), k * 10_000, "{what}");
        assert_eq!(
            (mode(folder, &format!("saved/{k}/sub")), mode(folder, &format!("saved/{k}/run"))),
            (0o555, 0o750)
        );
        assert!(folder.path(&format!("saved/{k}/sub/empty")).is_dir(), "{what}");
        assert_eq!(std::fs::read_dir(folder.path(&format!("saved/{k}"))).unwrap().count(), 105, "{what}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path("saved")).unwrap().count(),
        2,
        "{what}: nothing is left beside it"
    );
    assert_eq!(folder.read("joined/numbers").lines().count(), 10_000, "{what}");
    assert_eq!(folder.read("joined/run"), "#!/bin/sh\necho program 2\n", "{what}");
}

#[test]
fn a_folder_travels_and_is_saved_as_a_whole() {
    let folder = Folder::script(SCRIPT);
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml", "--fresh"]).assert_success();
        check(&folder, &format!("{ranks} ranks"));
    }
    // nothing has changed, so nothing runs
    let written = |name: &str| std::fs::metadata(folder.path(name)).unwrap().modified().unwrap();
    let before = ["there.txt", "all.txt", "saved/1"].map(written);
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(["there.txt", "all.txt", "saved/1"].map(written), before);
    // a file that is gone makes it run again, and its readers read what is saved where nothing has
    std::fs::remove_file(folder.path("saved/1/f5")).unwrap();
    std::fs::remove_file(folder.path("all.txt")).unwrap();
    folder.run(3, &["s.toml"]).assert_success();
    check(&folder, "after a loss");
}

#[test]
fn a_folder_survives_the_run_as_a_checkpoint() {
    let folder = Folder::script(
        "[task.make]\nfor = { k = [1, 2] }\nkeep = 'checkpoint'\nout = 'd/'\n\
         shell = 'echo made >> ran; seq {k}0 > {out}/a; mkdir {out}/empty; ln -s a {out}/l; chmod 750 {out}/a'\n\
         [task.use]\neach = 'make'\nstdout = 'use.txt'\n\
         shell = 'test -e go; wc -l < {make}/l; ls {make}; stat -L -c %A {make}/l'\n",
    );
    folder.run(0, &["s.toml"]).assert_code(1);
    std::fs::write(folder.path("go"), "").unwrap();
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(folder.read("ran"), "made\nmade\n");
    assert_eq!(folder.read("use.txt"), "10\na\nempty\nl\n-r-xr-x---\n20\na\nempty\nl\n-r-xr-x---\n");
    let plan = folder.run(0, &["plan", "s.toml", "--commands", "make[k=1]"]);
    plan.assert_success();
    assert!(
        plan.stdout.contains("mkdir d/empty") && plan.stdout.contains("writes     d/"),
        "{}",
        plan.stdout
    );
}

#[test]
fn a_folder_goes_to_a_rank_that_sees_other_files() {
    let apart = std::process::Command::new("unshare").args(["-m", "true"]).status();
    if !apart.is_ok_and(|status| status.success()) {
        return;
    }
    let folder = Folder::script(SCRIPT);
    let program = env!("CARGO_BIN_EXE_dtask");
    let run = folder.dtask(2).args(["s.toml", ":", "-n", "1", "unshare", "-m", program, "s.toml"]).run();
    run.assert_success();
    check(&folder, "apart");
}

#[test]
fn what_is_no_folder_or_gone_is_told() {
    let folder = Folder::script(
        "[task.file]\nshell = 'rmdir {out}; echo x > {out}'\nout = 'a/'\nsave = 'a/'\n\
         [task.gone]\nshell = 'rmdir {out}'\nout = 'b/'\nsave = 'b/'\n\
         [task.pipe]\nshell = 'mkfifo {out}/p'\nout = 'c/'\nsave = 'c/'\n\
         [task.plain]\nshell = 'mkdir {out}'\nout = 'd'\nsave = 'd'\n",
    );
    let run = folder.run(0, &["s.toml"]);
    run.assert_code(1);
    for word in
        ["`a/` is no folder", "`b/`", "`p` in it is no file, folder or link", "a folder is `out = \"name/\"`"]
    {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    assert_eq!(folder.names(), Vec::<String>::new());
}
