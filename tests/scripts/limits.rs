//! What a task prints, reads or is ended by takes nothing but the task itself down.

use super::Folder;
use super::signals::eventually;
use super::spawner::{parent, rank_of, send};
use rustix::process::Signal;
use std::process::{Command, Stdio};

/// Starts a command and prints the largest memory of it and its children, in kilobytes. A process that this one started
/// would count the memory of the tests in it, which is its own until the program is loaded.
const MEASURE: &str = "import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code if code >= 0 else 128 - code)";

/// Runs `dtask` alone, after the shell command `before`. Returns its exit code, its largest memory in bytes, and what
/// it told.
fn measured(folder: &Folder, before: &str, args: &str) -> (Option<i32>, u64, String) {
    let script =
        format!("{before}; exec timeout 100 '{}' {args} > told.out 2>&1", env!("CARGO_BIN_EXE_dtask"));
    let end = Command::new("python3")
        .args(["-c", MEASURE, "bash", "-c", &script])
        .current_dir(folder.dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("python3 starts");
    let told = std::fs::read(folder.path("told.out")).unwrap_or_default();
    let peak: u64 = String::from_utf8_lossy(&end.stdout).trim().parse().expect("a number");
    (end.status.code(), peak << 10, String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn a_flood_ends_alone_and_in_little_memory() {
    let folder = Folder::script(
        r#"
[task.flood]
shell    = "exec yes"
timeout  = "300 ms"
memory   = "100 MiB"
priority = 1
[task.other]
for    = { i = "0..200" }
shell  = "echo {i}"
stdout = "other.txt"
"#,
    );
    let (code, memory, told) = measured(&folder, "ulimit -v 4000000", "s.toml");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("`/bin/sh` was ended after its `timeout` of 300ms"), "{told}");
    assert!(told.contains("error: 1 task failed"), "{told}");
    assert_eq!(folder.read("other.txt"), (0..200).map(|i| format!("{i}\n")).collect::<String>());
    assert!(memory < 300 << 20, "{memory} bytes");
}

#[test]
fn much_honest_output_goes_by_files() {
    let folder = Folder::script(
        r#"
[settings]
output-memory = "1 MiB"
[task.big]
shell  = "head -c 300000000 /dev/zero; echo; echo end >&2"
save   = "big.bin"
stdout = "null"
[task.read]
shell  = "wc -c < {big.stdout}; tail -c 3 {big.stdout} | od -An -c"
stdin  = "{big.stdout}"
stdout = "read.txt"
"#,
    );
    let (code, memory, told) = measured(&folder, "true", "s.toml");
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(folder.read("read.txt"), "300000001\n  \\0  \\0  \\n\n");
    assert_eq!(std::fs::metadata(folder.path("big.bin")).expect("it is saved").len(), 300_000_001);
    assert!(memory < 200 << 20, "{memory} bytes");
}

#[test]
fn a_cap_ends_what_prints_too_much() {
    let folder = Folder::script(
        "[task.a]\nshell = 'echo begun >&2; exec yes'\nmax-output = '1 MiB'\n[task.b]\nshell = 'exec yes'\nstdout = 'null'\nmax-output = '1 MiB'\ntimeout = '300 ms'\n",
    );
    let run = folder.run(3, &["s.toml"]);
    run.assert_code(1)
        .assert_stderr_has("`/bin/sh` was ended: it has printed")
        .assert_stderr_has("its `max-output` is 1048576; give it more")
        .assert_stderr_has("  | begun")
        .assert_stderr_has("after its `timeout` of 300ms");
}

#[test]
fn a_shell_that_a_signal_ends_may_be_a_success() {
    let folder = Folder::script(
        "[default]\nok-exit = [0, 143]\n[task.a]\nshell = 'kill -TERM $$'\n[task.b]\nshell = \"sh -c 'kill -TERM $$'; exit $?\"\n",
    );
    folder.run(0, &["s.toml"]).assert_success();
}

#[test]
fn what_a_signal_to_mpirun_ends_has_not_failed() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..2' }\nshell = 'echo $$ > {i}.tmp; mv {i}.tmp pid{i}; exec sleep 60'\n",
    );
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("both have begun", || folder.path("pid0").exists() && folder.path("pid1").exists());
            send(&parent(&rank_of(folder.read("pid0").trim())), Signal::INT);
        });
        folder.run(3, &["s.toml"])
    });
    // mpirun may drop the last lines of rank 0, so what counts is what is not said
    run.assert(run.code() != 0, "a run that was stopped ends well");
    assert!(!run.stderr.contains("failed"), "{}", run.stderr);
    assert!(!folder.path("s.dtask/failures.tsv").exists(), "{}", run.stderr);
}

#[test]
fn settings_of_mpi_that_the_user_has_made_reach_commands_and_those_of_the_launcher_do_not() {
    let folder = Folder::script("[task.a]\nshell = 'env'\nstdout = 'env.txt'\n");
    let set = ("OMPI_MCA_dtask_test", "of the user");
    folder.dtask(2).env(set.0, set.1).args(["s.toml"]).run().assert_success();
    let env = folder.read("env.txt");
    assert!(env.contains("OMPI_MCA_dtask_test=of the user\n"), "{env}");
    for prefix in ["OMPI_COMM_WORLD", "OMPI_MCA_ess", "OMPI_MCA_orte_", "PMIX_", "PMI_"] {
        assert!(!env.lines().any(|line| line.starts_with(prefix)), "{prefix}: {env}");
    }
}

/// Bytes of virtual memory in kilobytes in which `dtask` itself and MPI start, with some to spare.
const LIMITED: &str = "ulimit -v 3000000";

#[test]
fn a_table_that_does_not_fit_is_the_error_of_its_task() {
    let folder = Folder::script(
        "[task.big]\narray = \"from_csv('big.csv')\"\n[task.small]\narray = '1 + 1'\nstdout = 'small.txt'\n",
    );
    let mut table = vec![b'1'; 40_000_000];
    table.iter_mut().skip(1).step_by(2).for_each(|byte| *byte = b'\n');
    std::fs::write(folder.path("big.csv"), table).expect("written");
    let (code, _, told) = measured(&folder, "ulimit -v 600000", "s.toml");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("this rank has no memory for"), "{told}");
    assert_eq!(folder.read("small.txt"), "2.0\n");
}

#[cfg(feature = "hdf5")]
#[test]
fn a_dataset_that_does_not_fit_is_the_error_of_its_task() {
    let folder = Folder::script(
        "[task.big]\narray = \"load('big.h5', '/d')\"\n[task.small]\narray = '1 + 1'\nstdout = 'small.txt'\n",
    );
    let file = hdf5::File::create(folder.path("big.h5")).expect("a file");
    // of which nothing is written
    file.new_dataset::<f64>().shape([1_usize << 30]).create("d").expect("a dataset");
    drop(file);
    let (code, _, told) = measured(&folder, LIMITED, "s.toml");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("this rank has no memory for 8.0 GiB"), "{told}");
    assert_eq!(folder.read("small.txt"), "2.0\n");
}

#[test]
fn an_input_that_does_not_fit_is_the_error_of_its_task() {
    // only rank 1 has much memory, so that rank 2 cannot receive what it has made
    let folder = Folder::script(
        "[task.big]\non = 'rank 1'\narray = 'zeros(250000000)'\n[task.sum]\non = 'rank 2'\narray = 'sum(big)'\n\
         [task.small]\non = 'rank 2'\narray = '1 + 1'\nstdout = 'small.txt'\n",
    );
    let wrapper = format!(
        "#!/bin/sh\n[ \"${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}\" != 2 ] || {LIMITED}\nexec '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_dtask")
    );
    std::fs::write(folder.path("limited"), wrapper.replace("3000000", "1500000")).expect("written");
    let run = folder.dtask(3).program("sh").args(["limited", "s.toml", "--slots", "1"]).run();
    run.assert_code(1).assert_stderr_has("this rank has no memory for 1.9 GiB");
    assert_eq!(folder.read("small.txt"), "2.0\n");
}

#[test]
fn no_more_than_all_slots_are_used() {
    let folder = Folder::script("[task.a]\nfor = { i = '0..300' }\nrun = 'true'\n");
    let run = folder.run(0, &["s.toml", "--head-slots", "2"]);
    run.assert_success();
    let used = run.stdout.split(" % of ").next().and_then(|text| text.rsplit(' ').next()).expect("told");
    assert!(used.parse::<u32>().expect("a number") <= 100, "{}", run.stdout);
}
