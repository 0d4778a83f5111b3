//! Shell texts written to make a value a command: each is refused, or the value stays data.

use super::*;
use std::process::Command;

/// Scripts that read `{v}` once more. All but plain words, or numbers, are refused there.
const REFUSED: &[&str] = &[
    // eval, in its disguises
    "eval {v}",
    "eval \"echo {v}\"",
    "eval x={v}",
    "e'v'al {v}",
    "\\eval {v}",
    "ev\\\nal {v}",
    "command eval {v}",
    "builtin eval {v}",
    ">f eval {v}",
    "2>&1 eval {v}",
    "x=1 eval {v}",
    "if ! eval {v}; then :; fi",
    "{ eval {v}; }",
    "(eval {v})",
    "f() { eval {v}; }; f",
    "function f { eval {v}; }; f",
    "case x in x) eval {v};; esac",
    "echo \"$(eval {v})\"",
    "echo \"`eval {v}`\"",
    "cat <<E\n$(eval {v})\nE",
    "echo a \\\n  # it's\neval {v} # '",
    // through variables
    "x={v}; eval \"$x\"",
    "x={v}; y=$x; eval \"echo $y\"",
    "for x in {v}; do eval $x; done",
    "set -- {v}; eval \"$@\"",
    "x=$(echo {v}); eval \"$x\"",
    "read x <<E\n{v}\nE\neval \"$x\"",
    "read x <<< {v}; eval \"$x\"",
    "echo {v} | while read x; do eval \"$x\"; done",
    "while read x; do eval \"$x\"; done <<E\n{v}\nE",
    "a=({v}); eval \"${a[0]}\"",
    ": ${x:={v}}; eval \"$x\"",
    // shells inside
    "sh -c {v}",
    "sh -c 'echo {v}'",
    "bash -euc \"echo \\\"{v}\\\"\"",
    "bash -o pipefail -c {v}",
    "/bin/sh -c {v}",
    "env A=1 sh -c {v}",
    "timeout 5 sh -c 'echo {v}'",
    "find . -maxdepth 0 -exec sh -c 'echo {v}' \\;",
    "echo x | xargs sh -c 'echo {v}'",
    "x={v}; sh -c \"$x\"",
    "sh -c \"$(echo {v})\"",
    "sh <<E\necho {v}\nE",
    "sh -s <<'E'\necho {v}\nE",
    "cat <<E | sh\n{v}\nE",
    "cat <<E |\n{v}\nE\nsh",
    "echo {v} | sh",
    "printf '%s\\n' {v} | tr a b | bash",
    "echo {v} |\nsh",
    "{ echo {v}; } | sh",
    "(echo {v}) | sh",
    "for x in {v}; do echo $x; done | sh",
    "bash <<< {v}",
    "bash < <(echo {v})",
    "bash <(echo {v})",
    ". <(echo {v})",
    "source /dev/stdin <<< {v}",
    "ssh host {v}",
    "ssh -p 22 host \"cd {v} && make\"",
    "ssh host <<E\necho {v}\nE",
    "su user -c {v}",
    "watch {v}",
    "parallel echo {v} ::: a b",
    "sbatch --wrap=\"echo {v}\"",
    "sbatch <<E\n{v}\nE",
    // what a shell keeps for later
    "trap {v} EXIT",
    "trap 'echo {v}' EXIT",
    "alias x={v}",
    "PS4={v}; set -x; :",
    "export PS4={v}; set -x; :",
    "x={v}; : \"${x@P}\"",
    "compgen -W {v}",
    "mapfile -C {v} -c 1 q <<< 1",
    // names of variables
    "x={v}; echo ${!x}",
    "read {v} <<< 1",
    "printf -v {v} %s 1",
    "unset {v}",
    "declare {v}",
    "declare {v}=1",
    "typeset {v}",
    "f() { local {v}; }; f",
    "declare -n r={v}; echo $r",
    "[ -v {v} ]",
    "test -v {v}",
    "[[ -v {v} ]]",
    "for {v} in a; do :; done",
    // lists
    "declare -a x={v}",
    "x=(1); declare x={v}",
    "f() { local -a x; local x={v}; }; f",
    // arithmetic
    "echo $(( {v} ))",
    "echo \"$(( x + {v} ))\"",
    "echo $(( \"{v}\" ))",
    "echo $(( ${x:-{v}} ))",
    "echo $(( $(echo {v}) ))",
    "echo $(( `echo {v}` ))",
    "echo $(( ( 1 + {v} ) ))",
    "echo $[ {v} ]",
    "x={v}; echo $(( x ))",
    "x={v}; echo $(( $x ))",
    "x={v}; (( y = x ))",
    "x={v}; y=$x; let z=y+1",
    "let x={v}",
    "let \"x={v}\"",
    "(( {v} ))",
    "if (( {v} > 1 )); then :; fi",
    "function f (( {v} )); f",
    "for ((i={v}; i<1; i++)); do :; done",
    "for (( i=0; i < {v}; i++ ))\ndo :; done",
    "declare -i x={v}",
    "a[{v}]=1",
    "a[\"{v}\"]=1",
    "a[ {v} ]=1",
    "a['{v}']=1",
    "a=([{v}]=1)",
    "x={v}; a[$x]=1",
    "echo ${a[{v}]}",
    "x=1; echo ${x:{v}}",
    "x=1; echo \"${x:0:{v}}\"",
    "[[ {v} -eq 1 ]]",
    "[[ \"0 + {v}\" -eq 1 ]]",
    "[[ a == b || 1 -lt {v} ]]",
    "x={v}; [[ $x -gt 1 ]]",
    "[ {v} -eq 1 ]",
    "cat <<E\n$(( {v} ))\nE",
    // where shells differ, or nobody knows
    "echo `echo \\$(( {v} ))`",
    "echo `echo \\\"{v}\\\"`",
    "echo $\\\n(( {v} ))",
    "((echo {v}) | cat) ",
    "cat <<{v}\na\n{v}",
    "echo $(cat <<E) {v}\na\nE",
    "x=abc; echo ${x\\\n:{v}}",
];

/// Scripts that hand the value on as data: none is refused.
const DATA: &[&str] = &[
    "x={v}; echo \"$x\" $((1 + 1)) \"$(( ${#x} ))\"",
    "printf %s {v} | cat",
    "printf %s {v} | while read -r x; do echo \"$x\"; done",
    "sh -c 'echo \"$1\"' sh {v}",
    "echo {v} | sh -c cat",
    "find . -name {v} -exec echo {} \\;",
    "awk -v v={v} 'BEGIN { print v }'",
    "x=$(echo {v}); echo \"$x\"; eval echo \"$HOME\"",
    "x=5; y={v}; echo $((x))",
    "case {v} in ab*|*c) echo 1;; *) echo 2;; esac",
    "cat <<'E' > f; cat f\n$x `y` {v}\nE",
    "[ {v} = b ] || echo {v}",
    "set -- {v}; echo \"$@\"",
    "f() { echo \"$1\"; }; f {v} > f",
    "cat > f <<E\n{v}\nE",
    "{v} || :",
    "env X={v} sh -c 'echo \"$X\"'",
    "trap 'rm -f x' EXIT; echo {v}",
    "n=0; for f in {v} b; do n=$((n+1)); done; echo $n",
    "echo {v} > f; while read -r l; do echo \"$l\"; done < f",
];

/// The same, which only bash knows.
const BASH_DATA: &[&str] = &[
    "[[ {v} == x* && 1 -eq 1 ]] || echo {v}",
    "[[ {v} =~ ^(a|b)$ ]] || echo {v}",
    "declare -A m; m[{v}]=1; k={v}; echo ${m[$k]}",
    "a=({v} [b]); echo \"${#a[@]} ${a[0]}\"; i=0; echo \"${a[i]}\"",
    "declare x={v}; echo \"$x\"",
    "f() { local x={v}; echo $x; }; f",
    "read -r x <<< {v}; echo \"$x\"",
    "diff <(echo {v}) <(echo {v})",
    "x={v}; echo \"${x@Q} ${x//a/b} ${x^^}\"",
    "printf -v x %s {v}; echo \"$x\"",
    "read -p {v} x <<< 1",
];

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
    command.args(["10", "setsid"]).args(words).current_dir(dir.path());
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

/// Pieces of which random scripts are made: `S` is another script, `W` a word.
const COMMANDS: &[&str] = &[
    "echo W",
    "x=W",
    "x=W S",
    "( S )",
    "{ S\n}",
    "if S\nthen S\nfi",
    "for y in W W; do S\ndone",
    "S | S",
    "S && S",
    "case W in W) S;; *) S;; esac",
    "cat <<E\nit's W $(S\n) `S\n`\nE",
    "cat <<'E'\nit's \" W\nE",
    "f() { S\n}; f",
    "[[ W == W ]]",
    "[[ W -eq 1 ]]",
    "(( W ))",
    "eval W",
    "a[W]=1",
    "a=(W W)",
    "echo W > /dev/null",
    "sh -c W",
    "S\nS",
    "# it's W\nS",
    "echo $((W))",
    "let x=W",
    "echo W | sh",
    "read z <<< W",
    "eval \"$x\"",
    "echo $((x))",
    "declare W",
    "local x=W",
    "! S",
    "export x=W",
    "while false; do S\ndone",
    "printf -v W a",
    "trap W EXIT",
    "cat <<-E <<F\n\tW\n\tE\n\"W\nF",
    "W=1",
    "W() { S\n}",
    "echo \\\n W",
    "((S\n) | S)",
    ": ${x:=W}",
    "echo ${!x}",
];
const WORDS: &[&str] = &[
    "{v}",
    "{v}",
    "'a{v}'",
    "\"a{v}\"",
    "a{v}",
    "\"$(S\n)\"",
    "$(S\n)",
    "`S\n`",
    "${u:-W}",
    "\"${u:-W}\"",
    "$'a\\'{v}'",
    "\"W\"",
    "\\{v}",
    "${x%W}",
    "${x/W/W}",
    "$((W))",
    "<(S\n)",
    "$x{v}",
    "\"$x{v}\"",
    "a",
    "1",
    "${a[W]}",
    "${x:W}",
    "$((1 + W))",
    "it\\'s",
    "\"it's\"",
    "$x",
    "@(a|W)",
    "{a,W}",
    "\"\\\"W\"",
    "$[W]",
    "a=W",
    "W+W",
    "'\"'",
];

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
