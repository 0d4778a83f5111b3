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

/// Two hosts on this machine: network namespaces that are joined by a pair of virtual interfaces.
struct TwoHosts {
    names: [String; 2],
    /// The program by which the launcher starts its daemon on a host.
    agent: PathBuf,
    _dir: tempfile::TempDir,
}

impl TwoHosts {
    /// Makes the hosts; `None` where the user may not, or the system has no such namespaces.
    fn make() -> Option<TwoHosts> {
        let id = std::process::id() % 100_000;
        let (names, dir) = ([format!("dta{id}"), format!("dtb{id}")], tempfile::tempdir().ok()?);
        let agent = dir.path().join("agent");
        let [a, b] = &names;
        let net = id % 200;
        let lines = format!(
            "set -e\nfor h in {a} {b}; do ip netns add $h; mkdir -p /etc/netns/$h\nprintf '127.0.0.1 localhost\\n\
             10.9.{net}.1 {a}\\n10.9.{net}.2 {b}\\n' > /etc/netns/$h/hosts; ip netns exec $h ip link set lo up; done\n\
             ip link add v{id}a netns {a} type veth peer name v{id}b netns {b}\n\
             ip netns exec {a} ip addr add 10.9.{net}.1/24 dev v{id}a; ip netns exec {a} ip link set v{id}a up\n\
             ip netns exec {b} ip addr add 10.9.{net}.2/24 dev v{id}b; ip netns exec {b} ip link set v{id}b up\n\
             cat > {agent} <<'E'\n#!/bin/sh\nh=$1; shift\nexec ip netns exec \"$h\" unshare --uts sh -c \"hostname $h; $*\"\nE\n\
             chmod +x {agent}",
            agent = agent.display()
        );
        let hosts = TwoHosts { names, agent, _dir: dir };
        let made = Command::new("sh").args(["-c", &lines]).output().ok()?;
        if !made.status.success() {
            eprintln!("no two hosts here: {}", String::from_utf8_lossy(&made.stderr));
            return None;
        }
        Some(hosts)
    }
}

impl Drop for TwoHosts {
    fn drop(&mut self) {
        for name in &self.names {
            let line = format!("ip netns del {name}; rm -r /etc/netns/{name}");
            let _ = Command::new("sh").args(["-c", &line]).output();
        }
    }
}

#[test]
fn a_program_runs_over_two_hosts_where_one_has_too_few_slots() {
    let version = Command::new("mpirun").arg("--version").output();
    let is_open_mpi_4 =
        version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains("(Open MPI) 4"));
    let Some(hosts) = is_open_mpi_4.then(TwoHosts::make).flatten() else { return };
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
ranks  = 2
run    = ["ALLREDUCE", "{gen.stdout}", "one"]
stdout = "one.txt"
[task.file]
ranks  = 4
shell  = 'test "$OMPI_COMM_WORLD_RANK" != 0 || hostname > {out}'
out    = "host.txt"
save   = "host.txt"
"#,
    );
    let [a, b] = &hosts.names;
    let line = format!(
        "exec ip netns exec {a} unshare --uts sh -c 'hostname {a}; exec timeout 60 mpirun --mca plm rsh \
         --mca plm_rsh_agent {agent} --mca btl tcp,self --mca btl_tcp_disable_family 6 --bind-to none \
         --host {a}:1,{b}:1 {dtask} s.toml --slots 2 --head-slots 2'",
        agent = hosts.agent.display(),
        dtask = env!("CARGO_BIN_EXE_dtask"),
    );
    let run = Command::new("sh").args(["-c", &line]).current_dir(folder.path("")).output().expect("a shell");
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}");
    assert!(told.contains(a.as_str()) && told.contains(b.as_str()), "{told}");
    for n in [1, 2] {
        let lines = folder.read(&format!("sum{n}.txt"));
        let on = |host: &str| {
            lines.lines().filter(|line| line.contains(&format!(" on {host} sum 3 read 7"))).count()
        };
        assert_eq!((on(a) + on(b), on(a).abs_diff(on(b))), (3, 1), "{lines}");
    }
    // one host has room for two processes
    let one = folder.read("one.txt");
    let on = |host: &str| one.lines().filter(|line| line.contains(&format!(" on {host} sum 1"))).count();
    assert!([on(a), on(b)].contains(&2), "{one}");
    assert!([a, b].contains(&&folder.read("host.txt").trim().to_owned()));
    let left = std::fs::read_dir(folder.path("s.dtask")).expect("the run folder");
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("t-")), "{left:?}");
}
