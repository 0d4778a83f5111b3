//! Commands that are MPI programs: real ones, built with `mpicc`, started by the real launcher within a job of dtask.

use super::Folder;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The program of `tests/programs/allreduce.c`: prints each process with its host and the sum over all. Built once.
fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/allreduce.c");
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("allreduce");
        let own = PathBuf::from(format!("{}.{}", target.display(), std::process::id()));
        let mpicc = std::env::var("MPICC").unwrap_or_else(|_| "mpicc".into());
        let built = Command::new(mpicc).arg("-o").arg(&own).arg(source).status();
        assert!(built.is_ok_and(|status| status.success()), "mpicc");
        std::fs::rename(&own, &target).expect("the program is in its place");
        target
    };
    BUILT.get_or_init(build).clone()
}

/// A script in which `ALLREDUCE` stands for the program.
fn script(text: &str) -> Folder {
    Folder::script(&text.replace("ALLREDUCE", &program().display().to_string()))
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn processes_of_a_program_find_each_other() {
    let folder = script(
        r#"
[task.gen]
run    = "echo 7"
[task.sum]
for    = { n = [1, 2] }
ranks  = 3
run    = ["ALLREDUCE", "{gen.stdout}", "{n}"]
stdout = "sum{n}.txt"
[task.one]
ranks  = 1
threads = 2
run    = ["ALLREDUCE", "{gen.stdout}", "0"]
env    = { COLOUR = "blue" }
stdout = "one.txt"
"#,
    );
    let run = folder.dtask(3).args(["s.toml", "--slots", "2"]).run();
    run.assert_success().assert_stdout_has("4 tasks done");
    for n in [1, 2] {
        let lines = sorted(&folder.read(&format!("sum{n}.txt")));
        assert_eq!(lines.len(), 3, "{lines:?}");
        for (rank, line) in lines.iter().enumerate() {
            let begin = format!("{rank} of 3 on ");
            let end = format!("sum 3 read 7 given {n} task sum threads 1");
            assert!(line.starts_with(&begin) && line.contains(&end), "{line}");
        }
    }
    let one = folder.read("one.txt");
    let told = one.contains("sum 0 read 7 given 0 task one threads 2 colour blue");
    assert!(one.starts_with("0 of 1 on ") && told, "{one}");
    // a second run finds it done, and another number of processes is another result
    folder.run(2, &["s.toml", "--slots", "3"]).assert_success().assert_stdout_has("4 by earlier runs");
    let text = folder.read("s.toml").replace("ranks  = 3", "ranks  = 2");
    std::fs::write(folder.path("s.toml"), text).expect("written");
    folder.run(2, &["plan", "s.toml", "--why"]).assert_success().assert_stdout_has("ranks");
}

/// Each process makes a folder of its own name while it runs, so more of them than slots would be seen.
#[test]
fn no_more_processes_run_at_a_time_than_there_are_slots() {
    let folder = script(
        r#"
[task.wide]
for   = { i = "0..3" }
ranks = 2
shell = "mkdir {dtask.here}/busy${OMPI_COMM_WORLD_RANK-}${PMI_RANK-}; sleep 0.1; rmdir {dtask.here}/busy${OMPI_COMM_WORLD_RANK-}${PMI_RANK-}"
[task.narrow]
for   = { i = "0..6" }
shell = "mkdir {dtask.here}/narrow; sleep 0.02; test ! -e {dtask.here}/busy0 -a ! -e {dtask.here}/busy1; rmdir {dtask.here}/narrow"
threads = 2
"#,
    );
    let run = folder.dtask(3).args(["s.toml", "--slots", "1"]).run();
    // two ranks of one slot: a program of two processes fits, a task of two threads does not
    run.assert_code(2).assert_stderr_has("task `narrow` could never run");
    let text =
        folder.read("s.toml").replace("threads = 2", "ranks = 2").replace("mkdir {dtask.here}/narrow; ", "");
    let text = text.replace("; rmdir {dtask.here}/narrow", "");
    std::fs::write(folder.path("s.toml"), text).expect("written");
    folder.dtask(3).args(["s.toml", "--slots", "1"]).run().assert_success().assert_stdout_has("9 tasks done");
}

#[test]
fn all_processes_end_with_the_time_limit_and_a_failure_is_that_of_the_program() {
    let folder = script(
        r#"
[task.slow]
ranks   = 2
timeout = "1 s"
run     = ["ALLREDUCE", "{dtask.here}/none", "sleep", "{dtask.here}/pids"]
[task.fails]
ranks = 2
run   = ["sh", "-c", "exit 7"]
ok-exit = [3]
[task.odd]
ranks = 2
run   = ["sh", "-c", "exit 3"]
ok-exit = [3]
"#,
    );
    let run = folder.dtask(3).args(["s.toml", "--slots", "1"]).run();
    run.assert_code(1)
        .assert_stderr_has("after its `timeout`")
        .assert_stderr_has("`sh` ended with exit code 7");
    let pids = folder.read("pids");
    assert_eq!(pids.lines().count(), 2, "{pids}");
    for pid in pids.lines() {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        assert_ne!(name.trim(), "allreduce", "process {pid} still runs");
    }
}

#[test]
fn what_has_no_room_is_told_before_anything_runs() {
    let folder = script("[task.wide]\nranks = 5\nthreads = 2\nrun = \"true\"\n");
    let run = folder.dtask(3).args(["s.toml", "--slots", "3"]).run();
    run.assert_code(2).assert_stderr_has("`ranks = 5`, and the job has room for 3 processes of 2 slots each");
    let folder = script("[task.wide]\nranks = 2\nrun = \"true\"\n");
    let none = folder.dtask(3).env("DTASK_MPIRUN", "/nowhere/mpirun").args(["s.toml", "--slots", "1"]).run();
    none.assert_code(1).assert_stderr_has("DTASK_MPIRUN names `/nowhere/mpirun`");
}
