//! Waiting for a plan's tasks: results are dropped as soon as nobody waits for them any more, failures are noted, and
//! what goes to files of rank 0 is written in the order of the indices.

use super::failure::{Failed, part};
use super::inputs::Array;
use super::pack::{self, Pack};
use super::progress::{Progress, Tally};
use super::sink::{Sinks, path_of, paths};
use super::submit::{Collected, Entry};
use crate::client::{Client, Family, Future, Pending, Watch};
use crate::error::{Error, Result, TaskError};
use crate::script::{Plan, Task};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Instances that are asked for together where nothing of them is fetched.
const WATCHED: usize = 4096;
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
}

/// Tasks whose results only others want.
struct Watched<T> {
    task: usize,
    futures: Vec<Option<Future<T>>>,
    watch: Watch,
}

/// Where a stream comes from.
enum Source {
    Lazy(Family<Pack>, u64),
    Futures(VecDeque<Option<Future<Pack>>>),
}

/// Instances that are taken in the order of their indices, some at a time.
struct Ordered {
    task: usize,
    source: Source,
    /// Whether these are the instances, not what was made of them.
    own: bool,
    next: u64,
    window: Option<(Vec<Future<Pack>>, Asked)>,
}

enum Asked {
    Ends(Watch),
    Values(Pending<Pack>),
}

/// Rank 0's view of a run.
pub struct Collector<'a> {
    plan: &'a Plan,
    client: &'a Client,
    packs: Vec<Watched<Pack>>,
    arrays: Vec<Watched<Array>>,
    /// In the order of the tasks.
    ordered: Vec<Ordered>,
    outcome: Outcome,
    progress: Progress,
}

impl<'a> Collector<'a> {
    /// A collector of what was submitted.
    pub fn new(plan: &'a Plan, client: &'a Client, entries: Vec<Entry>, progress: Progress) -> Self {
        let outcome = Outcome { sinks: Sinks::new(plan), ..Outcome::default() };
        let mut collector =
            Collector { plan, client, packs: vec![], arrays: vec![], ordered: vec![], outcome, progress };
        for (task, entry) in entries.into_iter().enumerate() {
            collector.add(task, entry);
        }
        collector
    }

    fn add(&mut self, task: usize, Entry { instances, parts }: Entry) {
        let ordered = |source, own| Ordered { task, source, own, next: 0, window: None };
        match instances {
            Collected::Lazy(family) => self.ordered.push(ordered(Source::Lazy(family, 0), true)),
            Collected::Packs(futures) if parts.is_none() && self.sinks(task) => {
                self.ordered.push(ordered(Source::Futures(futures.into()), true));
            }
            Collected::Packs(futures) => self.packs.push(Watched::new(task, futures, self.client)),
            Collected::Arrays(futures) => self.arrays.push(Watched::new(task, futures, self.client)),
        }
        if let Some(parts) = parts {
            self.ordered.push(ordered(Source::Futures(parts.into()), false));
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
        // a look at a million tasks takes milliseconds
        let watched = self.packs.iter().map(|w| w.futures.len()).sum::<usize>()
            + self.arrays.iter().map(|w| w.futures.len()).sum::<usize>();
        let longest = Duration::from_millis(20)
            + Duration::from_nanos(100) * u32::try_from(watched).unwrap_or(u32::MAX);
        let mut pause = SHORTEST;
        loop {
            let moved = self.turn()?;
            if self.packs.is_empty() && self.arrays.is_empty() && self.ordered.is_empty() {
                let (failed, skipped) = part(self.plan, self.outcome.failed.clone());
                let (failed, skipped) = (failed.len() as u64, skipped.len() as u64);
                let done = self.outcome.ended - failed - skipped;
                self.progress.finish(self.client, Tally { done, failed, skipped })?;
                return Ok(self.outcome);
            }
            if self.progress.is_due() {
                self.progress.tick(self.client, self.tally())?;
            }
            pause = if moved { SHORTEST } else { (pause * 2).min(longest) };
            std::thread::sleep(pause);
        }
    }

    /// How far the plan is. Of outputs that are fetched together, those of the last are not counted yet.
    fn tally(&self) -> Tally {
        let mut ended = self.outcome.ended;
        let mut failed = self.outcome.failed.clone();
        let mut add = |(more, without): (u64, Vec<Failed>)| {
            ended += more;
            failed.extend(without);
        };
        self.packs.iter().map(Watched::so_far).for_each(&mut add);
        self.arrays.iter().map(Watched::so_far).for_each(&mut add);
        self.ordered.iter().filter_map(Ordered::so_far).for_each(&mut add);
        let own = failed.iter().filter(|failed| failed.is_own() != Some(false)).count() as u64;
        let without = failed.len() as u64;
        Tally { done: ended.saturating_sub(without), failed: own, skipped: without - own }
    }

    /// Takes what has come; says whether anything has.
    fn turn(&mut self) -> Result<bool> {
        let mut moved = turn_all(&mut self.packs, &mut self.outcome)?;
        moved |= turn_all(&mut self.arrays, &mut self.outcome)?;
        let mut at = 0;
        while at < self.ordered.len() {
            let (before, rest) = self.ordered.split_at_mut(at);
            let Some(ordered) = rest.first_mut() else { break };
            // tasks that append to the same file do so one after the other
            let mut earlier = self.outcome.sinks.before(ordered.task);
            let waits = earlier.any(|task| before.binary_search_by_key(&task, |other| other.task).is_ok());
            drop(earlier);
            let Some(task) = self.plan.tasks.get(ordered.task) else { break };
            if waits || !ordered.turn(self.plan, task, self.client, &mut self.outcome)? {
                at += 1;
                continue;
            }
            moved = true;
            if ordered.window.is_none() {
                self.ordered.remove(at);
            }
        }
        Ok(moved)
    }
}

impl<T> Watched<T> {
    fn new(task: usize, futures: Vec<Option<Future<T>>>, client: &Client) -> Self {
        let watch = client.watch(futures.iter().flatten());
        Watched { task, futures, watch }
    }

    /// What has ended until now, and what of it failed.
    fn so_far(&self) -> (u64, Vec<Failed>) {
        let ended = self.watch.ended().iter().filter(|ended| **ended).count() as u64;
        let failed = self.watch.failed().into_iter();
        (ended, failed.map(|(at, cause)| Failed { task: self.task, index: at as u64, cause }).collect())
    }

    /// Drops results that have come; says whether all have, and notes what failed.
    fn turn(&mut self, outcome: &mut Outcome) -> Result<bool> {
        if let Some(outcomes) = self.watch.take() {
            outcome.ended += self.futures.len() as u64;
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
    let mut at = 0;
    while at < all.len() {
        if all[at].turn(outcome)? {
            all.remove(at);
        } else {
            at += 1;
        }
    }
    Ok(all.len() < before)
}

fn note(failed: &mut Vec<Failed>, task: usize, index: u64, cause: Option<Arc<TaskError>>) {
    if let Some(cause) = cause {
        failed.push(Failed { task, index, cause });
    }
}

impl Source {
    fn take(&mut self, count: usize) -> Vec<Future<Pack>> {
        match self {
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
    /// What has ended of the instances that are watched now, and what of it failed.
    fn so_far(&self) -> Option<(u64, Vec<Failed>)> {
        let Some((_, Asked::Ends(watch))) = &self.window else { return None };
        let ended = watch.ended().iter().filter(|ended| **ended).count() as u64;
        let failed = watch.failed().into_iter();
        let at = |(at, cause)| Failed { task: self.task, index: self.next + at as u64, cause };
        Some((ended, failed.map(at).collect()))
    }

    /// Takes the window that is waited for, if it is there, and asks for the next; without one when all are taken.
    fn turn(&mut self, plan: &Plan, task: &Task, client: &Client, outcome: &mut Outcome) -> Result<bool> {
        match &self.window {
            None => {}
            Some((_, Asked::Ends(watch))) => {
                let Some(outcomes) = watch.take() else { return Ok(false) };
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
        let window = self.source.take(if fetch { FETCHED } else { WATCHED });
        self.window = (!window.is_empty()).then(|| {
            let asked = if fetch {
                Asked::Values(client.pending(&window))
            } else {
                Asked::Ends(client.watch(&window))
            };
            (window, asked)
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
