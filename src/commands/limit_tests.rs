//! Limits of what commands print, use and leave.

use super::output_budget::OutputBudget;
use super::outputs::Content;
use super::*;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn shell(script: &str, dir: &TempDir) -> CommandSpec {
    let mut spec = CommandSpec::new(["/bin/sh", "-c", script], dir.path(), dir.path());
    spec.grace = Duration::from_millis(100);
    spec
}

fn failure(spec: CommandSpec) -> CommandError {
    match run(spec) {
        Ok(output) => panic!("it succeeded: {output:?}"),
        Err(error) => error,
    }
}

/// Bytes of memory that this process holds.
fn memory_in_use() -> u64 {
    memory::of_tree_at_most(std::process::id())
}

#[test]
fn output_beyond_the_budget_of_the_rank_is_in_files() -> Outcome {
    let dir = tempfile::tempdir()?;
    let before = memory_in_use();
    let output = run(shell("head -c 300000000 /dev/zero; head -c 200000000 /dev/zero >&2", &dir))?;
    let held = memory_in_use().saturating_sub(before);
    // other tests of this process hold memory too
    assert!(held < 300 << 20, "{held} bytes");
    for (stream, length) in [(&output.stdout, 300_000_000), (&output.stderr, 200_000_000)] {
        let Content::File(file) = stream.content() else { panic!("it is in memory") };
        assert_eq!((file.length(), std::fs::metadata(file.path())?.len()), (length, length));
        assert_eq!(*stream.end(3), [0; 3]);
    }
    let path = match output.stdout.content() {
        Content::File(file) => file.path().to_owned(),
        Content::Memory(_) => panic!("it is in memory"),
    };
    drop(output);
    assert!(!path.exists());
    Ok(())
}

#[test]
fn what_is_thrown_away_is_not_read() -> Outcome {
    let dir = tempfile::tempdir()?;
    let unread = |script: &str| CommandSpec { unread: [true, true], ..shell(script, &dir) };
    // not `readlink .. > links`, since dash would redirect its own output instead of that of a process
    let script =
        "echo out; echo err >&2; found=$(readlink /proc/$$/fd/1 /proc/$$/fd/2); echo \"$found\" > links";
    let output = run(unread(script))?;
    assert_eq!(std::fs::read_to_string(dir.path().join("links"))?, "/dev/null\n/dev/null\n");
    assert!(output.stdout.is_unread() && output.stderr.is_unread());
    assert_eq!((output.stdout.to_vec(), output.stderr.content().length()), (vec![], 0));
    let text = failure(unread("echo err >&2; exit 1")).to_string();
    assert!(text.contains("its stderr is thrown away, by `stderr = \"null\"`"), "{text}");
    Ok(())
}

#[test]
fn a_command_that_prints_too_much_is_ended() -> Outcome {
    let dir = tempfile::tempdir()?;
    let limit = |most: u64, script: &str| CommandSpec { max_output: Some(most), ..shell(script, &dir) };
    let error = failure(limit(1 << 20, "echo begun >&2; exec yes"));
    assert_eq!(error.failure(), FailureKind::TooMuchOutput);
    let text = error.to_string();
    assert!(
        text.contains("its `max-output` is 1048576; give it more") && text.ends_with("| begun"),
        "{text}"
    );
    let kept = error.captured().expect("it has printed").stdout.content().length();
    assert!((1 << 20..8 << 20).contains(&kept), "{kept}");
    // both streams count, and those that ignore SIGTERM are killed
    let error = failure(limit(1 << 20, "trap '' TERM; yes >&2 & yes; wait"));
    assert_eq!(error.failure(), FailureKind::TooMuchOutput, "{error}");
    // too much in one go, before the rank has looked
    let error = failure(limit(9, "echo 123456789"));
    assert_eq!(error.failure(), FailureKind::TooMuchOutput, "{error}");
    assert_eq!(run(limit(10, "echo 123456789"))?.stdout.to_vec(), b"123456789\n");
    Ok(())
}

#[test]
fn a_flood_ends_with_its_time() -> Outcome {
    let dir = tempfile::tempdir()?;
    let before = memory_in_use();
    let spec = CommandSpec { timeout: Some(Duration::from_millis(300)), ..shell("exec yes", &dir) };
    let error = failure(spec);
    assert_eq!(error.failure(), FailureKind::TimedOut, "{error}");
    let held = memory_in_use().saturating_sub(before);
    assert!(held < 300 << 20, "{held} bytes");
    Ok(())
}

#[test]
fn a_full_scratch_is_the_error_of_the_command_that_prints() -> Outcome {
    let dir = tempfile::tempdir()?;
    // A limit on the size of files stands for a full disk. It holds for a whole process, so the test runs again in one
    // of its own.
    const CHILD: &str = "DTASK_TEST_FULL_SCRATCH";
    if std::env::var_os(CHILD).is_some() {
        OutputBudget::current().set_limit(1 << 16);
        let error = failure(shell("ulimit -f unlimited; exec yes", &dir));
        assert_eq!(error.failure(), FailureKind::System, "{error}");
        let text = error.to_string();
        assert!(text.contains("cannot be kept in scratch, `/") && text.contains("/dtask-"), "{text}");
        assert!(text.contains("choose another place by `--scratch`"), "{text}");
        assert!(run(shell("echo fine", &dir)).is_ok());
        return Ok(());
    }
    let name = "commands::limit_tests::a_full_scratch_is_the_error_of_the_command_that_prints";
    let this = std::env::current_exe()?;
    let script = format!("trap '' XFSZ; ulimit -f 2000; exec '{}' --exact {name}", this.display());
    let outcome = std::process::Command::new("bash").args(["-c", &script]).env(CHILD, "1").output()?;
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(outcome.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}

#[test]
fn a_death_by_a_signal_has_the_code_that_a_shell_gives_it() -> Outcome {
    let dir = tempfile::tempdir()?;
    let allow = |codes: &[i32], script: &str| CommandSpec { ok_exit: codes.to_vec(), ..shell(script, &dir) };
    for script in ["kill -TERM $$", "sh -c 'kill -TERM $$'; exit $?", "exit 143"] {
        assert_eq!(run(allow(&[0, 143], script))?.exit, 143, "{script}");
        assert_eq!(failure(allow(&[0, 142], script)).failure(), FailureKind::Exit(143), "{script}");
    }
    // a limit is a limit, whatever codes are allowed
    let timed = CommandSpec { timeout: Some(Duration::from_millis(50)), ..allow(&[143], "exec sleep 60") };
    assert_eq!(failure(timed).failure(), FailureKind::TimedOut);
    for signal in 1..=64 {
        assert_eq!(signals::signal_of(signals::code_of_signal(signal)), Some(signal));
    }
    for code in (0..=128).chain(193..=255) {
        assert_eq!(signals::signal_of(code), None);
    }
    Ok(())
}

#[test]
fn pages_of_mapped_files_are_no_memory_of_a_command() -> Outcome {
    let python = Path::new("/usr/bin/python3");
    if !python.exists() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    // a file in memory would count
    if rustix::fs::statfs(dir.path())?.f_type as u64 == 0x0102_1994 {
        return Ok(());
    }
    std::fs::File::create(dir.path().join("data"))?.set_len(150_000_000)?;
    let script = "import mmap
with open('data', 'rb') as file:
    data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    for _ in range(30): print(sum(data[at] for at in range(0, len(data), 4096)))
";
    let mut spec = CommandSpec::new(["/usr/bin/python3", "-c", script], dir.path(), dir.path());
    spec.memory = Some(100 << 20);
    let output = run(spec)?;
    assert_eq!(output.stdout.to_vec(), b"0\n".repeat(30));
    Ok(())
}
