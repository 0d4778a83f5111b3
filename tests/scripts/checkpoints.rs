//! `keep = "checkpoint"`: what a task has made survives the end of the run, and the next one takes it from disk.

use super::Folder;
use super::resume::{counts, interrupted, recorded};
use super::signals::eventually;
use rustix::process::Signal;

/// Three costly meshes, an array and a reduction of files, each with an output beyond 64 KiB, and 24 cheap instances.
/// Where there is no file `go`, half of these fail, and one waits for it: more would hold all slots.
const COSTLY: &str = r#"
[task.mesh]
for   = { i = "0..3" }
shell = "echo mesh{i} >> ran; echo small{i} > {out.small}; yes {i} | head -c 200000 > {out.big}; echo printed{i}"
out   = { small = "s.txt", big = "b.bin" }
keep  = "checkpoint"
[task.base]
for   = { i = "0..3" }
array = "random(20_000, seed = i)"
keep  = "checkpoint"
[task.merged]
reduce = { of = "mesh.small", run = "sh -c 'echo merged >> ran; cat \"$1\" \"$2\" > \"$3\"' sh {a} {b} {out}" }
keep   = "checkpoint"
[task.sim]
for   = { i = "0..3", k = "0..8" }
shell = "echo sim{i}{k} >> ran; [ {k} -lt 4 ] || [ -e go ] || if [ {i}{k} = 07 ]; then while [ ! -e go ]; do sleep 0.02; done; else exit 1; fi; cksum < {mesh.big}; cat {mesh.small} {mesh.stdout} {merged}; cksum < {base}"
save  = "r/{i}{k}.txt"
"#;

fn costly() -> Folder {
    Folder::script(COSTLY)
}

fn results(folder: &Folder) -> Vec<String> {
    let each = (0..3).flat_map(|i| (0..8).map(move |k| format!("r/{i}{k}.txt")));
    each.map(|name| folder.read(&name)).collect()
}

fn is_gone(folder: &Folder) -> bool {
    !folder.path("s.dtask/checkpoints").exists()
}

fn made_once(folder: &Folder) {
    let ran = counts(folder, "ran");
    for name in ["mesh0", "mesh1", "mesh2"] {
        assert_eq!(ran.get(name), Some(&1), "{ran:?}");
    }
    assert_eq!(ran.get("merged"), Some(&2), "{ran:?}");
}

/// Waits until the costly ones are in the journal with their checkpoints, and one that waits runs.
fn costly_ones_are_done(folder: &Folder) {
    eventually("the checkpoints are in the journal", || {
        folder.path("s.dtask/journal").exists()
            && ["mesh", "base"]
                .iter()
                .all(|task| recorded(folder, task).contains("3 of 3 done, 3 checkpoints written"))
            && recorded(folder, "merged").contains("1 checkpoint written")
            && counts(folder, "ran").contains_key("sim07")
    });
}

#[test]
fn a_costly_result_is_made_once_whatever_ends_the_run_and_on_any_number_of_ranks() {
    let plain = costly();
    std::fs::write(plain.path("go"), "").expect("written");
    plain.run(2, &["s.toml"]).assert_success();
    assert!(is_gone(&plain), "nothing needs them any more");
    let wanted = results(&plain);
    for (first, second) in [(0, 3), (3, 0)] {
        let folder = interrupted(costly(), first, Signal::KILL, true, costly_ones_are_done);
        let plan = folder.run(0, &["plan", "--why", "s.toml"]);
        plan.assert_success().assert_stdout_has("mesh[i=0] and 2 more: read from checkpoints");
        plan.assert(!plan.stdout.contains("result not saved"), "all is there");
        folder.run(second, &["s.toml"]).assert_success();
        made_once(&folder);
        assert_eq!(results(&folder), wanted, "after {first} ranks");
        assert!(is_gone(&folder));
        folder.run(0, &["s.toml"]).assert_success().assert_stdout_has("(31 by earlier runs)");
    }
}

#[test]
fn a_damaged_checkpoint_is_none_and_the_result_is_made_again() {
    let folder = interrupted(costly(), 0, Signal::KILL, true, costly_ones_are_done);
    let mut files = Vec::new();
    for family in std::fs::read_dir(folder.path("s.dtask/checkpoints")).expect("checkpoints").flatten() {
        files.extend(std::fs::read_dir(family.path()).expect("a folder").flatten().map(|file| file.path()));
    }
    files.sort_by_key(|path| std::fs::metadata(path).map(|found| found.len()).unwrap_or_default());
    let (largest, smallest) = (files.last().expect("seven files"), files.first().expect("seven files"));
    let mut bytes = std::fs::read(largest).expect("a checkpoint");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest, bytes).expect("written");
    std::fs::remove_file(smallest).expect("removed");
    let plan = folder.run(0, &["plan", "--why", "s.toml"]);
    plan.assert_stdout_has("result not saved, and needed by sim[");
    folder.run(3, &["s.toml"]).assert_success();
    let ran = counts(&folder, "ran");
    let made: u64 = ["mesh0", "mesh1", "mesh2"].iter().map(|name| ran[*name]).sum();
    assert!((4..=6).contains(&made), "{ran:?}");
    let plain = costly();
    std::fs::write(plain.path("go"), "").expect("written");
    plain.run(0, &["s.toml"]).assert_success();
    assert_eq!(results(&folder), results(&plain));
}

#[test]
fn what_keep_says_changes_nothing_else_and_fresh_begins_anew() {
    let folder = Folder::script(
        "[task.mesh]\nshell = 'echo mesh >> ran; echo 7'\nkeep = 'checkpoint'\n\
         [task.step]\nfor = { i = '0..4' }\nshell = 'echo step{i} >> ran; cat {step.stdout[i = i-1] else mesh.stdout}; echo {i}'\nkeep = 'checkpoint'\n\
         [task.sim]\nshell = 'test -e go && cat {step.stdout[i = 3]}'\nsave = 'o.txt'\n",
    );
    folder.run(3, &["s.toml"]).assert_code(1);
    // of the chain only the last link is needed, and only its checkpoint is left
    assert_eq!(std::fs::read_dir(folder.path("s.dtask/checkpoints")).expect("checkpoints").count(), 1);
    folder.run(0, &["plan", "--why", "s.toml"]).assert_stdout_has("step[i=3]: read from its checkpoint");
    let text = folder.read("s.toml").replace("keep = 'checkpoint'\n", "");
    std::fs::write(folder.path("s.toml"), text).expect("written");
    folder.run(0, &["s.toml", "--fresh"]).assert_code(1);
    assert!(is_gone(&folder), "they go with the old journal");
    std::fs::write(folder.path("go"), "").expect("written");
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("o.txt"), "7\n0\n1\n2\n3\n");
    assert_eq!(counts(&folder, "ran").get("mesh"), Some(&3), "made again, since nothing was kept");
}
