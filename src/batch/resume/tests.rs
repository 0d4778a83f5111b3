//! Tests of the decision what runs, with journals made up for it.

use super::checkpointed::{CheckpointLookup, wanted};
use super::known::KnownInstances;
use super::shared;
use super::todo::Todo;
use crate::compact::Ranges;
use crate::journal::checkpoint::{self, CheckpointWriter};
use crate::journal::frame;
use crate::journal::record::{CheckpointRecord, DoneRecord, JournalRecord, KeyRecord};
use crate::journal::state::JournalState;
use crate::script::diagnostics::source::ScriptSource;
use crate::script::load::parse;
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::Fingerprints;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
use crate::script::plan::task::{Reference, Select};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Four tasks: one to one, a gather over a part, a gather over all, and order alone.
const FLOW: &str = "[task.a]\nfor = { i = '0..6' }\nrun = 'echo {i}'\n[task.b]\neach = 'a'\nrun = 'cat {a.stdout}'\n\
                    [task.c]\nfor = { j = '0..2' }\nrun = 'cat {b.stdout}'\nafter = ['a']\n\
                    [task.d]\nfor = { i = [5, 3, 1], k = [0, 1] }\nrun = 'cat {b.stdout} {c.stdout}'\n";

fn plan(text: &str) -> Plan {
    let source = ScriptSource::new("s.toml", PathBuf::from("."), format!("dtask = 1\n{text}"));
    parse(source, &[], LoadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The state of a journal that has `done` as done, by task and index.
fn journal(keys: &KeyPlan, done: &[(usize, u64)]) -> JournalState {
    let families = keys.tasks.iter().map(|task| task.digest).collect();
    let plan = crate::codec::encode(keys).expect("it encodes");
    let mut records = vec![JournalRecord::Keys(KeyRecord { families, plan })];
    records.extend(done.iter().map(|(task, index)| {
        let family = keys.tasks[*task].digest;
        JournalRecord::Done(DoneRecord { family, ranges: vec![(*index, 1)], saved: vec![] })
    }));
    let mut bytes = frame::FIRST_LINE.to_vec();
    records.iter().for_each(|record| frame::append(&record.encode().expect("it encodes"), &mut bytes));
    JournalState::of(&bytes).expect("ours")
}

fn decide(plan: &Plan, state: &JournalState, forced: &[usize]) -> Todo {
    let keys = KeyPlan::of(plan);
    let known = KnownInstances::find(&keys, state);
    let checkpoints = CheckpointLookup::new(&plan.dir, &known);
    Todo::decide(plan, &known, shared::outputs(plan, &keys, state), checkpoints, forced)
}

fn all(plan: &Plan) -> Vec<(usize, u64)> {
    let tasks = plan.tasks.iter().enumerate();
    tasks.flat_map(|(number, task)| (0..task.family.len()).map(move |index| (number, index))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_runs_is_what_is_not_done_and_what_it_needs(is_done in proptest::collection::vec(any::<bool>(), 20)) {
        let plan = plan(FLOW);
        let all = all(&plan);
        prop_assert_eq!(all.len(), 20);
        let done = all.iter().zip(&is_done).filter(|(_, done)| **done);
        let done: Vec<(usize, u64)> = done.map(|(one, _)| *one).collect();
        let todo = decide(&plan, &journal(&KeyPlan::of(&plan), &done), &[]);
        for (task, index) in &all {
            let references = &plan.tasks[*task].references;
            let inputs = |order: bool| {
                let some = references.iter().filter(move |reference| order || reference.select != Select::Order);
                some.flat_map(|reference| reference.instances(*index).map(move |input| (reference.task, input)))
            };
            let is_done = |one: &(usize, u64)| done.contains(one);
            match todo.runs(*task, *index) {
                true => {
                    // all inputs of an instance that runs are there: they run or were saved
                    prop_assert!(inputs(false).all(|(task, input)| todo.runs(task, input)));
                    let is_needed = all.iter().any(|(other, at)| {
                        let is_read = |r: &&Reference| r.task == *task && r.select != Select::Order;
                        let mut read = plan.tasks[*other].references.iter().filter(is_read);
                        todo.runs(*other, *at) && read.any(|r| r.instances(*at).any(|input| input == *index))
                    });
                    let is_stale = !is_done(&(*task, *index)) || inputs(true).any(|input| todo.runs(input.0, input.1));
                    prop_assert!(is_stale || is_needed, "{} {}", task, index);
                }
                false => {
                    prop_assert!(is_done(&(*task, *index)));
                    prop_assert!(inputs(true).all(|input| is_done(&input)), "it read something that was not done");
                }
            }
        }
        let ranges = todo.tasks.iter().flat_map(|task| &task.why);
        let explained: u64 = ranges.map(|(range, _)| range.end - range.start).sum();
        prop_assert_eq!(explained, todo.tasks.iter().map(|task| task.run.count()).sum::<u64>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_next_run_takes_from_checkpoints_is_what_this_one_keeps(
        is_done in proptest::collection::vec(proptest::bool::weighted(0.8), 20),
        is_written in proptest::collection::vec(any::<bool>(), 20),
    ) {
        // written once for all cases
        static WRITTEN: LazyLock<(tempfile::TempDir, Vec<CheckpointRecord>)> = LazyLock::new(|| {
            let dir = tempfile::tempdir().expect("a folder");
            let write = |index| {
                let path = checkpoint::path_of(dir.path(), 1, index);
                CheckpointWriter::create(&path).and_then(CheckpointWriter::finish).expect("written");
                let record = checkpoint::record_of(&path, 1, index).expect("it is there");
                CheckpointRecord { outputs: vec![0], ..record }
            };
            let records = (0..20).map(write).collect();
            (dir, records)
        });
        let plan = plan(FLOW);
        let (all, keys) = (all(&plan), KeyPlan::of(&plan));
        let some = all.iter().zip(&is_done).filter(|(_, done)| **done).map(|(one, _)| *one).collect::<Vec<_>>();
        let mut known = KnownInstances::find(&keys, &journal(&keys, &some));
        for (place, (task, index)) in all.iter().enumerate().filter(|(place, _)| is_written[*place]) {
            known.tasks[*task].checkpoints.insert(*index, WRITTEN.1[place].clone());
        }
        let todo = Todo::decide(&plan, &known, vec![], CheckpointLookup::new(WRITTEN.0.path(), &known), &[]);
        // done are those whose inputs are, order alone included
        let mut done = vec![Ranges::default(); plan.tasks.len()];
        for (task, index) in &some {
            let inputs = plan.tasks[*task].references.iter().map(|r| (r.task, r.instances(*index)));
            if inputs.into_iter().all(|(other, mut inputs)| inputs.all(|input| done[other].contains(input))) {
                done[*task].insert(*index);
            }
        }
        let has = |task: usize, index: u64| known.tasks[task].checkpoints.contains_key(&index);
        let wanted = wanted(&plan, &done, has);
        for (task, index) in all {
            let is_wanted = wanted[task].contains(index);
            prop_assert_eq!(todo.runs(task, index), !done[task].contains(index) || is_wanted && !has(task, index));
            let is_taken = todo.checkpoints.contains_key(&(task, index)) && !todo.runs(task, index);
            prop_assert_eq!(is_taken, is_wanted && has(task, index), "{} {}", task, index);
        }
    }
}

#[test]
fn all_or_nothing() {
    let plan = plan(FLOW);
    let keys = KeyPlan::of(&plan);
    let nothing = decide(&plan, &journal(&keys, &[]), &[]);
    assert_eq!(nothing.skipped(), 0);
    let done = journal(&keys, &all(&plan));
    assert_eq!(decide(&plan, &done, &[]).skipped(), 20);
    // what is forced runs, with what it reads and what reads it
    let forced = decide(&plan, &done, &[2]);
    let runs = |name: &str| forced.tasks[plan.find(name).expect("a task")].run.count();
    assert_eq!(["a", "b", "c", "d"].map(runs), [6, 6, 2, 6]);
}

#[test]
fn what_is_quarantined_is_not_started_unless_it_is_forced_or_done() {
    let plan = plan(FLOW);
    let keys = KeyPlan::of(&plan);
    let mut state = journal(&keys, &[(0, 0)]);
    let quarantined = &mut state.families.entry(keys.tasks[0].digest).or_default().quarantined;
    quarantined.extend([0, 3, 4].map(|index| (index, "three ranks".to_owned())));
    let of = |todo: &Todo| todo.tasks[0].quarantined();
    let todo = decide(&plan, &state, &[]);
    assert_eq!(of(&todo), [(3..5, "three ranks".to_owned())]);
    assert!(todo.runs(0, 3) && todo.runs(0, 1), "it fails in this run, and what reads it is skipped");
    assert_eq!(of(&decide(&plan, &state, &[0])), []);
}

#[test]
fn a_changed_script_finds_its_instances_by_their_values() {
    let text =
        "[task.a]\nfor = { i = [1, 2, 3] }\nrun = 'echo {i}'\n[task.b]\neach = 'a'\nrun = 'cat {a.stdout}'\n";
    let old = plan(text);
    let state = journal(&KeyPlan::of(&old), &all(&old));
    let new = plan(&text.replace("[1, 2, 3]", "[4, 3, 1]"));
    let todo = decide(&new, &state, &[]);
    for task in &todo.tasks {
        assert_eq!(task.run.iter().flatten().collect::<Vec<_>>(), [0]);
    }
    // the digest is another one as soon as one key is
    let keys = |text: &str| {
        let keys = KeyPlan::of(&plan(text));
        let prints = Fingerprints::new(&keys);
        (keys.tasks[1].digest, prints.of(1).collect::<Vec<_>>())
    };
    let before = keys(text);
    assert_eq!(keys(&text.replace("[task.a]", "# more\n[task.a]\nretries = 3\npriority = 1")), before);
    for (from, to) in [("echo", "printf"), ("cat", "sort"), ("3]", "4]"), ("{a.stdout}", "{a.stdout} {i}")] {
        let after = keys(&text.replace(from, to));
        assert!(after.0 != before.0 && after.1 != before.1, "{from} {to}");
    }
    // a key plan is what it was when it comes back from the disk
    let stored: KeyPlan = crate::codec::decode(&state.plans[0].plan).expect("it decodes");
    assert_eq!(stored, KeyPlan::of(&old));
}
