//! Fuzz tests of the compiler: mangled scripts get an answer and cause no panic, whatever their text.

use super::specification::SIX;
use super::*;

/// A script in which every phase of the compiler has something to do.
const WHOLE: &str = r#"dtask = 1
name = "whole"
[vars]
n = 3
root = "results"
lr = 1e-3
[task.mesh]
for = { res = [64, 128], f = { glob = "data/*" } }
run = "./mesher --res {res:04} -o {out} 'a b' {{x}} {env:HOME}"
out = "mesh.bin"
save = "{root}/{res}/{f.stem}.bin"
[task.sim]
for = { res = [64, 128], x = "0..=1 by 0.25", rep = "0..{n}" }
shell = """
cat {mesh} > {out.a}; echo "{x:.2e} $(cat '{dtask.scratch}')"  # {rep}
"""
interpreter = ["bash", "-c"]
out = { a = "a", b = "b" }
save = { a = "s/{res}_{x:.2}_{rep}" }
env = { A = "{lr}" }
ok-exit = [0, 3]
[task.v]
each = "sim"
array = "sim.b * 2 + x"
[task.total]
for = { res = [64, 128] }
reduce = { of = "v", with = "mean", over = ["x", "rep"], arity = 4 }
stdout = "total{res}.txt"
[task.end]
run = ["cat", "{total}", "--in={sim.stdout}"]
stdin = "text {mesh.stdout}"
after = ["v"]
stderr = "null"
"#;

/// A small random generator of its own, so that the texts are the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Pieces of text that have a meaning for some phase.
const PIECES: [&str; 42] = [
    "{",
    "}",
    "{{",
    "[",
    "]",
    "\"",
    "'",
    "\"\"\"",
    "\\",
    "\\u00e4",
    "$",
    "${",
    "..",
    "..=",
    " by ",
    "=",
    ".",
    ":",
    ",",
    "\n",
    "\r\n",
    "é",
    "\u{1F600}",
    "\0",
    "-",
    "0",
    "1e999",
    "nan",
    "9223372036854775807",
    "*",
    "**",
    "/",
    "../",
    "{x}",
    "{sim[0]}",
    "{mesh.list}",
    "{out}",
    "[task.",
    "for = ",
    "#",
    "\t",
    "{x:>99}",
];

fn mangle(random: &mut Random, text: &str) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(4) {
        let at = random.below(text.len());
        let end = (at + random.below(12)).min(text.len());
        let piece: Vec<char> = match random.below(4) {
            0 => Vec::new(),
            1 => {
                let from = random.below(text.len());
                text[from..(from + random.below(30)).min(text.len())].to_vec()
            }
            _ => PIECES[random.below(PIECES.len())].chars().collect(),
        };
        text.splice(at..if random.below(2) == 0 { at } else { end }, piece);
    }
    text.into_iter().collect()
}

#[test]
fn the_script_is_right_before_it_is_mangled() {
    let plan = try_plan(WHOLE, &[], LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((plan.tasks.len(), plan.instances()), (5, 4 + 30 + 30 + 2 + 1));
    assert!(plan.warnings.is_empty(), "{}", plan.warnings);
}

#[test]
fn mangled_scripts_are_no_panic() {
    let mut random = Random(1);
    let mut right = 0;
    for _ in 0..rounds() {
        let script = mangle(&mut random, WHOLE);
        let options = LoadOptions { check_programs: random.below(2) == 0, ..LoadOptions::default() };
        match try_plan(&script, &[("n", "2")], options) {
            Ok(plan) => right += usize::from(!plan.tasks.is_empty()),
            Err(errors) => {
                assert!(!errors.is_empty());
                assert!(!errors.render(true).is_empty());
            }
        }
    }
    assert!(right > 0, "every script was broken: the test mangles too much");
}

#[test]
fn mangled_scripts_of_the_specification_are_no_panic() {
    let mut random = Random(3);
    for round in 0..rounds().max(1000) {
        let (name, script) = SIX[round % SIX.len()];
        let script = mangle(&mut random, script);
        if let Err(errors) = try_plan(
            &script,
            &[],
            LoadOptions { check_programs: random.below(2) == 0, ..LoadOptions::default() },
        ) {
            assert!(errors.list.iter().all(|error| !error.message.is_empty()), "{name}");
            assert!(
                errors.list.iter().any(|error| error.span.is_some()) || script.len() < 40,
                "{name}: {script}"
            );
            assert!(errors.render(false).starts_with("error[E"), "{name}");
        }
    }
}

#[test]
fn random_bytes_are_no_panic() {
    let mut random = Random(11);
    for _ in 0..rounds() {
        let bytes: Vec<u8> = (0..random.below(400)).map(|_| random.below(256) as u8).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let texts = [
            text.clone(),
            format!("dtask = 1\n{text}"),
            format!("dtask = 1\n[task.a]\nrun = '''{text}'''\n"),
        ];
        for script in texts {
            if let Err(errors) = try_plan(&script, &[], LoadOptions::default()) {
                assert!(errors.render(false).starts_with("error[E"));
            }
        }
    }
}

#[test]
fn scripts_cut_short_are_no_panic() {
    for end in (0..WHOLE.len()).filter(|at| WHOLE.is_char_boundary(*at)) {
        if let Err(errors) = try_plan(&WHOLE[..end], &[], LoadOptions::default()) {
            assert!(errors.render(false).starts_with("error[E"));
        }
    }
}

#[test]
fn mangled_texts_are_no_panic() {
    let mut random = Random(7);
    for _ in 0..rounds() * 3 {
        let text: String = (0..random.below(8)).map(|_| PIECES[random.below(PIECES.len())]).collect();
        let quoted = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\0', "\\u0000");
        for key in ["run", "shell", "array", "stdin", "save", "stdout", "out"] {
            let action = if ["run", "shell", "array"].contains(&key) { "" } else { "run = \"true\"\n" };
            let script = format!(
                "dtask = 1\n[task.mesh]\nrun = \"x\"\n[task.a]\nfor = {{ x = [1, 2] }}\n{action}{key} = \"{quoted}\"\n"
            );
            drop(
                try_plan(&script, &[], LoadOptions { check_programs: true, ..LoadOptions::default() })
                    .map_err(|errors| errors.render(false)),
            );
        }
        for values in ["\"VALUE\"", "[\"VALUE\"]"] {
            let script = format!(
                "dtask = 1\n[task.a]\nfor = {{ x = {} }}\nrun = \"true {{x}} {{x:{quoted}}}\"\n",
                values.replace("VALUE", &quoted)
            );
            drop(try_plan(&script, &[], LoadOptions::default()).map_err(|errors| errors.render(false)));
        }
    }
    drop(folder());
}

/// A longer run: `MANGLE=100000 cargo test --release mangled`.
fn rounds() -> usize {
    std::env::var("MANGLE").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}
