//! Real commands: what they get, what is made of their ends.

use super::environment::is_launcher_variable;
use super::signals::signal_name;
use super::*;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Makes a working directory and a scratch directory for the commands of a test.
fn places() -> std::io::Result<(TempDir, TempDir)> {
    Ok((tempfile::tempdir()?, tempfile::tempdir()?))
}

fn shell(script: &str, dir: &TempDir, scratch: &TempDir) -> CommandSpec {
    CommandSpec::new(["/bin/sh", "-c", script], dir.path(), scratch.path())
}

/// Runs a command that must fail, and returns its error.
fn failure(spec: CommandSpec) -> CommandError {
    match run(spec) {
        Ok(output) => panic!("it succeeded: {output:?}"),
        Err(error) => error,
    }
}

fn alive(pid: u32) -> bool {
    // A zombie counts as ended.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn arguments_streams_and_directory() -> Outcome {
    let (dir, scratch) = places()?;
    let spec = CommandSpec::new(
        ["sh", "-c", "echo \"$0|$1|$2\"; pwd -P; echo oops >&2; cat", "zero", "a b", "$HOME *"],
        dir.path(),
        scratch.path(),
    );
    let output = run(spec)?;
    let expected = format!("zero|a b|$HOME *\n{}\n", dir.path().canonicalize()?.display());
    assert_eq!(String::from_utf8(output.stdout.to_vec())?, expected);
    assert_eq!((output.stderr.to_vec().as_slice(), output.exit), (&b"oops\n"[..], 0));
    Ok(())
}

#[test]
fn binary_through_stdin_and_stdout() -> Outcome {
    let (dir, scratch) = places()?;
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let spec = CommandSpec { stdin: bytes.clone(), ..CommandSpec::new(["cat"], dir.path(), scratch.path()) };
    assert_eq!(run(spec)?.stdout.to_vec(), bytes);
    Ok(())
}

#[test]
fn much_in_and_out_at_once() -> Outcome {
    let (dir, scratch) = places()?;
    let bytes: Vec<u8> = (0..50_000_000_u32).map(|i| ((i * 31) >> 3) as u8).collect();
    let stdin = bytes.clone();
    let output = run(CommandSpec { stdin, ..shell("tee /dev/stderr", &dir, &scratch) })?;
    assert!(output.stdout.to_vec() == bytes && output.stderr.to_vec() == bytes);
    Ok(())
}

#[test]
#[ignore = "takes a GiB of memory"]
fn a_gibibyte_of_output() -> Outcome {
    let (dir, scratch) = places()?;
    let output = run(shell("head -c 1073741824 /dev/zero; echo end >&2", &dir, &scratch))?;
    assert_eq!((output.stdout.content().length(), output.stderr.content().length()), (1 << 30, 4));
    Ok(())
}

#[test]
fn input_that_is_not_read() -> Outcome {
    let (dir, scratch) = places()?;
    let stdin = vec![b'x'; 5_000_000];
    assert_eq!(run(CommandSpec { stdin: stdin.clone(), ..shell("exit 0", &dir, &scratch) })?.exit, 0);
    let output = run(CommandSpec { stdin, ..shell("exec <&-; echo closed", &dir, &scratch) })?;
    assert_eq!(output.stdout.to_vec(), b"closed\n");
    // A command in a pipe gets SIGPIPE as usual, though Rust programs ignore it.
    let output = run(shell("yes | head -n 1; echo $?", &dir, &scratch))?;
    assert_eq!(output.stdout.to_vec(), b"y\n0\n");
    Ok(())
}

#[test]
fn the_launchers_variables_are_removed() -> Outcome {
    for name in [
        "OMPI_COMM_WORLD_RANK",
        "PMIX_RANK",
        "PMI_FD",
        "PRTE_MCA_x",
        "HYDI_CONTROL_FD",
        "MPI_LOCALRANKID",
        "SLURM_PROCID",
    ] {
        assert!(is_launcher_variable(name.as_ref()), "{name}");
    }
    for name in [
        "PATH",
        "SLURM_JOB_ID",
        "SLURM_TMPDIR",
        "OMP_NUM_THREADS",
        "MPICH_GPU_SUPPORT_ENABLED",
        "PMIXX",
        "I_MPI_FABRICS",
    ] {
        assert!(!is_launcher_variable(name.as_ref()), "{name}");
    }
    // Changing the variables of this process would disturb other tests, so the test runs again in a process of its
    // own.
    let (dir, scratch) = places()?;
    let this = std::env::current_exe()?;
    let mut spec = CommandSpec::new([this.as_os_str()], dir.path(), scratch.path());
    spec.argv.extend(["--exact", "--ignored", "--nocapture"].map(OsString::from));
    spec.argv.push(
        format!("{}::prints_a_commands_environment", module_path!().split_once("::").map_or("", |m| m.1))
            .into(),
    );
    spec.env = vec![
        ("OMPI_COMM_WORLD_RANK".into(), "3".into()),
        ("PMI_RANK".into(), "3".into()),
        ("KEPT".into(), "yes".into()),
    ];
    let printed = String::from_utf8(run(spec)?.stdout.to_vec())?;
    assert!(printed.contains("scrub=KEPT=yes OMPI_OWN=1 end"), "{printed}");
    assert!(
        printed.contains("inherit=KEPT=yes OMPI_COMM_WORLD_RANK=3 OMPI_OWN=1 PMI_RANK=3 end"),
        "{printed}"
    );
    assert!(printed.contains("clean=OMPI_OWN=1 end"), "{printed}");
    Ok(())
}

/// Checks the environment variables of commands. Run by the test above in a process of its own that has an MPI
/// launcher's variables.
#[test]
#[ignore = "a part of the test above"]
fn prints_a_commands_environment() -> Outcome {
    let (dir, scratch) = places()?;
    let script = "env | grep -E '^(OMPI|PMI|KEPT)' | grep -vE '_MCA_|_ALLOW_' | sort | tr '\\n' ' '";
    let spec = shell(script, &dir, &scratch);
    let spec = CommandSpec { env: vec![("OMPI_OWN".into(), "1".into())], ..spec };
    for (name, launcher, clean_env) in [
        ("scrub", Launcher::Scrub, false),
        ("inherit", Launcher::Inherit, false),
        ("clean", Launcher::Inherit, true),
    ] {
        let output = run(CommandSpec { launcher, clean_env, ..spec.clone() })?;
        println!("{name}={}end", String::from_utf8(output.stdout.to_vec())?);
    }
    Ok(())
}

#[test]
fn programs_that_are_not_there() -> Outcome {
    let (dir, scratch) = places()?;
    let new = |program: &str| CommandSpec::new([program], dir.path(), scratch.path());
    let path = |path: &str| vec![("PATH".to_owned(), OsString::from(path))];
    let error = failure(CommandSpec { env: path("/usr/bin:/nowhere"), ..new("no-such-program") });
    assert_eq!(error.failure(), FailureKind::NotStarted);
    let text = error.to_string();
    assert!(
        text.contains("`no-such-program` not found; looked in `/usr/bin`, `/nowhere`")
            && text.contains("./no-such"),
        "{text}"
    );
    let text = failure(new("./tool")).to_string();
    assert!(text.contains(&format!("looked in `{}`", dir.path().join("./tool").display())), "{text}");

    fs::write(dir.path().join("tool"), "#!/bin/sh\necho \"$0\"\n")?;
    let text = failure(new("./tool")).to_string();
    assert!(text.contains("cannot be executed") && text.contains("chmod +x"), "{text}");
    let text = failure(CommandSpec { env: path(&dir.path().to_string_lossy()), ..new("tool") }).to_string();
    assert!(text.contains("chmod +x"), "{text}");
    let executable = |name: &str, content: &str| -> std::io::Result<()> {
        fs::write(dir.path().join(name), content)?;
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o755))
    };
    executable("tool", "#!/bin/sh\necho found\n")?;
    // The path is relative to `dir`, not to the rank's folder, and the program is found on the command's own PATH.
    assert_eq!(run(new("./tool"))?.stdout.to_vec(), b"found\n");
    assert_eq!(
        run(CommandSpec { env: path(&dir.path().to_string_lossy()), ..new("tool") })?.stdout.to_vec(),
        b"found\n"
    );
    executable("alien", "#!/no/such/interpreter -x\n")?;
    let text = failure(new("./alien")).to_string();
    assert!(text.contains("interpreter `/no/such/interpreter`, which is not on this host"), "{text}");
    executable("windows", "#!/bin/sh\r\n")?;
    let text = failure(new("./windows")).to_string();
    assert!(text.contains(r"`/bin/sh\r`"), "{text}");
    executable("data", "\u{1}\u{2}\u{3}")?;
    let text = failure(new("./data")).to_string();
    assert!(text.contains("neither a program for this machine nor a script"), "{text}");
    let text = failure(new("/tmp")).to_string();
    assert!(text.contains("it is a directory"), "{text}");
    Ok(())
}

#[test]
fn commands_that_cannot_be_passed_on() -> Outcome {
    let (dir, scratch) = places()?;
    let spec = |argv: &[&str]| CommandSpec::new(argv.iter().copied(), dir.path(), scratch.path());
    assert!(matches!(failure(spec(&[])), CommandError::Empty));
    assert!(matches!(failure(spec(&[""])), CommandError::Empty));
    assert!(matches!(failure(spec(&["echo", "a\0b"])), CommandError::ZeroByte { index: 1, .. }));
    for (name, value) in [("", "x"), ("A=B", "x"), ("A", "x\0y")] {
        let env = vec![(name.to_owned(), value.into())];
        assert!(matches!(failure(CommandSpec { env, ..spec(&["true"]) }), CommandError::Variable { .. }));
    }
    let long = "x".repeat(10_000_000);
    let text = failure(spec(&["echo", &long])).to_string();
    assert!(
        text.contains("too long for the system (10000006 bytes)") && text.contains("`{x.list}`"),
        "{text}"
    );
    Ok(())
}

#[test]
fn bad_working_directories() -> Outcome {
    let (dir, scratch) = places()?;
    let file = dir.path().join("file");
    fs::write(&file, "")?;
    for bad in [dir.path().join("missing"), file] {
        let text = failure(CommandSpec::new(["true"], &bad, scratch.path())).to_string();
        assert!(text.contains(&format!("working directory `{}` of `true`", bad.display())), "{text}");
        assert!(text.contains("dir = \"scratch\""), "{text}");
    }
    Ok(())
}

#[test]
fn exit_codes() -> Outcome {
    let (dir, scratch) = places()?;
    let script = "echo out; for i in $(seq 1 30); do echo line $i >&2; done; exit 3";
    let error = failure(shell(script, &dir, &scratch));
    assert_eq!(error.failure(), FailureKind::Exit(3));
    let text = error.to_string();
    assert!(
        text.contains("`/bin/sh` ended with exit code 3; the end of its stderr:\n  | line 11\n"),
        "{text}"
    );
    assert!(text.ends_with("\n  | line 30") && !text.contains("line 10"), "{text}");
    assert_eq!(error.captured().map(|c| c.stdout.to_vec()), Some(b"out\n".to_vec()));
    assert_eq!(run(CommandSpec { ok_exit: vec![0, 3], ..shell(script, &dir, &scratch) })?.exit, 3);
    let text = failure(CommandSpec { ok_exit: vec![3], ..shell("exit 0", &dir, &scratch) }).to_string();
    assert!(text.ends_with("exit code 0; it printed nothing"), "{text}");
    let text = failure(shell("echo; echo last; echo; exit 1", &dir, &scratch)).to_string();
    assert!(text.ends_with("it wrote nothing to stderr; the end of its stdout:\n  | \n  | last"), "{text}");
    let text = failure(shell("nonesuch", &dir, &scratch)).to_string();
    assert!(text.contains("127 (from a shell: a program in it was not found)"), "{text}");
    let text = failure(shell("sh -c 'kill -9 $$'; exit $?", &dir, &scratch)).to_string();
    assert!(
        text.contains("137 (from a shell: a program in it was killed by SIGKILL: maybe out of memory"),
        "{text}"
    );
    let text = failure(shell(
        "head -c 1000000 /dev/zero | tr '\\0' x >&2; printf '\\033[2Jend\\377' >&2; exit 1",
        &dir,
        &scratch,
    ))
    .to_string();
    assert!(text.len() < 10_000 && !text.contains('\u{1b}'), "{}", text.len());
    Ok(())
}

#[test]
fn signals() -> Outcome {
    let (dir, scratch) = places()?;
    let error = failure(shell("echo last words >&2; kill -KILL $$", &dir, &scratch));
    assert_eq!(error.failure(), FailureKind::Exit(128 + libc::SIGKILL));
    let text = error.to_string();
    assert!(
        text.contains("killed by SIGKILL: maybe out of memory") && text.ends_with("| last words"),
        "{text}"
    );
    let text = failure(shell("kill -SEGV $$", &dir, &scratch)).to_string();
    assert!(text.contains("killed by SIGSEGV (invalid memory access)"), "{text}");
    assert_eq!(signal_name(40), "signal 40");
    Ok(())
}

#[test]
fn out_files() -> Outcome {
    let (dir, scratch) = places()?;
    let outs = |files: &[(&str, &str)]| {
        files.iter().map(|(n, f)| ((*n).to_owned(), PathBuf::from(f))).collect::<Vec<_>>()
    };
    let scratch_path = scratch.path().display();
    let script = format!(
        "printf '\\000\\377' > {scratch_path}/m.bin; mkdir {scratch_path}/d; echo log > {scratch_path}/d/l"
    );
    let spec =
        CommandSpec { outs: outs(&[("mesh", "m.bin"), ("log", "d/l")]), ..shell(&script, &dir, &scratch) };
    let found: Vec<_> = run(spec)?.outs;
    let expected = [("mesh", "m.bin", 2), ("log", "d/l", 4)].map(|(name, path, length)| OutFile {
        name: name.to_owned(),
        path: scratch.path().join(path),
        length,
        is_folder: false,
    });
    assert_eq!(found, expected);

    let error =
        failure(CommandSpec { outs: outs(&[("mesh", "x.bin")]), ..shell("echo said", &dir, &scratch) });
    assert_eq!(error.failure(), FailureKind::Output);
    assert_eq!(error.captured().map(|c| c.stdout.to_vec()), Some(b"said\n".to_vec()));
    let text = error.to_string();
    assert!(
        text.contains("output `mesh` was not written: there is no `x.bin`")
            && text.contains(&scratch_path.to_string()),
        "{text}"
    );
    assert!(text.contains("the path that `{out}` stands for"), "{text}");
    let text =
        failure(CommandSpec { outs: outs(&[("mesh", "x.bin")]), ..shell("touch x.bin", &dir, &scratch) })
            .to_string();
    assert!(text.contains(&format!("`{}` exists", dir.path().join("x.bin").display())), "{text}");
    let text =
        failure(CommandSpec { outs: outs(&[("mesh", "d")]), ..shell("true", &dir, &scratch) }).to_string();
    assert!(text.contains("is a directory") && text.contains("a folder is `out = \"name/\"`"), "{text}");
    let fifo = format!("mkfifo {scratch_path}/fifo");
    let text =
        failure(CommandSpec { outs: outs(&[("mesh", "fifo")]), ..shell(&fifo, &dir, &scratch) }).to_string();
    assert!(text.contains("not a file"), "{text}");
    for path in ["../x", "/etc/passwd", ""] {
        let error = failure(CommandSpec { outs: outs(&[("mesh", path)]), ..shell("true", &dir, &scratch) });
        assert!(error.to_string().contains("relative path without `..`"), "{error}");
    }
    Ok(())
}

#[test]
fn time_limits() -> Outcome {
    let (dir, scratch) = places()?;
    let limit = |script: &str, grace| CommandSpec {
        timeout: Some(Duration::from_millis(200)),
        grace: Duration::from_millis(grace),
        ..shell(script, &dir, &scratch)
    };
    let start = Instant::now();
    let error = failure(limit("trap 'echo cleaning up >&2; exit 0' TERM; sleep 60 & wait", 10_000));
    assert_eq!(error.failure(), FailureKind::TimedOut);
    let text = error.to_string();
    assert!(text.contains("after its `timeout` of 200ms") && text.contains("| cleaning up"), "{text}");
    let error = failure(limit("trap '' TERM; while :; do sleep 60; done", 200));
    assert_eq!(error.failure(), FailureKind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(run(limit("exit 0", 1))?.exit, 0);
    Ok(())
}

#[test]
fn cancelling_kills_the_whole_group() -> Outcome {
    let (dir, scratch) = places()?;
    let running = RunningCommand::start(shell("sleep 100 & echo $! > pid; wait", &dir, &scratch))?;
    let file = dir.path().join("pid");
    wait_until("it starts", || fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')));
    let grandchild: u32 = fs::read_to_string(&file)?.trim().parse()?;
    wait_until("its number is noted", || running.pid().is_some());
    let (leader, killer) = (running.pid().unwrap_or_default(), running.killer());
    assert!(alive(grandchild) && alive(leader));
    let other = killer.clone();
    let thread = std::thread::spawn(move || other.terminate());
    let error = running.wait().map(drop).map_err(|e| e.failure());
    assert_eq!(error, Err(FailureKind::Cancelled));
    assert!(thread.join().is_ok());
    wait_until("the grandchild ends", || !alive(grandchild));
    // The process ended long ago, and its number may be another's now: no signal is sent.
    killer.kill();
    Ok(())
}

#[test]
fn dropping_kills() -> Outcome {
    let (dir, scratch) = places()?;
    let running =
        RunningCommand::start(shell("trap '' TERM; sleep 100 & echo $! > pid; wait", &dir, &scratch))?;
    let file = dir.path().join("pid");
    wait_until("it starts", || fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')));
    let grandchild: u32 = fs::read_to_string(&file)?.trim().parse()?;
    wait_until("its number is noted", || running.pid().is_some());
    let leader = running.pid().unwrap_or_default();
    drop(running);
    assert!(!std::path::Path::new(&format!("/proc/{leader}")).exists(), "killed and reaped");
    wait_until("the grandchild ends", || !alive(grandchild));
    Ok(())
}

#[test]
fn what_is_left_behind_is_not_waited_for() -> Outcome {
    let (dir, scratch) = places()?;
    let start = Instant::now();
    let output = run(shell("sleep 100 & echo $!", &dir, &scratch))?;
    let left: u32 = String::from_utf8(output.stdout.to_vec())?.trim().parse()?;
    wait_until("what is left in the group ends", || !alive(left));
    assert!(start.elapsed() < Duration::from_secs(2), "the pipe closed with the group");
    // A process that has left the group and still holds the pipe is not waited for.
    let output = run(shell(
        "setsid sh -c 'touch away; exec sleep 8' & until [ -e away ]; do sleep 0.01; done; echo said",
        &dir,
        &scratch,
    ))?;
    assert_eq!(output.stdout.to_vec(), b"said\n");
    assert!(start.elapsed() < Duration::from_secs(7));
    Ok(())
}

#[test]
fn memory_limits() -> Outcome {
    let (dir, scratch) = places()?;
    let limit = |script: &str| CommandSpec { memory: Some(100 << 20), ..shell(script, &dir, &scratch) };
    let error =
        failure(limit("echo begun >&2; (head -c 300000000 /dev/zero | tail -c 200000000 | sleep 60)"));
    assert_eq!(error.failure(), FailureKind::OutOfMemory);
    let text = error.to_string();
    assert!(text.contains("its `memory` is 100 MiB") && text.ends_with("| begun"), "{text}");
    assert_eq!(
        run(limit("head -c 30000000 /dev/zero | tail -c 20000000 | wc -c"))?.stdout.to_vec(),
        b"20000000\n"
    );
    Ok(())
}

#[test]
fn what_it_took_is_told() -> Outcome {
    let (dir, scratch) = places()?;
    let usage = run(shell("head -c 300000000 /dev/zero | tail -c 200000000 | wc -c", &dir, &scratch))?.usage;
    assert!(usage.peak_memory > 190_000_000, "{usage:?}");
    assert!(!usage.cpu.is_zero(), "{usage:?}");
    Ok(())
}

#[test]
fn many_at_once() -> Outcome {
    let (dir, scratch) = places()?;
    let results: Vec<_> = std::thread::scope(|scope| {
        let one =
            |i: usize| run(CommandSpec { stdin: vec![b'x'; i * 1000], ..shell("wc -c", &dir, &scratch) });
        let threads: Vec<_> = (0..32).map(|i| scope.spawn(move || one(i))).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    for (i, result) in results.into_iter().enumerate() {
        let output = result.map_err(|_| "a thread panicked")??;
        assert_eq!(String::from_utf8(output.stdout.to_vec())?.trim(), (i * 1000).to_string());
    }
    Ok(())
}
