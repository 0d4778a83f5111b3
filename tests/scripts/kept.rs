//! What was computed is kept: files that many instances share grow while the run goes on, and have what there is at its
//! end, however it ends.

use super::Folder;
use super::signals::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;
use std::io::Read;
use std::process::{Child, Command, Stdio};

/// Of six instances the third waits for the file `go`, after all others have printed.
const THIRD_WAITS: &str = r#"
[task.t]
for    = { i = "0..6" }
shell  = "if [ {i} = 2 ]; then while [ ! -e go ]; do sleep 0.02; done; fi; echo result {i}"
stdout = "o.txt"
threads = 1
"#;

fn spawn(folder: &Folder, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtask"));
    command.args(["s.toml", "--head-slots", "2"]).args(more).current_dir(folder.dir.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("dtask starts")
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a process")
}

/// Waits for the end of a child: its exit code and standard error.
fn ended(mut child: Child) -> (Option<i32>, String) {
    eventually("dtask ends", || child.try_wait().expect("its state").is_some());
    let output = child.wait_with_output().expect("its output");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

fn text(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path(name)).unwrap_or_default()
}

/// Whether the first two are in the file, and the others wait for the third on disk: those up to `end`.
fn others_wait(folder: &Folder, end: usize) -> bool {
    let index = text(folder, "s.dtask/rank-0000-waiting-0.index");
    let waits: HashSet<&str> = index.lines().filter_map(|line| line.split(' ').next_back()).collect();
    text(folder, "o.txt") == "result 0\nresult 1\n"
        && (3..end).all(|i| waits.contains(format!("t[i={i}]").as_str()))
}

/// Whether no outputs wait in the run folder.
fn nothing_waits(folder: &Folder) -> bool {
    let names = std::fs::read_dir(folder.path("s.dtask")).expect("the run folder");
    names.flatten().all(|entry| !entry.file_name().to_string_lossy().contains("waiting"))
}

#[test]
fn the_others_are_in_the_file_where_one_fails() {
    for optional in ["", "optional = true\n"] {
        let folder = Folder::script(&format!(
            "[task.t]\nfor = {{ i = '0..6' }}\nshell = 'echo result {{i}}; [ {{i}} != 3 ]'\nstdout = 'o.txt'\n{optional}"
        ));
        for ranks in [0, 3] {
            std::fs::write(folder.path("o.txt"), "of an earlier run\n").expect("written");
            let run = folder.run(ranks, &["s.toml"]);
            run.assert_code(1).assert_stderr_has("error: o.txt lacks 1 of 6 outputs: t[i=3]\n");
            run.assert_stderr_has("error: t[i=3] failed").assert_stderr_has("error: 1 task failed");
            run.assert_stdout_has("result  o.txt (5 of 6 outputs)\n");
            assert_eq!(folder.read("o.txt"), "result 0\nresult 1\nresult 2\nresult 4\nresult 5\n");
            // what it has printed is where the outputs of all failed instances are
            folder.run(0, &["log", "s.toml", "t[i=3]"]).assert_success().assert_stdout_has("result 3\n");
            assert!(!folder.names().iter().any(|name| name.contains("part")), "{:?}", folder.names());
        }
    }
}

#[test]
fn a_file_grows_while_the_run_goes_on() {
    // each instance waits for what the one before has printed
    let folder = Folder::script(
        r#"
[task.t]
for    = { i = "0..5" }
let    = { before = "i - 1" }
shell  = "while [ {i} != 0 ] && ! grep -qsx {before} o.txt; do sleep 0.02; done; echo {i}"
stdout = "o.txt"
[task.x]
for    = { i = "0..3" }
array  = "i"
stdout = "x.txt"
[task.y]
each   = "x"
shell  = "while ! grep -qsx {i}.0 x.txt; do sleep 0.02; done; cat {x} > /dev/null; echo {i}"
stdout = "y.txt"
"#,
    );
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml"]).assert_success().assert_stdout_has("result  o.txt\n");
        assert_eq!(folder.read("o.txt"), "0\n1\n2\n3\n4\n");
        assert_eq!(
            (folder.read("x.txt"), folder.read("y.txt")),
            ("0.0\n1.0\n2.0\n".into(), "0\n1\n2\n".into())
        );
        for name in ["o.txt", "x.txt", "y.txt"] {
            std::fs::remove_file(folder.path(name)).expect("removed");
        }
    }
}

#[test]
fn what_an_earlier_run_has_left_stays_where_this_one_has_nothing() {
    let folder = Folder::script(
        "[task.t]\nfor = { i = '0..3' }\nshell = 'echo {i}; false'\nstdout = 'o.txt'\n\
         [task.u]\nrun = 'cat {t.stdout}'\nstdout = 'u.txt'\n",
    );
    std::fs::write(folder.path("o.txt"), "old\n").expect("written");
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(1)
            .assert_stderr_has("o.txt was not written: it lacks 3 of 3 outputs: t[i=0], t[i=1], t[i=2]\n");
        run.assert_stderr_has("u.txt was not written: it lacks 1 of 1 output: u\n");
        assert_eq!(folder.read("o.txt"), "old\n");
    }
}

#[test]
fn the_end_of_the_time_keeps_what_there_is() {
    let folder = Folder::script(THIRD_WAITS);
    for ranks in [0, 3] {
        let run = folder.dtask(ranks).args(["s.toml", "--time-limit", "5s", "--slots", "2"]).run();
        run.assert_code(75).assert_stdout_has("left    o.txt lacks 1 of 6 outputs: t[i=2]\n");
        run.assert_stdout_has("result  o.txt (5 of 6 outputs)\n");
        run.assert(!run.stderr.contains("error"), "nothing is an error");
        assert_eq!(folder.read("o.txt"), "result 0\nresult 1\nresult 3\nresult 4\nresult 5\n");
        assert!(nothing_waits(&folder));
        std::fs::remove_file(folder.path("o.txt")).expect("removed");
    }
}

#[test]
fn a_notice_keeps_what_there_is_and_what_still_runs() {
    let folder = Folder::script(
        &THIRD_WAITS.replace("0..6", "0..6000").replace("echo result", "touch begun; echo result"),
    );
    let child = spawn(&folder, &[]);
    eventually("some wait on disk", || others_wait(&folder, 6));
    kill_process(pid(&child), Signal::USR1).expect("it is sent");
    std::fs::write(folder.path("go"), "").expect("written");
    let (code, stderr) = ended(child);
    assert_eq!(code, Some(75), "{stderr}");
    let lines: Vec<String> = folder.read("o.txt").lines().map(str::to_owned).collect();
    let all: Vec<String> = (0..lines.len()).map(|i| format!("result {i}")).collect();
    assert!(lines == all && lines.len() > 6 && lines.len() < 6000, "{} lines", lines.len());
}

#[test]
fn a_signal_keeps_what_there_is() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let folder = Folder::script(THIRD_WAITS);
        let child = spawn(&folder, &[]);
        eventually("the others wait on disk", || others_wait(&folder, 6));
        kill_process(pid(&child), signal).expect("it is sent");
        let (code, stderr) = ended(child);
        assert_eq!(code, Some(75), "{stderr}");
        let last = format!("dtask: stopped by {name}: 5 of 6 tasks done; run it again to go on\n");
        assert!(stderr.ends_with(&format!("left    o.txt has 5 of 6 outputs\n{last}")), "{stderr}");
        assert_eq!(folder.read("o.txt"), "result 0\nresult 1\nresult 3\nresult 4\nresult 5\n");
        assert!(nothing_waits(&folder));
    }
}

#[test]
fn what_a_killed_rank_0_had_is_in_the_file_or_in_the_log() {
    let folder = Folder::script(THIRD_WAITS);
    let child = spawn(&folder, &[]);
    eventually("the others wait on disk", || others_wait(&folder, 6));
    kill_process(pid(&child), Signal::KILL).expect("it is sent");
    ended(child);
    std::fs::write(folder.path("go"), "").expect("written"); // for the command, which nobody has ended
    assert_eq!(folder.read("o.txt"), "result 0\nresult 1\n");
    folder.run(0, &["log", "s.toml", "t[i=4]"]).assert_success().assert_stdout_has("result 4\n");
    // the next run begins anew, and keeps what waited as a log of the run before
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(folder.read("o.txt").lines().count(), 6);
    assert!(nothing_waits(&folder));
    let before = folder.run(0, &["log", "s.toml", "t[i=4]", "--run", "1"]);
    before.assert_success().assert_stdout_has("result 4\n");
}

/// Shell code that finds the process of the rank, `$rank`, and of the launcher, `$launcher`: a command is started by
/// processes of its rank.
const ANCESTORS: &str = r#"
launcher=$$ rank=0
until [ "$(cat /proc/$rank/comm 2>/dev/null)" = dtask ]; do
    rank=$launcher
    launcher=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$rank/status)
done
"#;

#[test]
fn a_killed_rank_or_launcher_keeps_what_there_is() {
    for kill in ["kill -9 $rank", "kill -INT $launcher", "kill -TERM $launcher"] {
        let folder = Folder::script(&format!(
            r#"
[task.t]
for    = {{ i = "0..6" }}
stdout = "o.txt"
shell  = """
if [ {{i}} = 5 ]; then
    while ! grep -qs 4 o.txt; do sleep 0.02; done
    {ANCESTORS}
    {kill}
    sleep 100
fi
echo result {{i}}"""
"#
        ));
        let run = folder.run(3, &["s.toml"]);
        run.assert(run.code() != 0, "it was killed");
        assert_eq!(folder.read("o.txt"), "result 0\nresult 1\nresult 2\nresult 3\nresult 4\n", "{kill}");
    }
}

/// The most memory that a process has had until now, in MiB.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

#[test]
fn outputs_that_wait_for_the_first_take_no_memory_of_rank_0() {
    // 256 MB, of which the first comes last
    let folder = Folder::script(
        "[task.t]\nfor = { i = '0..2000' }\nstdout = 'o.txt'\nshell = '''\n\
         if [ {i} = 0 ]; then while [ ! -e last ]; do sleep 0.02; done; fi\n\
         head -c 131072 /dev/zero\nif [ {i} = 1999 ]; then : > last; fi'''\n",
    );
    let mut child = spawn(&folder, &[]);
    let mut most = 0;
    eventually("it ends", || {
        most = peak(&child).unwrap_or(most);
        child.try_wait().expect("its state").is_some()
    });
    assert_eq!(ended(child).0, Some(0));
    assert_eq!(std::fs::metadata(folder.path("o.txt")).expect("written").len(), 2000 * 131_072);
    assert!(most < 120, "{most} MiB");
    assert!(nothing_waits(&folder));
}

#[test]
fn a_pipe_is_read_while_the_run_goes_on() {
    let folder = Folder::script(&THIRD_WAITS.replace("o.txt", "pipe"));
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, folder.path("pipe"), rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    let child = spawn(&folder, &[]);
    let mut reader = std::fs::File::open(folder.path("pipe")).expect("it is opened for writing too");
    let mut first = [0; 18];
    reader.read_exact(&mut first).expect("two lines");
    assert_eq!(&first, b"result 0\nresult 1\n");
    std::fs::write(folder.path("go"), "").expect("written");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "result 2\nresult 3\nresult 4\nresult 5\n");
    assert_eq!(ended(child).0, Some(0));
}

#[test]
fn an_instance_counts_when_it_has_ended_not_when_its_output_is_written() {
    let folder = Folder::script(&THIRD_WAITS.replace("0..6", "0..500"));
    let child = spawn(&folder, &[]);
    eventually("the others wait on disk", || others_wait(&folder, 500));
    kill_process(pid(&child), Signal::TERM).expect("it is sent");
    let (_, stderr) = ended(child);
    assert!(stderr.contains("499 of 500 tasks done"), "{stderr}");
}

#[test]
fn paths_that_lead_to_one_file_are_one_file() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = [1, 2] }\nshell = 'echo a{i}; echo e{i} >&2'\nstdout = 'o.txt'\nstderr = 'x/../o.txt'\n\
         [task.b]\nfor = { i = [1, 2] }\narray = 'i'\nstdout = 'link'\n",
    );
    std::os::unix::fs::symlink("o.txt", folder.path("link")).expect("a link");
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(folder.read("o.txt"), "a1\ne1\na2\ne2\n1.0\n2.0\n");
    }
}
