//! Submission of the instances of chains: of each chain as many as it may be ahead of its verdicts.

use crate::batch::artifact::Artifact;
use crate::batch::head::submitted::{SubmittedFutures, SubmittedInstances};
use crate::batch::head::submitter::Submitter;
use crate::batch::rank::{array, command, verdict};
use crate::batch::task_def::streams;
use crate::client::future::Future;
use crate::compact::Runs;
use crate::error::{Error, Result};

/// A submitted instance: its index, its result and the verdict on it.
type Submission = (u64, Future<Artifact>, Future<Artifact>);

impl Submitter<'_> {
    /// Looks at the verdicts that have come of all tasks with `until`.
    pub(in crate::batch::head) fn look_at_chains(&mut self) -> Result<()> {
        self.retained.chains.iter_mut().flatten().try_for_each(|running| running.look())
    }

    /// Submits instances of a task with `until`, of which `open` are under way. `None` if there is nothing to submit
    /// and nothing to tell.
    pub(in crate::batch::head) fn submit_chains(
        &mut self,
        number: usize,
        open: u64,
    ) -> Result<Option<SubmittedInstances>> {
        let mut left = self.window.saturating_sub(open);
        let mut all: Vec<Submission> = Vec::new();
        let active: Vec<u32> = match &self.retained.chains[number] {
            Some(running) => running.chains.active().to_vec(),
            None => return Ok(None),
        };
        let mut begun = match self.begun[number].take() {
            Some(begun) => begun,
            None => self.begin(number)?,
        };
        self.retained.keep_of(number, &begun.def.keep);
        for chain in active {
            let mut before = None;
            while left > 0
                && let Some(index) = self.running(number)?.chains.next(chain)
                && self.is_ready(number, index)
            {
                let submission = self.submit_link(number, &mut begun, index, before)?;
                self.retained.chains[number].iter_mut().for_each(|running| {
                    running.hold(index, &submission.1, &submission.2);
                    running.chains.submitted(chain, self.todo);
                });
                all.push(submission);
                (before, left) = (Some(index), left - 1);
            }
        }
        all.sort_unstable_by_key(|(index, ..)| *index);
        let mut indices = Runs::default();
        all.iter().for_each(|(index, ..)| indices.push(*index));
        let (futures, verdicts): (Vec<_>, Vec<_>) =
            all.into_iter().map(|(_, future, verdict)| (future, verdict)).unzip();
        let client = self.client;
        let running = self.retained.chains[number].as_mut().ok_or_else(missing)?;
        if !futures.is_empty() {
            running.watch(client, indices.iter().collect(), &verdicts);
        }
        let last = running.chains.are_over();
        let (beyond, lost) = running.take_ends();
        let count = begun.def.task.family.len();
        self.next[number] = if last { count } else { running.chains.low().min(count.saturating_sub(1)) };
        if begun.def.task.optional || begun.def.task.skippable {
            let losses = self.losses.entry(number).or_default();
            losses.watch(indices.clone(), client.watch(&futures), last);
        }
        let sunk = streams(&begun.def.task);
        let extract = if begun.def.keep == sunk { Vec::new() } else { sunk };
        let saves = match futures.is_empty() {
            true => Vec::new(),
            false => self.save(&mut begun, &indices, &futures)?,
        };
        let is_empty = futures.is_empty() && beyond.is_empty() && lost.is_empty() && !last;
        if !last {
            self.begun[number] = Some(begun);
        }
        let instances = SubmittedFutures::Each(futures);
        let entry = SubmittedInstances {
            task: number,
            indices,
            last,
            instances,
            extract,
            saves,
            verdicts,
            beyond,
            lost,
        };
        Ok((!is_empty).then_some(entry))
    }

    /// For each task whose `until` has not held in some loop up to its end, the label of the last instance of the first
    /// such loop, and the number of the others.
    pub(in crate::batch::head) fn unmet(&self) -> Vec<(String, u64)> {
        let all = self.plan.tasks.iter().zip(&self.retained.chains);
        let unmet = all.filter_map(|(task, running)| {
            let mut unmet = running.as_ref()?.chains.unmet();
            let first = task.label(unmet.next()?);
            Some((first, unmet.count() as u64))
        });
        unmet.collect()
    }

    fn running(&self, number: usize) -> Result<&crate::batch::head::until::running::RunningChains> {
        self.retained.chains.get(number).and_then(Option::as_deref).ok_or_else(missing)
    }

    /// Submits one instance of a chain, after the instance `before`, and the helper task that judges its result.
    fn submit_link(
        &mut self,
        number: usize,
        begun: &mut crate::batch::head::submitted::OpenTask,
        index: u64,
        before: Option<u64>,
    ) -> Result<Submission> {
        let options = self.options(&begun.def.task).pure(false);
        let sent = begun.sent(self.client);
        let mut inputs = self.retained.inputs(&begun.def.groups, index)?;
        let before = before.or_else(|| self.before(number, index));
        inputs.extend(self.running(number)?.verdict_before(before));
        let future = match begun.def.task.action.is_command() {
            true => options.submit(command::run_command, (&sent, index, inputs)),
            false => options.submit(array::eval_array, (&sent, index, inputs)),
        };
        // a verdict takes little time, and the next instance waits for it
        let judging = self.client.options().pure(false).priority(i32::MAX);
        let verdict = judging.submit(verdict::verdict, (&sent, index, &future));
        Ok((index, future, verdict))
    }

    /// The instance before `index` on its chain.
    fn before(&self, number: usize, index: u64) -> Option<u64> {
        let task = self.plan.tasks.get(number)?;
        let until = task.until.as_ref()?;
        let (chain, position) = until.place(&task.family, index)?;
        until.instance(&task.family, chain, position.checked_sub(1)?)
    }
}

fn missing() -> Error {
    Error::internal("a task without chains")
}
