//! Arrays that are saved as files, and reductions to the last option.

use super::Folder;

#[test]
fn arrays_are_saved_in_the_form_that_the_name_says() {
    let folder = Folder::script(
        "[task.x]\nfor = { i = '1..3' }\narray = 'cast(reshape(arange(6), 2, 3) + i, \"i32\")'\nsave = 'out/x{i}.npy'\n\
         [task.s]\nreduce = { of = 'x', with = 'add' }\nsave = 'sum.csv'\n\
         [task.t]\neach = 'x'\narray = 'x / 2'\nsave = 'out/t{i}.txt'\n",
    );
    let outcome = folder.run(3, &["s.toml"]);
    outcome.assert_success();
    assert_eq!(folder.read("sum.csv"), "3,5,7\n9,11,13\n");
    assert_eq!(folder.read("out/t1.txt"), "0.5 1.0 1.5\n2.0 2.5 3.0\n");
    let npy = std::fs::read(folder.path("out/x2.npy")).expect("saved");
    assert!(String::from_utf8_lossy(&npy[..128]).contains("'<i4', 'fortran_order': False, 'shape': (2, 3,)"));
    let elements: Vec<i32> =
        npy[128..].chunks(4).map(|x| i32::from_le_bytes(x.try_into().expect("4"))).collect();
    assert_eq!(elements, [2, 3, 4, 5, 6, 7]);
    assert!(outcome.stdout.contains("result  sum.csv\n"), "{}", outcome.stdout);
}

#[test]
fn a_file_that_cannot_be_saved_fails_the_instance() {
    // what is in the way is put there by the run itself
    let folder = Folder::script(
        "[task.z]\nrun = 'touch out1'\n\
         [task.x]\nfor = { i = '0..3' }\nafter = ['z']\narray = 'i'\nsave = 'out{i}/x.txt'\n[task.y]\narray = 'sum(x)'\nstdout = 'y.txt'\n",
    );
    let outcome = folder.run(2, &["s.toml"]);
    assert_eq!(outcome.code(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("x[i=1] failed"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("could not be saved"), "{}", outcome.stderr);
    assert_eq!((folder.read("out0/x.txt"), folder.read("y.txt")), ("0.0\n".into(), "3.0\n".into()));
}

/// What keeps a path from being written is found before the first instance runs, whichever key names the path.
#[test]
fn a_path_that_cannot_be_written_is_told_before_anything_runs() {
    let keys = ["save", "target", "stdout", "stderr", "array"];
    for (path, code, why) in [
        ("file/x/o.txt", "E74", "`file` is no folder"),
        ("lost/o.txt", "E74", "`lost` is no folder"),
        ("closed/o.txt", "E73", "`closed` cannot be written"),
        ("closed/new/o.txt", "E73", "`closed` cannot be written"),
        ("folder", "E74", "which is a folder"),
    ] {
        let tasks = keys.iter().map(|key| match *key {
            "array" => format!("[task.{key}]\narray = '1'\nsave = '{path}'\n"),
            key => format!("[task.{key}]\nrun = 'touch ran'\n{key} = '{path}'\n"),
        });
        for (key, task) in keys.iter().zip(tasks) {
            if path == "folder" && *key == "target" {
                continue; // a command may fill a folder
            }
            let folder = Folder::script(&format!("[task.first]\nrun = 'touch ran'\n{task}"));
            std::fs::write(folder.path("file"), "").expect("written");
            std::fs::create_dir(folder.path("folder")).expect("made");
            std::os::unix::fs::symlink("nowhere", folder.path("lost")).expect("a link");
            // nobody may write there, root neither
            std::os::unix::fs::symlink("/proc", folder.path("closed")).expect("a link");
            for ranks in if *key == "stdout" { &[0, 3][..] } else { &[0] } {
                let run = folder.run(*ranks, &["s.toml"]);
                run.assert_code(2)
                    .assert_stderr_has(&format!("error[{code}]: `{key}` "))
                    .assert_stderr_has(why);
                assert!(!folder.path("ran").exists(), "{path} {key}");
            }
            folder.run(0, &["check", "s.toml"]).assert_code(2).assert_stderr_has(why);
        }
    }
    // a folder that is not there is made
    let folder = Folder::script("[task.a]\nrun = 'echo a'\nstdout = 'x/y/a.txt'\nsave = 'x/z/a.txt'\n");
    folder.run(0, &["check", "s.toml"]).assert_success();
    assert!(folder.names().is_empty(), "`check` writes nothing");
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(folder.read("x/y/a.txt") + &folder.read("x/z/a.txt"), "a\na\n");
}

#[test]
fn reductions_along_an_axis() {
    let folder = Folder::script(
        "[task.x]\nfor = { i = '1..6' }\narray = 'zeros(i, 2) + [i, 2 * i]'\n\
         [task.mean]\nreduce = { of = 'x', with = 'mean', axis = 0 }\nstdout = 'mean.txt'\n\
         [task.all]\nreduce = { of = 'x', with = 'concat', arity = 3 }\nsave = 'all.txt'\n\
         [task.moments]\nreduce = { of = 'x', with = 'moments', axis = 0 }\n\
         [task.check]\narray = 'abs(moments - stack(full(2, 15), mean(all, axis = 0), var(all, axis = 0))) < 1e-12'\nstdout = 'check.txt'\n\
         [task.one]\nfor = { i = [2] }\narray = 'ones(3, 2)'\n[task.single]\nreduce = { of = 'one', with = 'mean', axis = 0 }\nstdout = 'single.txt'\n",
    );
    folder.run(3, &["s.toml"]).assert_success();
    // (1 + 4 + 9 + 16 + 25) / 15
    assert_eq!(folder.read("mean.txt"), format!("{:?}\n{:?}\n", 55.0 / 15.0, 110.0 / 15.0));
    assert_eq!(folder.read("all.txt").lines().count(), 15);
    assert_eq!(folder.read("check.txt"), "1.0 1.0\n1.0 1.0\n1.0 1.0\n");
    assert_eq!(folder.read("single.txt"), "1.0\n1.0\n");
}

#[test]
fn what_commands_write_becomes_arrays() {
    let folder = Folder::script(
        r#"
[task.sim]
for   = { i = "0..3" }
shell = "printf 't,p\n0,%s\n1,%s\n' {i} 2.5 > {out.probe}; printf '\\001\\002\\003' > {out.raw}"
out   = { probe = "p.csv", raw = "r.bin" }
[task.probe]
each  = "sim"
array = "from_csv(sim.probe, 'p')"
stdout = "probe.txt"
[task.whole]
each  = "sim"
array = "from_csv(sim.probe)"
[task.mean]
reduce = { of = "whole", with = "mean" }
stdout = "mean.txt"
[task.raw]
each  = "sim"
array = "from_bytes(sim.raw, 'u8') * 2"
[task.last]
array = "raw[2]"
stdout = "raw.txt"
"#,
    );
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!(folder.read("probe.txt"), "0.0\n2.5\n1.0\n2.5\n2.0\n2.5\n");
    assert_eq!(folder.read("mean.txt"), "0.0 1.0\n1.0 2.5\n");
    assert_eq!(folder.read("raw.txt"), "2\n4\n6\n");
}

#[test]
fn a_link_is_written_where_it_leads() {
    for ranks in [0, 3] {
        let folder = Folder::script("[task.x]\nrun = 'echo new'\nstdout = 'latest.txt'\nsave = 'kept.txt'\n");
        std::fs::create_dir(folder.path("logs")).expect("made");
        for (link, target) in [("latest.txt", "logs/1.txt"), ("kept.txt", "logs/2.txt")] {
            std::fs::write(folder.path(target), "old").expect("written");
            std::os::unix::fs::symlink(target, folder.path(link)).expect("a link");
        }
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!((folder.read("logs/1.txt"), folder.read("logs/2.txt")), ("new\n".into(), "new\n".into()));
        assert!(["latest.txt", "kept.txt"].iter().all(|name| folder.path(name).is_symlink()));
        assert_eq!(folder.names(), ["kept.txt", "latest.txt", "logs"]);
    }
}
