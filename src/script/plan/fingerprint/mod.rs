//! Fingerprints: the key of an instance is a 128-bit hash of the work it does and of the inputs it reads.
//!
//! Two instances with one key give the same result, wherever and whenever they run. Into a key go the action, the
//! environment that it sets, the names of its outputs, the values of the parameters, and the keys of its inputs: other
//! instances by their own keys, files by size and time of modification. Values that change from run to run (rank, host,
//! scratch folder, attempt, place of the script) are left out.
//!
//! All that keys are computed from is a [`KeyPlan`], which can be stored and says later what the
//! keys of an older script were. [`definition`] makes it of a plan; [`Fingerprints`] computes the keys. The *digest* of
//! a task is a hash of everything that decides all its keys: with equal digests, instances with equal indices have
//! equal keys, and none has to be computed.

pub(crate) mod definition;
pub(crate) mod key_plan;

use crate::script::plan::fingerprint::key_plan::{KeyPlan, KeyTask, add_value};
use crate::script::plan::task::Select;
use crate::script::sweep::join::Join;
use crate::script::values::value::ScriptValue;
use smallvec::SmallVec;
use std::cell::OnceCell;
use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

/// Computes the keys of the instances of a key plan. Keys of tasks that others read are kept.
#[derive(Debug)]
pub(crate) struct Fingerprints<'k> {
    plan: &'k KeyPlan,
    tasks: Vec<TaskKeys>,
}

/// The keys of one task that are kept for reuse.
#[derive(Debug, Default)]
struct TaskKeys {
    /// Whether all keys of the task are computed at once and kept, since other tasks read it and it reads others
    /// itself.
    is_kept: bool,
    all: OnceCell<Vec<u128>>,
    /// The hash of the keys of all instances, for tasks that gather the whole family.
    whole: OnceCell<u128>,
    /// The hash of the task's knot.
    knot: OnceCell<u128>,
}

impl<'k> Fingerprints<'k> {
    /// Creates the object that computes the keys of a key plan. No key is computed yet.
    pub(crate) fn new(plan: &'k KeyPlan) -> Self {
        let mut tasks: Vec<TaskKeys> = plan.tasks.iter().map(|_| TaskKeys::default()).collect();
        for reference in plan.tasks.iter().flat_map(|task| &task.references) {
            let reads = plan.tasks.get(reference.task).is_some_and(|task| !task.references.is_empty());
            if let Some(keys) = tasks.get_mut(reference.task) {
                keys.is_kept |= reads;
            }
        }
        Fingerprints { plan, tasks }
    }

    /// The key of instance number `instance` of the task with this number.
    pub(crate) fn key(&self, task: usize, instance: u64) -> u128 {
        let Some(keys) = self.tasks.get(task) else { return 0 };
        if !keys.is_kept {
            return self.compute(task, instance);
        }
        let all = keys.all.get_or_init(|| {
            let count = self.plan.tasks.get(task).map_or(0, |task| task.family.len());
            (0..count).map(|instance| self.compute(task, instance)).collect()
        });
        usize::try_from(instance).ok().and_then(|at| all.get(at)).copied().unwrap_or_default()
    }

    /// The keys of all instances of a task, in the order of their indices.
    pub(crate) fn of(&self, task: usize) -> impl Iterator<Item = u128> + '_ {
        let count = self.plan.tasks.get(task).map_or(0, |task| task.family.len());
        (0..count).map(move |instance| self.key(task, instance))
    }

    fn compute(&self, at: usize, instance: u64) -> u128 {
        let Some(task) = self.plan.tasks.get(at) else { return 0 };
        let mut bytes: SmallVec<[u8; 256]> = SmallVec::new();
        bytes.extend_from_slice(&task.base.to_le_bytes());
        if task.by_index {
            bytes.extend_from_slice(&instance.to_le_bytes());
        }
        for (value, counts) in task.family.bindings(instance).iter().zip(&task.counts) {
            if *counts {
                add_value(value, &mut bytes);
                self.add_file(task, value, &mut bytes);
            }
        }
        for reference in &task.references {
            bytes.push(u8::from(reference.select == Select::Order));
            if self.is_in_knot(task, reference.task) {
                continue;
            }
            let before = reference.instead_of.iter().filter_map(|before| task.references.get(*before));
            if before.map(|before| before.join.instances(instance).remaining()).sum::<u64>() == 0 {
                self.add_inputs(reference.task, &reference.join, instance, &mut bytes);
            }
        }
        if task.knot > 0 {
            bytes.extend_from_slice(&self.knot(at).to_le_bytes());
        }
        xxh3_128_with_seed(&bytes, 0)
    }

    /// Whether a task reads another one of its own knot.
    fn is_in_knot(&self, task: &KeyTask, other: usize) -> bool {
        task.knot > 0 && self.plan.tasks.get(other).is_some_and(|other| other.knot == task.knot)
    }

    /// The hash of all that the tasks of a knot are, and of all that they read of others. An instance of a knot can
    /// read any other one of it in the end, so that it is part of the keys of all. `at` is the number of one of the
    /// tasks.
    fn knot(&self, at: usize) -> u128 {
        let (Some(own), Some(keys)) = (self.plan.tasks.get(at), self.tasks.get(at)) else { return 0 };
        *keys.knot.get_or_init(|| {
            let mut hash = Xxh3::new();
            for task in self.plan.tasks.iter().filter(|task| task.knot == own.knot) {
                hash.update(&task.base.to_le_bytes());
                for reference in &task.references {
                    if !self.is_in_knot(task, reference.task) {
                        self.of(reference.task).for_each(|key| hash.update(&key.to_le_bytes()));
                    }
                }
            }
            hash.digest128()
        })
    }

    /// If a value is the path of a file, appends the file's state to the bytes to be hashed.
    fn add_file(&self, task: &KeyTask, value: &ScriptValue, bytes: &mut SmallVec<[u8; 256]>) {
        if let ScriptValue::Path(path) = value
            && let Some(stamp) = task.files.get(path)
        {
            bytes.extend_from_slice(&stamp.hash().to_le_bytes());
        }
    }

    fn add_inputs(&self, task: usize, join: &Join, instance: u64, bytes: &mut SmallVec<[u8; 256]>) {
        let all = self.plan.tasks.get(task).map_or(0, |task| task.family.len());
        let inputs = join.instances(instance);
        let hash = |inputs: &mut dyn Iterator<Item = u64>| {
            let mut hash = Xxh3::new();
            inputs.for_each(|input| hash.update(&self.key(task, input).to_le_bytes()));
            hash.digest128()
        };
        let keys = match inputs.as_range() {
            // computed once and kept, since many instances may gather all of a large family
            Some(range) if range == (0..all) && all > 1 => {
                self.tasks.get(task).map_or(0, |keys| *keys.whole.get_or_init(|| hash(&mut { range })))
            }
            Some(range) if range.end == range.start + 1 => self.key(task, range.start),
            _ => hash(&mut { inputs }),
        };
        bytes.extend_from_slice(&keys.to_le_bytes());
    }
}
