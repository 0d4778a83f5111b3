//! The process that starts commands: what it does for programs that use MPI, and when somebody dies.

use super::Folder;
use super::signals::{eventually, runs};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

/// What a command needs to call `mpirun` as root on few cores: the launcher's own settings do not reach it.
const MPI_ENV: &str = r#"env = { OMPI_ALLOW_RUN_AS_ROOT = "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = "1",
    OMPI_MCA_rmaps_base_oversubscribe = "1", OMPI_MCA_hwloc_base_binding_policy = "none", OMPI_MCA_mpi_yield_when_idle = "1",
    PRTE_ALLOW_RUN_AS_ROOT = "1", PRTE_ALLOW_RUN_AS_ROOT_CONFIRM = "1",
    PRTE_MCA_rmaps_default_mapping_policy = ":oversubscribe", PRTE_MCA_hwloc_default_binding_policy = "none" }"#;

fn nested() -> String {
    std::env::var("MPIRUN").unwrap_or_else(|_| "mpirun".into())
}

/// A script whose task is a run of dtask, started by `launcher`.
fn nesting(launcher: &str) -> Folder {
    let folder = Folder::script(&format!(
        "[task.nested]\nfor = {{ i = '0..2' }}\nrun = '{launcher} {} --set i={{i}} nested.toml -q'\n{MPI_ENV}\n",
        env!("CARGO_BIN_EXE_dtask"),
    ));
    let nested = "dtask = 1\nname = 'nested{i}'\n[vars]\ni = 0\n[task.t]\nfor = { k = '0..3' }\n\
                  run = 'echo {i} {k} of {dtask.ranks}'\nstdout = 'nested{i}.txt'\n";
    for i in 0..2 {
        let text = nested.replace("name = 'nested{i}'", &format!("name = 'nested{i}'"));
        std::fs::write(folder.path(&format!("nested{i}.toml")), text).expect("written");
    }
    let script = folder.read("s.toml").replace("nested.toml", "nested{i}.toml");
    std::fs::write(folder.path("s.toml"), script).expect("written");
    folder
}

fn check_nested(folder: &Folder, ranks: usize) {
    for i in 0..2 {
        let expected: String = (0..3).map(|k| format!("{i} {k} of {ranks}\n")).collect();
        assert_eq!(folder.read(&format!("nested{i}.txt")), expected);
    }
}

#[test]
fn a_command_that_calls_mpi_init_is_a_job_of_its_own() {
    let folder = nesting("");
    folder.run(2, &["s.toml"]).assert_success();
    check_nested(&folder, 1);
}

#[test]
fn a_command_may_call_mpirun() {
    let folder = nesting(&format!("{} -n 2", nested()));
    folder.run(2, &["s.toml", "--slots", "1"]).assert_success();
    check_nested(&folder, 2);
}

pub fn parent(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    rest.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The numbers of all processes below one.
pub fn descendants(pid: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").expect("it is there").flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all: Vec<(String, String)> =
        numbers.map(|number| (number.to_string(), parent(&number.to_string()))).collect();
    let (mut found, mut at) = (vec![pid.to_owned()], 0);
    while let Some(parent) = found.get(at).cloned() {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(own, _)| own.clone()));
        at += 1;
    }
    found.split_off(1)
}

fn kill(pid: &str) {
    send(pid, Signal::KILL);
}

pub fn send(pid: &str, signal: Signal) {
    assert!(try_to_send(pid, signal), "no process {pid}");
}

/// Sends a signal to a process, unless that has ended in the meantime.
pub fn try_to_send(pid: &str, signal: Signal) -> bool {
    let pid = Pid::from_raw(pid.parse().expect("a number")).expect("not 0");
    match kill_process(pid, signal) {
        Ok(()) => true,
        Err(Errno::SRCH) => false,
        Err(error) => panic!("{error}"),
    }
}

const STUBBORN: &str = r#"
[task.stubborn]
shell = """trap '' TERM INT HUP
setsid sh -c 'echo $$ > away.tmp; mv away.tmp away; while :; do sleep 0.05; done' &
echo $$ {dtask.scratch} > pid.tmp; mv pid.tmp pid; while :; do sleep 0.05; done"""
"#;

/// Starts `STUBBORN`, and gives `act` the number of its command once that runs.
fn while_it_runs(folder: &Folder, ranks: usize, act: impl FnOnce(&str) + Send) -> super::Outcome {
    std::thread::scope(|scope| {
        let actor = scope.spawn(|| {
            eventually("the command has started", || {
                folder.path("pid").exists() && folder.path("away").exists()
            });
            let said = folder.read("pid");
            act(said.split(' ').next().expect("a number"));
        });
        let run = folder.dtask(ranks).args(["s.toml", "--slots", "1"]).run();
        actor.join().expect("it acted");
        run
    })
}

#[test]
fn nothing_is_left_of_a_rank_that_is_killed() {
    for ranks in [0, 2] {
        let folder = Folder::script(STUBBORN);
        let run = while_it_runs(&folder, ranks, |pid| kill(&rank_of(pid)));
        assert_ne!(run.code(), 0);
        nothing_is_left(&folder);
    }
}

/// The rank is the parent of the watchdog, that of the spawner, and that of the command.
pub fn rank_of(pid: &str) -> String {
    parent(&parent(&parent(pid)))
}

#[track_caller]
fn nothing_is_left(folder: &Folder) {
    let said = folder.read("pid");
    let (pid, scratch) = said.trim().split_once(' ').expect("a number and a folder");
    eventually("the command is gone", || !runs(pid));
    eventually("what had left its group is gone", || !runs(folder.read("away").trim()));
    let root = Path::new(scratch).parent().expect("the rank's folder");
    eventually("the scratch folder is gone", || !root.exists());
}

#[test]
fn nothing_is_left_of_a_rank_that_is_killed_together_with_its_spawner() {
    for ranks in [0, 2] {
        let folder = Folder::script(STUBBORN);
        let run = while_it_runs(&folder, ranks, |pid| {
            let (spawner, rank) = (parent(pid), rank_of(pid));
            // so that it does not see the other die
            send(&rank, Signal::STOP);
            kill(&spawner);
            kill(&rank);
        });
        assert_ne!(run.code(), 0);
        nothing_is_left(&folder);
    }
}

#[test]
fn without_its_watchdog_a_spawner_that_is_killed_is_noticed_by_its_rank() {
    let folder = Folder::script(STUBBORN);
    let run = while_it_runs(&folder, 2, |pid| {
        let spawner = parent(pid);
        kill(&parent(&spawner));
        kill(&spawner);
        eventually("the command is gone", || !runs(pid));
    });
    run.assert_code(1);
    run.assert_stderr_has("was killed because the process that starts this rank's commands has died");
    nothing_is_left(&folder);
}

#[test]
fn a_spawner_that_is_killed_is_told_and_replaced() {
    let folder =
        Folder::script(&format!("{STUBBORN}[task.later]\nrun = 'echo fine'\nstdout = 'later.txt'\n"));
    let run = while_it_runs(&folder, 2, |pid| {
        kill(&parent(pid));
        eventually("the command is gone", || !runs(pid));
        eventually("what had left its group is gone", || !runs(folder.read("away").trim()));
    });
    run.assert_code(1);
    run.assert_stderr_has("the process that starts this rank's commands has died: signal: 9 (SIGKILL)");
    run.assert_stderr_has("error: stubborn failed (s.toml:3): rank 1 (")
        .assert_stderr_has("was killed because the process that starts this rank's commands has died");
    assert_eq!(folder.read("later.txt"), "fine\n");
}
