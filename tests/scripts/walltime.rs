//! The end of the job's time: what is not started, what is ended, and that both are left for the next run.

use super::Folder;
use super::signals::{eventually, runs};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// In a job of two hours, less half a minute for its end, this fits only at the very first moment: it is no error, and
/// never started.
const NEVER: &str = "1 h 59 min 30 s";

fn script(policy: &str, more: &str) -> Folder {
    Folder::script(&format!(
        r#"
[policy]
{policy}
[task.first]
for    = {{ i = "0..3" }}
run    = "echo {{i}}"
stdout = "first.txt"
[task.long]
for     = {{ i = "0..3" }}
shell   = "echo {{first.stdout}} {{i}} > started{{i}}; echo {{i}}"
time    = "{NEVER}"
retries = 2
stdout  = "long.txt"
[task.post]
each   = "long"
array  = "sum(long.stdout)"
optional = true
save   = "post{{i}}.npy"
[task.all]
run    = "cat {{post}}"
[task.square]
array = "ones(2) * 2"
time  = "{NEVER}"
[task.sum]
reduce = {{ of = "first", with = "concat" }}
time   = "{NEVER}"
{more}
"#
    ))
}

/// Reductions are of arrays.
fn arrays(folder: &Folder) {
    let text = folder.read("s.toml").replace("of = \"first\"", "of = \"numbers\"");
    let text = format!("{text}\n[task.numbers]\nfor = {{ i = [1, 2] }}\narray = \"zeros(1)\"\n");
    std::fs::write(folder.path("s.toml"), text).expect("written");
}

#[test]
fn what_would_not_end_in_time_is_not_started_and_counts_as_left() {
    for ranks in [0, 3] {
        let folder = script("max-failures = 1", "");
        arrays(&folder);
        let run = folder.run(ranks, &["s.toml", "--time-limit", "2h"]);
        run.assert_code(75);
        run.assert(!run.stderr.contains("error"), "nothing is an error");
        assert_eq!(folder.read("first.txt"), "0\n1\n2\n");
        for name in ["started0", "started1", "long.txt", "post0.npy"] {
            assert!(!folder.path(name).exists(), "{name}");
        }
        run.assert_stdout_has("5 tasks done").assert_stdout_has("first         3 done\n");
        for left in
            ["long          0 done, 3 left", "post          0 done, 3 left", "all           0 done, 1 left"]
        {
            run.assert_stdout_has(&format!("{left} for the next run"));
        }
        run.assert_stdout_has("square        0 done, 1 left")
            .assert_stdout_has("sum           0 done, 1 left");
        run.assert_stdout_has(
            "left    9 tasks for the next run: the job's time is over; run it again to go on\n",
        );
        run.assert_stdout_has("left    long.txt\n");
        run.assert_stderr_has("9 left for the next run");
    }
}

#[test]
fn failures_are_told_and_the_rest_is_left_all_the_same() {
    let fails = "[task.bad]\nrun = 'false'\n";
    let folder = script("", fails);
    arrays(&folder);
    let run = folder.run(3, &["s.toml", "--time-limit", "2h"]);
    run.assert_code(75).assert_stderr_has("error: bad failed").assert_stderr_has("error: 1 task failed");
    // what `[policy]` stops would be stopped again
    let folder = Folder::script(&format!(
        "[policy]\non-failure = 'stop'\n[task.long]\nrun = 'true'\ntime = '{NEVER}'\n[task.bad]\n\
         shell = 'sleep 0.2; exit 1'\n[task.next]\nrun = 'cat {{bad.stdout}}'\n"
    ));
    let run = folder.run(2, &["s.toml", "--time-limit", "2h"]);
    run.assert_code(1).assert_stdout_has("1 left for the next run");
}

#[test]
fn without_a_limit_time_changes_nothing() {
    let folder = Folder::script(&format!("[task.a]\nrun = 'echo a'\ntime = '{NEVER}'\nstdout = 'a.txt'\n"));
    folder.run(0, &["s.toml"]).assert_success();
    folder.run(2, &["s.toml", "--time-limit", "3h"]).assert_success();
    assert_eq!(folder.read("a.txt"), "a\n");
}

#[test]
fn a_time_that_is_longer_than_the_job_is_an_error_before_anything_runs() {
    let folder = Folder::script("[task.a]\nrun = 'touch a.txt'\ntime = '3 h'\n");
    for args in [&["check", "s.toml", "--time-limit", "2h"][..], &["s.toml", "--time-limit", "2h"]] {
        folder
            .run(0, args)
            .assert_code(2)
            .assert_stderr_has("error[E72]: the `time` of `a` is longer than the job");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let slurm = folder.dtask(2).env("SLURM_JOB_END_TIME", (now + 7200).to_string()).args(["s.toml"]).run();
    slurm.assert_code(2).assert_stderr_has("error[E72]");
    // its own limit counts
    let own = folder.dtask(0).env("SLURM_JOB_END_TIME", (now + 7200).to_string());
    own.args(["s.toml", "--time-limit", "4h"]).run().assert_success();
    folder.run(0, &["s.toml", "--time-limit", "4 x"]).assert_code(2).assert_stderr_has("a number and a unit");
}

#[test]
fn the_end_of_the_time_ends_what_runs_and_gives_up_the_rest() {
    let folder = Folder::script(
        r#"
[policy]
max-failures = 1
[task.stubborn]
shell = "trap '' TERM; echo $$ {dtask.scratch} > pid.tmp; mv pid.tmp pid; while :; do sleep 0.05; done"
retries = 3
priority = 1
[task.many]
for  = { i = "0..1000000" }
run  = "sleep 1000"
[task.after]
each = "stubborn"
run  = "echo {stubborn.stdout}"
"#,
    );
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["s.toml", "--time-limit", "4s"]);
        // nothing has ended, so the next job would go the same way
        run.assert_code(1).assert_stdout_has("stubborn       0 done, 1 left for the next run");
        run.assert_stdout_has("many           0 done, 1000000 left for the next run");
        run.assert_stdout_has("left    1000002 tasks for the next run: the job's time is over");
        run.assert_stderr_has("error: nothing could be done in the job's time");
        run.assert(!run.stderr.contains("failed ("), "no task has failed");
        let said = folder.read("pid");
        let (pid, scratch) = said.trim().split_once(' ').expect("a number and a folder");
        assert!(!runs(pid) && !Path::new(scratch).exists());
        std::fs::remove_file(folder.path("pid")).expect("removed");
    }
}

#[test]
fn a_function_that_computes_beyond_the_end_is_not_waited_for() {
    // some minutes of work in one expression, which nothing can end
    let folder = Folder::script(
        "[task.fast]\nrun = 'echo fast'\nsave = 'fast.txt'\n[task.slow]\nafter = ['fast']\n\
         array = 'sum(matmul(ones(9000, 9000), ones(9000, 9000)))'\nsave = 'slow.npy'\n",
    );
    for ranks in [0, 2] {
        let run = folder.run(ranks, &["s.toml", "--fresh", "--time-limit", "3s"]);
        run.assert_code(75).assert_stdout_has("slow       0 done, 1 left for the next run");
        assert_eq!(folder.read("fast.txt"), "fast\n");
    }
}

/// `dtask s.toml` alone; `act` is done once the file `pid` is there.
fn alone(folder: &Folder, act: impl FnOnce(Pid)) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dtask"))
        .args(["s.toml", "--head-slots", "1"])
        .current_dir(folder.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("dtask starts");
    eventually("a command has started", || folder.path("pid").exists());
    act(Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a process"));
    eventually("dtask ends", || child.try_wait().expect("its state").is_some());
    let output = child.wait_with_output().expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_signal_says_what_was_done_and_that_the_run_can_go_on() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let folder = Folder::script(
            "[task.first]\nfor = { i = '0..3' }\nrun = 'echo {i}'\n[task.next]\n\
             shell = 'echo {first.stdout} > pid; while :; do sleep 0.05; done'\n[task.last]\nrun = 'cat {next.stdout}'\n",
        );
        let (code, _, stderr) = alone(&folder, |own| kill_process(own, signal).expect("it is sent"));
        assert_eq!(code, Some(75), "{stderr}");
        let line = format!("dtask: stopped by {name}: 3 of 5 tasks done; run it again to go on\n");
        assert!(stderr.ends_with(&line), "{stderr}");
        assert!(!stderr.contains("error"), "{stderr}");
    }
}

#[test]
fn a_notice_lets_end_what_runs_and_starts_nothing_more() {
    let folder = Folder::script(
        "[task.first]\nfor = { i = '0..4000' }\nshell = 'touch pid; while [ ! -e go ]; do sleep 0.01; done; echo {i}'\n",
    );
    let (code, stdout, stderr) = alone(&folder, |own| {
        kill_process(own, Signal::USR1).expect("it is sent");
        std::fs::write(folder.path("go"), "").expect("written");
    });
    assert_eq!(code, Some(75), "{stdout}{stderr}");
    assert!(stdout.contains("for the next run: a signal asked to stop; run it again to go on"), "{stdout}");
    assert!(!stderr.contains("error"), "{stderr}");
}

/// `dtask` in a job of Slurm whose `squeue` says `left`.
fn in_slurm(folder: &Folder, ranks: usize, left: &str) -> super::Mpirun {
    let squeue = folder.path("squeue");
    std::fs::write(&squeue, format!("#!/bin/sh\necho '{left}'\n")).expect("written");
    std::fs::set_permissions(&squeue, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", folder.dir.path().display(), std::env::var("PATH").unwrap_or_default());
    folder.dtask(ranks).env("PATH", path).env("SLURM_JOB_ID", "7").env_remove("SLURM_JOB_END_TIME")
}

#[test]
fn the_log_says_which_limit_was_found_or_that_there_is_none() {
    let folder = Folder::script("[task.a]\nrun = 'true'\n");
    for (left, told) in [
        ("1:30:00", "time limit: the job has 1 h 30 min left (squeue)"),
        ("UNLIMITED", "time limit: none (squeue)"),
        ("?", "squeue says `?` for the time that is left"),
    ] {
        in_slurm(&folder, 0, left).args(["s.toml"]).run().assert_success().assert_stderr_has(told);
    }
    let run = folder.run(0, &["s.toml", "-v"]);
    run.assert_success().assert_stderr_has("time limit: none (no --time-limit, and no job");
}

#[test]
fn a_job_of_slurm_takes_the_cores_that_it_was_granted() {
    let folder = Folder::script("[task.a]\nrun = 'true'\n");
    let run =
        in_slurm(&folder, 2, "UNLIMITED").env("SLURM_JOB_CPUS_PER_NODE", "1(x2)").args(["s.toml"]).run();
    run.assert_success().assert_stdout_has(" of 1 slots used");
    run.assert(!run.stderr.contains("bound to one core"), "it has one");
}
