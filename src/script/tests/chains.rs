//! Tasks that read instances of themselves: what they read, in which order they stand, and what cannot run.

use super::*;

fn parsed(text: &str) -> Result<Plan, Diagnostics> {
    let source = ScriptSource::new("s.toml", folder(), format!("dtask = 1\n{text}"));
    parse(source, &[], LoadOptions::default())
}

fn plan(text: &str) -> Plan {
    parsed(text).unwrap_or_else(|found| panic!("{text}\n{found}"))
}

fn codes(text: &str) -> Vec<Code> {
    let (Ok(Plan { warnings: found, .. }) | Err(found)) = parsed(text);
    found.list.iter().map(|found| found.code).collect()
}

/// What an instance reads by each reference.
fn read(plan: &Plan, task: &str, instance: u64) -> Vec<Vec<u64>> {
    let task = &plan.tasks[plan.find(task).unwrap()];
    task.references.iter().map(|reference| task.inputs(reference, instance).collect()).collect()
}

#[test]
fn a_chain_reads_the_instance_before() {
    let plan = plan(
        "[task.mesh]\nrun = 'echo 1'\n[task.step]\nfor = { i = '0..5' }\n\
         shell = 'echo {step.stdout[i = i-1] else mesh.stdout}'\n",
    );
    let none: Vec<u64> = Vec::new();
    assert_eq!(read(&plan, "step", 0), [none.clone(), vec![0]]);
    assert_eq!(read(&plan, "step", 3), [vec![2], none]);
    let step = &plan.tasks[plan.find("step").unwrap()];
    assert_eq!((step.knot > 0, step.references[0].join.first_from(3)), (true, 2));
    assert!(step.references[0].join.is_arithmetic());
    assert_eq!(plan.levels(), [0, 1]);
    assert!(dot(&plan).contains("\"step\" -> \"step\""));
    assert!(svg(&plan).contains("shell, chain × 5"));
}

#[test]
fn a_wavefront_reads_its_neighbours_where_there_are_some() {
    let plan = plan(
        "[task.cell]\nfor = { r = '0..3', c = '0..4' }\nwhere = '!(r == 1 && c == 2)'\n\
         array = 'max([cell[r = r-1, c = c] else 0, cell[r = r, c = c-1] else 0]) + 1'\nsave = 'c{r}{c}.npy'\n",
    );
    // without the cell at (1, 2), which would have the number 6
    let expected: [[&[u64]; 2]; 11] = [
        [&[], &[]],
        [&[], &[0]],
        [&[], &[1]],
        [&[], &[2]],
        [&[0], &[]],
        [&[1], &[4]],
        [&[3], &[]],
        [&[4], &[]],
        [&[5], &[7]],
        [&[], &[8]],
        [&[6], &[9]],
    ];
    for (instance, expected) in expected.iter().enumerate() {
        assert_eq!(read(&plan, "cell", instance as u64), expected.map(<[u64]>::to_vec), "{instance}");
        for reference in &plan.tasks[0].references {
            let later = (instance as u64..11).flat_map(|later| reference.instances(later)).min();
            assert!(later.is_none_or(|least| reference.join.first_from(instance as u64) <= least));
        }
    }
}

#[test]
fn what_is_chosen_by_one_parameter_takes_others_with_it() {
    let plan = plan(
        "[task.a]\nzip = { t = [1, 2, 3], name = ['x', 'y', 'z'] }\nlet = { u = '10*t' }\n\
         array = '(a[t = t-1] else 0) + u'\nsave = '{name}.npy'\n",
    );
    assert_eq!(read(&plan, "a", 2), [vec![1]]);
    assert_eq!(read(&plan, "a", 0), [Vec::<u64>::new()]);
}

#[test]
fn families_in_a_circle_stand_in_a_row() {
    let plan = plan(
        "[task.analysis]\nfor = { day = '0..9' }\narray = 'forecast + 1'\nsave = 'a{day}.npy'\n\
         [task.forecast]\nfor = { day = '0..9' }\narray = '(analysis[day = day-1] else 1) * 2'\n\
         [task.end]\narray = 'analysis[day = 8]'\nsave = 'end.npy'\n",
    );
    let names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["forecast", "analysis", "end"]);
    assert_eq!(plan.tasks.iter().map(|task| task.knot > 0).collect::<Vec<_>>(), [true, true, false]);
    let only = plan.clone().only(&[plan.find("forecast").unwrap()]);
    assert_eq!(only.tasks.len(), 2);
    // and with a tree, whose distances are not constant
    let tree = "[task.node]\nfor = { i = '0..100' }\narray = '(node[i = floor((i - 1) / 2)] else 0) + 1'\n\
                [task.last]\narray = 'node[i = 99]'\nsave = 'x.npy'\n";
    assert_eq!(codes(tree), []);
}

#[test]
fn instances_that_need_themselves_are_refused() {
    let chain = |text: &str| {
        let head = "[task.a]\nfor = { i = '0..9', k = '0..3' }\nout = 'x'\nsave = 'x{i}{k}'\n";
        codes(&format!("{head}shell = \"cat {text} > {{out}}\"\n"))
    };
    assert_eq!(chain("{a[i = i, k = k]}"), [Code::InstanceCircle]);
    assert_eq!(chain("{a[i = i-1, k = k]?} {a[i = i+1, k = k]?}"), [Code::InstanceCircle]);
    assert_eq!(chain("{a[i = i-1, k = k]?} {a[i = 8 - i, k = k]?}"), [Code::InstanceCircle]);
    assert_eq!(chain("{a[i = i+1, k = k]?}"), [Code::NoOrder]);
    assert_eq!(chain("{a[i = i-1, k = k+1]?}"), []);
    assert_eq!(chain("{a[i = i-1, k = k]}"), [Code::IndexRange]);
    assert_eq!(chain("{a}"), [Code::Cycle]);
    assert_eq!(chain("{i?}"), [Code::AlwaysThere]);
    assert!(chain("{i else 3}").contains(&Code::NoEffect));
    // a thousand million instances are not gone through
    let large = "[task.a]\nfor = { i = '0..1_000_000_000' }\narray = '(a[i = i-1] else 0) + 1'\n\
                 [task.b]\narray = 'a[i = 999_999_999]'\nsave = 'x.npy'\n";
    assert_eq!(codes(large), []);
}
