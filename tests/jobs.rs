//! The job scripts themselves, submitted by an ordinary user to a real Slurm and a real SGE of the test's own
//! (`.ci/slurm.sh`, `.ci/sge.sh`): they run into the end of their time, are queued again, and end with nothing run
//! twice but what was under way. Where a batch system cannot be had, its test says so and passes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The user whose jobs these are, `nobody`: both batch systems treat those of root in another way.
const USER: u32 = 65534;
/// The time within which everything that a test waits for must have happened.
const LIMIT: Duration = Duration::from_secs(170);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A batch system of the test's own, which ends with this.
struct Cluster {
    script: PathBuf,
    dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
    begun: Instant,
}

impl Cluster {
    /// Starts the one of `.ci/NAME.sh`; `None` where that is impossible, which is told.
    fn start(name: &str) -> Option<Cluster> {
        let script = repository().join(format!(".ci/{name}.sh"));
        let dir = tempfile::Builder::new().prefix("dtask-").tempdir().expect("a folder");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("others may read it");
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "150"]).arg(&script).arg("start").arg(dir.path());
        let started = command.stdin(Stdio::null()).output().expect("it can be run");
        let (said, failed) = (text(&started.stdout), text(&started.stderr));
        if started.status.code() == Some(77) {
            eprintln!("{}", said.trim());
            return None;
        }
        assert!(started.status.success(), "{said}{failed}");
        let variables = said.lines().filter_map(|line| line.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let cluster = Cluster { script, dir, variables, begun: Instant::now() };
        // where the job scripts look for dtask
        let release = cluster.home().join("dtask/target/release");
        fs::create_dir_all(&release).expect("made");
        fs::copy(env!("CARGO_BIN_EXE_dtask"), release.join("dtask")).expect("copied");
        Some(cluster)
    }

    /// The home folder of the user.
    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A folder for a job, with its script `s.toml`.
    fn folder(&self, name: &str, script: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("s.toml"), format!("dtask = 1\n{script}")).expect("written");
        chown(&folder, Some(USER), Some(USER)).expect("given away");
        folder
    }

    /// Runs a program as the user, in a folder.
    fn run(&self, folder: &Path, args: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        let user = format!("--reuid={USER}");
        let group = format!("--regid={USER}");
        command.args(["-k", "5", "60", "setpriv", &user, &group, "--clear-groups"]).args(args);
        command.current_dir(folder).stdin(Stdio::null());
        command.env("HOME", self.home()).env("USER", "nobody").env("LOGNAME", "nobody");
        // two jobs that begin at once would both make the user's folder in /tmp, and one of them would fail
        command.env("OMPI_MCA_orte_tmpdir_base", folder);
        command.env("OMPI_MCA_rmaps_base_oversubscribe", "1").env("OMPI_MCA_mpi_yield_when_idle", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.output().expect("it can be run")
    }

    /// Waits until something holds.
    #[track_caller]
    fn until(&self, what: &str, folder: &Path, mut holds: impl FnMut() -> bool) {
        while !holds() {
            assert!(self.begun.elapsed() < LIMIT, "in vain: {what}\n{}", outputs(folder));
            sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.script);
        let _ = stop.arg("stop").arg(self.dir.path()).status();
        // what was unpacked, and what the processes that have just ended still hold
        sleep(Duration::from_millis(200));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The output of a job's runs, all in one file.
fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn outputs(folder: &Path) -> String {
    let lines = fs::read_to_string(folder.join("lines")).unwrap_or_default();
    format!("--- log\n{}\n--- lines\n{lines}", log(folder))
}

/// A script of `count` commands, each of which takes `seconds` and notes its beginning and its end.
fn noting(count: u32, seconds: f32, more: &str) -> String {
    let shell = format!("echo b {{i}} >> lines; sleep {seconds}; echo e {{i}} >> lines");
    format!("[task.t]\nfor = {{ i = '0..{count}' }}\nshell = '{shell}'\n{more}")
}

/// How often each instance has begun, and ended.
fn noted(folder: &Path) -> BTreeMap<u32, (u32, u32)> {
    let mut counts: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for line in fs::read_to_string(folder.join("lines")).unwrap_or_default().lines() {
        let Some((what, Ok(index))) = line.split_once(' ').map(|(what, index)| (what, index.parse())) else {
            panic!("a line `{line}`");
        };
        let count = counts.entry(index).or_default();
        if what == "b" { count.0 += 1 } else { count.1 += 1 }
    }
    counts
}

/// Checks that all of `count` instances have ended once, and that none has begun twice but `in_flight` of them.
#[track_caller]
fn all_once(folder: &Path, count: u32, in_flight: usize) {
    let counts = noted(folder);
    assert_eq!(counts.len(), count as usize, "{}", outputs(folder));
    let again = counts.values().filter(|(begun, _)| *begun > 1).count();
    assert!(again <= in_flight && counts.values().all(|(_, ended)| *ended == 1), "{}", outputs(folder));
}

/// The number of runs of a job: each asks for the end of the job once.
fn runs(folder: &Path) -> usize {
    log(folder).matches("time limit: ").count()
}

/// `sbatch` of a job script with options that suit two small nodes; returns the number of the job.
fn sbatch(cluster: &Cluster, folder: &Path, nodes: &str, script: &str) -> String {
    let script = repository().join("jobscripts").join(script).display().to_string();
    let args = ["sbatch", "--parsable", "-o", "log", nodes, "--ntasks-per-node=2", "--cpus-per-task=1"];
    let submitted = cluster.run(folder, &[&args[..], &["--time=1", &script, "s.toml"]].concat());
    assert!(submitted.status.success(), "{}", text(&submitted.stderr));
    text(&submitted.stdout).trim().to_owned()
}

/// What Slurm says of a job: `JobState`, `ExitCode`, `Restarts`.
fn job(cluster: &Cluster, folder: &Path, job: &str, what: &str) -> String {
    let told = text(&cluster.run(folder, &["scontrol", "show", "job", job]).stdout);
    let value = told.split_whitespace().find_map(|word| word.strip_prefix(what)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}

/// Whether a job has ended. One that was queued again would wait for two minutes: it is let begin after two seconds.
fn has_ended(cluster: &Cluster, folder: &Path, number: &str) -> bool {
    let state = job(cluster, folder, number, "JobState");
    if state == "PENDING" && job(cluster, folder, number, "Reason") == "BeginTime" {
        // slurmd refuses a job whose credential is of the second in which its last run ended: the job fails
        sleep(Duration::from_secs(2));
        let mut now = Command::new("scontrol");
        let now = now.args(["update", &format!("job={number}"), "starttime=now"]);
        let _ = now.envs(cluster.variables.iter().map(|(name, value)| (name, value))).status();
    }
    !["PENDING", "RUNNING", "COMPLETING", "REQUEUED", "CONFIGURING", "SUSPENDED"].contains(&state.as_str())
}

#[test]
fn jobs_under_slurm_are_queued_again_until_all_is_done() {
    let Some(slurm) = Cluster::start("slurm") else { return };
    // 76 instances of 3 s on four slots: some 17 rounds of four fit into the minute
    let walltime = slurm.folder("walltime", &noting(76, 3.0, ""));
    let long = sbatch(&slurm, &walltime, "--nodes=2", "slurm-requeue.sh");
    let cancelled = slurm.folder("cancelled", &noting(20, 50.0, ""));
    let stopped = sbatch(&slurm, &cancelled, "--nodes=1", "slurm-requeue.sh");
    let noticed = slurm.folder("noticed", &noting(6, 2.5, ""));
    let notice = sbatch(&slurm, &noticed, "--nodes=1", "slurm-requeue.sh");
    // a tenth of the minute is kept: this fits only before the job has begun
    let never = slurm.folder("never", "[task.t]\nrun = 'touch lines'\ntime = '54 s'\n");
    let nothing = sbatch(&slurm, &never, "--nodes=1", "slurm-requeue.sh");

    // `scancel` is not defeated
    slurm.until("it has begun", &cancelled, || !noted(&cancelled).is_empty());
    assert!(slurm.run(&cancelled, &["scancel", &stopped]).status.success());
    // a notice to every process of the job: the run drains, is queued again, and ends
    slurm.until("it has begun", &noticed, || !noted(&noticed).is_empty());
    assert!(slurm.run(&noticed, &["scancel", "--signal=USR1", "--full", &notice]).status.success());

    let state = |folder: &Path, number: &str| job(&slurm, folder, number, "JobState");
    slurm.until("it is cancelled", &cancelled, || has_ended(&slurm, &cancelled, &stopped));
    slurm.until("it ends", &never, || has_ended(&slurm, &never, &nothing));
    slurm.until("it ends", &noticed, || has_ended(&slurm, &noticed, &notice));
    slurm.until("it ends", &walltime, || has_ended(&slurm, &walltime, &long));

    assert_eq!(state(&walltime, &long), "COMPLETED", "{}", outputs(&walltime));
    assert_eq!(runs(&walltime), 2, "{}", outputs(&walltime));
    all_once(&walltime, 76, 4);

    assert_eq!(state(&noticed, &notice), "COMPLETED", "{}", outputs(&noticed));
    assert!(log(&noticed).contains("a signal asked to stop"), "{}", outputs(&noticed));
    all_once(&noticed, 6, 2);

    // long enough ago, so that a second run would have begun
    assert_eq!(state(&cancelled, &stopped), "CANCELLED", "{}", outputs(&cancelled));
    assert_eq!(runs(&cancelled), 1, "{}", outputs(&cancelled));
    assert!(cancelled.join("s.dtask/last-words.txt").exists(), "{}", outputs(&cancelled));
    let dtask = slurm.home().join("dtask/target/release/dtask").display().to_string();
    let left = slurm.run(&cancelled, &[&dtask, "status", "--left", "s.toml"]);
    assert_eq!(text(&left.stdout).trim(), "20", "{}{}", text(&left.stderr), outputs(&cancelled));

    assert_eq!(state(&never, &nothing), "FAILED", "{}", outputs(&never));
    assert!(runs(&never) == 1 && !never.join("lines").exists(), "{}", outputs(&never));

    // the shortest one, and its exit code; on another layout
    let plain = slurm.folder("plain", &noting(3, 0.1, "[task.bad]\nrun = 'false'\n"));
    let number = sbatch(&slurm, &plain, "--nodes=2", "slurm.sh");
    slurm.until("it ends", &plain, || has_ended(&slurm, &plain, &number));
    assert_eq!(job(&slurm, &plain, &number, "ExitCode"), "1:0", "{}", outputs(&plain));
    all_once(&plain, 3, 0);
}

/// `qsub` of the job script with a limit in seconds.
fn qsub(cluster: &Cluster, folder: &Path, seconds: u32) -> String {
    let script = repository().join("jobscripts/sge.sh").display().to_string();
    let limit = format!("h_rt={seconds}");
    let args = ["qsub", "-terse", "-pe", "mpi", "2", "-l", &limit, "-o", "log", &script, "s.toml"];
    let submitted = cluster.run(folder, &args);
    assert!(submitted.status.success(), "{}", text(&submitted.stderr));
    text(&submitted.stdout).trim().to_owned()
}

#[test]
fn jobs_under_sge_are_queued_again_until_all_is_done() {
    let Some(sge) = Cluster::start("sge") else { return };
    // 24 instances of 2 s on two slots take 24 s
    let walltime = sge.folder("walltime", &noting(24, 2.0, ""));
    let long = qsub(&sge, &walltime, 20);
    let deleted = sge.folder("deleted", &noting(20, 60.0, ""));
    let stopped = qsub(&sge, &deleted, 100);
    let is_there = |folder: &Path, job: &str| sge.run(folder, &["qstat", "-j", job]).status.success();
    sge.until("it has begun", &deleted, || !noted(&deleted).is_empty());
    sge.run(&deleted, &["qdel", &stopped]);
    sge.until("it is gone", &deleted, || !is_there(&deleted, &stopped));
    sge.until("it ends", &walltime, || !is_there(&walltime, &long));
    assert!(log(&walltime).contains("(qstat of SGE)"), "{}", outputs(&walltime));
    assert_eq!(runs(&walltime), 2, "{}", outputs(&walltime));
    all_once(&walltime, 24, 2);
    assert!(!walltime.join(format!("dtask.runs{long}")).exists(), "the count of runs is removed");
    assert_eq!(runs(&deleted), 1, "{}", outputs(&deleted));
}

/// Runs the job script of PBS with programs that stand in for those of PBS; returns the exit code, and what was
/// submitted.
fn pbs(folder: &Path, script: &str, run: &str) -> (Option<i32>, String) {
    let release = folder.join("dtask/target/release");
    fs::create_dir_all(&release).expect("made");
    fs::write(folder.join("s.toml"), format!("dtask = 1\n{script}")).expect("written");
    let program = |name: &str, text: &str| {
        let path = release.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    };
    program("qsub", "echo \"$@\" >> submitted");
    program("qstat", "echo 'Job Id: 7'; echo '    Resource_List.walltime = 00:00:06'");
    program("dtask", &format!("exec '{}' \"$@\"", env!("CARGO_BIN_EXE_dtask")));
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "60", "bash"]).arg(repository().join("jobscripts/pbs.sh"));
    command.env("HOME", folder).env("PBS_O_WORKDIR", folder).env("PBS_JOBID", "7").env("script", "s.toml");
    command.env("run", run).env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.env("OMPI_MCA_mpi_yield_when_idle", "1").env("OMPI_MCA_rmaps_base_oversubscribe", "1");
    let ended = command.stdin(Stdio::null()).output().expect("it can be run");
    fs::write(folder.join("log"), [ended.stdout, ended.stderr].concat()).expect("written");
    (ended.status.code(), fs::read_to_string(folder.join("submitted")).unwrap_or_default())
}

#[test]
fn a_job_under_pbs_submits_the_next_one_as_often_as_it_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, submitted) = pbs(folder.path(), &noting(60, 0.5, ""), "1");
    assert_eq!(code, Some(75), "{}", outputs(folder.path()));
    assert!(log(folder.path()).contains("(qstat of PBS)"), "{}", outputs(folder.path()));
    assert_eq!(submitted, "-v script=s.toml,run=2 jobscripts/pbs.sh\n");
    // the last of all that it may
    let folder = tempfile::tempdir().expect("a folder");
    let (code, submitted) = pbs(folder.path(), &noting(60, 0.5, ""), "20");
    assert_eq!((code, submitted), (Some(75), String::new()), "{}", outputs(folder.path()));
    // nothing is left
    let folder = tempfile::tempdir().expect("a folder");
    let (code, submitted) = pbs(folder.path(), &noting(2, 0.1, ""), "1");
    assert_eq!((code, submitted), (Some(0), String::new()), "{}", outputs(folder.path()));
}
