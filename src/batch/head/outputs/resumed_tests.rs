//! Shared files over several runs: whatever each of them has done, in whatever order, the last one makes the file
//! whole.

use super::*;
use crate::batch::artifact::OutputBytes;
use crate::batch::outputs::STDERR;
use crate::batch::resume::checkpointed::CheckpointLookup;
use crate::batch::resume::known::KnownInstances;
use crate::batch::resume::shared;
use crate::journal::frame;
use crate::journal::record::{
    DoneRecord, FailedRecord, FileStamp, GrownFile, GrownPart, JournalRecord, KeyRecord,
};
use crate::journal::state::JournalState;
use crate::script::diagnostics::source::ScriptSource;
use crate::script::load::parse;
use crate::script::options::LoadOptions;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
use proptest::prelude::*;
use std::fs;

/// Two streams and two tasks in one file, and one stream with a file of its own.
const FLOW: &str = "dtask = 1\n[task.a]\nfor = { i = '0..5' }\nrun = 'echo'\nstdout = 'o.txt'\nstderr = 'o.txt'\n\
                    [task.b]\nfor = { i = '0..7' }\nrun = 'echo'\nstdout = 'o.txt'\nstderr = 'e.txt'\n";

fn text(task: usize, index: u64, which: u32) -> String {
    // some are empty, some long
    let long = if index == 3 { 70_000 } else { index as usize * 3 };
    if index == 2 { String::new() } else { format!("{task} {index} {which}{}\n", "x".repeat(long)) }
}

/// How an instance goes in a run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Done,
    Failed,
    NotRun,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Fate::Done), 1 => Just(Fate::Failed), 1 => Just(Fate::NotRun)]
}

/// The journal of all runs so far, and what is decided by it.
struct Journal {
    keys: KeyPlan,
    bytes: Vec<u8>,
}

impl Journal {
    fn new(plan: &Plan) -> Journal {
        let keys = KeyPlan::of(plan);
        let mut journal = Journal { bytes: frame::FIRST_LINE.to_vec(), keys };
        let families = journal.keys.tasks.iter().map(|task| task.digest).collect();
        let plan = crate::codec::encode(&journal.keys).unwrap();
        journal.add(&JournalRecord::Keys(KeyRecord { families, plan }));
        journal
    }

    fn add(&mut self, record: &JournalRecord) {
        frame::append(&record.encode().unwrap(), &mut self.bytes);
    }

    fn todo(&self, plan: &Plan) -> Todo {
        let state = JournalState::of(&self.bytes).unwrap();
        let known = KnownInstances::find(&self.keys, &state);
        let checkpoints = CheckpointLookup::new(&plan.dir, &known);
        Todo::decide(plan, &known, shared::outputs(plan, &self.keys, &state), checkpoints, &[])
    }

    fn ended(&mut self, task: usize, index: u64, fate: Fate) {
        let family = self.keys.tasks[task].digest;
        match fate {
            Fate::Done => {
                let ranges = vec![(index, 1)];
                self.add(&JournalRecord::Done(DoneRecord { family, ranges, saved: vec![] }));
            }
            Fate::Failed => {
                self.add(&JournalRecord::Failed(FailedRecord { family, index, ..FailedRecord::default() }));
            }
            Fate::NotRun => {}
        }
    }

    fn files(&mut self, plan: &Plan, sinks: &mut Sinks) {
        let name = |key: &Path| key.file_name().unwrap().to_string_lossy().into_owned();
        for key in sinks.take_complete() {
            self.add(&JournalRecord::Shared(FileStamp::of(&plan.dir, &name(&key)).unwrap()));
        }
        for GrownOutputs { key, length, parts } in sinks.take_grown(true) {
            let tail = GrownFile::tail_of(&File::open(&key).unwrap(), length).unwrap();
            let family = |task: usize| self.keys.tasks[task].digest;
            let parts = parts.into_iter();
            let parts =
                parts.map(|(task, next, gaps)| GrownPart { family: family(task), next, gaps }).collect();
            self.add(&JournalRecord::Grown(GrownFile { path: name(&key), length, tail, parts }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn runs_one_after_the_other_make_the_file_that_one_would(
        rounds in proptest::collection::vec((proptest::collection::vec((fate(), any::<u32>()), 12), any::<bool>()), 0..5)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let source = ScriptSource::new("flow.toml", dir.path(), FLOW.to_owned());
        let plan = parse(source, &[], LoadOptions::default()).expect("a script");
        let folder = dir.path().join("flow.dtask");
        let mut journal = Journal::new(&plan);
        let last = (vec![(Fate::Done, 7); 12], true);
        for (fates, is_orderly) in rounds.into_iter().chain([last]) {
            let todo = journal.todo(&plan);
            let mut sinks = Sinks::new(&plan, &todo, &folder);
            let all = [(0, 5), (1, 7)].into_iter().flat_map(|(task, count)| (0..count).map(move |index| (task, index)));
            let mut order: Vec<_> = all.zip(fates).filter(|((task, index), _)| todo.runs(*task, *index)).collect();
            order.sort_by_key(|(_, (_, place))| *place);
            for ((task, index), (fate, _)) in order {
                let (out, err) = (text(task, index, STDOUT), text(task, index, STDERR));
                let part = |which, text: &'static str| OutputBytes { which, name: "", bytes: text.as_bytes() };
                let artifact = Artifact::of(&[part(STDOUT, out.leak()), part(STDERR, err.leak())]);
                match fate {
                    Fate::Done => sinks.end(&plan, task, index, &OutputEnd::Done(&artifact)),
                    Fate::Failed => sinks.end(&plan, task, index, &OutputEnd::Lost { left: false }),
                    Fate::NotRun => {}
                }
                journal.ended(task, index, fate);
                sinks.turn(&plan);
            }
            // a run that is killed has only what was flushed
            if is_orderly { sinks.close(&plan, true) } else { sinks.flush(&plan) }
            journal.files(&plan, &mut sinks);
            drop(sinks);
            // what is written after the last record
            let path = dir.path().join("o.txt");
            if !is_orderly && let Ok(mut text) = fs::read(&path) {
                text.extend_from_slice(b"torn");
                fs::write(&path, text).unwrap();
            }
        }
        prop_assert_eq!(journal.todo(&plan).tasks.iter().map(|task| task.run.count()).sum::<u64>(), 0);
        let a = (0..5).flat_map(|index| [STDOUT, STDERR].map(|which| text(0, index, which)));
        let b = (0..7).map(|index| text(1, index, STDOUT));
        prop_assert_eq!(fs::read_to_string(dir.path().join("o.txt")).unwrap(), a.chain(b).collect::<String>());
        let errors: String = (0..7).map(|index| text(1, index, STDERR)).collect();
        prop_assert_eq!(fs::read_to_string(dir.path().join("e.txt")).unwrap(), errors);
    }
}
