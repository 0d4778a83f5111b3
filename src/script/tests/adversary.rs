//! Shell texts written to make a value a command: each is refused, or the value stays data.

use super::shell_texts::*;
use super::*;
use std::process::Command;

/// Values that show themselves in the folder as soon as anything runs them.
const VALUES: &[&str] = &[
    "x; touch pwned; echo",
    "a[$(touch pwned)]",
    "a[$(touch pwned)]=1",
    "($(touch pwned))",
    "$(touch pwned)",
    "`touch pwned`",
    "\ntouch pwned\n",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "'\"; touch pwned; \"'",
    "x\nE\ntouch pwned\n",
    "}; touch pwned; {",
    ") ; touch pwned; (",
    "0 + a[$(touch pwned)]",
    "];;esac;touch pwned;[",
    "-c touch pwned",
];

/// The command with a value; `None` where `check` or the rank refuses.
fn command(shell: &str, script: &str, value: &str) -> Option<Vec<String>> {
    let text: String =
        script.replace("{v}", "{env:V}").chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    let script = format!("dtask = 1\n[task.t]\ninterpreter = ['{shell}', '-c']\nshell = \"{text}\"");
    let plan = try_plan(&script, &[], LoadOptions::default()).ok()?;
    let (facts, env) = (RuntimeVars::default(), |_: &str| Some(value.to_owned()));
    let scope = RenderScope { values: &[], inputs: &[], outs: &[], facts: &facts, env: &env };
    plan.tasks[0].action.command(&scope).ok()?
}

/// Whether a command makes a file.
fn makes_files(words: &[String]) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "10"]).args(words).current_dir(dir.path());
    command.stdin(std::process::Stdio::null()).output().unwrap();
    dir.path().join("pwned").exists()
}

#[test]
fn what_is_read_once_more_is_refused() {
    for script in REFUSED {
        for value in VALUES {
            assert_eq!(command("bash", script, value), None, "{script}");
        }
    }
}

#[test]
fn plain_words_and_numbers_may_be_read_once_more() {
    for script in REFUSED.iter().take_while(|script| !script.contains("`echo \\$((")) {
        assert!(command("bash", script, "7").is_some(), "{script}");
    }
}

#[test]
fn values_are_data_where_nothing_reads_them_once_more() {
    let bash = BASH_DATA.iter().map(|script| ("bash", script));
    for (shell, script) in super::hostile::shells()
        .into_iter()
        .flat_map(|shell| DATA.iter().map(move |s| (shell, s)))
        .chain(bash)
    {
        for value in VALUES {
            let Some(words) = command(shell, script, value) else { panic!("{shell}: refused: {script}") };
            assert!(!makes_files(&words), "{shell}: {words:?}");
        }
    }
}

#[test]
fn ordinary_scripts_are_not_refused() {
    for script in ORDINARY {
        assert!(command("bash", script, "a b").is_some(), "{script}");
    }
}

/// A random script.
fn random(next: &mut dyn FnMut(usize) -> usize, template: &str, depth: usize) -> String {
    let mut text = String::new();
    for c in template.chars() {
        match c {
            'S' if depth == 0 => text.push_str("echo {v}"),
            'W' if depth == 0 => text.push_str("{v}"),
            'S' => {
                let chosen = COMMANDS[next(COMMANDS.len())];
                text.push_str(&random(next, chosen, depth - 1));
            }
            'W' => {
                let chosen = WORDS[next(WORDS.len())];
                text.push_str(&random(next, chosen, depth - 1));
            }
            c => text.push(c),
        }
    }
    text
}

#[test]
fn no_value_is_run_by_random_scripts() {
    let count: u64 = std::env::var("DTASK_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(600);
    for seed in 0..count {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let script = random(&mut next, "S\nS", 3);
        let value = VALUES[next(VALUES.len())];
        let shell = ["bash", "dash", "bash"][next(3)];
        if let Some(words) = command(shell, &script, value) {
            assert!(!makes_files(&words), "seed {seed}: {script:?} with {value:?}: {words:?}");
        }
    }
}
