//! Tests of families of every form: their instances, and the joins between them.

use super::*;

fn labels(plan: &Plan, name: &str) -> Vec<String> {
    let task = &plan.tasks[plan.find(name).unwrap()];
    (0..task.family.len()).map(|at| task.label(at)).collect()
}

/// Returns the values of a task's instances, each as commands get it.
fn values(plan: &Plan, name: &str) -> Vec<String> {
    let task = &plan.tasks[plan.find(name).unwrap()];
    let line = |at| {
        let values = task.family.bindings(at);
        let facts = RuntimeVars { index: at, ..RuntimeVars::default() };
        let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &|_| None };
        task.action.command(&scope).unwrap().unwrap()[1..].join(" ")
    };
    (0..task.family.len()).map(line).collect()
}

/// Checks every reference of a task against the rule, by comparing every pair of instances.
fn check_joins(plan: &Plan) {
    for task in &plan.tasks {
        for reference in &task.references {
            let other = &plan.tasks[reference.task];
            let names: Vec<&str> = other.family.params().iter().map(|p| p.name.as_str()).collect();
            let names: Vec<&str> =
                names.into_iter().chain(other.family.derived().iter().map(|d| d.name.as_str())).collect();
            for at in 0..task.family.len() {
                let mine = task.family.bindings(at);
                let fits = |instance: &u64| {
                    let theirs = other.family.bindings(*instance);
                    names.iter().all(|name| {
                        let there = &theirs[other.family.param(name).unwrap()];
                        task.family.param(name).is_none_or(|here| mine[here] == *there)
                    })
                };
                let wanted: Vec<u64> = (0..other.family.len()).filter(fits).collect();
                let found: Vec<u64> = reference.instances(at).collect();
                assert_eq!(found, wanted, "{} -> {}", task.label(at), other.name);
                assert_eq!(reference.instances(at).remaining(), wanted.len() as u64);
                if let Some(range) = reference.instances(at).as_range() {
                    assert_eq!(range.collect::<Vec<_>>(), wanted);
                }
                assert!(
                    reference.join.is_gather() || wanted.len() == 1,
                    "{} -> {}",
                    task.label(at),
                    other.name
                );
            }
        }
    }
}

#[test]
fn rows_are_left_out_added_and_derived() {
    let plan = plan(
        r#"
[vars]
low = 2
[task.a]
for     = { i = "0..4", m = ["x", "y"], k = [1, 2] }
let     = { j = "2*i + k", half = "i / 2", same = "m" }
where   = "i >= low || m == 'x' && j < 3"
exclude = [ { i = 3, k = 1 }, { m = "y", i = 2 } ]
include = [ { i = 9, m = "z", k = 7 } ]
run     = "echo {i} {m} {k} {j:02} {half} {same}"
"#,
    );
    let wanted = [
        "0 x 1 01 0.0 x",
        "0 x 2 02 0.0 x",
        "2 x 1 05 1.0 x",
        "2 x 2 06 1.0 x",
        "3 x 2 08 1.5 x",
        "3 y 2 08 1.5 y",
        "9 z 7 25 4.5 z",
    ];
    assert_eq!(values(&plan, "a"), wanted);
    assert_eq!(labels(&plan, "a")[6], "a[i=9, m=z, k=7]");
}

#[test]
fn zips_files_and_spaces() {
    let plan = plan(
        r#"
[vars]
n = 7
dir = "data"
top  = "{dir}"
[task.zips]
for = { r = [1, 2] }
zip = { f = { glob = "{top}/*.h5" }, model = ["small", "large"] }
run = "echo {r} {f.stem} {f.name} {f.dir} {f.ext} {model}"
[task.csv]
for = { case = { csv = "cases.csv" }, b = [true, false] }
where = "case.T > 250 || b"
run = "echo {case} {case.T} {case.p:.2f} {case.name} {b}"
[task.spaces]
for = { line = { lines = "lines.txt" }, x = { linspace = [0, 1, 3] }, y = { logspace = [2, 4, 3] } }
run = "echo {line} {x} {y:.0}"
[task.typed]
for = { v = ["{n}", "{n}x", 2.5] }
run = "echo {v}"
"#,
    );
    assert_eq!(
        values(&plan, "zips"),
        [
            "1 a a.h5 data h5 small",
            "1 b b.h5 data h5 large",
            "2 a a.h5 data h5 small",
            "2 b b.h5 data h5 large"
        ]
    );
    assert_eq!(
        values(&plan, "csv"),
        ["0 250 1.50 low true", "1 300 2.50 high true", "1 300 2.50 high false"]
    );
    assert_eq!(labels(&plan, "csv")[2], "csv[case.T=300, b=false]");
    assert_eq!(values(&plan, "spaces")[4], "first 0.5 1000");
    assert_eq!(values(&plan, "spaces").len(), 18);
    assert_eq!(values(&plan, "typed"), ["7", "7x", "2.5"]);
}

#[test]
fn rows_of_a_table_are_named_by_their_first_column() {
    let plan = plan(
        "[task.a]\nfor = { c = { csv = 'cases.csv' } }\nrun = 'echo {c}'\n[task.b]\neach = 'a'\nrun = 'cat {a.stdout}'\n\
         [task.d]\nfor = { c = { csv = 'steps.csv' }, i = '0..2' }\nrun = 'echo {c} {i}'",
    );
    assert_eq!(labels(&plan, "a"), ["a[c.T=250]", "a[c.T=300]"]);
    assert_eq!(labels(&plan, "b"), ["b[c.T=250]", "b[c.T=300]"]);
    // the first column repeats a value: the number of the row tells them apart
    assert_eq!(labels(&plan, "d")[1..3], ["d[c=0, c.T=250, i=1]", "d[c=1, c.T=250, i=0]"]);
}

#[test]
fn tasks_meet_by_their_values_whatever_the_form() {
    let plan = plan(
        r#"
[task.sim]
for     = { res = [64, 128, 256], re = { logspace = [2, 4, 9] }, rep = "0..4" }
where   = "res >= 128 || re < 5000"
include = [ { res = 512, re = 100.0, rep = 0 }, { res = 512, re = 100.0, rep = 1 } ]
run     = "echo {res}"
[task.each]
each = "sim"
run  = "cat {sim.stdout}"
[task.more]
each  = "sim"
for   = { k = ["a", "b"] }
let   = { twice = "2 * rep" }
where = "k == 'a' || rep > 1"
run   = "cat {sim.stdout} {each.stdout}"
[task.mean]
for     = { res = [64, 128, 256], re = { logspace = [2, 4, 9] } }
where   = "res >= 128 || re < 5000"
run     = "cat {sim.stdout} {more.stdout}"
[task.line]
for = { re = [10000, 100] }
run = "cat {mean.stdout} {sim.stdout}"
[task.shifted]
for = { b = [1, 2] }
let = { rep = "b + 1" }
run = "cat {sim.stdout}"
[task.even]
for = { twice = [0, 2, 4, 6] }
run = "cat {more.stdout}"
[task.pairs]
zip = { data = ["p", "q", "r"], model = ["small", "small", "large"] }
run = "echo {data}"
[task.by_model]
for = { model = ["small", "large"] }
run = "cat {pairs.stdout}"
[task.by_data]
for = { data = ["r", "p"], x = [0] }
run = "cat {pairs.stdout}"
[task.all]
run = "cat {sim.stdout} {pairs.stdout} {more.stdout}"
"#,
    );
    check_joins(&plan);
    let len = |name: &str| plan.tasks[plan.find(name).unwrap()].family.len();
    let sims = 9 * 4 * 2 + 7 * 4 + 2;
    assert_eq!((len("sim"), len("each"), len("mean")), (sims, sims, 9 * 2 + 7));
    assert_eq!(
        labels(&plan, "more")[(len("more") - 2) as usize..],
        ["more[res=512, re=100.0, rep=0, k=a]", "more[res=512, re=100.0, rep=1, k=a]"]
    );
}

#[test]
fn conditions_on_many_instances_take_little_memory() {
    let script = |rest: &str| {
        format!(
            "dtask = 1\n[task.a]\nfor = {{ i = \"0..100_000\", j = \"0..1000\", k = \"0..100\" }}\n{rest}\nrun = \"echo {{i}} {{j}} {{k}}\"\n[task.b]\neach = \"a\"\nrun = \"cat {{a.stdout}}\"\n"
        )
    };
    for (rest, left) in [
        ("where = \"i % 2 == 0\"", 50_000 * 100_000),
        ("where = \"j + k < 2\"", 100_000 * 3),
        ("exclude = [ { i = 7, j = 3 }, { k = 5, j = 9, i = 1 } ]", 100_000 * 100_000 - 101),
        ("exclude = [ { k = 5 } ]", 100_000 * 1000 * 99),
    ] {
        let plan = try_plan(&script(rest), &[], LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        let family = &plan.tasks[0].family;
        assert_eq!(family.len(), left, "{rest}");
        let bytes = bincode::serde::encode_to_vec(family, bincode::config::standard()).unwrap().len();
        assert!(bytes < 200_000, "{rest}: {bytes}");
        let last = plan.tasks[1].references[0].instances(left - 1).collect::<Vec<_>>();
        assert_eq!(last, [left - 1]);
    }
}

#[test]
fn parameters_come_from_the_names_of_files_lists_and_the_calendar() {
    let script = r#"
[vars]
n = 2
low = -1
temps = [250, "{hot}"]
hot = 300
rows = [{ id = "a", T = 1 }, { id = "b", T = 2 }]
[vars.paths]
out = "data"
[task.each]
for = { match = "{paths.out}/{letter}.{ending}" }
run = ["echo", "{letter}", "{ending}", "{match.stem}"]
[task.letters]
for = { match = "data/{letter}.h5", T = "{temps}" }
run = ["echo", "{letter}", "{T}", "{each.stdout}"]
[task.all]
run = ["echo", "{letters.stdout}"]
[task.sums]
for = { i = "{low}**2..=2*{n}+1 by {n}", d = "2020-02-29..2022-01-01 by 1 year", r = "{rows}" }
let = { year = "number(split(d, '-')[0])" }
run = ["echo", "{i}", "{d}", "{r.id}{r.T}", "{year}"]
"#;
    let plan = plan(script);
    assert_eq!(labels(&plan, "each"), ["each[letter=a, ending=h5]", "each[letter=b, ending=h5]"]);
    assert_eq!(values(&plan, "each"), ["a h5 a", "b h5 b"]);
    assert_eq!(
        values(&plan, "sums")[..3],
        ["1 2020-02-29 a1 2020", "1 2020-02-29 b2 2020", "1 2021-02-28 a1 2021"]
    );
    assert_eq!(labels(&plan, "sums").len(), 3 * 2 * 2);
    let letter = &plan.tasks[plan.find("letters").unwrap()];
    let read = |at| letter.references[0].instances(at).collect::<Vec<u64>>();
    // two `match` patterns give different paths: the join compares the parameters, and leaves the paths out
    assert_eq!((read(0), read(1), read(3)), (vec![0], vec![0], vec![1]));
    assert_eq!(letter.family.len(), 4);
    let fewer =
        try_plan(&format!("dtask = 1\n{script}"), &[("temps", "[0x10]")], LoadOptions::default()).unwrap();
    assert_eq!(labels(&fewer, "letters"), ["letters[letter=a, T=0x10]", "letters[letter=b, T=0x10]"]);
}

#[test]
fn columns_may_have_any_name() {
    let plan = plan(
        r#"
[task.case]
for = { c = { csv = "odd.csv", sep = ";" } }
let = { twice = "2 * c['T (K)']" }
where = "c['Sample ID'] != 'B'"
run = ["echo", "{c['Sample ID']}", "{c[\"T (K)\"]:05}", "{twice}", "{c[\"v1.0\"]}"]
[task.sum]
for = { c = { csv = "odd.csv", sep = ";" } }
array = "c['T (K)'] + c['v1.0']"
save = "{c['Sample ID']}.npy"
"#,
    );
    assert_eq!(values(&plan, "case"), ["A 1 00250 500 7"]);
    assert_eq!(labels(&plan, "case"), ["case[c.Sample ID=A 1]"]);
}
