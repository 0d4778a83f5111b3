//! What is left: `dtask status`, and the exit code of runs that get nowhere.

use super::Folder;
use super::resume::{counts, interrupted, recorded};
use super::signals::eventually;
use rustix::process::Signal;

/// What `dtask status --left` prints.
fn left(folder: &Folder) -> String {
    let run = folder.run(0, &["status", "s.toml", "--left"]);
    run.assert_success();
    run.stdout.clone()
}

#[test]
fn a_job_script_asks_how_much_is_left() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..4' }\nshell = 'test {i} -ne 2 || test -e go; echo {i}'\n\
         [task.b]\neach = 'a'\nrun = 'cat {a.stdout}'\n[task.c]\nrun = 'true'\ntime = '1 h 59 min 30 s'\n",
    );
    assert_eq!(left(&folder), "9\n");
    folder.run(0, &["status", "s.toml"]).assert_success().assert_stdout_has("it has not been run");
    folder.run(2, &["s.toml", "--time-limit", "2h"]).assert_code(75);
    // one has failed, and one waits for it: neither is left
    assert_eq!(left(&folder), "1\n");
    let all = folder.run(0, &["status", "s.toml"]);
    all.assert_stdout_has("s: 9 instances: 6 done, 1 failed, 1 held up by failures, 1 left\n");
    all.assert_stdout_has("  a  3 done, 1 failed\n").assert_stdout_has("  c  0 done, 1 left\n");
    all.assert_stdout_has("1 run so far; the last one has ended");
    std::fs::write(folder.path("go"), "").expect("written");
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(left(&folder), "0\n");
    folder.run(0, &["status", "no.toml", "--left"]).assert_code(2);
    std::fs::write(folder.path("s.dtask/journal"), "dtask journal 9\n").expect("written");
    folder.run(0, &["status", "s.toml", "--left"]).assert_code(3);
}

#[test]
fn a_killed_run_knows_its_failures_and_what_is_left() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..4' }\nshell = 'test {i} -gt 1 || exit 7; [ {i} = 2 ] || while [ ! -e go ]; do sleep 0.02; done'\n",
    );
    let folder = interrupted(folder, 3, Signal::KILL, true, |folder| {
        eventually("failures are in the journal", || {
            folder.path("s.dtask/journal").exists() && recorded(folder, "a").contains("1 of 4 done, 2 failed")
        });
    });
    assert_eq!(left(&folder), "1\n");
    let plan = folder.run(0, &["plan", "--why", "s.toml"]);
    plan.assert_stdout_has("a[i=0] and 1 more: failed after 1 attempt: ").assert_stdout_has("exit code 7");
    plan.assert_stdout_has("a[i=3]: never run");
}

#[test]
fn a_job_in_which_nothing_fits_is_not_queued_again() {
    let folder = Folder::script(
        "[task.quick]\nrun = 'true'\n[task.long]\nfor = { i = '0..3' }\nafter = ['quick']\n\
         shell = 'echo {i} >> ran'\ntime = '1 h 59 min 30 s'\n",
    );
    for ranks in [0, 2] {
        let _ = std::fs::remove_dir_all(folder.path("s.dtask"));
        folder.run(ranks, &["s.toml", "--time-limit", "2h"]).assert_code(75);
        let again = folder.run(ranks, &["s.toml", "--time-limit", "2h"]);
        again.assert_code(1).assert_stdout_has("left    3 tasks for the next run");
        again.assert_stderr_has("error: nothing could be done in the job's time");
        again.assert_stderr_has("long[i=0] needs 1 h 59 min 30 s by its `time`; give the job more time");
        assert_eq!(left(&folder), "3\n");
    }
    // a failure that comes again gets nobody further
    let folder =
        Folder::script("[task.bad]\nrun = 'false'\n[task.long]\nrun = 'true'\ntime = '1 h 59 min 30 s'\n");
    folder.run(2, &["s.toml", "--time-limit", "2h"]).assert_code(75);
    folder
        .run(2, &["s.toml", "--time-limit", "2h"])
        .assert_code(1)
        .assert_stderr_has("nothing could be done");
    assert_eq!(counts(&folder, "ran").len(), 0);
}
