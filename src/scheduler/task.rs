//! The task record of rank 0 and the dense table that holds it.

use crate::compact::id_list::{self, IdList, Lists};
use crate::compact::{Bytes, Dense};
use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::BulkLayout;
use smallvec::SmallVec;
use std::sync::Arc;

/// Where a task is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Waits for this many inputs.
    Blocked {
        /// Inputs without a result, one that is taken twice counted twice.
        missing: u32,
    },
    /// Could start; waits for a rank.
    Ready,
    /// Sent to a rank.
    Assigned {
        /// Which.
        rank: Rank,
        /// What it was expected to cost there when it was sent, in nanoseconds.
        cost: u32,
        /// Inputs without a result: it was sent ahead of them, or they were lost since.
        missing: u32,
    },
    /// Has a result, small enough to be kept here.
    Inline(Bytes),
    /// Has a result, on at least one rank.
    Stored(Box<Copies>), // a word: the others would be long, too
    /// Will have none.
    Failed(Arc<TaskError>),
    /// Its result is not needed now; the recipe is kept while a consumer's may have to be made again.
    Released,
}

/// Where a result lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The ranks that have it.
    pub holders: Holders,
    /// Exact size in bytes.
    pub nbytes: u64,
    /// How to read it; most results of one definition share it.
    pub layout: Arc<BulkLayout>,
}

/// The ranks that have a copy of a result, in the order in which they got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holders {
    first: Rank,
    /// False if there is none at all.
    any: bool,
    others: Option<Box<SmallVec<[Rank; 6]>>>, // few results have any: more than a word would be too many
}

impl Holders {
    /// This rank alone.
    pub fn one(rank: Rank) -> Self {
        Holders { first: rank, any: true, others: None }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Rank> + '_ {
        let others = self.others.iter().flat_map(|others| others.iter().copied());
        self.any.then_some(self.first).into_iter().chain(others)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.any) + self.others.as_ref().map_or(0, |others| others.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Whether `rank` is one.
    pub fn contains(&self, rank: Rank) -> bool {
        self.iter().any(|holder| holder == rank)
    }

    /// One of them, the same for the same `number`, and another for the next.
    pub fn pick(&self, number: usize) -> Rank {
        match (number % self.len().max(1), &self.others) {
            (0, _) | (_, None) => self.first,
            (n, Some(others)) => others[n - 1],
        }
    }

    /// Adds a rank that is none yet.
    pub fn push(&mut self, rank: Rank) {
        if self.any {
            self.others.get_or_insert_default().push(rank);
        } else {
            *self = Holders::one(rank);
        }
    }

    /// Takes `rank` out.
    pub fn remove(&mut self, rank: Rank) {
        let left: Vec<Rank> = self.iter().filter(|&holder| holder != rank).collect();
        self.any = false;
        self.others = None;
        left.into_iter().for_each(|holder| self.push(holder));
    }
}

/// What the owner of a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerWants {
    /// Nothing.
    Nothing,
    /// That it is done.
    Done,
    /// Its value, at the owner's rank.
    Value,
    /// Its value, which is on its way there.
    Bringing,
}

/// One task.
#[derive(Debug, PartialEq, Eq)]
pub struct ScheduledTask {
    /// Where it is in its life.
    pub state: TaskState,
    /// Its own arguments: with `def` and `inputs` the recipe.
    pub args: Bytes,
    /// The number in its key.
    pub key: u64,
    /// The tasks whose results it takes.
    pub inputs: IdList,
    /// Blocked tasks to tell when the result is there, one that takes it twice twice.
    pub waiting: IdList,
    /// Its definition.
    pub def: DefId,
    /// Longest way from a task without inputs: deeper tasks go first, they finish what is begun.
    pub depth: u32,
    /// Uses of the result to come: unfinished consumers, and a transfer to its owner.
    pub pending: u32,
    /// Consumers with a record: their results may have to be made again, and then this one too.
    pub lineage: u32,
    /// How often it has been started.
    pub attempt: Attempt,
    /// How often it has failed.
    pub failures: u16,
    /// Whether its owner, the client or a rank, holds a future.
    pub held: bool,
    /// Whether a task has submitted it.
    pub nested: bool,
    /// What its owner waits for.
    pub want: OwnerWants,
    /// A rank has given it back: it goes to the least loaded rank next, wherever its inputs lie.
    pub given_back: bool,
}

/// The definition of a value of the client: it has no recipe, so it is kept while it may be needed again.
pub(super) const SCATTERED: DefId = DefId(u32::MAX);

/// A future costs 100 bytes elsewhere: this leaves a task within 200.
const _: () = assert!(size_of::<Option<ScheduledTask>>() == 80 && size_of::<TaskState>() == 16);

impl ScheduledTask {
    /// A task that has just come.
    pub fn new(state: TaskState, def: DefId, key: u64, args: &[u8]) -> Self {
        ScheduledTask {
            state,
            args: Bytes::new(args),
            key,
            inputs: IdList::default(),
            waiting: IdList::default(),
            def,
            depth: 0,
            pending: 0,
            lineage: 0,
            attempt: 0,
            failures: 0,
            held: true,
            nested: false,
            want: OwnerWants::Nothing,
            given_back: false,
        }
    }

    /// Whether its result can be taken now.
    pub fn has_result(&self) -> bool {
        matches!(self.state, TaskState::Inline(_) | TaskState::Stored(_))
    }

    /// Bytes of its result, where that is stored on ranks.
    pub fn nbytes(&self) -> u64 {
        match &self.state {
            TaskState::Stored(copies) => copies.nbytes,
            _ => 0,
        }
    }

    /// Whether nobody needs its result now.
    pub fn is_unneeded(&self) -> bool {
        !self.held
            && self.pending == 0
            && self.want == OwnerWants::Nothing
            && (self.lineage == 0 || !self.has_no_recipe())
    }

    /// Whether its result could not be made again: it must stay while a consumer's may have to be.
    fn has_no_recipe(&self) -> bool {
        self.def == SCATTERED || matches!(self.state, TaskState::Inline(_))
    }
}

type Records = Dense<ScheduledTask, 256>;

/// All records, by task number: dense for each owner.
#[derive(Debug, Default)]
pub(super) struct TaskTable {
    /// Of tasks of the client.
    records: Records,
    /// Of tasks that ranks 1, 2, … have submitted, as far as any has.
    nested: Vec<Records>,
    lists: Lists,
}

impl TaskTable {
    /// How many records there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.records.len() + self.nested.iter().map(Dense::len).sum::<usize>()
    }

    /// Lists of tasks that are in use beside the records.
    #[inline]
    pub(super) fn lists(&self) -> usize {
        self.lists.len()
    }

    fn row(&self, owner: Rank) -> Option<&Records> {
        match owner.index() {
            0 => Some(&self.records),
            rank => self.nested.get(rank - 1),
        }
    }

    fn row_mut(&mut self, owner: Rank) -> (Option<&mut Records>, &mut Lists) {
        let row = match owner.index() {
            0 => Some(&mut self.records),
            rank => self.nested.get_mut(rank - 1),
        };
        (row, &mut self.lists)
    }

    fn with_lists(&mut self, task: TaskId) -> (Option<&mut ScheduledTask>, &mut Lists) {
        let (row, lists) = self.row_mut(task.owner());
        (row.and_then(|row| row.get_mut(task.count())), lists)
    }

    /// The record of `task`.
    #[inline]
    pub(super) fn get(&self, task: TaskId) -> Option<&ScheduledTask> {
        self.row(task.owner())?.get(task.count())
    }

    /// The record of `task`.
    #[inline]
    pub(super) fn get_mut(&mut self, task: TaskId) -> Option<&mut ScheduledTask> {
        self.with_lists(task).0
    }

    /// Puts the record of `task`, which has none and takes `inputs`.
    #[inline]
    pub(super) fn insert(&mut self, task: TaskId, mut record: ScheduledTask, inputs: SmallVec<[TaskId; 2]>) {
        record.inputs = IdList::new(task, inputs, &mut self.lists);
        let owner = task.owner();
        if owner.index() > self.nested.len() {
            self.nested.resize_with(owner.index(), Records::default);
        }
        if let (Some(row), _) = self.row_mut(owner) {
            row.insert(task.count(), record);
        }
    }

    /// Takes the record of `task` out; of it only the inputs are given back.
    #[inline]
    pub(super) fn remove(&mut self, task: TaskId) -> Option<SmallVec<[TaskId; 2]>> {
        let (row, lists) = self.row_mut(task.owner());
        row?.remove_with(task.count(), |record| {
            let record = record.as_mut()?;
            record.waiting.take(task, lists);
            Some(record.inputs.take(task, lists))
        })
    }

    /// The tasks whose results `task` takes.
    #[inline]
    pub(super) fn inputs(&self, task: TaskId) -> id_list::Iter<'_> {
        let record = self.get(task);
        record.map_or(id_list::Iter::none(), |record| record.inputs.iter(task, &self.lists))
    }

    /// Makes `task` forget what it takes.
    #[inline]
    pub(super) fn take_inputs(&mut self, task: TaskId) -> SmallVec<[TaskId; 2]> {
        let (record, lists) = self.with_lists(task);
        record.map(|record| record.inputs.take(task, lists)).unwrap_or_default()
    }

    /// Notes what `task` takes, which has forgotten it.
    #[inline]
    pub(super) fn put_inputs(&mut self, task: TaskId, inputs: SmallVec<[TaskId; 2]>) {
        if let (Some(record), lists) = self.with_lists(task) {
            record.inputs = IdList::new(task, inputs, lists);
        }
    }

    /// Tasks to tell when the result of `task` is there.
    #[inline]
    pub(super) fn waiting(&self, task: TaskId) -> id_list::Iter<'_> {
        let record = self.get(task);
        record.map_or(id_list::Iter::none(), |record| record.waiting.iter(task, &self.lists))
    }

    /// The same, of which there are none then.
    #[inline]
    pub(super) fn take_waiting(&mut self, task: TaskId) -> SmallVec<[TaskId; 2]> {
        let (record, lists) = self.with_lists(task);
        record.map(|record| record.waiting.take(task, lists)).unwrap_or_default()
    }

    /// Notes that `consumer` is to be told when the result of `task` is there.
    #[inline]
    pub(super) fn push_waiting(&mut self, task: TaskId, consumer: TaskId) {
        if let (Some(record), lists) = self.with_lists(task) {
            record.waiting.push(task, consumer, lists);
        }
    }

    /// The numbers of all records, ascending.
    #[inline]
    pub(super) fn ids(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.iter().map(|(task, _)| task)
    }

    /// The first task of the client's from the number `from` on that has a record.
    #[inline]
    pub(super) fn next_from(&self, from: u64) -> Option<TaskId> {
        self.records.next_from(from).map(TaskId)
    }

    /// All records, by ascending number.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &ScheduledTask)> + '_ {
        (0..=self.nested.len() as u32).flat_map(|owner| self.of(Rank(owner)))
    }

    /// The records of tasks that `owner` has submitted, by ascending number.
    #[inline]
    pub(super) fn of(&self, owner: Rank) -> impl Iterator<Item = (TaskId, &ScheduledTask)> + '_ {
        let first = TaskId::first_of(owner).0;
        let records = self.row(owner).into_iter().flat_map(Dense::iter);
        records.map(move |(count, record)| (TaskId(first + count), record))
    }
}
