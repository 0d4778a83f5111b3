//! The collector: rank 0's loop over a running plan. It submits tasks, drops each result when no other task needs it
//! any more, notes failures, and brings outputs to the files of rank 0.

use crate::batch::failure::{FailuresByKind, part};
use crate::batch::head::checkpoints::Checkpoints;
use crate::batch::head::deadline::Walltime;
use crate::batch::head::failures::failure_report::FailureReporter;
use crate::batch::head::in_flight::{WatchedInstances, turn_all};
use crate::batch::head::interrupt;
use crate::batch::head::longest::LongestRunning;
use crate::batch::head::outcome::RunOutcome;
use crate::batch::head::outputs::shared_files::Sinks;
use crate::batch::head::outputs::shared_paths::paths;
use crate::batch::head::outputs::streamed::{FETCHED, StreamOrigin, StreamedTask};
use crate::batch::head::progress::{Progress, Tally};
use crate::batch::head::recorder::Recorder;
use crate::batch::head::run_folder::RunFolder;
use crate::batch::head::stopped::{Running, Stopped};
use crate::batch::head::submitted::{SubmittedFutures, SubmittedInstances};
use crate::batch::head::submitter::Submitter;
use crate::client::Client;
use crate::client::future::Future;
use crate::clock;
use crate::console;
use crate::error::Result;
use crate::script::plan::Plan;
use crate::script::values::execution::Keep;
use std::collections::BTreeMap;
use std::time::Duration;

/// The number of files that are named where a run ends without a summary.
const TOLD: usize = 4;

/// Tasks that were already running when the rest of the plan was cancelled. Running tasks cannot be cancelled, so the
/// run waits for them before it ends.
#[derive(Default)]
pub(crate) struct AbandonedTasks {
    /// Running instances of the script's own tasks, without those that [`StreamedTask`] follows.
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
    /// By task number: tasks whose streams go to files of rank 0, and families that the engine expands.
    pub(crate) streamed: BTreeMap<usize, StreamedTask>,
    /// Futures of results that must stay in the ranks' memory until the run ends (`keep = "memory"` in the script).
    kept: Vec<Future<()>>,
    pub(crate) outcome: RunOutcome,
    pub(crate) progress: Progress,
    pub(crate) reporter: FailureReporter<'a>,
    longest: LongestRunning,
    pub(crate) checkpoints: Checkpoints,
    /// The time limit of the job; `None` where rank 0 does not know it.
    pub(crate) walltime: Option<Walltime>,
    /// The run folder, which another run may take over if this process does not run for long.
    pub(crate) folder: &'a RunFolder,
}

impl<'a> RunCollector<'a> {
    /// Makes the state of a run that has not submitted anything yet. `folder` is the run folder.
    pub(crate) fn new(
        plan: &'a Plan,
        client: &'a Client,
        submitter: Submitter<'a>,
        progress: Progress,
        reporter: FailureReporter<'a>,
        recorder: Recorder,
        folder: &'a RunFolder,
    ) -> Self {
        let (sinks, earlier) = (Sinks::new(plan, submitter.todo, folder.path()), submitter.todo.skipped());
        let mut outcome = RunOutcome { sinks, ended: earlier, earlier, recorder, ..RunOutcome::default() };
        outcome.note_earlier(plan, &submitter);
        RunCollector {
            plan,
            client,
            submitter,
            watched: vec![],
            streamed: BTreeMap::new(),
            kept: vec![],
            outcome,
            progress,
            reporter,
            longest: LongestRunning::new(),
            checkpoints: Checkpoints::default(),
            walltime: None,
            folder,
        }
    }

    /// Submits to the engine those instances whose inputs are submitted, as many as the window (the limit of submitted
    /// instances that have not ended) has room for. Returns whether there were any.
    fn submit(&mut self) -> Result<bool> {
        let mut open = vec![0; self.plan.tasks.len()];
        self.watched.iter().filter(|watched| watched.own).for_each(|some| open[some.task] += some.open());
        self.streamed.iter().for_each(|(task, streamed)| open[*task] += streamed.open());
        let entries = self.submitter.advance(open)?;
        let any = !entries.is_empty();
        entries.into_iter().for_each(|entry| self.add(entry));
        Ok(any)
    }

    fn add(&mut self, entry: SubmittedInstances) {
        let SubmittedInstances { task, indices, last, instances, extract, saves, verdicts, beyond, lost } =
            entry;
        // A task with `keep` never goes to the engine as a whole family, so each of its instances has a future here.
        if let SubmittedFutures::Each(futures) = &instances
            && self.plan.tasks.get(task).is_some_and(|task| task.keep == Keep::Memory)
        {
            self.kept.extend(futures.iter().map(Future::only_waited_for));
        }
        let client = self.client;
        if let SubmittedFutures::Each(futures) = &instances {
            let instances = indices.iter().zip(futures);
            self.checkpoints.submitted(self.plan, client, task, instances);
        }
        match instances {
            SubmittedFutures::Lazy(family) => {
                let first = indices.get(0).unwrap_or_default();
                let source = StreamOrigin::Lazy { family, first, next: 0 };
                self.streamed.insert(task, StreamedTask::new(self.plan, task, source, extract));
            }
            SubmittedFutures::Each(futures) if self.has_files(task) => {
                let new = || StreamedTask::new(self.plan, task, StreamOrigin::Given(false), extract);
                let futures = indices.iter().zip(futures).collect();
                self.streamed.entry(task).or_insert_with(new).add(client, futures, last);
            }
            SubmittedFutures::Each(futures) if futures.is_empty() => {}
            SubmittedFutures::Each(futures) => {
                self.watched.push(WatchedInstances::new(task, indices.clone(), futures, client, true))
            }
        }
        let saves = saves
            .into_iter()
            .map(|futures| WatchedInstances::new(task, indices.clone(), futures, client, false));
        self.watched.extend(saves);
        if !verdicts.is_empty() {
            self.watched.push(WatchedInstances::of_verdicts(task, indices, verdicts, client));
        }
        self.outcome.leave_out(self.plan, task, &beyond, lost);
    }

    fn has_files(&self, task: usize) -> bool {
        self.plan.tasks.get(task).is_some_and(|task| paths(task).next().is_some())
    }

    /// Submits instances and collects their results until all have ended or the run is stopped.
    ///
    /// # Errors
    /// When the engine ends before the plan does, through a fault of the network or of the client.
    pub(crate) fn run(mut self) -> Result<RunOutcome> {
        let outcome = self.collect();
        if outcome.is_err() {
            // outputs that have arrived are written to their files, even if the engine has failed
            self.outcome.sinks.close(self.plan, true);
            self.outcome.record_files(self.plan, true);
            self.outcome.recorder.flush(interrupt::LAST_WORDS);
            self.outcome.sinks.lacking(TOLD).iter().for_each(console::error);
        }
        outcome.map(|()| self.outcome)
    }

    fn collect(&mut self) -> Result<()> {
        const SHORTEST: Duration = Duration::from_micros(200);
        let mut pause = SHORTEST;
        loop {
            let merged = self.submitter.merged;
            let submits = !self.submitter.is_done() && self.submit()?;
            self.note_failures();
            let moved = self.turn()? || self.submitter.merged > merged;
            let rest = self.watched.len() + self.streamed.len();
            if rest == 0 && self.submitter.is_done() && !self.outcome.sinks.is_behind() {
                return self.finish();
            }
            if rest == 0
                && !submits
                && !moved
                && let Some((instance, why)) = self.submitter.stuck()
            {
                return self.stop_stuck(instance, why);
            }
            self.outcome.recorder.turn();
            self.stay_if_ending(|run| run.tally().done_of(run.plan.instances()));
            if let Some(why) = self.is_to_stop() {
                return self.stop(why);
            }
            self.note_running();
            if self.progress.is_due() {
                let longest = self
                    .longest
                    .longest()
                    .and_then(|((task, index), time)| Some((self.plan.tasks.get(task)?.label(index), time)));
                self.progress.tick(self.client, self.tally(), longest)?;
            }
            pause = if moved { SHORTEST } else { (pause * 2).min(self.longest()) };
            clock::sleep(pause);
        }
    }

    /// If the process is about to exit, hands over the text `done` on how far the run got, and writes the outputs that
    /// there are to their files.
    pub(crate) fn stay_if_ending(&mut self, done: impl FnOnce(&Self) -> String) {
        if interrupt::is_ending() {
            let done = done(self);
            self.outcome.sinks.incomplete(TOLD).iter().for_each(console::error);
            let (plan, outcome) = (self.plan, &mut self.outcome);
            interrupt::stay(done, || {
                outcome.recorder.flush(interrupt::LAST_WORDS);
                outcome.sinks.close(plan, true);
                outcome.record_files(plan, true);
                outcome.recorder.flush(interrupt::LAST_WORDS);
                self.folder.release();
            });
        }
    }

    /// The longest pause between two polls of the engine for ended instances. It grows with the number of watched
    /// instances: polling a million of them takes milliseconds.
    fn longest(&self) -> Duration {
        let watched = self.watched.iter().map(|watched| watched.futures.len()).sum::<usize>()
            + self.streamed.values().map(StreamedTask::running).sum::<usize>();
        Duration::from_millis(20) + Duration::from_nanos(100) * u32::try_from(watched).unwrap_or(u32::MAX)
    }

    /// Finishes the run: gives HDF5 files and the files that rank 0 writes their final names, and prints the last line
    /// of progress.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let stopped = self.outcome.stopped.as_ref();
        if stopped.is_none_or(|stopped| !stopped.late) {
            self.submitter.files.finish(self.client, &mut self.outcome)?;
        }
        self.outcome.unmet = self.submitter.unmet();
        let RunOutcome { failed, recorder, .. } = &mut self.outcome;
        recorder.failed(self.plan, failed);
        let limit = self.time_for_the_end();
        self.checkpoints.finish(self.plan, &mut self.outcome.recorder, limit);
        self.outcome.failures_file = self.reporter.finish(&mut self.outcome.failed, &self.progress);
        let resumable = self.outcome.stopped.as_ref().is_some_and(Stopped::is_resumable);
        self.outcome.sinks.close(self.plan, resumable);
        self.outcome.record_files(self.plan, true);
        let FailuresByKind { failed, skipped, left } = part(self.plan, self.outcome.failed.in_order());
        let [failed, skipped, mut left] = [failed, skipped, left].map(|list| list.len() as u64);
        let done = self.outcome.ended.saturating_sub(failed + skipped + left);
        if let Some(stopped) = self.outcome.stopped.as_ref().filter(|stopped| stopped.is_resumable()) {
            left += stopped.counts(self.plan.tasks.len()).iter().sum::<u64>();
        }
        let all = self.plan.instances();
        self.outcome.unrecorded = self.outcome.recorder.finish(done, all.saturating_sub(done));
        self.progress.finish(self.client, Tally { done, failed, skipped, left })
    }

    /// The time for which the end of the run waits for checkpoints that are being written.
    fn time_for_the_end(&self) -> Duration {
        const MOST: Duration = Duration::from_secs(60);
        let left = |walltime: Walltime| walltime.last().saturating_duration_since(clock::now());
        self.walltime.map_or(MOST, |walltime| left(walltime).min(MOST))
    }

    /// The number of instances that have failed so far. Instances that were skipped because a dependency failed do not
    /// count.
    pub(crate) fn failures(&self) -> u64 {
        self.outcome.failed.own()
    }

    /// Lists the failures that have come since the last call, and tells them to the user. Those of a [`StreamedTask`]
    /// are listed as soon as it has seen them.
    fn note_failures(&mut self) {
        for watched in &mut self.watched {
            self.outcome.failed.extend(watched.fresh());
        }
        self.look_at_failures();
    }

    /// Tells the user of the failures in the list that are new, and has them recorded.
    pub(crate) fn look_at_failures(&mut self) {
        let RunOutcome { failed, recorder, .. } = &mut self.outcome;
        recorder.failed(self.plan, failed);
        self.reporter.look(failed, &self.progress);
    }

    /// Gives up the rest of the plan: cancels all tasks that have not started, notes them in `stopped`, and returns those
    /// that are running, but for those that [`StreamedTask`] follows.
    pub(crate) fn give_up(&mut self, stopped: &mut Stopped) -> Result<AbandonedTasks> {
        for (task, never) in self.submitter.give_up()? {
            stopped.note(task, never);
        }
        let (own, saves): (Vec<_>, Vec<_>) = self.watched.drain(..).partition(|watched| watched.own);
        let mut running = AbandonedTasks::default();
        for watched in own {
            running.own.extend(watched.give_up(self.client, stopped, &mut self.outcome));
        }
        self.streamed.values_mut().for_each(|streamed| streamed.give_up(self.client, stopped));
        let mut started: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (task, index, future) in stopped.cancel(self.client) {
            match self.streamed.contains_key(&task) {
                true => started.entry(task).or_default().push((index, future)),
                false => running.own.push((task, index, future)),
            }
        }
        for (task, instances) in started {
            if let Some(streamed) = self.streamed.get_mut(&task) {
                streamed.add(self.client, instances, true);
            }
        }
        // A helper task that saves an array goes on if the array exists or is being computed, that is, if its instance
        // is not among those that never run.
        for mut watched in saves {
            let ended = watched.watch.ended();
            watched.record(&ended, &mut self.outcome);
            let WatchedInstances { task, indices, futures, .. } = watched;
            let left = indices.iter().zip(futures).filter_map(|(index, future)| Some((task, index, future?)));
            running.saves.extend(left.filter(|(task, index, _)| !stopped.has(*task, *index)));
        }
        Ok(running)
    }

    /// Looks now and then which instances run. Of each task, those that come first have run for the longest time.
    fn note_running(&mut self) {
        const FIRST: usize = 64;
        if !self.progress.tells_longest() || !self.longest.is_due() {
            return;
        }
        let watched = self.watched.iter().filter(|watched| watched.own).flat_map(|watched| {
            watched.unended(FIRST).map(|(index, future)| ((watched.task, index), future))
        });
        let streamed = self.streamed.iter().flat_map(|(task, streamed)| {
            streamed.unended(FIRST).map(move |(index, future)| ((*task, index), future))
        });
        self.longest.look(self.client, watched.chain(streamed).take(FIRST * FIRST));
    }

    /// Counts the ended instances by outcome.
    fn tally(&self) -> Tally {
        let (mut ended, mut unlisted) = (self.outcome.ended, 0);
        let known = &self.outcome.failed;
        let so_far = self.watched.iter().map(WatchedInstances::so_far);
        for (more, without) in so_far {
            ended += more;
            // failures since the last call of `note_failures`
            unlisted += without.iter().filter(|failed| !known.has(failed.task, failed.index)).count() as u64;
        }
        let without = known.as_slice().len() as u64 + unlisted;
        let done = ended.saturating_sub(without);
        Tally { done, failed: known.own() + unlisted, skipped: known.skipped(), left: known.left() }
    }

    /// Processes the results that have arrived at rank 0 since the last call. Returns whether there were any.
    fn turn(&mut self) -> Result<bool> {
        let moved = turn_all(&mut self.watched, &mut self.outcome)?;
        Ok(self.turn_streamed()? || moved)
    }

    /// Looks after the tasks whose instances are followed one by one, and after the files that get their outputs.
    /// Returns whether something has changed.
    pub(crate) fn turn_streamed(&mut self) -> Result<bool> {
        let Self { plan, client, streamed, outcome, .. } = self;
        let mut left = FETCHED.saturating_sub(streamed.values().map(StreamedTask::fetching).sum());
        let mut moved = false;
        for task in streamed.values_mut() {
            moved |= task.turn(plan, client, &mut left, outcome)?;
            if outcome.sinks.is_hopeless() {
                task.give_up_outputs();
            }
        }
        streamed.retain(|_, task| !task.is_over());
        moved |= outcome.sinks.turn(plan);
        outcome.record_files(plan, false);
        self.checkpoints.turn(plan, &mut outcome.recorder);
        Ok(moved)
    }
}
