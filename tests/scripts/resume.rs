//! A run goes on where the last one ended, however that was: each command appends to a file that counts.

use super::Folder;
use super::signals::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// The first half of these instances ends at once, the other half when the file `go` is there.
const HALVES: &str = r#"
[task.sim]
for   = { i = "0..40" }
shell = "echo {i} >> ran; [ {i} -lt 20 ] || while [ ! -e go ]; do sleep 0.02; done; echo result {i} > {out}"
out   = "o.txt"
save  = "r/{i}.txt"
[task.sum]
for   = { i = "0..40" }
array = "sum(random(100, seed = i)) + i"
save  = "s/{i}.npy"
[task.all]
shell = "echo all >> ran; cat {sim} > {out}"
out   = "all.txt"
save  = "all.txt"
"#;

/// How often each line is in the file `name`.
pub fn counts(folder: &Folder, name: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let text = std::fs::read_to_string(folder.path(name)).unwrap_or_default();
    text.lines().for_each(|line| *counts.entry(line.to_owned()).or_default() += 1);
    counts
}

/// The bytes of all files in the results' folders.
fn results(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for sub in ["r", "s"] {
        for entry in std::fs::read_dir(folder.path(sub)).expect("results") {
            let path = entry.expect("an entry").path();
            if path.file_name().expect("a name").to_string_lossy().starts_with('.') {
                continue; // a file that was not whole when its writer was killed
            }
            found.insert(
                path.strip_prefix(folder.dir.path()).expect("below").display().to_string(),
                std::fs::read(&path).expect("bytes"),
            );
        }
    }
    found.insert("all.txt".into(), std::fs::read(folder.path("all.txt")).expect("bytes"));
    found
}

/// All processes that `pid` has started, and those that these have, and so on.
pub fn family(pid: u32) -> Vec<u32> {
    let parent = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()?))
    };
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let all: Vec<(u32, u32)> = entries.filter_map(parent).collect();
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let own = family[at];
        family.extend(all.iter().filter(|(_, parent)| *parent == own).map(|(pid, _)| *pid));
        at += 1;
    }
    family
}

pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a number")).expect("a process");
    let _ = kill_process(pid, signal);
}

/// Starts a run that the test ends itself.
pub fn start(folder: &Folder, ranks: usize) -> Child {
    let dtask = env!("CARGO_BIN_EXE_dtask");
    let mut command = match ranks {
        0 => Command::new(dtask),
        ranks => {
            let mut command = Command::new("mpirun");
            command.args(["-n", &ranks.to_string(), dtask]);
            for name in [
                "OMPI_ALLOW_RUN_AS_ROOT",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                "OMPI_MCA_rmaps_base_oversubscribe",
                "OMPI_MCA_mpi_yield_when_idle",
            ] {
                command.env(name, "1");
            }
            command.env("OMPI_MCA_hwloc_base_binding_policy", "none");
            command
        }
    };
    command.arg("s.toml").current_dir(folder.dir.path()).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// What the journal says is done of the task.
pub fn recorded(folder: &Folder, task: &str) -> String {
    let run = folder.run(0, &["journal", "s.toml"]);
    run.stdout
        .lines()
        .find(|line| line.starts_with(&format!("task    {task}:")))
        .unwrap_or_default()
        .to_owned()
}

/// Waits until the first half of [`HALVES`] is done, and the second has begun.
fn half_is_done(folder: &Folder) {
    eventually("the first half is in the journal", || {
        folder.path("s.dtask/journal").exists() && recorded(folder, "sim").contains(": 20 of 40 done")
    });
    eventually("the second half has begun", || counts(folder, "ran").len() > 20);
}

/// Starts a run and ends it by `signal`, to the first process or to all at once, when `wait` returns. Makes the file
/// `go` then.
pub fn interrupted(
    folder: Folder,
    ranks: usize,
    signal: Signal,
    all: bool,
    wait: impl FnOnce(&Folder),
) -> Folder {
    let mut child = start(&folder, ranks);
    wait(&folder);
    let whole = family(child.id());
    match all {
        true => whole.iter().for_each(|pid| send(*pid, signal)),
        false => send(child.id(), signal),
    }
    eventually("it ends", || child.try_wait().expect("its state").is_some());
    // what is left of it would hold the lock
    eventually("nothing of it runs", || whole.iter().all(|pid| !super::signals::runs(&pid.to_string())));
    std::fs::write(folder.path("go"), "").expect("written");
    folder
}

#[test]
fn what_is_done_is_not_run_again_and_the_saved_bytes_are_the_same() {
    let plain = Folder::script(HALVES);
    std::fs::write(plain.path("go"), "").expect("written");
    plain.run(2, &["s.toml"]).assert_success().assert_stdout_has("81 tasks done in");
    let wanted = results(&plain);
    for (first, signal, all, second) in [
        (0, Signal::KILL, true, 3),
        (3, Signal::KILL, true, 2),
        (0, Signal::KILL, false, 0),
        (0, Signal::TERM, false, 3),
        (3, Signal::TERM, false, 0),
        (0, Signal::INT, false, 2),
    ] {
        let folder = interrupted(Folder::script(HALVES), first, signal, all, half_is_done);
        let plan = folder.run(0, &["plan", "s.toml"]);
        plan.assert_success();
        let run = folder.run(second, &["s.toml"]);
        run.assert_success().assert_stdout_has("81 tasks done (").assert_stdout_has(" by earlier runs) in");
        let ran = counts(&folder, "ran");
        for i in 0..20 {
            assert_eq!(ran.get(&i.to_string()), Some(&1), "{i} after {signal:?} on {first} ranks: {ran:?}");
        }
        assert!((20..40).all(|i| (1..=2).contains(&ran[&i.to_string()])), "{ran:?}");
        assert_eq!(results(&folder), wanted, "after {signal:?} on {first} ranks");
        // and now there is nothing left
        let run = folder.run(0, &["s.toml"]);
        run.assert_success().assert_stdout_has("81 tasks done (81 by earlier runs) in");
        assert_eq!(counts(&folder, "ran"), ran);
    }
}

#[test]
fn what_the_time_limit_has_left_is_all_that_the_next_run_does() {
    for (first, second) in [(0, 3), (3, 0)] {
        let folder = Folder::script(
            "[task.first]\nfor = { i = '0..5' }\nshell = 'echo first{i} >> ran; echo {i}'\n\
             [task.long]\nfor = { i = '0..5' }\nafter = ['first']\nshell = 'echo long{i} >> ran'\ntime = '1 h 59 min 30 s'\n",
        );
        folder
            .run(first, &["s.toml", "--time-limit", "2h"])
            .assert_code(75)
            .assert_stdout_has("run it again to go on");
        assert_eq!(counts(&folder, "ran").len(), 5);
        folder
            .run(second, &["s.toml"])
            .assert_success()
            .assert_stdout_has("10 tasks done (5 by earlier runs)");
        let ran = counts(&folder, "ran");
        assert!(ran.len() == 10 && ran.values().all(|count| *count == 1), "{ran:?}");
    }
}

#[test]
fn a_result_that_was_not_saved_is_made_again_if_it_is_needed_and_only_then() {
    let folder = Folder::script(
        "[task.mesh]\nfor = { i = '0..4' }\nshell = 'echo mesh{i} >> ran; echo {i}'\n\
         [task.sim]\neach = 'mesh'\nshell = 'echo sim{i} >> ran; test {i} -lt 3 || test -e go; cat {mesh.stdout}'\nsave = '{i}.txt'\n",
    );
    folder.run(3, &["s.toml"]).assert_code(1);
    let plan = folder.run(0, &["plan", "--why", "s.toml"]);
    plan.assert_stdout_has("8 instances: 6 done, 2 to run");
    plan.assert_stdout_has("mesh[i=3]: result not saved, and needed by sim[i=3]");
    plan.assert_stdout_has("sim[i=3]: failed after 1 attempt: ");
    std::fs::write(folder.path("go"), "").expect("written");
    folder.run(0, &["s.toml"]).assert_success();
    let ran = counts(&folder, "ran");
    let twice: Vec<&str> =
        ran.iter().filter(|(_, count)| **count == 2).map(|(name, _)| name.as_str()).collect();
    assert_eq!(twice, ["mesh3", "sim3"]);
    assert_eq!(folder.read("3.txt"), "3\n");
}

#[test]
fn a_gather_over_an_optional_family_is_made_again_when_a_failure_is_mended() {
    let folder = Folder::script(
        "[task.probe]\nfor = { i = '0..4' }\nshell = 'echo {i} >> ran; test {i} -ne 2 || test -e go; echo {i}'\noptional = true\nsave = 'p{i}.txt'\n\
         [task.all]\nrun = 'cat {probe.stdout}'\nsave = 'all.txt'\n",
    );
    for ranks in [0, 3] {
        let _ = std::fs::remove_file(folder.path("go"));
        folder.run(ranks, &["s.toml", "--fresh"]).assert_code(1);
        assert_eq!(folder.read("all.txt"), "0\n1\n3\n");
        std::fs::write(folder.path("go"), "").expect("written");
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(folder.read("all.txt"), "0\n1\n2\n3\n");
    }
}

#[test]
fn a_million_instances_that_are_done_are_a_few_bytes() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..200_000' }\narray = 'i'\n[task.b]\nafter = ['a']\nrun = 'true'\n",
    );
    folder.run(0, &["s.toml", "-q"]).assert_success();
    let length = std::fs::metadata(folder.path("s.dtask/journal")).expect("a journal").len();
    assert!(length < 40_000, "{length} bytes");
    let run = folder.run(0, &["s.toml"]);
    run.assert_success().assert_stdout_has("200001 tasks done (200001 by earlier runs)");
}
