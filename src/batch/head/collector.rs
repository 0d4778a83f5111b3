//! The collector: rank 0's loop over a running plan. It submits tasks, drops each result when no other task needs it
//! any more, notes failures, and writes files of rank 0 in the order of the instances' indices.

use crate::batch::artifact::Artifact;
use crate::batch::failure::{FailedInstance, Parts, part};
use crate::batch::head::deadline::Walltime;
use crate::batch::head::in_flight::{WatchedInstances, turn_all};
use crate::batch::head::in_order::{Ordered, StreamOrigin};
use crate::batch::head::interrupt;
use crate::batch::head::outcome::{RunOutcome, once};
use crate::batch::head::progress::{Progress, Tally};
use crate::batch::head::recorder::Recorder;
use crate::batch::head::run_folder::RunFolder;
use crate::batch::head::shared_files::{Sinks, paths};
use crate::batch::head::stopped::{Running, Stopped};
use crate::batch::head::submitted::{SubmittedFutures, SubmittedInstances};
use crate::batch::head::submitter::Submitter;
use crate::client::Client;
use crate::client::future::Future;
use crate::compact::Runs;
use crate::error::Result;
use crate::script::plan::Plan;
use std::collections::BTreeMap;
use std::time::Duration;

/// Tasks that were already running when the rest of the plan was cancelled. Running tasks cannot be cancelled, so the
/// run waits for them before it ends.
#[derive(Default)]
pub(crate) struct AbandonedTasks {
    /// Running instances of the script's own tasks.
    pub(crate) own: Running,
    /// Running helper tasks, each of which saves an array that has been computed already.
    pub(crate) saves: Running,
}

/// The state of a run, kept at rank 0: the instances that are submitted to the engine, those that have ended, and those
/// still awaited.
pub(crate) struct RunCollector<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) client: &'a Client,
    pub(crate) submitter: Submitter<'a>,
    watched: Vec<WatchedInstances>,
    /// By task number: tasks whose outputs rank 0 appends to files in the order of the instances' indices.
    ordered: BTreeMap<usize, Ordered>,
    /// By task number: whether all outputs of the task that go to files of rank 0 have been appended.
    drained: Vec<bool>,
    /// Futures of results that must stay in the ranks' memory until the run ends (`keep = true` in the script).
    kept: Vec<Future<()>>,
    pub(crate) outcome: RunOutcome,
    progress: Progress,
    /// The time limit of the job; `None` where rank 0 does not know it.
    pub(crate) walltime: Option<Walltime>,
    /// The run folder, which another run may take over if this process does not run for long.
    pub(crate) folder: Option<&'a RunFolder>,
}

impl<'a> RunCollector<'a> {
    /// Makes the state of a run that has not submitted anything yet.
    pub(crate) fn new(
        plan: &'a Plan,
        client: &'a Client,
        submitter: Submitter<'a>,
        progress: Progress,
        recorder: Recorder,
    ) -> Self {
        let (sinks, earlier) = (Sinks::new(plan, submitter.todo), submitter.todo.skipped());
        let outcome = RunOutcome { sinks, ended: earlier, earlier, recorder, ..RunOutcome::default() };
        let (ordered, drained) = (BTreeMap::new(), vec![false; plan.tasks.len()]);
        RunCollector {
            plan,
            client,
            submitter,
            watched: vec![],
            ordered,
            drained,
            kept: vec![],
            outcome,
            progress,
            walltime: None,
            folder: None,
        }
    }

    /// Submits to the engine those instances whose inputs are submitted and for which the window has room.
    fn submit(&mut self) -> Result<()> {
        let mut open = vec![0; self.plan.tasks.len()];
        self.watched.iter().filter(|watched| watched.own).for_each(|some| open[some.task] += some.open());
        self.ordered.iter().for_each(|(task, ordered)| open[*task] += ordered.open());
        for entry in self.submitter.advance(open)? {
            self.add(entry);
        }
        Ok(())
    }

    fn add(
        &mut self,
        SubmittedInstances { task, indices, last, instances, parts, saves }: SubmittedInstances,
    ) {
        // of a family that the engine expands, nobody could have the results afterwards
        if let SubmittedFutures::Each(futures) = &instances
            && self.plan.tasks.get(task).is_some_and(|task| task.keep)
        {
            self.kept.extend(futures.iter().map(Future::only_waited_for));
        }
        let client = self.client;
        match instances {
            SubmittedFutures::Lazy(family) => {
                let mut ordered = Ordered::new(task, StreamOrigin::Lazy(family, 0), true);
                ordered.number(&indices);
                self.ordered.insert(task, ordered);
            }
            SubmittedFutures::Each(futures) if parts.is_none() && self.sinks(task) => {
                self.add_ordered(task, &indices, futures, true, last);
            }
            SubmittedFutures::Each(futures) => {
                self.watched.push(WatchedInstances::new(task, indices.clone(), futures, client, true))
            }
        }
        let saves = saves
            .into_iter()
            .map(|futures| WatchedInstances::new(task, indices.clone(), futures, client, false));
        self.watched.extend(saves);
        if let Some(parts) = parts {
            self.add_ordered(task, &indices, parts, false, last);
        }
    }

    fn add_ordered(
        &mut self,
        task: usize,
        indices: &Runs,
        futures: Vec<Future<Artifact>>,
        own: bool,
        last: bool,
    ) {
        let new = || Ordered::new(task, StreamOrigin::Futures(Default::default(), false), own);
        let ordered = self.ordered.entry(task).or_insert_with(new);
        ordered.number(indices);
        ordered.add(futures, last);
    }

    fn sinks(&self, task: usize) -> bool {
        self.plan.tasks.get(task).is_some_and(|task| paths(task).next().is_some())
    }

    /// Submits instances and collects their results until all have ended or the run is stopped.
    ///
    /// # Errors
    /// When the engine ends before the plan does, through a fault of the network or of the client.
    pub(crate) fn run(mut self) -> Result<RunOutcome> {
        const SHORTEST: Duration = Duration::from_micros(200);
        let mut pause = SHORTEST;
        loop {
            let merged = self.submitter.merged;
            if !self.submitter.is_done() {
                self.submit()?;
            }
            let moved = self.turn()? || self.submitter.merged > merged;
            let rest = self.watched.len() + self.ordered.len();
            if rest == 0 && self.submitter.is_done() {
                self.finish()?;
                return Ok(self.outcome);
            }
            self.outcome.recorder.turn();
            interrupt::stay_if_ending(|| {
                self.outcome.recorder.flush(interrupt::LAST_WORDS);
                self.folder.iter().for_each(|folder| folder.release());
                self.tally().done_of(self.plan.instances())
            });
            if let Some(why) = self.is_to_stop() {
                return self.stop(why);
            }
            if self.progress.is_due() {
                self.progress.tick(self.client, self.tally())?;
            }
            pause = if moved { SHORTEST } else { (pause * 2).min(self.longest()) };
            std::thread::sleep(pause);
        }
    }

    /// The longest pause between two polls of the engine for ended instances. It grows with the number of watched
    /// instances: polling a million of them takes milliseconds.
    fn longest(&self) -> Duration {
        let watched = self.watched.iter().map(|watched| watched.futures.len()).sum::<usize>();
        Duration::from_millis(20) + Duration::from_nanos(100) * u32::try_from(watched).unwrap_or(u32::MAX)
    }

    /// Finishes the run: gives HDF5 files and the files that rank 0 writes their final names, and prints the last line
    /// of progress.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let stopped = self.outcome.stopped.as_ref();
        if stopped.is_none_or(|stopped| !stopped.late) {
            self.submitter.files.finish(self.client, &mut self.outcome)?;
        }
        once(&mut self.outcome.failed);
        let Parts { failed, skipped, left } = part(self.plan, self.outcome.failed.clone());
        let [failed, skipped, mut left] = [failed, skipped, left].map(|list| list.len() as u64);
        let done = self.outcome.ended.saturating_sub(failed + skipped + left);
        if let Some(stopped) = self.outcome.stopped.as_ref().filter(|stopped| stopped.is_resumable()) {
            left += stopped.counts(self.plan.tasks.len()).iter().sum::<u64>();
        }
        let own = part(self.plan, self.outcome.failed.clone()).failed;
        let all = self.plan.instances();
        self.outcome.unrecorded = self.outcome.recorder.finish(&own, done, all.saturating_sub(done));
        self.progress.finish(self.client, Tally { done, failed, skipped, left })
    }

    /// The number of instances that have failed so far. Instances that were skipped because a dependency failed do not
    /// count.
    pub(crate) fn failures(&self) -> u64 {
        let without = self.without_result().1;
        without.iter().filter(|failed| failed.is_own() != Some(false) && !failed.is_left()).count() as u64
    }

    /// Gives up the rest of the plan: notes in `stopped` all tasks that are to be cancelled, and returns those that are
    /// running.
    pub(crate) fn give_up(&mut self, stopped: &mut Stopped) -> Result<AbandonedTasks> {
        for (task, never) in self.submitter.give_up()? {
            stopped.note(task, never);
        }
        let (own, saves): (Vec<_>, Vec<_>) = self.watched.drain(..).partition(|watched| watched.own);
        let mut running = AbandonedTasks::default();
        for watched in own {
            running.own.extend(watched.give_up(self.client, stopped, &mut self.outcome));
        }
        for ordered in std::mem::take(&mut self.ordered).into_values().filter(|ordered| ordered.own) {
            running.own.extend(ordered.give_up(self.client, stopped, &mut self.outcome));
        }
        // arrays that exist, or will, are saved
        for mut watched in saves {
            let ended = watched.watch.ended();
            watched.record(&ended, &mut self.outcome);
            let WatchedInstances { task, indices, futures, .. } = watched;
            let left = indices.iter().zip(futures).filter_map(|(index, future)| Some((task, index, future?)));
            running.saves.extend(left.filter(|(task, index, _)| !stopped.has(*task, *index)));
        }
        Ok(running)
    }

    /// The number of instances that have ended so far, and a list of those among them that have no result.
    fn without_result(&self) -> (u64, Vec<FailedInstance>) {
        let mut ended = self.outcome.ended;
        let mut failed = self.outcome.failed.clone();
        let mut add = |(more, without): (u64, Vec<FailedInstance>)| {
            ended += more;
            failed.extend(without);
        };
        self.watched.iter().map(WatchedInstances::so_far).for_each(&mut add);
        self.ordered.values().filter_map(Ordered::so_far).for_each(&mut add);
        once(&mut failed);
        (ended, failed)
    }

    /// Counts the ended instances by outcome. Instances whose outputs are fetched together count when the last of them
    /// has arrived.
    fn tally(&self) -> Tally {
        let (ended, failed) = self.without_result();
        let without = failed.len() as u64;
        let left = failed.iter().filter(|failed| failed.is_left()).count() as u64;
        let own = failed.iter().filter(|failed| failed.is_own() != Some(false) && !failed.is_left());
        let own = own.count() as u64;
        Tally { done: ended.saturating_sub(without), failed: own, skipped: without - own - left, left }
    }

    /// Processes the results that have arrived at rank 0 since the last call. Returns whether there were any.
    fn turn(&mut self) -> Result<bool> {
        let mut moved = turn_all(&mut self.watched, &mut self.outcome)?;
        let Self { plan, client, ordered, drained, outcome, .. } = self;
        let mut failure = None;
        ordered.retain(|number, ordered| {
            let Some(task) = plan.tasks.get(*number).filter(|_| failure.is_none()) else { return true };
            // tasks that append to the same file do so one after the other
            if outcome.sinks.before(*number).any(|earlier| !drained[earlier]) {
                return true;
            }
            match ordered.turn(plan, task, client, outcome) {
                Ok(more) => moved |= more,
                Err(error) => failure = Some(error),
            }
            drained[*number] = failure.is_none() && ordered.is_over();
            !drained[*number]
        });
        if let Some(error) = failure {
            return Err(error);
        }
        Ok(moved)
    }
}
