//! Tests of scripts without mistakes: the plans that they become.

use super::*;
use crate::arrays::reduce::operator::{Reduce, ReduceOperator};

fn task<'p>(plan: &'p Plan, name: &str) -> &'p PlanTask {
    &plan.tasks[plan.find(name).unwrap()]
}

/// Renders the arguments of an instance's command, with inputs written as `task[..]:output`.
fn argv(plan: &Plan, name: &str, instance: u64) -> Vec<String> {
    let task = task(plan, name);
    let path = |r: &Reference, other: u64| {
        let target = &plan.tasks[r.task];
        let output = match r.select {
            Select::File(at) => target.outs[at].name.clone().unwrap_or("out".into()),
            other => format!("{other:?}").to_lowercase(),
        };
        format!("{}:{output}", target.label(other))
    };
    let inputs: Vec<Vec<String>> =
        task.references.iter().map(|r| r.instances(instance).map(|other| path(r, other)).collect()).collect();
    let outs: Vec<String> = (0..task.outs.len()).map(|at| format!("/scratch/{at}")).collect();
    let facts = RuntimeVars {
        rank: 1,
        ranks: 4,
        host: "n1".into(),
        scratch: "/scratch".into(),
        index: instance,
        here: "/here".into(),
        ..RuntimeVars::default()
    };
    let values = task.family.bindings(instance);
    let scope = RenderScope {
        values: &values,
        inputs: &inputs,
        outs: &outs,
        facts: &facts,
        env: &|name| Some(format!("${name}")),
    };
    task.action.command(&scope).unwrap().unwrap()
}

#[test]
fn the_specifications_first_scripts() {
    let load = |name: &str| {
        load(&example(name), &[], LoadOptions { check_programs: true, ..LoadOptions::default() })
            .unwrap_or_else(|e| panic!("{e}"))
    };
    let hello = load("hello.toml");
    assert_eq!((hello.name.as_str(), hello.instances(), hello.warnings.is_empty()), ("hello", 8, true));
    assert_eq!(argv(&hello, "hello", 5), ["echo", "hello", "5", "from", "rank", "1", "of", "4", "on", "n1"]);
    assert_eq!(task(&hello, "hello").stdout, StreamTarget::Path(Template::literal("hello.txt")));
    let tree = load("tree.toml");
    assert_eq!(
        tree.tasks.iter().map(|t| (t.name.as_str(), t.family.len())).collect::<Vec<_>>(),
        [("x", 16), ("total", 1), ("show", 1)]
    );
    assert_eq!(tree.tasks[1].reduced(0).unwrap().collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
    let TaskAction::Array { names, .. } = &tree.tasks[0].action else { panic!("no array") };
    let wanted = [("n", NameSource::Var(ScriptValue::Int(1_000_000))), ("i", NameSource::Param(0))];
    assert_eq!(*names, wanted.map(|(name, binding)| ArrayName { name: name.into(), binding }));
    let licences = load("licences.toml");
    let table = task(&licences, "table");
    let files = licences.tasks[0].family.len();
    assert!(files >= 10);
    assert_eq!(table.references.iter().map(|r| r.join.gathered()).collect::<Vec<_>>(), [files, files]);
}

#[test]
fn tasks_are_in_an_order_that_works() {
    let plan = plan(
        "[task.d]\nrun = 'cat {b.stdout} {c.stdout}'\n[task.c]\nrun = 'a'\nafter = ['a']\n[task.b]\nstdin = '{a}'\nrun = 'b'\n[task.a]\nrun = 'a'\n[task.e]\nrun = 'e'",
    );
    let names: Vec<&str> = plan.tasks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["a", "c", "b", "d", "e"]);
    assert_eq!(
        task(&plan, "c").references.iter().map(|r| (r.task, r.select)).collect::<Vec<_>>(),
        [(0, Select::Order)]
    );
    assert_eq!(
        task(&plan, "b").references.iter().map(|r| (r.task, r.select)).collect::<Vec<_>>(),
        [(0, Select::Stdout)]
    );
    assert_eq!((task(&plan, "d").line, task(&plan, "d").origin.as_str()), (2, "flow.toml:2"));
    assert_eq!(plan.consumers(0).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
}

#[test]
fn references_become_arguments() {
    let plan = plan(
        "[vars]\nroot = 'a b'\nlr = 1e-4\n[task.mesh]\nfor = { res = [64, 128] }\nrun = './mesher --res {res:04} -o {out} \"{root}/x\" {lr:.1e} {env:HOME} {{res}}'\nout = 'mesh.bin'\n\
         [task.sim]\nfor = { res = [128, 64], rep = '0..2' }\nrun = ['s', '{mesh}', '--out={out.f}', '{dtask.index}']\nout = { f = 'f', g = 'g' }\n\
         [task.all]\nrun = 'cat --in={sim.f} {sim.g}'\n[task.text]\nshell = \"cat {sim.stdout} > '{root}' && awk '{print $1}' ${HOME}\"\n[task.post]\neach = 'sim'\nrun = 'p {sim.f} {mesh} {rep}'",
    );
    assert_eq!(
        argv(&plan, "mesh", 0),
        ["./mesher", "--res", "0064", "-o", "/scratch/0", "a b/x", "1.0e-04", "$HOME", "{res}"]
    );
    // The order of the values differs from that of `mesh`: values match, not positions.
    assert_eq!(argv(&plan, "sim", 1), ["s", "mesh[res=128]:out", "--out=/scratch/0", "1"]);
    assert_eq!(argv(&plan, "sim", 2), ["s", "mesh[res=64]:out", "--out=/scratch/0", "2"]);
    assert_eq!(
        argv(&plan, "all", 0)[..3],
        ["cat", "--in=sim[res=128, rep=0]:f", "--in=sim[res=128, rep=1]:f"]
    );
    assert_eq!(argv(&plan, "all", 0).len(), 9);
    assert_eq!(argv(&plan, "post", 3), ["p", "sim[res=64, rep=1]:f", "mesh[res=64]:out", "1"]);
    let text = argv(&plan, "text", 0);
    assert_eq!(text[..3], ["/bin/sh", "-eu", "-c"]);
    let values = "__dtask1='sim[res=128, rep=0]:stdout' __dtask2='sim[res=128, rep=1]:stdout' ";
    assert!(text[3].starts_with(values), "{}", text[3]);
    let script = "__dtask5='a b'; cat \"${__dtask1}\" \"${__dtask2}\" \"${__dtask3}\" \"${__dtask4}\" > \
                  ''\"${__dtask5}\"'' && awk '{print $1}' ${HOME}";
    assert!(text[3].ends_with(script), "{}", text[3]);
}

#[test]
fn globs_are_sorted_and_relative() {
    let plan = plan(
        "[vars]\nd = 'data'\n[task.a]\nfor = { f = { glob = '{d}/*.h5' } }\nrun = 'x {f} {f.stem} {f.name} {f.dir} {f.ext}'\nsave = '{f.stem}.out'",
    );
    assert_eq!(argv(&plan, "a", 0), ["x", "data/a.h5", "a", "a.h5", "data", "h5"]);
    assert_eq!(argv(&plan, "a", 1)[1], "data/b.h5");
    assert_eq!(plan.instances(), 2);
    let absolute = super::plan(&format!(
        "[task.a]\nfor = {{ f = {{ glob = '{}/data/*' }} }}\nrun = 'x {{f}}'",
        folder().display()
    ));
    assert_eq!(argv(&absolute, "a", 0)[1], format!("{}/data/a.h5", folder().display()));
    assert_eq!(absolute.instances(), 2);
}

#[test]
fn overrides_replace_variables() {
    let script = "dtask = 1\n[vars]\nn = 3\nroot = 'r'\nx = 0.5\non = false\n[task.a]\nfor = { i = '0..{n}' }\nrun = 'a {root} {x} {on}'";
    let plan = try_plan(
        script,
        &[("n", "5"), ("root", "{i} $x"), ("x", "2"), ("on", "true")],
        LoadOptions::default(),
    )
    .unwrap();
    assert_eq!(plan.instances(), 5);
    assert_eq!(argv(&plan, "a", 0), ["a", "{i} $x", "2", "true"]);
}

#[test]
fn a_reduction_groups_by_what_both_tasks_have() {
    let plan = plan(
        "[task.x]\nfor = { k = [1, 2], i = '0..4' }\narray = 'i + k'\n[task.m]\nfor = { k = [2, 1] }\nreduce = { of = 'x', with = 'mean', over = ['i'], arity = 4, order = 'any' }\nstdout = 'm'",
    );
    let m = task(&plan, "m");
    let mean = Reduce { with: ReduceOperator::Mean, axis: None };
    assert!(
        matches!(m.action, TaskAction::Reduce { with, arity: 4, order: ReduceOrder::Any, .. } if with == mean)
    );
    assert_eq!(m.reduced(0).unwrap().collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!(m.reduced(1).unwrap().as_range(), Some(0..4));
    assert_eq!(plan.reverse(0, 1).unwrap().instances(6).collect::<Vec<_>>(), [0]);
}

#[test]
fn the_smaller_keys() {
    let plan = plan(
        "[task.a]\nfor = { i = [1, 2] }\nshell = 'true'\ninterpreter = ['bash', '-c']\nok-exit = [0, 3]\nenv = { A = 'x{i}', B = 2 }\nstdin = 'a{i}'\n\
         stdout = 'null'\nstderr = 'e/{i:02}.txt'\nout = { p = 'p{i}', q = 'q' }\nsave = { p = 'r/{i}', q = 's{i}', stdout = 't{dtask.index}' }",
    );
    let a = task(&plan, "a");
    assert_eq!((a.ok_exit.clone(), a.stdout.clone(), a.saves.len()), (vec![0, 3], StreamTarget::Null, 3));
    assert_eq!(
        a.saves.iter().map(|s| s.select).collect::<Vec<_>>(),
        [Select::File(0), Select::File(1), Select::Stdout]
    );
    let facts = RuntimeVars { index: 1, ..RuntimeVars::default() };
    let scope =
        RenderScope { values: &a.family.bindings(1), inputs: &[], outs: &[], facts: &facts, env: &|_| None };
    let texts = [&a.env[0].1, &a.env[1].1, &a.saves[0].path, &a.saves[2].path, &a.outs[0].file]
        .map(|t| t.render(&scope).unwrap());
    assert_eq!(texts, ["x2", "2", "r/2", "t1", "p2"]);
    assert_eq!(argv(&plan, "a", 0), ["bash", "-c", "true"]);
}

#[test]
fn ten_million_instances_cost_no_memory() {
    let started = std::time::Instant::now();
    let plan = plan(
        "[task.x]\nfor = { i = '0..10_000_000' }\nrun = 'x {i}'\nout = 'o'\nsave = 'x/{i:08}'\n[task.y]\neach = 'x'\nrun = 'y {x} {i}'\n\
         [task.z]\nfor = { i = '9_999_999..=0 by -1', k = [1, 2] }\nrun = 'z {x} {k}'\n[task.all]\nrun = 'all {y.stdout}'\n[task.v]\nfor = { i = '0..10_000_000' }\narray = 'i'\n[task.s]\nreduce = { of = 'v', with = 'add' }\nstdout = 's'",
    );
    assert_eq!(plan.instances(), 50_000_002);
    assert_eq!(argv(&plan, "z", 1), ["z", "x[i=9999999]:out", "2"]);
    assert_eq!(task(&plan, "all").references[0].join.gathered(), 10_000_000);
    assert_eq!(task(&plan, "s").reduced(0).unwrap().as_range(), Some(0..10_000_000));
    let bytes: usize = plan
        .tasks
        .iter()
        .map(|task| bincode::serde::encode_to_vec(task, bincode::config::standard()).unwrap().len())
        .sum();
    assert!(bytes < 2000, "{bytes}");
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn tasks_travel() {
    let plan = plan(
        "[task.a]\nfor = { i = [1, 'x', 2.5], f = { glob = 'data/*' } }\nrun = 'a {i} {f.stem} {dtask.rank}'\n[task.b]\neach = 'a'\nshell = 'cat \"{a.stdout}\"'",
    );
    for task in &plan.tasks {
        let bytes = bincode::serde::encode_to_vec(task, bincode::config::standard()).unwrap();
        let (back, _): (PlanTask, usize) =
            bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        assert_eq!(back, *task);
    }
}

#[test]
fn a_reduction_by_a_command_has_a_file_as_its_result() {
    let plan = plan(
        "[vars]\na = 1\n[task.part]\nfor = { g = [1, 2], i = '0..4' }\nshell = 'echo > {out}'\nout = 'p'\n\
         [task.b]\nfor = { g = [1, 2] }\nreduce = { of = 'part', shell = 'cat {a} \"{b}\" {tool} {g} > {out}', order = 'any' }\nstdin = '{a}'\n\
         [task.tool]\nrun = 'true {out}'\nout = 't'\n[task.use]\neach = 'b'\nrun = 'cat {b}'\n[task.other]\nrun = 'echo {a}'",
    );
    let b = task(&plan, "b");
    let TaskAction::Merge { of: 0, command, order: ReduceOrder::Any } = &b.action else {
        panic!("{:?}", b.action)
    };
    assert_eq!(b.outs, [OutputFile { name: None, file: Template::literal("b") }]);
    assert_eq!(b.references.iter().map(|r| r.select).collect::<Vec<_>>(), [Select::File(0), Select::File(0)]);
    assert_eq!(b.reduced(1).unwrap().collect::<Vec<_>>(), [4, 5, 6, 7]);
    let fills = |text: &Template| -> Vec<Fill> {
        let fill = |part: &TemplatePart| {
            if let TemplatePart::Fill { what, .. } = part { Some(what.clone()) } else { None }
        };
        text.parts.iter().filter_map(fill).collect()
    };
    let TaskAction::Shell { script, .. } = &**command else { panic!("{command:?}") };
    assert_eq!(
        fills(script),
        [Fill::Merged(0), Fill::Merged(1), Fill::Input(1), Fill::Param(0, None), Fill::Out(0)]
    );
    assert_eq!(fills(b.stdin.as_ref().unwrap()), [Fill::Merged(0)]);
    // In other tasks `a` and `b` have no special meaning.
    assert_eq!(argv(&plan, "other", 0), ["echo", "1"]);
    assert_eq!(task(&plan, "use").references[0].select, Select::File(0));
    // The key of an instance depends on the command and on the files that are merged.
    let key = |script: &str| Fingerprints::new(&KeyPlan::of(&super::plan(script))).of(1).collect::<Vec<_>>();
    let base = "[task.x]\nfor = { i = [1, 2] }\nrun = 'echo {i}'\n[task.y]\nreduce = { of = 'x', shell = 'cat {a} {b} > {out}' }";
    assert_eq!(key(base), key(base));
    for (from, to) in
        [("[1, 2]", "[1, 3]"), ("cat", "sort"), ("{a} {b}", "{b} {a}"), ("}' }", "}', order = 'any' }")]
    {
        let changed = base.replace(from, to);
        assert!(changed != base && key(&changed) != key(base), "{changed}");
    }
}
