//! The chains of a task that are under way: results that are held, and verdicts that rank 0 watches.

use crate::batch::artifact::{Absence, Artifact};
use crate::batch::head::failures::failed_members::absent;
use crate::batch::head::until::chains::{Chains, Verdict};
use crate::batch::resume::todo::Todo;
use crate::client::Client;
use crate::client::future::Future;
use crate::client::watch::Watch;
use crate::compact::Ranges;
use crate::error::{Result, TaskError};
use crate::script::plan::Plan;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Verdicts that were submitted together.
struct WatchedVerdicts {
    instances: Vec<u64>,
    is_known: Vec<bool>,
    watch: Watch,
    /// The number of verdicts that were not known at the last look.
    open: usize,
}

/// The result of an instance of a chain, as far as it was submitted in this run.
pub(crate) enum ChainResult {
    /// The future of the result.
    Submitted(Future<Artifact>),
    /// None, since the instance is behind the end of its chain.
    NotNeeded,
    /// None, since the chain is broken: a future that fails for the same reason.
    Broken(Future<Artifact>),
}

/// The chains of a task with `until` that are under way, with the futures that are still needed.
pub(crate) struct RunningChains {
    pub(crate) chains: Chains,
    held: BTreeMap<u64, Future<Artifact>>,
    /// The verdicts that are not known yet.
    verdicts: BTreeMap<u64, Future<Artifact>>,
    /// By number of the chain, the verdict that has failed.
    broken: HashMap<u32, Future<Artifact>>,
    watched: Vec<WatchedVerdicts>,
    /// The instances that have turned out not to be needed since they were last taken, and were not submitted.
    beyond: Ranges,
    /// The instances that can never run since they were last taken, each with the cause.
    lost: Vec<(u64, Arc<TaskError>)>,
    /// How many positions back an instance reads others of its chain; `u64::MAX` if that is not known.
    reach: u64,
}

impl RunningChains {
    /// Makes the state of a task's chains of which nothing is submitted yet. `None` for a task without `until`.
    pub(crate) fn new(plan: &Plan, number: usize, todo: &Todo) -> Option<RunningChains> {
        let task = plan.tasks.get(number)?;
        let until = task.until.as_ref()?;
        let own = task.references.iter().filter(|reference| reference.task == number);
        let axis = until.axis;
        let reach = own.map(|reference| {
            let back = reference.join.distance().filter(|distance| *distance < 0).map(i64::unsigned_abs);
            let along = back.filter(|back| back % axis.stride == 0 && back / axis.stride < axis.len);
            along.map_or(u64::MAX, |back| back / axis.stride)
        });
        Some(RunningChains {
            chains: Chains::new(number, &task.family, until, todo),
            held: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            broken: HashMap::new(),
            watched: Vec::new(),
            beyond: Ranges::default(),
            lost: Vec::new(),
            reach: reach.max().unwrap_or(0),
        })
    }

    /// Looks which verdicts have come.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn look(&mut self) -> Result<()> {
        if self.watched.is_empty() {
            return Ok(());
        }
        self.chains.begin_turn();
        let mut watched = std::mem::take(&mut self.watched);
        for verdicts in &mut watched {
            let open = verdicts.watch.open();
            if open == verdicts.open {
                continue;
            }
            // how a task has ended is looked up after the look which tells that it has
            let ended = verdicts.watch.ended();
            let absences: HashMap<usize, Absence> = absent(&verdicts.watch).into_iter().collect();
            let mut failures: HashMap<usize, Arc<TaskError>> =
                verdicts.watch.failures().into_iter().collect();
            if open == 0
                && let Some(Err(error)) = verdicts.watch.take()
            {
                return Err(error);
            }
            verdicts.open = open;
            let instances = verdicts.instances.iter().zip(&mut verdicts.is_known);
            for (at, ((&instance, is_known), ended)) in instances.zip(ended).enumerate() {
                if ended && !std::mem::replace(is_known, true) {
                    self.judge(instance, absences.get(&at).copied(), failures.remove(&at));
                }
            }
        }
        watched.retain(|verdicts| verdicts.open > 0);
        self.watched.append(&mut watched);
        self.chains.sweep();
        Ok(())
    }

    fn judge(&mut self, instance: u64, absence: Option<Absence>, failure: Option<Arc<TaskError>>) {
        let future = self.verdicts.remove(&instance);
        let verdict = match (&failure, absence) {
            (Some(_), _) => Verdict::Broken,
            (None, Some(Absence::NotNeeded)) => Verdict::Met,
            (None, Some(Absence::Skipped)) => Verdict::Behind,
            (None, None) => Verdict::GoesOn,
        };
        if verdict == Verdict::Broken
            && let (Some(chain), Some(future)) = (self.chains.chain_of(instance), future)
        {
            self.broken.entry(chain).or_insert(future);
        }
        let Some((chain, rest)) = self.chains.judge(instance, verdict) else { return };
        for instance in self.chains.instances(chain, rest) {
            match &failure {
                Some(cause) => self.lost.push((instance, cause.clone())),
                None => _ = self.beyond.insert(instance),
            }
        }
    }

    /// Keeps the futures of newly submitted instances and of their verdicts, which it begins to watch.
    pub(crate) fn watch(&mut self, client: &Client, instances: Vec<u64>, verdicts: &[Future<Artifact>]) {
        let (watch, open) = (client.watch(verdicts), instances.len() + 1);
        let is_known = vec![false; instances.len()];
        self.watched.push(WatchedVerdicts { instances, is_known, watch, open });
    }

    /// Holds the future of an instance and that of its verdict.
    pub(crate) fn hold(&mut self, instance: u64, result: &Future<Artifact>, verdict: &Future<Artifact>) {
        self.held.insert(instance, result.clone());
        self.verdicts.insert(instance, verdict.clone());
    }

    /// The verdict on the instance before, if it is not known yet: the input for which an instance waits.
    pub(crate) fn verdict_before(&self, before: Option<u64>) -> Option<Future<Artifact>> {
        self.verdicts.get(&before?).cloned()
    }

    /// The result of an instance that runs in this run.
    pub(crate) fn result(&self, instance: u64) -> Option<ChainResult> {
        if let Some(held) = self.held.get(&instance) {
            return Some(ChainResult::Submitted(held.clone()));
        }
        if self.chains.not_needed.contains(instance) {
            return Some(ChainResult::NotNeeded);
        }
        let broken = self.broken.get(&self.chains.chain_of(instance)?)?;
        Some(ChainResult::Broken(broken.clone()))
    }

    /// The verdict that has failed of the chain on which an instance stands.
    pub(crate) fn broken(&self, instance: u64) -> Option<Future<Artifact>> {
        self.broken.get(&self.chains.chain_of(instance)?).cloned()
    }

    /// Whether the future of an instance is held.
    pub(crate) fn has(&self, instance: u64) -> bool {
        self.held.contains_key(&instance)
    }

    /// Drops all futures.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.verdicts.clear();
        self.watched.clear();
    }

    /// Drops the results that nobody reads any more: other tasks read instances from index `others` on, and the last
    /// instances of chains whose first instances have an index from `lasts` on.
    pub(crate) fn let_go(&mut self, others: u64, lasts: impl Fn(u64) -> bool) {
        let RunningChains { chains, held, verdicts, reach, .. } = self;
        held.retain(|instance, _| {
            let may_be_last = verdicts.contains_key(instance) || chains.last(*instance) == Some(*instance);
            *instance >= others
                || chains.is_read_behind(*instance, *reach)
                || may_be_last && (!chains.is_over(*instance) || lasts(*instance))
        });
    }

    /// Takes the instances that have turned out not to be needed and were not submitted, and those that can never run.
    pub(crate) fn take_ends(&mut self) -> (Ranges, Vec<(u64, Arc<TaskError>)>) {
        (std::mem::take(&mut self.beyond), std::mem::take(&mut self.lost))
    }
}
