//! Nested tasks: tasks that other tasks submit, on any rank.
//!
//! Futures do not travel between ranks. So each task has one owner, the rank where it was submitted, which is part of
//! its number. Only the owner can take its result as an input, wait for it and drop it; the client is the owner of its
//! own tasks in the same way. A result that is published under a name (`published`) is the exception: a task of any owner
//! may take it. Each rank numbers its tasks and definitions from 0 on, so that it never has to ask for
//! numbers. Rank 0 gets a rank's messages in the order of sending, so every number must be the next one.
//!
//! When an owner dies, its futures are gone, and results that only they held are released. The tasks that submitted
//! nested tasks there run again on other ranks and submit anew, under numbers of those ranks.

use super::Scheduler;
use super::event::{DefOptions, NewTask, SchedulerAction, TaskOutcome};
use super::task::{OwnerWants, SCATTERED, TaskState};
use super::{DefinitionRecord, RankReport};
use crate::error::ProtocolError;
use crate::ids::{DefId, HEAD, Rank, TaskId};
use crate::protocol::{
    BulkLayout, Definition, INPUTS_MAX, NestedAnswer, NestedDefinition, NestedTask, RankOrder,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The state that rank 0 keeps of a rank whose tasks submit tasks: its definitions and its count of tasks.
#[derive(Debug, Default)]
struct NestedSubmitter {
    /// Rank 0's numbers of the definitions that the rank has introduced, indexed by the rank's own numbers.
    defs: Vec<DefId>,
    /// The number of tasks that the rank has submitted.
    count: u64,
    /// A submitted task whose list of inputs is longer than one message, with the number of inputs still to come.
    receiving: Option<(NewTask, u32)>,
}

/// The key by which equal definitions are found: function and options, without host affinity, which only rank 0 uses.
type Known = (u64, DefOptions);

/// The state that rank 0 keeps of all ranks whose tasks submit tasks. Tasks that run on rank 0 submit others as the
/// client does.
#[derive(Debug)]
pub(super) struct NestedSubmitters {
    ranks: Vec<NestedSubmitter>,
    /// The functions that rank 0 knows already, so that a function with equal options gets one number, whichever rank
    /// submits its tasks first. Functions with arguments that a whole family shares are not here.
    known: BTreeMap<Known, DefId>,
}

impl NestedSubmitters {
    /// Makes the table for a job of `ranks` ranks, none of which has submitted a task.
    pub(super) fn new(ranks: usize) -> Self {
        NestedSubmitters {
            ranks: (0..ranks).map(|_| NestedSubmitter::default()).collect(),
            known: BTreeMap::new(),
        }
    }

    /// Translates the number `def`, which the rank `owner` gave to its definition, into rank 0's number.
    ///
    /// # Errors
    /// When `owner` has no definition of that number.
    pub(super) fn def(&self, owner: Rank, def: DefId) -> Result<DefId, ProtocolError> {
        let defs = self.ranks.get(owner.index()).map(|submitter| &submitter.defs);
        let found = defs.and_then(|defs| defs.get(def.index())).copied();
        found.ok_or_else(|| ProtocolError(format!("definition {def:?} of rank {owner} is not known")))
    }

    fn get_mut(&mut self, owner: Rank) -> Result<&mut NestedSubmitter, ProtocolError> {
        let submitter = self.ranks.get_mut(owner.index()).filter(|_| owner != HEAD);
        submitter.ok_or_else(|| ProtocolError(format!("rank {owner} submits as if it were another rank")))
    }

    /// Counts one more task that `owner` has submitted, under the number `task`. An error unless that is the owner's
    /// next number.
    fn number(&mut self, owner: Rank, task: TaskId) -> Result<&mut NestedSubmitter, ProtocolError> {
        let submitter = self.get_mut(owner)?;
        if task.owner() != owner || task.count() != submitter.count || submitter.receiving.is_some() {
            return Err(ProtocolError(format!("{task:?} of rank {owner} is not the next one")));
        }
        submitter.count += 1;
        Ok(submitter)
    }
}

impl Scheduler {
    /// Handles a report of a rank about tasks that its own tasks submit or wait for.
    pub(super) fn on_nested(
        &mut self,
        rank: Rank,
        report: RankReport,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        match report {
            RankReport::Waits { slots } => {
                self.workers.set_waiting(rank, slots);
                Ok(())
            }
            RankReport::OnDisk { bytes, .. } => {
                self.workers.set_on_disk(rank, bytes);
                Ok(())
            }
            RankReport::Define(nested) => {
                let NestedDefinition { definition, priority, retries, retry_delay, on, among, prefer, needs } =
                    *nested;
                self.submitters.get_mut(rank)?;
                let timeout = definition.timeout;
                let options = DefOptions {
                    priority,
                    retries,
                    retry_delay,
                    timeout,
                    on,
                    among,
                    prefer,
                    needs,
                    ..DefOptions::default()
                };
                self.define_for(rank, definition, options)
            }
            RankReport::Submit(nested) => self.on_nested_task(rank, *nested, out),
            RankReport::MoreInputs { task, inputs, more } => {
                self.on_more_nested_inputs(rank, task, &inputs, more, out)
            }
            RankReport::Scatter { task, key, output } => {
                self.submitters.number(rank, task)?;
                self.on_scatter(rank, task, key, output)
            }
            RankReport::Promise { task, key } => {
                self.submitters.number(rank, task)?;
                self.on_promise(rank, task, key)
            }
            RankReport::Registry { task, request } => {
                self.submitters.number(rank, task)?;
                self.on_registry(rank, task, request, out)
            }
            RankReport::Keep { task, output } => self.on_keep(rank, task, Ok(output), out),
            RankReport::Break { task, error } => self.on_keep(rank, task, Err(*error), out),
            RankReport::Drop { task } => self.on_release(rank, task, out),
            RankReport::Detach { task } => self.on_detach(rank, task),
            RankReport::Cancel { task } => self.on_cancel(rank, task, true, out),
            RankReport::Retry { task } => self.on_retry(rank, task, out),
            RankReport::Name { task, name } => self.on_name(rank, task, name),
            RankReport::Want { task, value } => self.on_want(rank, task, value, out),
            RankReport::Ask { task } => {
                out.push(SchedulerAction::Send(rank, RankOrder::Status { task, status: self.status(task) }));
                Ok(())
            }
            other => Err(ProtocolError(format!("rank {rank} reports {other:?}"))),
        }
    }

    /// Introduces a task definition of the client, before its first task.
    pub(super) fn on_define(
        &mut self,
        definition: Definition,
        options: DefOptions,
    ) -> Result<(), ProtocolError> {
        self.define_for(HEAD, definition, options)
    }

    fn define_for(
        &mut self,
        owner: Rank,
        mut definition: Definition,
        options: DefOptions,
    ) -> Result<(), ProtocolError> {
        let Some(submitter) = self.submitters.ranks.get_mut(owner.index()) else {
            return Err(ProtocolError(format!("rank {owner} defines, but there is no such rank")));
        };
        if definition.def.index() != submitter.defs.len() {
            let expected = submitter.defs.len();
            return Err(ProtocolError(format!(
                "definition {:?} came where d{expected} is next",
                definition.def
            )));
        }
        let known = (definition.function, DefOptions { host_group: 0, same_host_as: 0, ..options });
        let shares = definition.shared.is_empty();
        // the client numbers equal definitions once, so each definition that it sends is a new one
        if let Some(&def) = self.submitters.known.get(&known).filter(|_| shares && owner != HEAD) {
            submitter.defs.push(def);
            return Ok(());
        }
        let def = DefId(self.defs.len() as u32);
        submitter.defs.push(def);
        if shares {
            self.submitters.known.entry(known).or_insert(def);
        }
        definition.def = def;
        let layout = Arc::new(BulkLayout::Encoded);
        let class = self.class_of(&options);
        self.defs.push(DefinitionRecord { definition, options, class, mean: 0, layout, nests: false });
        Ok(())
    }

    fn on_nested_task(
        &mut self,
        rank: Rank,
        nested: NestedTask,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        let def = self.submitters.def(rank, nested.def)?;
        let NestedTask { task, parent, key, args, inputs, more, .. } = nested;
        let submitter = self.submitters.number(rank, task)?;
        let new = NewTask { task, def, key, args, inputs: inputs.into(), parent: Some(parent) };
        if more > 0 {
            submitter.receiving = Some((new, more));
            return Ok(());
        }
        self.on_submit(rank, new, out)
    }

    fn on_more_nested_inputs(
        &mut self,
        rank: Rank,
        task: TaskId,
        inputs: &[TaskId],
        more: u32,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        let submitter = self.submitters.get_mut(rank)?;
        let fits = |(new, left): &(NewTask, u32)| {
            new.task == task
                && inputs.len() <= INPUTS_MAX
                && inputs.len() as u64 + u64::from(more) == u64::from(*left)
        };
        let Some((mut new, _)) = submitter.receiving.take().filter(fits) else {
            return Err(ProtocolError(format!("inputs of {task:?}, which rank {rank} is not submitting")));
        };
        new.inputs.extend_from_slice(inputs);
        if more > 0 {
            submitter.receiving = Some((new, more));
            return Ok(());
        }
        self.on_submit(rank, new, out)
    }

    /// The nesting depth of a task that `parent` submits: one more than the parent's. Deeper tasks start first, so that
    /// a waiting task soon has what it waits for. At a definition's first nested task, all ranks that know the parent's
    /// definition are told that its tasks submit others.
    pub(super) fn depth_below(&mut self, parent: TaskId, out: &mut Vec<SchedulerAction>) -> u32 {
        // a task may keep its client beyond its end, and submit when its own record is gone
        let Some(record) = self.tasks.get(parent) else { return 1 };
        let (depth, def) = (record.depth.saturating_add(1), record.def);
        if let Some(known) = self.defs.get_mut(def.index()).filter(|known| !known.nests) {
            known.nests = true;
            for (rank, worker) in self.workers.iter() {
                if worker.alive && self.workers.has_learnt(rank, def) {
                    out.push(SchedulerAction::Send(rank, RankOrder::Nests { def }));
                }
            }
        }
        depth
    }

    /// Makes the action that tells the owner of `task` (the rank that submitted it) the outcome.
    pub(super) fn answer(task: TaskId, outcome: TaskOutcome) -> SchedulerAction {
        if task.owner() == HEAD {
            return SchedulerAction::Resolve(task, outcome);
        }
        let answer = match outcome {
            TaskOutcome::Done => NestedAnswer::Done,
            TaskOutcome::Inline(value) => NestedAnswer::Inline(value),
            TaskOutcome::Here(_) => NestedAnswer::Here,
            TaskOutcome::Failed(cause) => NestedAnswer::Failed((*cause).clone()),
        };
        SchedulerAction::Send(task.owner(), RankOrder::Answer { task, answer })
    }

    /// Drops the futures that the dead rank `lost` held of tasks that it had submitted. Returns those tasks; the caller
    /// releases the ones that are no longer needed.
    pub(super) fn orphan(&mut self, lost: Rank) -> Vec<TaskId> {
        if let Some(submitter) = self.submitters.ranks.get_mut(lost.index()) {
            submitter.receiving = None;
        }
        let owned: Vec<TaskId> = self.tasks.of(lost).map(|(task, _)| task).collect();
        for &task in &owned {
            self.attach(task);
            let Some(record) = self.tasks.get_mut(task) else { continue };
            record.held = false;
            record.pending -= u32::from(record.want == OwnerWants::Bringing);
            record.want = OwnerWants::Nothing;
        }
        owned
    }

    /// Verifies the invariants about the owner of `task` (the rank that submitted it); the error names the violated
    /// one.
    pub(super) fn check_owner(&self, task: TaskId) -> Result<(), String> {
        let Some(record) = self.tasks.get(task) else { return Ok(()) };
        let owner = task.owner();
        if let Some(input) = self.tasks.inputs(task).find(|input| input.owner() != owner)
            && !self.takes_a_published_result(task)
        {
            return Err(format!("{task:?} takes {input:?}, which is of another rank"));
        }
        if owner == HEAD {
            return Ok(());
        }
        let Some(submitter) = self.submitters.ranks.get(owner.index()) else {
            return Err(format!("{task:?} is of a rank that does not exist"));
        };
        if task.count() >= submitter.count {
            return Err(format!("{task:?} has a number that its owner has not given"));
        }
        if !record.nested && record.def != SCATTERED {
            return Err(format!("{task:?} was submitted by no task, but is not the client's"));
        }
        let alive = self.workers.get(owner).is_some_and(|worker| worker.alive);
        if !alive && (record.held || record.want != OwnerWants::Nothing) {
            return Err(format!("{task:?} is held by a rank that has died"));
        }
        match &record.state {
            TaskState::Assigned { .. } | TaskState::Failed(_) | TaskState::Released => Ok(()),
            _ if !alive && record.pending == 0 && record.lineage == 0 => {
                Err(format!("{task:?} is of a rank that has died, and nobody needs it"))
            }
            _ => Ok(()),
        }
    }
}
