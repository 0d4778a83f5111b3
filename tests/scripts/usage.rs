//! The command line, and scripts that are wrong.

use super::Folder;

#[test]
fn a_missing_script_is_one_line() {
    let folder = Folder::empty();
    for ranks in [0, 3] {
        let run = folder.run(ranks, &["no.toml"]);
        run.assert_code(2).assert_stderr_has("error: there is no script `no.toml`");
        assert_eq!(run.stderr.matches("no.toml").count(), 1, "{}", run.stderr);
        assert_eq!(run.stdout.trim_matches(|c: char| c == '-' || c.is_whitespace()), run.stdout.trim());
    }
    folder.run(0, &["check", "no.toml"]).assert_code(2).assert_stderr_has("there is no script `no.toml`");
    folder.run(0, &["."]).assert_code(2).assert_stderr_has("`.` is a folder, not a script");
    folder.run(0, &["/dev/null"]).assert_code(2).assert_stderr_has("no file that can be read as a script");
    std::fs::write(folder.path("b.toml"), [0xFF, 0xFE, 0]).expect("written");
    folder.run(0, &["b.toml"]).assert_code(2).assert_stderr_has("UTF-8");
}

#[test]
fn a_broken_script_is_told_once_with_a_caret() {
    let folder = Folder::script("[task.a]\nrun = 'echo {pressure}'\n");
    for ranks in [0, 1, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_code(2).assert_stderr_has("unknown name `pressure`").assert_stderr_has("--> s.toml:3:");
        run.assert_stderr_has("^^^");
        assert_eq!(run.stderr.matches("unknown name `pressure`").count(), 1, "{}", run.stderr);
        assert!(folder.names().is_empty() && !folder.path("s.dtask").exists(), "{:?}", folder.names());
    }
}

#[test]
fn an_unknown_function_is_told_before_the_run() {
    let folder = Folder::script("[task.a]\narray = 'randm(3)'\nstdout = 'a'\n");
    folder.run(2, &["s.toml"]).assert_code(2).assert_stderr_has("randm").assert_stderr_has("s.toml:3:");
}

#[test]
fn check_tells_all_and_runs_nothing() {
    let folder = Folder::script("[task.a]\nrun = 'no-such-program'\n[task.b]\nrn = 'x'\n");
    let run = folder.run(0, &["check", "s.toml"]);
    run.assert_code(2).assert_stderr_has("no-such-program").assert_stderr_has("`rn`");
    let folder = Folder::script("[vars]\nn = 1\n[task.a]\nrun = 'touch made{n}'\n");
    let run = folder.run(0, &["check", "s.toml", "--set", "n=2"]);
    run.assert_success().assert_stdout_has("s.toml: 1 task, 1 instance, no errors");
    assert!(folder.names().is_empty() && !folder.path("s.dtask").exists());
}

#[test]
fn set_replaces_variables_of_their_type() {
    let folder = Folder::script("[vars]\nn = 1\nt = 'a'\n[task.a]\nrun = 'echo {n} {t}'\nstdout = 'a.txt'\n");
    folder.run(2, &["s.toml", "--set", "n=2", "--set", "t=b c=d"]).assert_success();
    assert_eq!(folder.read("a.txt"), "2 b c=d\n");
    folder.run(2, &["s.toml", "--set", "n=two"]).assert_code(2).assert_stderr_has("two");
    folder.run(0, &["s.toml", "--set", "m=2"]).assert_code(2).assert_stderr_has("`m`");
    folder.run(0, &["s.toml", "--set", "n"]).assert_code(2).assert_stderr_has("name=value");
}

#[test]
fn usage_errors_are_told_by_one_rank() {
    let folder = Folder::empty();
    folder.run(0, &[]).assert_code(2).assert_stderr_has("which script?");
    let run = folder.run(3, &["--nonsense"]);
    run.assert_code(2).assert_stderr_has("--nonsense");
    assert_eq!(run.stderr.matches("unexpected argument").count(), 1, "{}", run.stderr);
}

#[test]
fn versions_and_help() {
    let folder = Folder::empty();
    let run = folder.run(0, &["--version"]);
    run.assert_success()
        .assert_stdout_has(&format!("dtask {}", env!("CARGO_PKG_VERSION")))
        .assert_stdout_has("MPI ");
    let run = folder.run(2, &["--help"]);
    run.assert_success().assert_stdout_has("mpirun -n 64 dtask script.toml").assert_stdout_has("Exit codes");
    assert_eq!(run.stdout.matches("Usage:").count(), 1);
}

#[test]
fn slots_are_what_was_asked_for() {
    let folder =
        Folder::script("[task.a]\nfor = { _i = '0..40' }\nrun = 'echo {dtask.rank}'\nstdout = 'a.txt'\n");
    let run = folder.run(2, &["s.toml", "--slots", "3", "--head-slots", "1"]);
    run.assert_success().assert_stdout_has("of 4 slots used");
    assert!(folder.read("a.txt").contains('0') && folder.read("a.txt").contains('1'));
    let run = folder.run(1, &["s.toml", "--head-slots", "0"]);
    run.assert_code(3).assert_stderr_has("no rank computes");
    let run = folder.run(2, &["s.toml", "-q"]);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.code()), ("", "", 0));
}

#[test]
fn a_profile_has_a_line_per_rank_whose_shares_are_all_of_its_time() {
    let folder = Folder::script("[task.a]\nrun = 'sleep 0.3'\n");
    let run = folder.run(2, &["s.toml", "--profile"]);
    run.assert_success();
    let table = run.stderr.split_once("profile: ").expect("a profile").1;
    let lines: Vec<Vec<&str>> = table.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.iter().map(|words| words[0]).collect::<Vec<_>>(), ["0", "1"], "{}", run.stderr);
    let all =
        |shares: &[&str]| shares.iter().map(|share| share.parse::<f64>().expect("a share")).sum::<f64>();
    for words in &lines {
        assert_eq!(words[9], "│", "{}", run.stderr);
        let sum = all(&words[1..9]);
        assert!((sum - 100.0).abs() < 0.5, "{sum}: {}", run.stderr);
    }
    assert_eq!(lines[0][10..], ["no", "slots"]);
    let sum = all(&lines[1][10..]);
    assert!((sum - 100.0).abs() < 0.5, "{sum}: {}", run.stderr);
    // the command takes most of one slot's time, if not of all
    assert!(all(&lines[1][10..11]) > 1.0, "{}", run.stderr);
    let run = folder.run(2, &["s.toml"]);
    assert!(!run.stderr.contains("profile: "), "{}", run.stderr);
}

#[test]
fn words_of_other_tools_are_answered_by_one_rank() {
    let folder = Folder::script("[task.a]\nrun = 'touch made'\n");
    for (line, says) in [
        ("run s.toml", "a script is run by its name alone: `dtask s.toml`"),
        ("chekc s.toml", "did you mean `dtask check s.toml`?"),
        ("s.tml", "there is no script `s.tml`; did you mean `s.toml`?"),
        ("resume", "`resume` is no command of dtask"),
        ("s.toml check", "the command comes first: `dtask check s.toml`"),
        ("-j 4 s.toml", "dtask has no option `-j`"),
        ("-j4 s.toml", "`--slots N`"),
        ("s.toml --dry-run", "`dtask plan script.toml`"),
        (". ", "`.` is a folder, not a script; did you mean `./s.toml`?"),
    ] {
        for ranks in [0, 3] {
            let args: Vec<&str> = line.split_whitespace().collect();
            let run = folder.run(ranks, &args);
            run.assert_code(2).assert_stderr_has(says);
            assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
        }
    }
    assert!(!folder.path("made").exists());
    for args in [&["help"][..], &["help", "check"], &["--help"]] {
        folder.run(0, args).assert_success().assert_stdout_has("Usage:");
    }
}
