//! How commands are run: folders, environments, time limits, attempts.

use super::Folder;
use std::time::{Duration, Instant};

#[test]
fn a_command_is_told_what_it_is_and_where_it_runs() {
    let folder = Folder::script(
        r#"
[task.here]
for    = { i = "5..7" }
shell  = "echo $DTASK_TASK $DTASK_INDEX $DTASK_RANK $DTASK_ATTEMPT $DTASK_THREADS; pwd -P; ls $DTASK_SCRATCH | wc -l"
stdout = "here.txt"
[task.own]
dir    = "scratch"
shell  = "[ \"$PWD\" = \"$DTASK_SCRATCH\" ]; [ {dtask.scratch} = \"$PWD\" ]; echo text > {out}; cat o.txt"
out    = "o.txt"
stdout = "own.txt"
[task.there]
for    = { i = "0..2" }
dir    = "runs/{i}"
run    = "touch was-here"
[task.clean]
clean-env = true
env    = { A = "b" }
run    = "/usr/bin/env"
stdout = "clean.txt"
[task.mpi]
mpi    = "inherit"
shell  = "echo ${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-none}}"
stdout = "mpi.txt"
"#,
    );
    folder.run(2, &["s.toml"]).assert_success();
    let dir = folder.dir.path().canonicalize().expect("a folder").display().to_string();
    assert_eq!(folder.read("here.txt"), format!("here 0 1 1 1\n{dir}\n0\nhere 1 1 1 1\n{dir}\n0\n"));
    assert_eq!(folder.read("own.txt"), "text\n");
    assert!(folder.path("runs/0/was-here").exists() && folder.path("runs/1/was-here").exists());
    let clean = folder.read("clean.txt");
    assert!(clean.lines().all(|line| line.starts_with("DTASK_") || line == "A=b"), "{clean}");
    assert_eq!(folder.read("mpi.txt"), "1\n");
}

#[test]
fn what_fails_is_tried_again_where_the_script_says_so() {
    let folder = Folder::script(
        r#"
[task.crash]
retries  = 2
retry-on = ["crash"]
shell    = "echo attempt {dtask.attempt}; [ $DTASK_ATTEMPT = 3 ] || kill -SEGV $$"
stdout   = "crash.txt"
[task.code]
retries  = 1
retry-on = ["crash", "exit 75"]
backoff  = "10 ms"
shell    = "echo x >> code; [ {dtask.attempt} = 2 ] || exit 75"
[task.any]
retries  = 1
shell    = "echo x >> any; [ {dtask.attempt} = 2 ]"
[task.other]
retries  = 5
retry-on = ["timeout", "oom", "exit 3"]
shell    = "echo x >> other; exit 4"
[task.never]
retries  = 2
shell    = "echo x >> never; echo said {dtask.attempt} >&2; exit 9"
[task.missing]
retries  = 5
run      = "no-such-program"
"#,
    );
    let run = folder.run(2, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("error: 3 tasks failed");
    assert_eq!(folder.read("crash.txt"), "attempt 3\n", "only the last attempt's output");
    assert_eq!(["code", "any", "other", "never"].map(|name| folder.read(name).len() / 2), [2, 2, 1, 3]);
    run.assert_stderr_has("attempt 3: `/bin/sh` ended with exit code 9");
    run.assert_stderr_has("said 3").assert_stderr_has("program `no-such-program` not found");
    let log = folder.dtask(0).args(["log", "s.toml", "never", "--stderr"]).run();
    log.assert_success();
    assert_eq!(log.stdout, "said 3\n");
}

#[test]
fn a_task_that_pauses_leaves_its_slot_to_others_and_goes_to_another_rank() {
    let folder = Folder::script(
        r#"
[task.first]
priority = 1
retries  = 1
backoff  = "2 s"
shell    = "echo first {dtask.rank} >> order; [ {dtask.attempt} = 2 ]"
[task.other]
for   = { i = "1..=4" }
shell = "echo other {dtask.rank} >> order"
"#,
    );
    // a rank with one slot: others run in the pause
    folder.run(1, &["s.toml", "--slots", "1"]).assert_success();
    let order = folder.read("order");
    let attempts: Vec<usize> =
        order.lines().zip(0..).filter(|(line, _)| *line == "first 0").map(|at| at.1).collect();
    assert!(matches!(attempts[..], [one, next] if next > one + 1) && order.lines().count() == 6, "{order}");
    std::fs::remove_file(folder.path("order")).expect("the order of the first run");
    // two ranks that compute
    folder.run(3, &["s.toml", "--slots", "1", "--fresh"]).assert_success();
    let order = folder.read("order");
    let mut ranks: Vec<&str> = order.lines().filter_map(|line| line.strip_prefix("first ")).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, ["1", "2"], "{order}");
}

#[test]
fn time_and_memory_have_limits() {
    let folder = Folder::script(
        r#"
[task.slow]
timeout  = "200 ms"
retries  = 1
retry-on = ["timeout"]
shell    = "echo x >> slow; sleep 100 & wait"
[task.large]
memory      = "60 MiB"
memory-step = 4
retries     = 1
retry-on    = ["oom"]
shell       = "echo x >> large; head -c 300000000 /dev/zero | tail -c 100000000 | (sleep 1; wc -c)"
stdout      = "large.txt"
[task.huge]
memory   = "60 MiB"
shell    = "head -c 300000000 /dev/zero | tail -c 200000000 | (sleep 100; wc -c)"
"#,
    );
    let begin = Instant::now();
    let run = folder.run(2, &["s.toml"]);
    assert!(begin.elapsed() < Duration::from_secs(50));
    run.assert_code(1).assert_stderr_has("slow failed (s.toml:3): rank 1 (");
    run.assert_stderr_has("attempt 2: `/bin/sh` was ended after its `timeout` of 200ms");
    run.assert_stderr_has("huge failed").assert_stderr_has("ran out of memory: it had ");
    run.assert_stderr_has("and its `memory` is 60 MiB");
    assert_eq!((folder.read("slow").len(), folder.read("large").len()), (4, 4));
    assert_eq!(folder.read("large.txt"), "100000000\n");
}

#[test]
fn the_log_has_what_instances_print() {
    let folder = Folder::script(
        r#"
[task.sim]
for   = { T = [250, 300], p = "1..3" }
shell = "echo out {T} {p}; echo err {T} {p} >&2"
[task.quiet]
run   = "true"
"#,
    );
    folder.run(3, &["s.toml"]).assert_success();
    let log = |args: &[&str]| folder.dtask(0).args(["log", "s.toml"]).args(args).run();
    assert_eq!(log(&["sim[T=300,p=1]"]).assert_success().stdout, "out 300 1\n");
    assert_eq!(log(&["sim[p=2, T=250]", "--stderr"]).assert_success().stdout, "err 250 2\n");
    let both = log(&["sim[T=250]"]);
    both.assert_success();
    for part in ["==> sim[T=250, p=1] <==\nout 250 1\n", "==> sim[T=250, p=2] <==\nout 250 2\n"] {
        both.assert_stdout_has(part);
    }
    log(&["sim[T=9]"]).assert_code(2).assert_stderr_has("no instance `sim[T=9]`");
    log(&["quiet"]).assert_code(1);
}
