//! Matching of a plan with the journal: which instances of the plan the journal has as done or failed.

use crate::compact::Ranges;
use crate::journal::record::{CheckpointRecord, FailedRecord, FileStamp};
use crate::journal::state::{FamilyHistory, JournalState};
use crate::script::plan::fingerprint::Fingerprints;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The facts that the journal has of one task's instances, by their indices in the present plan.
#[derive(Debug, Default)]
pub(crate) struct KnownTask {
    /// The indices of instances that are done.
    pub done: Ranges,
    /// The indices of instances that were skipped; they are done too.
    pub skipped: Ranges,
    /// The indices of instances that are not needed, since they read one behind the end of a loop; they are done too.
    pub not_needed: Ranges,
    /// The indices of done instances that have met `until`.
    pub met: Ranges,
    /// The files that done instances have saved, by index.
    pub saved: BTreeMap<u64, Vec<FileStamp>>,
    /// The failures of instances that are not done, by index.
    pub failed: BTreeMap<u64, FailedRecord>,
    /// The instances that are not to be started again, by index, each with the reason.
    pub quarantined: BTreeMap<u64, String>,
    /// The checkpoints of instances, by index. Each has the family and the index under which it was written.
    pub checkpoints: BTreeMap<u64, CheckpointRecord>,
}

/// A task of the same name in an older version of the script, for telling the user what has changed since.
#[derive(Debug)]
pub(crate) struct OlderTask {
    /// The key plan (all that instance keys are computed from) of the older script.
    pub plan: KeyPlan,
    /// The number of the task in `plan`.
    pub task: usize,
    /// Whether at least one instance of the older task is done.
    pub has_done: bool,
}

/// The facts that the journal has of a plan's instances.
#[derive(Debug, Default)]
pub(crate) struct KnownInstances {
    /// The facts of each task, by task number.
    pub tasks: Vec<KnownTask>,
}

/// The key plans in a journal, each decoded when it is first asked for.
struct OldPlans<'s> {
    state: &'s JournalState,
    decoded: HashMap<usize, Option<KeyPlan>>,
}

impl<'s> OldPlans<'s> {
    /// Finds the key plan that has the family with the digest `family`, and the number of the family's task in it.
    /// `None` if no readable plan has it.
    fn of(&mut self, family: u128) -> Option<(&KeyPlan, usize)> {
        let has = |record: &crate::journal::record::KeyRecord| {
            record.families.iter().position(|known| *known == family)
        };
        let plans = self.state.plans.iter().enumerate().rev();
        let (number, task) = plans.filter_map(|(number, record)| Some((number, has(record)?))).next()?;
        let plan = self.decoded.entry(number).or_insert_with(|| {
            self.state.plans.get(number).and_then(|record| crate::codec::decode(&record.plan).ok())
        });
        plan.as_ref().map(|plan| (plan, task))
    }
}

impl KnownInstances {
    /// Finds the instances of a plan in the journal: those of unchanged tasks by their indices, all others by their
    /// keys.
    pub(crate) fn find(keys: &KeyPlan, state: &JournalState) -> KnownInstances {
        let mut tasks = Vec::with_capacity(keys.tasks.len());
        for task in &keys.tasks {
            let history = state.families.get(&task.digest);
            tasks.push(history.map_or_else(KnownTask::default, |history| KnownTask {
                done: history.done.clone(),
                skipped: history.skipped.clone(),
                not_needed: history.not_needed.clone(),
                met: history.met.clone(),
                saved: history.saved.clone(),
                failed: history.failed.clone(),
                quarantined: history.quarantined.clone(),
                checkpoints: history.checkpoints.clone(),
            }));
        }
        let mut known = KnownInstances { tasks };
        known.find_by_keys(keys, state);
        known
    }

    fn find_by_keys(&mut self, keys: &KeyPlan, state: &JournalState) {
        let present: HashSet<u128> = keys.tasks.iter().map(|task| task.digest).collect();
        let is_old = |(digest, history): &(&u128, &FamilyHistory)| {
            !present.contains(*digest) && !history.done.is_empty()
        };
        let mut old: Vec<(&u128, &FamilyHistory)> = state.families.iter().filter(is_old).collect();
        if old.is_empty() {
            return;
        }
        // of several records of one instance the newest counts
        old.sort_by_key(|(_, history)| std::cmp::Reverse(history.last));
        let prints = Fingerprints::new(keys);
        let mut missing: HashMap<u128, (usize, u64)> = HashMap::new();
        for (number, (task, known)) in keys.tasks.iter().zip(&self.tasks).enumerate() {
            for index in known.done.complement(task.family.len()).iter().flatten() {
                if !known.failed.contains_key(&index) {
                    missing.insert(prints.key(number, index), (number, index));
                }
            }
        }
        let mut plans = OldPlans { state, decoded: HashMap::new() };
        for (digest, history) in old {
            if missing.is_empty() {
                return;
            }
            let Some((plan, task)) = plans.of(*digest) else { continue };
            let prints = Fingerprints::new(plan);
            for index in history.done.iter().flatten() {
                let Some((number, at)) = missing.remove(&prints.key(task, index)) else { continue };
                if let Some(known) = self.tasks.get_mut(number) {
                    known.done.insert(at);
                    for (of, to) in [
                        (&history.skipped, &mut known.skipped),
                        (&history.not_needed, &mut known.not_needed),
                        (&history.met, &mut known.met),
                    ] {
                        if of.contains(index) {
                            to.insert(at);
                        }
                    }
                    if let Some(saved) = history.saved.get(&index) {
                        known.saved.insert(at, saved.clone());
                    }
                    if let Some(checkpoint) = history.checkpoints.get(&index) {
                        known.checkpoints.insert(at, checkpoint.clone());
                    }
                }
            }
        }
    }
}

impl OlderTask {
    /// Finds the newest script in the journal that has a task of this name with another definition.
    pub(crate) fn find(name: &str, digest: u128, state: &JournalState) -> Option<OlderTask> {
        for record in state.plans.iter().rev() {
            let Ok(plan) = crate::codec::decode::<KeyPlan>(&record.plan) else { continue };
            let Some(task) = plan.find(name) else { continue };
            let found = plan.tasks.get(task).map_or(0, |task| task.digest);
            if found == digest {
                continue;
            }
            let has_done = state.families.get(&found).is_some_and(|history| !history.done.is_empty());
            return Some(OlderTask { plan, task, has_done });
        }
        None
    }
}
