//! Hostile values in every place of a shell script, on the shells themselves: each reaches the program as it is, none
//! is executed.

use super::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// How many values each of the main contexts gets; the other places get the first of them.
const VALUES: usize = 2000;
const FEW: usize = 120;

/// A script that prints with a NUL after it what `expected` makes of the value.
struct Place {
    script: &'static str,
    expected: fn(&str) -> String,
    /// Whether dash has it.
    is_posix: bool,
}

const fn place(script: &'static str, expected: fn(&str) -> String) -> Place {
    Place { script, expected, is_posix: true }
}

fn same(v: &str) -> String {
    v.to_string()
}

fn marked(v: &str) -> String {
    format!("{v}X")
}

fn inside(v: &str) -> String {
    format!("a{v}b")
}

/// Reads all of its standard input without a process of its own.
const LINES: &str = "lines() { while IFS= read -r x; do printf '%s\\n' \"$x\"; done; }\n";

/// The contexts in which a reference can stand.
const CONTEXTS: &[Place] = &[
    place("show {v}", same),
    place("show a{v}b", inside),
    place("show 'a{v}b'", inside),
    place("show \"a{v}b\"", inside),
    place("show \"it's\"'\"'a\\\"{v}", |v| format!("it's\"a\"{v}")),
    place("show \"$(printf '%sX' \"{v}\")\"", marked),
    place("show \"`printf '%sX' '{v}'`\"", marked),
    place("lines <<E\nit's {v} \"q\nE\nend", |v| format!("it's {v} \"q\n")),
    place("lines <<'E'\n$HOME `x` \\\\n it's {v}\nE\nend", |v| format!("$HOME `x` \\\\n it's {v}\n")),
    place("show ${u:-{v}} # it's {v}", same),
    place("show \"${u:-a{v}b}\"", inside),
    place("case {v} in {v}) show {v};; *) show no;; esac", same),
    place(": <<E\ntitle = Schrodinger's cat\nE\nshow {v}", same),
    Place { script: "show $'a\\'b\\t{v}c\\n'", expected: |v| format!("a'b\t{v}c\n"), is_posix: false },
    Place { script: ": $'it\\'s'; show {v}", expected: same, is_posix: false },
];

const PLACES: &[Place] = &[
    place("show \"$(printf '%sX' {v})\"", marked),
    place("show \"$(printf '%s' '{v}X')\"", marked),
    place("show \"`printf '%sX' {v}`\"", marked),
    place("x=`printf '%sX' '{v}'`; show \"$x\"", marked),
    place("x=`printf '%sX' \"{v}\"`; show \"$x\"", marked),
    place("show \"$(printf %s \"$(printf '%sX' \"{v}\")\")\"", marked),
    place("show \"$(case x in (y) ;; x) printf '%sX' {v};; esac)\"", marked),
    place("cat <<\\E; show b\nit's {v}\nE\n", |v| format!("it's {v}\nb")),
    place("cat <<\"E\"; show b\n\\{v} \\\\ \\$x\nE\n", |v| format!("\\{v} \\\\ \\$x\nb")),
    place("cat <<-E\n\t\tit's {v}\n\tE\nend", |v| format!("it's {v}\n")),
    place("cat <<-'E'\n\t\t$x's {v}\n\tE\nend", |v| format!("$x's {v}\n")),
    place("cat <<E\na \\\nE\n{v}\nE\nend", |v| format!("a E\n{v}\n")),
    place("cat <<E\n$(printf '%sX' {v}) ${u:-{v}}\nE\nend", |v| format!("{v}X {v}\n")),
    place("show \"$(cat <<E\n{v}X\nE\n)\"", marked),
    place("cat >/dev/null <<E\ntitle = Schrodinger's cat \"\nE\nshow {v}", same),
    place("cat >/dev/null <<A <<'B'\n'\nA\n'\nB\nshow '{v}'", same),
    place("x=a{v}; show \"${x%{v}}\" ", |_| "a".to_string()),
    place("x=a{v}; show ${x%\"{v}\"}", |_| "a".to_string()),
    place("# it's {v}\nshow {v} # \"{v}", same),
    place("show a \\\n  # it's\n: \\\n'{v}'; show {v}", |v| format!("a\0{v}")),
    place("x={v}; show \"$x\"", same),
    place("export x={v} y=1; show \"$x$y\"", |v| format!("{v}1")),
    place("for x in {v} '{v}'; do printf %s \"$x\"; done; end", |v| format!("{v}{v}")),
    place("f() { show {v}; }; f 1 2", same),
    place("if [ {v} = \"{v}\" ]; then show {v}; fi", same),
    place("if ! [ x{v} = \"x{v}\" ]; then :; elif :; then show {v}; fi", same),
    place("( show {v} )", same),
    place("{ show {v}; } 2>/dev/null", same),
    place("show {v} 2>&1 >&1", same),
    place("show $(( (1 + 2) * 3 )) >/dev/null; show {v}", same),
    place("show $(( ${#x} + $(printf %s a | wc -c) )) >/dev/null; show {v}", same),
    place("show ${#x}{v}", |v| format!("0{v}")),
    place("y=1; show \"$y{v}\"; ", |v| format!("1{v}")),
    place("y=1; show \"$y\\\n{v}\"; ", |v| format!("1{v}")),
    place("show \\{v}", same),
    place("show \"\\{v}\"", |v| format!("\\{v}")),
    place("sh -c 'printf \"%s\\0\" \"$1\"' sh {v}", same),
    place("x={v}; y=$(printf '%sX' \"$x\"); show \"$y\"", marked),
    place("IFS= read -r x <<E\na{v}\nE\nshow b", |_| "b".to_string()),
    place("printf '%s' {v} | { cat; printf '\\0'; }", same),
    Place { script: "[[ {v} == \"{v}\" ]] && show {v}", expected: same, is_posix: false },
    Place {
        script: "[[ -n a{v} && ( x{v} != a || 1 -eq 1 ) ]] && show {v}",
        expected: same,
        is_posix: false,
    },
    Place { script: "a=(1 {v}\n# it's\n2); show \"${a[1]}\"", expected: same, is_posix: false },
    Place {
        script: "declare -A m=([k]={v}); m[x{v}]=1; show \"${m[k]}${m[x{v}]}${m['x{v}']}\"",
        expected: |v| format!("{v}11"),
        is_posix: false,
    },
    Place {
        script: "x=a{v}; show \"${x/{v}/b}\"",
        expected: |v| if v.is_empty() { "a" } else { "ab" }.to_string(),
        is_posix: false,
    },
    Place { script: "IFS= read -rd '' x <<<{v}X || :; show \"${x%?}\"", expected: marked, is_posix: false },
    Place { script: "show $\"a{v}b\"", expected: inside, is_posix: false },
    Place { script: "cat <(printf '%s' {v}); end", expected: same, is_posix: false },
    Place { script: "function f { show {v}; }; f", expected: same, is_posix: false },
    Place { script: "f() { local x={v}; show \"$x\"; }; f", expected: same, is_posix: false },
    Place { script: "f() { printf '%s\\0' {v}; }; export -f f; bash -c f", expected: same, is_posix: false },
];

const PIECES: &[&str] = &[
    "'",
    "\"",
    "`",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned; ",
    "\n",
    "\ntouch pwned\n",
    "\t",
    "\\",
    "$HOME",
    "${x}",
    "*",
    "?",
    "~",
    "-n",
    "--",
    "!",
    "#",
    "\nE\n",
    "E",
    "\n'E'\n",
    "é",
    "\u{1}",
    "\u{7f}",
    "{a,b}",
    "$((1))",
    "&&touch pwned&&",
    "|touch pwned|",
    "<",
    ">pwned",
    " ",
    "\r",
    "a[$(touch pwned)]",
    "%s",
    ")",
    "}",
    "]]",
    "done",
    "esac",
    "'\\''",
    "if",
    "\"$(touch pwned)\"",
    "';touch pwned;'",
    "=",
    "x=1",
    "7",
    "abc",
    "&",
    "(",
    "[",
    "]",
    "{",
    "\u{10ffff}",
    "日本",
    "\\n",
    "\\'",
    "$'",
    "\";touch pwned;\"",
    "\\$(touch pwned)",
    "EOF",
    "@(a|b)",
    "+",
    "^",
    ",",
    "%",
    ":",
    "-",
    "in",
    "($(touch pwned))",
    "\u{b}",
    "\u{1b}[31m",
    "\\\n",
];

/// Distinct texts, the pieces themselves first.
fn values() -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut known = BTreeSet::new();
    let mut values: Vec<String> = vec![String::new()];
    values.extend(PIECES.iter().map(|piece| piece.to_string()));
    known.extend(values.iter().cloned());
    while values.len() < VALUES {
        let length = 1 + next(6);
        let value: String = (0..length).map(|_| PIECES[next(PIECES.len())]).collect();
        if known.insert(value.clone()) {
            values.push(value);
        }
    }
    values
}

/// A text as TOML has it.
fn toml(text: &str) -> String {
    format!("\"{}\"", text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect::<String>())
}

/// The scripts of all values. They come by the environment, since a list of them takes long to read so often.
fn scripts(place: &Place, shell: &str, values: &[String]) -> Vec<String> {
    let script = toml(&place.script.replace("{v}", "{env:V}"));
    let plan = plan(&format!("[task.t]\ninterpreter = ['{shell}', '-c']\nshell = {script}"));
    let fill = |value: &String| {
        let (facts, env) = (RuntimeVars::default(), |_: &str| Some(value.clone()));
        let scope = RenderScope { values: &[], inputs: &[], outs: &[], facts: &facts, env: &env };
        plan.tasks[0].action.command(&scope).unwrap().unwrap().pop().unwrap()
    };
    values.iter().map(fill).collect()
}

fn check(place: &Place, shell: &str, values: &[String], dir: &Path) -> Vec<String> {
    let mut file = format!(
        "set -eu\nshow() {{ printf '%s\\0' \"$@\"; }}\nend() {{ printf '\\0'; }}\nx=\n{LINES}unset u\n"
    );
    for script in scripts(place, shell, values) {
        file.push_str(&script);
        file.push_str("\nprintf '\\0@\\0'\n");
    }
    std::fs::write(dir.join("script"), file).unwrap();
    let output = Command::new("timeout")
        .args(["60", shell, "script"])
        .current_dir(dir)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let printed: Vec<&str> = printed.split("\0\0@\0").collect();
    let mut wrong = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let expected = (place.expected)(value);
        if printed.get(at).copied() != Some(expected.as_str()) {
            wrong.push(format!(
                "{shell}: {:?} with {value:?}: {:?}, not {expected:?}",
                place.script,
                printed.get(at)
            ));
        }
    }
    if !output.stderr.is_empty() {
        wrong.push(format!("{shell}: {:?}: {}", place.script, String::from_utf8_lossy(&output.stderr)));
    }
    let files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    if files.len() != 1 {
        wrong.push(format!("{shell}: {:?} made files: {files:?}", place.script));
    }
    wrong.truncate(3);
    wrong
}

/// The shells of the tests that are there.
pub(super) fn shells() -> Vec<&'static str> {
    let runs =
        |shell: &&str| Command::new(shell).args(["-c", ":"]).status().is_ok_and(|status| status.success());
    ["dash", "bash"].into_iter().filter(runs).collect()
}

fn check_all(places: &[Place], values: &[String]) {
    let check = |shell: &'static str| {
        let mut wrong = Vec::new();
        for place in places.iter().filter(|place| place.is_posix || shell == "bash") {
            let dir = tempfile::tempdir().unwrap();
            wrong.extend(check(place, shell, values, dir.path()));
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = shells().into_iter().map(|shell| scope.spawn(move || check(shell))).collect();
        running.into_iter().flat_map(|shell| shell.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_values_reach_the_program_in_every_quotation() {
    check_all(CONTEXTS, &values());
}

#[test]
fn hostile_values_reach_the_program_in_every_place() {
    check_all(PLACES, &values()[..FEW]);
}

#[test]
fn values_that_no_shell_can_hold_are_refused() {
    let scope_of = |script: &str| {
        let plan = plan(script);
        let task = &plan.tasks[0];
        let (values, facts) = (task.family.bindings(0), RuntimeVars::default());
        let env = |_: &str| Some("a[$(touch pwned)]".to_string());
        let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
        task.action.command(&scope).unwrap_err().to_string()
    };
    let nul = scope_of("[task.t]\nfor = { v = [\"a\\u0000b\"] }\nshell = 'echo {v}'");
    assert_eq!(nul, "a value has a NUL character in it, which no shell can hold");
    let evaluated = scope_of("[task.t]\nshell = 'echo $(( {env:N} + 1 ))'");
    assert_eq!(
        evaluated,
        "`a[$(touch pwned)]` stands in an arithmetic expression of the `shell` script and is no number"
    );
}
