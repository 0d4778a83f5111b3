//! Tasks that submit tasks: what a task does while it is computed on a rank other than 0. What it submits is drawn from
//! its seed, so it is the same whenever and wherever the task runs, but for the numbers.

use super::{Cluster, Running};
use crate::client::{Manner, Spec, value_of};
use crate::rng::{Rng, hash};
use dtask::internal::ids::{DefId, Rank, TaskId};
use dtask::internal::protocol::{
    Blob, Definition, NestedAnswer, NestedDefinition, NestedTask, RankReport, ReportedResult, ResourceRequest,
};
use dtask::internal::worker;
use std::collections::BTreeMap;

/// What a task submits.
pub struct Child {
    seed: u64,
    /// Bytes of its result, 0 for one that travels in messages.
    nbytes: u64,
    /// The earlier ones whose results it takes.
    siblings: Vec<usize>,
    /// A value, not a task.
    scattered: bool,
    fails: bool,
}

impl Child {
    fn args(&self) -> Blob {
        Blob::new(&self.seed.to_le_bytes())
    }
}

/// What a task with this seed submits at `level` levels above the last one.
fn children(seed: u64, level: u32) -> Vec<Child> {
    let mut rng = Rng::new(seed);
    let count = if level == 0 { 0 } else { 1 + rng.below(3) };
    let child = |at: usize| Child {
        seed: hash(seed, &at.to_le_bytes()),
        nbytes: rng.pick(&[0, 0, 200, 4_097, 1 << 33]),
        siblings: (0..if at == 0 { 0 } else { rng.below(3) }).map(|_| rng.below(at)).collect(),
        scattered: rng.chance(15),
        fails: rng.chance(8),
    };
    (0..count).map(child).collect()
}

/// The values of what a task with this seed submits.
fn values(seed: u64, level: u32) -> Vec<u64> {
    let mut values = Vec::new();
    for child in children(seed, level) {
        let inputs: Vec<u64> = child.siblings.iter().map(|&at| values[at]).collect();
        values.push(match child.scattered {
            true => child.seed,
            false => {
                with_nested(value_of(DefId(0), &child.args(), inputs.into_iter()), child.seed, level - 1)
            }
        });
    }
    values
}

/// The value of a task that would be `own` without what it submits.
pub fn with_nested(own: u64, seed: u64, level: u32) -> u64 {
    values(seed, level).into_iter().fold(own, |so_far, value| hash(so_far, &value.to_le_bytes()))
}

/// How far a running task is with what it submits.
#[derive(Default)]
pub struct Nest {
    submitted: Vec<TaskId>,
    held: Vec<TaskId>,
    asked: bool,
    /// What it waits for, and whether for the value.
    wants: BTreeMap<TaskId, bool>,
    paused: bool,
}

impl Nest {
    /// Whether its thread has anything to do.
    pub fn can_go_on(&self) -> bool {
        self.wants.is_empty()
    }
}

impl Cluster {
    /// How many tasks tasks have submitted: in all, and on ranks that have died.
    pub fn nested(&self) -> [u64; 2] {
        let dead = self.nodes.iter().filter(|node| !node.alive);
        [self.nodes.iter().map(|node| node.numbered).sum(), dead.map(|node| node.numbered).sum()]
    }

    /// The next step of a running task before its end; false if there is none.
    pub(super) fn nest(&mut self, rank: usize, at: usize) -> bool {
        let task = self.nodes[rank].running[at].run.task;
        let spec = &self.client.specs[&task];
        let (seed, level) = (spec.seed, spec.level);
        let children = if rank == 0 { Vec::new() } else { children(seed, level) };
        let nest = &self.nodes[rank].running[at].nest;
        if nest.submitted.len() < children.len() {
            self.submit(rank, at, &children, level);
        } else if !nest.asked && !children.is_empty() {
            self.ask(rank, at);
        } else {
            // it goes on before its answers are there only when it has waited long enough
            let node = &mut self.nodes[rank];
            let nest = &mut node.running[at].nest;
            nest.wants.clear();
            let paused = std::mem::take(&mut nest.paused);
            for task in std::mem::take(&mut nest.held) {
                self.reports[rank].push_back(RankReport::Drop { task });
            }
            if paused {
                node.computed.push_back(worker::WorkerEvent::Resumed(Some(task)));
            }
            return paused;
        }
        true
    }

    fn submit(&mut self, rank: usize, at: usize, children: &[Child], level: u32) {
        let node = &mut self.nodes[rank];
        let Running { run, nest, .. } = &mut node.running[at];
        let child = &children[nest.submitted.len()];
        let task = TaskId(TaskId::first_of(Rank(rank as u32)).0 + node.numbered);
        let inputs: Vec<TaskId> = child.siblings.iter().map(|&at| nest.submitted[at]).collect();
        let parent = run.task;
        nest.submitted.push(task);
        nest.held.push(task);
        let of = |input: &TaskId| &self.client.specs[input];
        let own = value_of(DefId(0), &child.args(), inputs.iter().map(|input| of(input).value));
        let mut spec = Spec {
            def: DefId(u32::MAX),
            args: child.args(),
            manner: if child.fails { Manner::FailsAlways } else { Manner::Works },
            value: with_nested(own, child.seed, level - 1),
            nbytes: child.nbytes,
            must_fail: child.fails || inputs.iter().any(|input| of(input).must_fail),
            may_fail: self.client.may_run_nowhere() || inputs.iter().any(|input| of(input).may_fail),
            inputs: inputs.clone(),
            seed: child.seed,
            level: level - 1,
        };
        if child.scattered {
            spec = Spec {
                args: Blob::default(),
                inputs: Vec::new(),
                manner: Manner::Works,
                value: child.seed,
                must_fail: false,
                may_fail: false,
                level: 0,
                ..spec
            };
            let output = spec.output(spec.value);
            if let ReportedResult::Stored { .. } = output {
                node.store.insert(task, spec.value);
                self.tell(Rank(rank as u32), worker::WorkerEvent::Put(task));
            }
            self.reports[rank].push_back(RankReport::Scatter { task, key: 0, output });
        } else {
            if node.numbered_defs == 0 {
                let (name, shared) = ("nested".to_owned(), Blob::default());
                let definition = Definition {
                    def: DefId(0),
                    function: 2,
                    name,
                    shared,
                    slots: 1,
                    memory: 0,
                    gpus: 0,
                    timeout: 0,
                };
                let needs = ResourceRequest::default();
                let nested = NestedDefinition {
                    definition,
                    priority: 0,
                    retries: 0,
                    retry_delay: 0,
                    on: None,
                    among: None,
                    prefer: None,
                    needs,
                };
                self.reports[rank].push_back(RankReport::Define(Box::new(nested)));
            }
            let (args, more) = (spec.args.clone(), 0);
            let nested = NestedTask { task, parent, def: DefId(0), key: 0, args, inputs, more };
            self.reports[rank].push_back(RankReport::Submit(Box::new(nested)));
            self.nodes[rank].numbered_defs = 1;
        }
        self.nodes[rank].numbered += 1;
        self.client.specs.insert(task, spec);
    }

    /// A task waits for some of what it has submitted, and drops some of it.
    fn ask(&mut self, rank: usize, at: usize) {
        let rng = &mut self.rng;
        let node = &mut self.nodes[rank];
        let Running { run, nest, .. } = &mut node.running[at];
        let parent = run.task;
        nest.asked = true;
        for task in std::mem::take(&mut nest.held) {
            let (drops, waits, value) = (rng.chance(20), rng.chance(70), rng.chance(80));
            if waits {
                nest.wants.insert(task, value);
                self.reports[rank].push_back(RankReport::Want { task, value });
            }
            match drops {
                true => self.reports[rank].push_back(RankReport::Drop { task }),
                false => nest.held.push(task),
            }
        }
        if !nest.wants.is_empty() {
            nest.paused = true;
            node.computed.push_back(worker::WorkerEvent::Paused(Some(parent)));
        }
    }

    /// Rank 0 has answered a task on `rank` that waits for `task`.
    pub(super) fn answered(&mut self, rank: usize, task: TaskId, answer: &NestedAnswer) {
        let spec = &self.client.specs[&task];
        let node = &mut self.nodes[rank];
        let value = match answer {
            NestedAnswer::Done => None,
            NestedAnswer::Failed(cause) => {
                assert!(spec.must_fail || spec.may_fail, "{task:?} has failed: {cause}");
                None
            }
            NestedAnswer::Inline(value) => {
                Some(u64::from_le_bytes(value[..].try_into().expect("eight bytes")))
            }
            NestedAnswer::Here => {
                Some(*node.store.get(&task).unwrap_or_else(|| panic!("{task:?} is not here")))
            }
        };
        if let Some(value) = value {
            assert!(!spec.must_fail, "{task:?} has a value, but must fail");
            assert_eq!(value, spec.value, "the value of {task:?}");
        }
        for Running { nest, .. } in &mut node.running {
            // a value that has to be brought is done before it is there
            if nest.wants.get(&task).is_some_and(|value| !value || *answer != NestedAnswer::Done) {
                nest.wants.remove(&task);
            }
        }
    }
}
