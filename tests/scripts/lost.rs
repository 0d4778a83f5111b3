//! Processes that are killed while a run goes on, whichever they are: no run hangs, and nothing is left behind.

use super::signals::{beside, eventually, runs};
use super::spawner::{descendants, parent, rank_of, send};
use super::{Folder, Mpirun, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

/// The time within which a job ends that has lost a process.
const SOON: Duration = Duration::from_secs(60);

/// Two kinds of tasks: on each rank one that waits, and others that wait for it.
const WAITING: &str = r#"
[task.wait]
for   = { i = "0..2" }
shell = "echo $$ > pid{i}.tmp; mv pid{i}.tmp pid{i}; sleep 300; echo {i}"
[task.after]
each = "wait"
run  = "echo {wait.stdout}"
"#;

/// Runs `WAITING` on three ranks; once a command waits on both others, kills what `victim` says, of the number of the
/// first command. Returns how it has ended, and the processes that there were.
fn killed(victim: impl FnOnce(&str) -> Vec<String> + Send) -> (Outcome, Vec<String>, Duration) {
    let folder = Folder::script(WAITING);
    let kill = || {
        let pid = folder.read("pid0").trim().to_owned();
        let all = descendants(&launcher_of(&pid));
        for pid in victim(&pid) {
            // one may be gone with another that has just been killed
            let pid = Pid::from_raw(pid.parse().expect("a number")).expect("not 0");
            let _ = kill_process(pid, Signal::KILL);
        }
        (all, Instant::now())
    };
    let run = || folder.dtask(3).args(["s.toml", "--slots", "1"]).limit(2 * SOON).run();
    let (run, (all, when)) = beside(|| both_run(&folder), kill, run);
    (run, all, when.elapsed())
}

/// Whether a command waits on both ranks.
fn both_run(folder: &Folder) -> bool {
    folder.path("pid0").exists() && folder.path("pid1").exists()
}

/// `mpirun`: the process above the rank whose parent is no rank. Hydra of MPICH has a proxy between them.
fn launcher_of(pid: &str) -> String {
    let above = parent(&rank_of(pid));
    let name = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name(&above).starts_with("hydra_pmi") { parent(&above) } else { above }
}

/// The rank of number 0: the process below the launcher whose environment says so.
fn first_rank(pid: &str) -> String {
    let is_first = |pid: &&String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        let is_rank = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default() == "dtask\n";
        is_rank
            && variables.any(|variable| variable == b"OMPI_COMM_WORLD_RANK=0" || variable == b"PMI_RANK=0")
    };
    descendants(&launcher_of(pid)).iter().find(is_first).expect("rank 0").clone()
}

#[track_caller]
fn ends_soon((run, all, took): (Outcome, Vec<String>, Duration), what: &str) {
    run.assert(took < SOON, &format!("the job ends within a minute without {what}"));
    run.assert(run.code() != 0, "not everything is done");
    for pid in &all {
        eventually(&format!("process {pid} is gone after the loss of {what}"), || !runs(pid));
    }
}

#[test]
fn a_job_without_one_of_its_ranks_ends() {
    ends_soon(killed(|pid| vec![rank_of(pid)]), "a worker");
    ends_soon(killed(|pid| vec![first_rank(pid)]), "rank 0");
}

#[test]
fn a_function_that_has_ended_three_runs_is_quarantined_and_others_go_on() {
    let folder = Folder::script(
        "[task.bad]\nfor = { i = ['0', '1', '2'] }\ncall = 'crash'\nargs = { i = '{i}' }\nsave = 'bad{i}.txt'\n\
         [task.good]\nfor = { k = '0..3' }\narray = 'k * 2.0'\nstdout = 'good.txt'\n",
    );
    let program = Path::new(env!("CARGO_BIN_EXE_dtask")).with_file_name("examples").join("test_spectrum");
    let run = |args: &[&str]| {
        let run = Mpirun::singleton().program(&program).dir(folder.dir.path()).args(["s.toml"]).args(args);
        run.limit(SOON).run()
    };
    for _ in 0..3 {
        let run = run(&[]);
        run.assert(run.code() > 1, "it has ended the run");
    }
    let fourth = run(&[]);
    fourth.assert_code(1).assert_stderr_has("error: bad[i=1] is quarantined (s.toml:");
    fourth.assert_stderr_has("have died with it, one after the other: it is not started again");
    assert_eq!((folder.read("good.txt"), folder.path("bad2.txt").exists()), ("0.0\n2.0\n4.0\n".into(), true));
    std::fs::write(folder.path("mended"), "").expect("written");
    run(&[]).assert_code(1);
    run(&["--force", "bad"]).assert_success();
    run(&[]).assert_success();
}

#[test]
fn a_job_without_its_launcher_ends() {
    ends_soon(killed(|pid| vec![launcher_of(pid)]), "mpirun");
}

#[test]
fn a_job_of_which_everything_is_killed_at_once_leaves_nothing() {
    let everything = |pid: &str| {
        let launcher = launcher_of(pid);
        descendants(&launcher).into_iter().chain([launcher]).collect()
    };
    ends_soon(killed(everything), "everything");
}

#[test]
fn a_command_and_the_process_that_starts_commands_are_failures_of_their_instances() {
    let script = WAITING.replace("sleep 300", "while [ ! -e go ]; do sleep 0.02; done");
    for above in [0, 1, 2] {
        let folder = Folder::script(&script);
        let kill = || {
            // the command, its spawner, the watchdog above it
            let victim = (0..above).fold(folder.read("pid0").trim().to_owned(), |pid, _| parent(&pid));
            send(&victim, Signal::KILL);
            std::fs::write(folder.path("go"), "").expect("written");
        };
        let run = || folder.dtask(3).args(["s.toml", "--slots", "1"]).limit(SOON).run();
        let (run, ()) = beside(|| both_run(&folder), kill, run);
        // without the watchdog alone, everything goes on
        match above {
            2 => run.assert(run.code() == 0 || run.code() == 1, "the run goes on"),
            _ => run.assert_code(1).assert_stderr_has("error: wait[i=0] failed"),
        };
    }
}
