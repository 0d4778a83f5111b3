//! Waiting for a plan's tasks: results are dropped as soon as nobody waits for them any more, failures are noted, and
//! what goes to files of rank 0 is written in the order of the indices.

use super::array;
use super::failure::{Failed, part};
use super::inputs::Array;
use super::pack::{self, Pack};
use super::progress::{Progress, Tally};
use super::sink::{Sinks, path_of, paths};
use super::stop::{self, Stopped};
use super::submit::{Collected, Entry, Submitter};
use crate::client::{Client, Family, Future, Pending, Watch};
use crate::error::{Error, Result, TaskError};
use crate::script::{Plan, Task};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Instances that are asked for together where nothing of them is fetched.
const WATCHED: usize = 65_536;
/// Outputs that are fetched together.
const FETCHED: usize = 64;

/// What came of a plan.
#[derive(Default)]
pub struct Outcome {
    /// Instances that have ended, with a result or without.
    pub ended: u64,
    /// Instances without a result.
    pub failed: Vec<Failed>,
    /// The files that rank 0 has written.
    pub sinks: Sinks,
    /// What was left undone, where the run was stopped.
    pub stopped: Option<Stopped>,
}

/// Futures of what is running, with task and index.
type Running<T> = Vec<(usize, u64, Future<T>)>;

/// What is still waited for when the rest is given up.
#[derive(Default)]
pub(super) struct Given {
    pub(super) packs: Running<Pack>,
    pub(super) arrays: Running<Array>,
    /// What saves arrays that are there.
    pub(super) saves: Running<Pack>,
}

/// Tasks whose results only others want.
struct Watched<T> {
    task: usize,
    futures: Vec<Option<Future<T>>>,
    watch: Watch,
    /// Whether these are the instances, not what saves them.
    own: bool,
}

/// Where a stream comes from.
enum Source {
    Lazy(Family<Pack>, u64),
    /// Arrays, of which the printed form is wanted, if anything.
    LazyArrays(Family<Array>, u64),
    Futures(VecDeque<Option<Future<Pack>>>),
}

/// Instances that are taken in the order of their indices, some at a time.
struct Ordered {
    task: usize,
    source: Source,
    /// Whether these are the instances, not what was made of them.
    own: bool,
    next: u64,
    window: Option<(Vec<Option<Future<Pack>>>, Asked)>,
}

enum Asked {
    Ends(Watch),
    Values(Pending<Pack>),
}

/// Rank 0's view of a run.
pub struct Collector<'a> {
    plan: &'a Plan,
    pub(super) client: &'a Client,
    pub(super) submitter: Submitter<'a>,
    packs: Vec<Watched<Pack>>,
    arrays: Vec<Watched<Array>>,
    /// By task.
    ordered: BTreeMap<usize, Ordered>,
    /// By task: all that was to be taken in order has been.
    drained: Vec<bool>,
    /// What stays until the end.
    kept: Vec<Future<()>>,
    pub(super) outcome: Outcome,
    progress: Progress,
}

impl<'a> Collector<'a> {
    /// A collector of what will be submitted.
    pub fn new(plan: &'a Plan, client: &'a Client, submitter: Submitter<'a>, progress: Progress) -> Self {
        let outcome = Outcome { sinks: Sinks::new(plan), ..Outcome::default() };
        let (ordered, drained) = (BTreeMap::new(), vec![false; plan.tasks.len()]);
        Collector {
            plan,
            client,
            submitter,
            packs: vec![],
            arrays: vec![],
            ordered,
            drained,
            kept: vec![],
            outcome,
            progress,
        }
    }

    /// Submits what can be by now.
    fn submit(&mut self) -> Result<()> {
        for (task, entry) in self.submitter.advance()? {
            self.add(task, entry);
        }
        Ok(())
    }

    fn add(&mut self, task: usize, Entry { instances, parts, saves }: Entry) {
        if self.plan.tasks.get(task).is_some_and(|task| task.keep) {
            match &instances {
                Collected::Packs(futures) => {
                    self.kept.extend(futures.iter().flatten().map(Future::only_waited_for))
                }
                Collected::Arrays(futures) => {
                    self.kept.extend(futures.iter().flatten().map(Future::only_waited_for))
                }
                Collected::Lazy(_) | Collected::LazyArrays(_) => {} // nobody could have them afterwards
            }
        }
        let ordered = |source, own| Ordered { task, source, own, next: 0, window: None };
        match instances {
            Collected::Lazy(family) => {
                self.ordered.insert(task, ordered(Source::Lazy(family, 0), true));
            }
            Collected::LazyArrays(family) => {
                self.ordered.insert(task, ordered(Source::LazyArrays(family, 0), true));
            }
            Collected::Packs(futures) if parts.is_none() && self.sinks(task) => {
                self.ordered.insert(task, ordered(Source::Futures(futures.into()), true));
            }
            Collected::Packs(futures) => self.packs.push(Watched::new(task, futures, self.client, true)),
            Collected::Arrays(futures) => self.arrays.push(Watched::new(task, futures, self.client, true)),
        }
        let saves = saves.into_iter().map(|futures| Watched::new(task, futures, self.client, false));
        self.packs.extend(saves);
        if let Some(parts) = parts {
            self.ordered.insert(task, ordered(Source::Futures(parts.into()), false));
        }
    }

    fn sinks(&self, task: usize) -> bool {
        self.plan.tasks.get(task).is_some_and(|task| paths(task).next().is_some())
    }

    /// Collects everything.
    ///
    /// # Errors
    /// When the run ends before the plan does.
    pub fn run(mut self) -> Result<Outcome> {
        const SHORTEST: Duration = Duration::from_micros(200);
        let mut pause = SHORTEST;
        loop {
            if !self.submitter.is_done() {
                self.submit()?;
            }
            let moved = self.turn()?;
            let rest = self.packs.len() + self.arrays.len() + self.ordered.len();
            if rest == 0 && self.submitter.is_done() {
                self.finish()?;
                return Ok(self.outcome);
            }
            if let Some(limit) = self.plan.policy.limit() {
                let failures = self.failures();
                if failures >= limit {
                    return self.stop(failures);
                }
            }
            if self.progress.is_due() {
                self.progress.tick(self.client, self.tally())?;
            }
            pause = if moved { SHORTEST } else { (pause * 2).min(self.longest()) };
            std::thread::sleep(pause);
        }
    }

    /// How long to wait between two looks: one at a million tasks takes milliseconds.
    fn longest(&self) -> Duration {
        let packs = self.packs.iter().map(|watched| watched.futures.len());
        let watched = packs.chain(self.arrays.iter().map(|watched| watched.futures.len())).sum::<usize>();
        Duration::from_millis(20) + Duration::from_nanos(100) * u32::try_from(watched).unwrap_or(u32::MAX)
    }

    /// The end of what is not a task, and the last line of progress.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.finish_files()?;
        once(&mut self.outcome.failed);
        let (failed, skipped) = part(self.plan, self.outcome.failed.clone());
        let (failed, skipped) = (failed.len() as u64, skipped.len() as u64);
        let done = self.outcome.ended.saturating_sub(failed + skipped);
        self.progress.finish(self.client, Tally { done, failed, skipped })
    }

    /// Instances that have failed so far, without those that were not run because of others.
    fn failures(&self) -> u64 {
        self.without_result().1.iter().filter(|failed| failed.is_own() != Some(false)).count() as u64
    }

    /// Gives up what is not running yet; what is, is left to be waited for.
    pub(super) fn give_up(&mut self, stopped: &mut Stopped) -> Given {
        let (held, never) = self.submitter.give_up();
        for (task, entry) in held {
            self.add(task, entry);
        }
        for task in never {
            stopped.note(task, 0..self.plan.tasks.get(task).map_or(0, |task| task.family.len()));
        }
        let (own, saves): (Vec<_>, Vec<_>) = self.packs.drain(..).partition(|watched| watched.own);
        let mut running = Given::default();
        for watched in own {
            running.packs.extend(watched.give_up(stopped, &mut self.outcome));
        }
        for watched in self.arrays.drain(..) {
            running.arrays.extend(watched.give_up(stopped, &mut self.outcome));
        }
        for ordered in std::mem::take(&mut self.ordered).into_values().filter(|ordered| ordered.own) {
            running.packs.extend(ordered.give_up(stopped));
        }
        // what is there, or will be, is saved
        for Watched { task, futures, .. } in saves {
            let futures = futures.into_iter().enumerate();
            let left = futures.filter_map(|(at, future)| Some((task, at as u64, future?)));
            running.saves.extend(left.filter(|(task, index, _)| !stopped.has(*task, *index)));
        }
        running
    }

    /// How many instances have ended, and those of them that have no result.
    fn without_result(&self) -> (u64, Vec<Failed>) {
        let mut ended = self.outcome.ended;
        let mut failed = self.outcome.failed.clone();
        let mut add = |(more, without): (u64, Vec<Failed>)| {
            ended += more;
            failed.extend(without);
        };
        self.packs.iter().map(Watched::so_far).for_each(&mut add);
        self.arrays.iter().map(Watched::so_far).for_each(&mut add);
        self.ordered.values().filter_map(Ordered::so_far).for_each(&mut add);
        once(&mut failed);
        (ended, failed)
    }

    /// How far the plan is. Of outputs that are fetched together, those of the last are not counted yet.
    fn tally(&self) -> Tally {
        let (ended, failed) = self.without_result();
        let own = failed.iter().filter(|failed| failed.is_own() != Some(false)).count() as u64;
        let without = failed.len() as u64;
        Tally { done: ended.saturating_sub(without), failed: own, skipped: without - own }
    }

    /// Takes what has come; says whether anything has.
    fn turn(&mut self) -> Result<bool> {
        let mut moved = turn_all(&mut self.packs, &mut self.outcome)?;
        moved |= turn_all(&mut self.arrays, &mut self.outcome)?;
        let Self { plan, client, ordered, drained, outcome, .. } = self;
        let mut failure = None;
        ordered.retain(|number, ordered| {
            let Some(task) = plan.tasks.get(*number).filter(|_| failure.is_none()) else { return true };
            // tasks that append to the same file do so one after the other
            if outcome.sinks.before(*number).any(|earlier| !drained[earlier]) {
                return true;
            }
            match ordered.turn(plan, task, client, outcome) {
                Ok(false) => return true,
                Ok(true) => moved = true,
                Err(error) => failure = Some(error),
            }
            drained[*number] = failure.is_none() && ordered.window.is_none();
            !drained[*number]
        });
        if let Some(error) = failure {
            return Err(error);
        }
        Ok(moved)
    }
}

impl<T> Watched<T> {
    fn new(task: usize, futures: Vec<Option<Future<T>>>, client: &Client, own: bool) -> Self {
        let watch = client.watch(futures.iter().flatten());
        Watched { task, futures, watch, own }
    }

    /// What has ended until now, and what of it failed.
    fn so_far(&self) -> (u64, Vec<Failed>) {
        let ended = self.watch.ended().iter().filter(|ended| **ended).count() as u64 * u64::from(self.own);
        let failed = self.watch.failures().into_iter();
        (ended, failed.map(|(at, cause)| Failed { task: self.task, index: at as u64, cause }).collect())
    }

    fn give_up(self, stopped: &mut Stopped, outcome: &mut Outcome) -> Running<T> {
        let (ended, failed) = self.so_far();
        outcome.ended += ended;
        outcome.failed.extend(failed);
        let ended = self.watch.ended();
        let left = self.futures.into_iter().zip(ended).enumerate().filter(|(_, (_, ended))| !ended);
        let left = left.filter_map(|(index, (future, _))| Some((index as u64, future?)));
        stop::give_up(self.task, left, stopped)
    }

    /// Drops results that have come; says whether all have, and notes what failed.
    fn turn(&mut self, outcome: &mut Outcome) -> Result<bool> {
        if let Some(outcomes) = self.watch.take() {
            outcome.ended += self.futures.len() as u64 * u64::from(self.own);
            for (index, ended) in outcomes?.into_iter().enumerate() {
                note(&mut outcome.failed, self.task, index as u64, ended.err());
            }
            return Ok(true);
        }
        for (future, ended) in self.futures.iter_mut().zip(self.watch.ended()) {
            if ended {
                *future = None;
            }
        }
        Ok(false)
    }
}

fn turn_all<T>(all: &mut Vec<Watched<T>>, outcome: &mut Outcome) -> Result<bool> {
    let before = all.len();
    let mut failure = None;
    all.retain_mut(|watched| match watched.turn(outcome) {
        Ok(ended) => !ended,
        Err(error) => {
            failure = Some(error);
            true
        }
    });
    failure.map_or(Ok(all.len() < before), Err)
}

/// An instance that failed, and with it what would have saved it, is one failure.
fn once(failed: &mut Vec<Failed>) {
    let mut seen = HashSet::new();
    failed.retain(|failed| seen.insert((failed.task, failed.index)));
}

fn note(failed: &mut Vec<Failed>, task: usize, index: u64, cause: Option<Arc<TaskError>>) {
    if let Some(cause) = cause {
        failed.push(Failed { task, index, cause });
    }
}

impl Source {
    /// The next ones; of arrays, with `fetch`, their printed form.
    fn take(&mut self, count: usize, fetch: bool, client: &Client) -> Vec<Future<Pack>> {
        match self {
            Source::LazyArrays(family, next) => {
                let start = *next;
                *next = family.len().min(start + count as u64);
                let arrays = family.range(start..*next).into_iter();
                if fetch {
                    arrays.map(|array| client.submit(array::text_of, (array,))).collect()
                } else {
                    arrays.map(|array| array.only_waited_for()).collect()
                }
            }
            Source::Lazy(family, next) => {
                let start = *next;
                *next = family.len().min(start + count as u64);
                family.range(start..*next)
            }
            Source::Futures(futures) => {
                let count = count.min(futures.len());
                futures.drain(..count).flatten().collect()
            }
        }
    }
}

impl Ordered {
    /// What has ended of the instances that are watched now, and what of it failed; of those that are fetched, only the
    /// failures are told before all are there.
    fn so_far(&self) -> Option<(u64, Vec<Failed>)> {
        let (ended, failed) = match &self.window {
            Some((_, Asked::Ends(watch))) => {
                (watch.ended().iter().filter(|ended| **ended).count(), watch.failures())
            }
            Some((_, Asked::Values(pending))) if self.own => {
                let failures = pending.failures();
                (failures.len(), failures)
            }
            _ => return None,
        };
        let at = |(at, cause)| Failed { task: self.task, index: self.next + at as u64, cause };
        Some((ended as u64, failed.into_iter().map(at).collect()))
    }

    fn give_up(self, stopped: &mut Stopped) -> Running<Pack> {
        let window = self.window.map_or(Vec::new(), |(window, _)| window);
        let after = self.next + window.len() as u64;
        let futures = window.into_iter().enumerate();
        let futures = futures.filter_map(|(at, future)| Some((self.next + at as u64, future?)));
        let mut running = stop::give_up(self.task, futures, stopped);
        match self.source {
            Source::Lazy(family, next) => stopped.note(self.task, next..family.len()),
            Source::LazyArrays(family, next) => stopped.note(self.task, next..family.len()),
            Source::Futures(futures) => {
                let left = futures.into_iter().enumerate();
                let left = left.filter_map(|(at, future)| Some((after + at as u64, future?)));
                running.extend(stop::give_up(self.task, left, stopped));
            }
        }
        running
    }

    /// Takes the window that is waited for, if it is there, and asks for the next; without one when all are taken.
    fn turn(&mut self, plan: &Plan, task: &Task, client: &Client, outcome: &mut Outcome) -> Result<bool> {
        match &mut self.window {
            None => {}
            Some((window, Asked::Ends(watch))) => {
                let Some(outcomes) = watch.take() else {
                    // results that nobody wants are dropped at once
                    let futures = window.iter_mut().zip(watch.ended());
                    futures.filter(|(_, ended)| *ended).for_each(|(future, _)| *future = None);
                    return Ok(false);
                };
                for ended in outcomes? {
                    outcome.ended += u64::from(self.own);
                    note(&mut outcome.failed, self.task, self.next, ended.err());
                    self.next += 1;
                }
            }
            Some((_, Asked::Values(pending))) => {
                let Some(results) = pending.take() else { return Ok(false) };
                for result in results {
                    outcome.ended += u64::from(self.own);
                    self.value(plan, task, result, outcome)?;
                    self.next += 1;
                }
            }
        }
        let fetch = paths(task).next().is_some();
        let window = self.source.take(if fetch { FETCHED } else { WATCHED }, fetch, client);
        self.window = (!window.is_empty()).then(|| {
            let asked = if fetch {
                Asked::Values(client.pending(&window))
            } else {
                Asked::Ends(client.watch(&window))
            };
            (window.into_iter().map(Some).collect(), asked)
        });
        Ok(true)
    }

    fn value(&self, plan: &Plan, task: &Task, result: Result<Pack>, outcome: &mut Outcome) -> Result<()> {
        let pack = match result {
            Ok(pack) => Some(pack),
            Err(Error::Task(cause)) => {
                if self.own {
                    note(&mut outcome.failed, self.task, self.next, Some(cause));
                }
                None
            }
            Err(other) => return Err(other),
        };
        for (which, stream) in paths(task) {
            let Ok(path) = path_of(plan, task, stream, self.next) else { continue }; // told by `Sinks::new`
            let bytes = match &pack {
                Some(pack) => Some(pack::part(pack, which).map_err(|error| Error::Other(error.0))?.bytes),
                None => None,
            };
            outcome.sinks.append(&path, bytes);
        }
        Ok(())
    }
}
