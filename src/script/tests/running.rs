//! Runs the commands of plans one after the other, to check that a shell understands them as they are meant.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

/// The folder of an instance's outputs.
fn place(scratch: &Path, plan: &Plan, task: usize, instance: u64, select: Select) -> PathBuf {
    let dir = scratch.join(&plan.tasks[task].name).join(instance.to_string());
    std::fs::create_dir_all(&dir).unwrap();
    match select {
        Select::File(number) => dir.join(format!("out{number}")),
        _ => dir.join("stdout"),
    }
}

/// Runs every instance in the order of the plan. Returns the folder of saved files, which has `scratch` in it.
fn run(plan: &Plan, name: &str) -> PathBuf {
    let dir = beside_the_tests(&format!("script-run-{name}"));
    let scratch = dir.join("it's scratch");
    for (at, task) in plan.tasks.iter().enumerate() {
        for instance in 0..task.family.len() {
            let here = |select| place(&scratch, plan, at, instance, select).display().to_string();
            let paths = |r: &Reference| {
                let path = |other| place(&scratch, plan, r.task, other, r.select).display().to_string();
                r.instances(instance).map(path).collect::<Vec<String>>()
            };
            let inputs: Vec<Vec<String>> = task.references.iter().map(paths).collect();
            let outs: Vec<String> = (0..task.outs.len()).map(|number| here(Select::File(number))).collect();
            let own = Path::new(&here(Select::Stdout)).parent().unwrap().display().to_string();
            let facts = RuntimeVars { index: instance, scratch: own, ..RuntimeVars::default() };
            let values = task.family.bindings(instance);
            let env = |name: &str| std::env::var(name).ok();
            let scope =
                RenderScope { values: &values, inputs: &inputs, outs: &outs, facts: &facts, env: &env };
            let argv = task.action.command(&scope).unwrap().unwrap();
            let stdout = std::fs::File::create(here(Select::Stdout)).unwrap();
            let mut child = Command::new(&argv[0])
                .args(&argv[1..])
                .envs(task.env.iter().map(|(name, text)| (name, text.render(&scope).unwrap())))
                .stdin(Stdio::piped())
                .stdout(stdout)
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            for piece in task.stdin.iter().flat_map(|stdin| stdin.render_stdin(&scope).unwrap()) {
                let bytes = match piece {
                    StdinPiece::Text(text) => text.into_bytes(),
                    StdinPiece::First(_) => unreachable!("no script here has `else`"),
                    StdinPiece::Input(at) => {
                        inputs[at].iter().flat_map(|p| std::fs::read(p).unwrap()).collect()
                    }
                };
                stdin.write_all(&bytes).unwrap();
            }
            drop(stdin);
            assert!(child.wait().unwrap().success(), "{}", task.label(instance));
            for save in &task.saves {
                let path = dir.join(save.path.render(&scope).unwrap());
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::copy(here(save.select), path).unwrap();
            }
        }
    }
    dir
}

#[test]
fn values_arrive_as_they_are() {
    let plan = plan(
        "[task.say]\nfor = { x = ['a b', \"it's\", '$HOME', '\"'], n = [1, 2.5] }\nrun = \"printf '%s;%s|' {x} {n:.1}\"\n\
         [task.shout]\neach = 'say'\nshell = '''printf '%s,' {x} '{x}' \"{x}\" \"$(cat {say.stdout})\" > {out}'''\nout = 'o'\nsave = 'each/{dtask.index}'\n\
         [task.all]\nstdin = 'all: {say.stdout}'\nrun = 'cat'\nsave = 'all'\nenv = { X = '{say.stdout}' }\n\
         [task.gather]\nfor = { n = [2.5] }\nrun = 'cat {shout}'\nsave = 'gather'",
    );
    let dir = run(&plan, "values");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(read("all"), "all: a b;1.0|a b;2.5|it's;1.0|it's;2.5|$HOME;1.0|$HOME;2.5|\";1.0|\";2.5|");
    assert_eq!(read("each/2"), "it's,it's,it's,it's;1.0|,");
    assert_eq!(read("gather").matches(';').count(), 4);
    assert!(read("gather").starts_with("a b,a b,a b,a b;2.5|,it's,"));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_table_of_licences() {
    if !Path::new("/usr/share/common-licenses/GPL-3").exists() {
        return;
    }
    let plan = load(&example("licences.toml"), &[], LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    let dir = run(&plan, "licences");
    let table = std::fs::read_to_string(dir.join("licences.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["licence", "words", "distinct"]);
    assert_eq!(rows.len() as u64, 1 + plan.tasks[0].family.len());
    let words = |row: &Vec<&str>| row[1].parse::<u32>().unwrap();
    assert!(rows[1..].windows(2).all(|pair| words(&pair[0]) >= words(&pair[1])));
    for row in &rows[1..] {
        let text = std::fs::read_to_string(Path::new("/usr/share/common-licenses").join(row[0])).unwrap();
        assert_eq!(row[1], text.split_ascii_whitespace().count().to_string());
        let lower = text.to_ascii_lowercase();
        let distinct: std::collections::BTreeSet<&str> =
            lower.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
        assert_eq!(row[2], distinct.len().to_string(), "{}", row[0]);
    }
    std::fs::remove_dir_all(dir).unwrap();
}
